// SPDX-License-Identifier: Apache-2.0
//
// Alignment rows (vmap/alignment_rows.hpp): when an alignment gets one and loses it, what that costs in nodes visited
// and in memory, and that nothing else changes.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdint>

#include "properties/address_spaces.hpp"

namespace vmap {
namespace {

/// Holes of `hole` pages in a period of `period` pages, each of which begins one page above a multiple of it; behind
/// them, everything is free.
struct Holes {
  std::uint64_t count = 0;
  std::uint64_t hole = 6;
  std::uint64_t period = 8;

  [[nodiscard]] Address end() const { return count * period * p; }
};

AddressSpace space_with(const Holes& holes, TestResource& resource, std::size_t row_patience = Options{}.row_patience,
                        std::size_t nodes_per_slab = Options{}.nodes_per_slab) {
  AddressSpace space = make({.range = {0, holes.end() + 1024 * p},
                             .granule = p,
                             .resource = &resource,
                             .nodes_per_slab = nodes_per_slab,
                             .row_patience = row_patience});
  EXPECT_TRUE(space.allocate_at({0, p}));
  for (std::uint64_t i = 0; i < holes.count; ++i) {
    const Address begin = (i * holes.period + 1 + holes.hole) * p;
    EXPECT_TRUE(space.allocate_at({begin, begin + (holes.period - holes.hole) * p}));
  }
  return space;
}

/// Nodes that the call visits.
template <class Call>
std::uint64_t visits_of(const AddressSpace& space, Call call) {
  const std::uint64_t before = space.stats().nodes_visited;
  call();
  return space.stats().nodes_visited - before;
}

bool has_row(const AddressSpace& space, Size align) { return std::ranges::count(space.stats().rows, align) == 1; }

/// Six pages at a multiple of eight: no hole holds that.
constexpr Request unfitting{.size = 6 * p, .align = 8 * p};

void place_and_free(AddressSpace& space, const Request& request, Address expected) {
  const auto area = space.allocate(request);
  ASSERT_TRUE(area);
  ASSERT_EQ(area->range.begin, expected);
  ASSERT_TRUE(space.free(area->range.begin));
}

class AmongHoles : public testing::TestWithParam<std::uint64_t> {};

/// Without rows such a search visits every hole. With one it is held to the bound of free_space.hpp, with the two
/// misfits that a window can make.
TEST_P(AmongHoles, ASearchOfAnAlignmentThatIsOftenAskedForVisitsLogarithmicallyMany) {
  TestResource resource;
  const Holes holes{.count = GetParam()};
  AddressSpace space = space_with(holes, resource);
  const std::uint64_t height = 2 * static_cast<std::uint64_t>(std::bit_width(space.stats().free_blocks + 1));
  EXPECT_GE(visits_of(space, [&] { place_and_free(space, unfitting, holes.end() + 8 * p); }), holes.count);
  for (int i = 0; i < 8 && !has_row(space, unfitting.align); ++i) place_and_free(space, unfitting, holes.end() + 8 * p);
  ASSERT_TRUE(has_row(space, unfitting.align));
  EXPECT_EQ(space.stats().rows_made, 1u);
  EXPECT_LE(visits_of(space, [&] { EXPECT_TRUE(space.allocate(unfitting)); }), 7 * height + height);
  EXPECT_LE(visits_of(space, [&] { EXPECT_FALSE(space.allocate({.size = 2048 * p, .align = unfitting.align})); }),
            height);
  Request windowed = unfitting;
  windowed.within = {3 * p, holes.end() / 2 + 4 * p};  // cuts a hole at each end
  EXPECT_LE(visits_of(space, [&] { EXPECT_EQ(error_of(space.allocate(windowed)), Error::no_space); }), 7 * height);
  EXPECT_EQ(space.verify(), std::nullopt);
}
INSTANTIATE_TEST_SUITE_P(Of, AmongHoles, testing::Values(100, 1000, 10'000, 100'000),
                         testing::PrintToStringParamName());

TEST(AlignmentRow, IsMadeAlsoWhereEverySearchFails) {
  TestResource resource;
  const Holes holes{.count = 500};
  AddressSpace space = space_with(holes, resource);
  Request request = unfitting;
  request.within.end = holes.end();
  const Contents before = contents_of(space);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(error_of(space.allocate(request)), Error::no_space);
  EXPECT_TRUE(has_row(space, request.align));
  EXPECT_EQ(contents_of(space), before);
}

TEST(AlignmentRow, IsNotMadeForTheGranuleAndBelow) {
  TestResource resource;
  AddressSpace space = space_with({.count = 10}, resource, 0);
  for (const Size align : {Size{1}, p / 2, p}) EXPECT_TRUE(space.allocate({.size = 20 * p, .align = align}));
  EXPECT_EQ(space.stats().rows_made, 0u);
}

TEST(AlignmentRow, IsNeverMadeWithoutPatienceEnding) {
  TestResource resource;
  const Holes holes{.count = 100};
  AddressSpace space = space_with(holes, resource, RowPolicy::never);
  for (int i = 0; i < 1000; ++i) place_and_free(space, unfitting, holes.end() + 8 * p);
  EXPECT_EQ(space.stats().rows_made, 0u);
}

/// Each node takes two cache lines while there is a row, and one again after the last.
TEST(AlignmentRow, IsDroppedWhereItIsNoLongerUsedAndGivesItsMemoryBack) {
  TestResource resource;
  const Holes holes{.count = 300};
  AddressSpace space = space_with(holes, resource, 0, 1);  // else a slab has nodes to spare
  ASSERT_TRUE(space.reserve(5));
  const std::size_t narrow = resource.bytes_outstanding;
  const std::size_t spare = space.stats().nodes_spare;
  place_and_free(space, unfitting, holes.end() + 8 * p);
  ASSERT_TRUE(has_row(space, unfitting.align));
  EXPECT_GT(resource.bytes_outstanding, narrow * 3 / 2);
  EXPECT_GE(space.stats().nodes_spare, spare) << "what was reserved stays so";
  for (int i = 0; i < 100'000 && space.stats().rows_dropped == 0; ++i)
    place_and_free(space, {.size = 20 * p}, holes.end() + p);
  EXPECT_EQ(space.stats().rows_dropped, 1u);
  EXPECT_EQ(space.stats().rows, RowAlignments{});
  EXPECT_LE(resource.bytes_outstanding, narrow + 64 * 64);
  EXPECT_GE(space.stats().nodes_spare, spare);
  EXPECT_EQ(space.verify(), std::nullopt);
  place_and_free(space, unfitting, holes.end() + 8 * p);
  EXPECT_EQ(space.stats().rows_made, 2u);
}

TEST(AlignmentRow, WaitsWhereFourOthersAreInUse) {
  TestResource resource;
  const Holes holes{.count = 50};
  AddressSpace space = space_with(holes, resource, 0);
  const RowAlignments four{2 * p, 4 * p, 8 * p, 16 * p};
  for (const Size align : four) EXPECT_TRUE(space.allocate({.size = 20 * p, .align = align}));
  EXPECT_TRUE(space.allocate({.size = 20 * p, .align = 32 * p}));
  EXPECT_EQ(space.stats().rows, four);
  // Three stay in use, one does not.
  for (int i = 0; i < 100'000 && space.stats().rows_dropped == 0; ++i)
    for (const Size align : {2 * p, 4 * p, 16 * p}) {
      const auto area = space.allocate({.size = 20 * p, .align = align});
      ASSERT_TRUE(area && space.free(area->range.begin));
    }
  EXPECT_FALSE(has_row(space, 8 * p));
  EXPECT_TRUE(space.allocate({.size = 20 * p, .align = 32 * p}));
  EXPECT_TRUE(has_row(space, 32 * p));
  EXPECT_EQ(space.verify(), std::nullopt);
}

class WithoutMemory : public testing::TestWithParam<Refusal> {};

/// Whichever request of the move is refused: the search answers as it would have, and nothing is lost.
TEST_P(WithoutMemory, ARowIsNotMadeAndNothingElseChanges) {
  TestResource resource;
  resource.refusal = GetParam();
  const Holes holes{.count = 200};
  AddressSpace space = space_with(holes, resource, 0);
  ASSERT_TRUE(space.reserve(4));
  const Contents before = contents_of(space);
  const std::size_t bytes = resource.bytes_outstanding;
  for (std::uint64_t granted = 0; granted < 4; ++granted) {
    resource.grant(granted);
    place_and_free(space, unfitting, holes.end() + 8 * p);
    EXPECT_EQ(space.stats().rows_refused, granted + 1);
    EXPECT_EQ(space.stats().rows_made, 0u);
    EXPECT_EQ(resource.bytes_outstanding, bytes);
    EXPECT_EQ(contents_of(space), before);
    EXPECT_EQ(space.verify(), std::nullopt);
  }
  resource.grant_all();
  place_and_free(space, unfitting, holes.end() + 8 * p);
  EXPECT_TRUE(has_row(space, unfitting.align));
  // Nor does it matter if there is none to move back: the nodes stay as they are.
  resource.grant(0);
  for (int i = 0; i < 100'000 && space.stats().rows_dropped == 0; ++i)
    place_and_free(space, {.size = 20 * p}, holes.end() + p);
  EXPECT_EQ(space.stats().rows, RowAlignments{});
  EXPECT_EQ(contents_of(space), before);
  EXPECT_EQ(space.verify(), std::nullopt);
}
INSTANTIATE_TEST_SUITE_P(Each, WithoutMemory, testing::ValuesIn(refusals));

TEST(AlignedPart, IsWhatRemainsFromTheFirstMultipleOn) {
  static_assert(aligned_part({0, 8}, 8) == 8);
  static_assert(aligned_part({1, 8}, 8) == 0);
  static_assert(aligned_part({1, 9}, 8) == 1);
  static_assert(aligned_part({5, 24}, 4) == 16);
  // The multiple of the alignment above is 2^64.
  static_assert(aligned_part({address_max - 6, address_max}, 8) == 0);
  static_assert(aligned_part({address_max - 7, address_max}, 8) == 7);
  static_assert(aligned_part({1, address_max}, Size{1} << 63) == (Size{1} << 63) - 1);
}

TEST(AlignmentRow, OfTheLargestAlignmentThatThereIs) {
  TestResource resource;
  AddressSpace space = make({.range = everywhere, .granule = 1, .resource = &resource, .row_patience = 0});
  const Size half = Size{1} << 63;
  ASSERT_TRUE(space.allocate_at({0, 1}));
  EXPECT_EQ(placed(space.allocate({.size = half - 1, .align = half})), half);
  EXPECT_TRUE(has_row(space, half));
  EXPECT_EQ(error_of(space.allocate({.size = 1, .align = half})), Error::no_space);
  EXPECT_EQ(space.verify(), std::nullopt);
}

/// Lazily freed areas move along, and the moved address space moves.
TEST(AlignmentRow, IsKeptByAMovedAddressSpace) {
  TestResource resource;
  const Holes holes{.count = 20};
  AddressSpace space = space_with(holes, resource, 0);
  ASSERT_TRUE(space.free_lazily(0));
  const Contents before = contents_of(space);
  place_and_free(space, unfitting, holes.end() + 8 * p);
  EXPECT_EQ(contents_of(space), before);
  AddressSpace moved = std::move(space);
  EXPECT_EQ(contents_of(moved), before);
  EXPECT_TRUE(has_row(moved, unfitting.align));
  place_and_free(moved, unfitting, holes.end() + 8 * p);
  EXPECT_EQ(moved.purge(), p);
  EXPECT_EQ(moved.verify(), std::nullopt);
}

}  // namespace
}  // namespace vmap
