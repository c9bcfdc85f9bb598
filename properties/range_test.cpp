// SPDX-License-Identifier: Apache-2.0
//
// The arithmetic of vmap/range.hpp never wraps: it agrees with arithmetic of 128 bits, and what it says of ranges
// agrees with a look at each byte.

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "vmap/range.hpp"
#include "vmap/request.hpp"

namespace vmap {
namespace {

__extension__ using Wide = unsigned __int128;

/// Near 0, near 2^64-1, near each power of two, and anywhere.
rc::Gen<std::uint64_t> any_number() {
  const auto power = rc::gen::map(rc::gen::inRange(0, 64), [](int bit) { return std::uint64_t{1} << bit; });
  const auto anywhere = rc::gen::inRange<std::uint64_t>(0, address_max);
  const auto near = [](std::uint64_t anchor) {
    return rc::gen::map(rc::gen::inRange<std::uint64_t>(0, 7), [=](std::uint64_t n) { return anchor + n - 3; });
  };
  return rc::gen::oneOf(near(0), rc::gen::mapcat(power, near), power, anywhere);
}

rc::Gen<Size> any_alignment() {
  return rc::gen::map(rc::gen::inRange(0, 64), [](int bit) { return Size{1} << bit; });
}

rc::Gen<Range> any_range() {
  return rc::gen::map(rc::gen::pair(any_number(), any_number()), [](std::pair<Address, Address> ends) {
    return Range{std::min(ends.first, ends.second), std::max(ends.first, ends.second)};
  });
}

constexpr Wide two_to_64 = Wide{1} << 64;

/// The lowest multiple of `align` at or above `address`, as it is taught in school.
Wide rounded_up(Address address, Size align) { return (Wide{address} + align - 1) / align * align; }

RC_GTEST_PROP(RangeArithmetic, AlignUpIsTheLowestMultipleAtOrAboveOrNone, ()) {
  const Address address = *any_number();
  const Size align = *any_alignment();
  const Wide expected = rounded_up(address, align);
  const std::optional<Address> actual = align_up(address, align);
  RC_ASSERT(actual.has_value() == (expected < two_to_64));
  if (actual) RC_ASSERT(*actual == static_cast<Address>(expected));
}

RC_GTEST_PROP(RangeArithmetic, AlignDownIsTheHighestMultipleAtOrBelow, ()) {
  const Address address = *any_number();
  const Size align = *any_alignment();
  RC_ASSERT(align_down(address, align) == address / align * align);
  RC_ASSERT(is_aligned(address, align) == (address % align == 0));
}

RC_GTEST_PROP(RangeArithmetic, APowerOfTwoHasOneBit, ()) {
  const std::uint64_t n = *any_number();
  int bits = 0;
  for (int bit = 0; bit < 64; ++bit) bits += (n >> bit & 1) != 0 ? 1 : 0;
  RC_ASSERT(is_power_of_two(n) == (bits == 1));
}

RC_GTEST_PROP(RangeArithmetic, TheLowestPlacementIsTheAlignedBeginIfTheEndFits, ()) {
  const Range free = *any_range();
  const Size align = *any_alignment();
  // Sizes that fit exactly, or miss by one, are the ordinary case here.
  const Size room = free.end - static_cast<Address>(std::min<Wide>(rounded_up(free.begin, align), free.end));
  const Size size =
      *rc::gen::oneOf(any_number(), rc::gen::map(rc::gen::inRange<Size>(0, 3), [=](Size n) { return room + n - 1; }));
  RC_PRE(size > 0);
  const Wide begin = rounded_up(free.begin, align);
  const std::optional<Address> actual = lowest_placement(free, size, align);
  RC_ASSERT(actual.has_value() == (begin + size <= free.end));
  if (actual) RC_ASSERT(*actual == static_cast<Address>(begin));
}

// What is said of ranges, against a look at each byte: all ranges of a few addresses, at 0, in the middle and at the
// top.

constexpr Address addresses = 6;
constexpr Address bases[] = {0, (Address{1} << 63) - addresses / 2, address_max - addresses};

std::vector<Range> all_ranges(Address base) {
  std::vector<Range> ranges;
  for (Address begin = base; begin <= base + addresses - 1; ++begin)
    for (Address end = begin; end <= base + addresses - 1; ++end) ranges.push_back({begin, end});
  ranges.push_back({base, base + addresses});
  return ranges;
}

std::vector<Address> bytes_of(Range range) {
  std::vector<Address> bytes;
  for (Address address = range.begin; address != range.end; ++address) bytes.push_back(address);
  return bytes;
}

std::vector<Address> common(const std::vector<Address>& a, const std::vector<Address>& b) {
  std::vector<Address> both;
  std::ranges::set_intersection(a, b, std::back_inserter(both));
  return both;
}

TEST(RangeOfBytes, SizeAndContentsAreThoseOfItsBytes) {
  for (const Address base : bases)
    for (const Range range : all_ranges(base)) {
      const std::vector<Address> bytes = bytes_of(range);
      EXPECT_EQ(range.size(), bytes.size());
      EXPECT_EQ(range.empty(), bytes.empty());
      for (Address address = base; address != base + addresses; ++address)
        EXPECT_EQ(range.contains(address), std::ranges::count(bytes, address) == 1);
    }
}

TEST(RangeOfBytes, OverlapIntersectionAndContainmentAreThoseOfTheirBytes) {
  for (const Address base : bases)
    for (const Range a : all_ranges(base))
      for (const Range b : all_ranges(base)) {
        const std::vector<Address> both = common(bytes_of(a), bytes_of(b));
        EXPECT_EQ(a.overlaps(b), !both.empty());
        EXPECT_EQ(bytes_of(intersection(a, b)), both);
        EXPECT_TRUE(a.begin <= intersection(a, b).begin && intersection(a, b).end <= a.end) << "inside the first";
        if (b.empty()) continue;
        EXPECT_EQ(a.contains(b), both.size() == b.size());
      }
}

TEST(RangeOfBytes, TheFitTypeSaysWhichBytesRemain) {
  for (const Address base : bases)
    for (const Range free : all_ranges(base))
      for (const Range placed : all_ranges(base)) {
        if (placed.empty() || !free.contains(placed)) continue;
        const bool left = !bytes_of({free.begin, placed.begin}).empty();
        const bool right = !bytes_of({placed.end, free.end}).empty();
        const FitType expected = left && right ? FitType::no_edge
                                 : left        ? FitType::right_edge
                                 : right       ? FitType::left_edge
                                               : FitType::full;
        EXPECT_EQ(classify(free, placed), expected);
      }
}

TEST(RangeOfBytes, EverywhereIsAllButTheTopmostByte) {
  EXPECT_TRUE(everywhere.contains(Address{0}));
  EXPECT_TRUE(everywhere.contains(address_max - 1));
  EXPECT_FALSE(everywhere.contains(address_max));
  EXPECT_EQ(everywhere.size(), address_max);
}

}  // namespace
}  // namespace vmap
