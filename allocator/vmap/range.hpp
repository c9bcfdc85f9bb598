// SPDX-License-Identifier: Apache-2.0
//
// Addresses, sizes and half-open ranges of a 64-bit space, and the only arithmetic on them.
//
// A Range is [begin, end). Its largest value, `everywhere`, is [0, 2^64-1): a half-open range of 64-bit addresses
// cannot cover the byte 2^64-1. Nothing here wraps: sums are never formed before they are known to fit, so that sizes
// near 2^64, alignments of 2^63 and ranges that touch 0 or the top are ordinary input.
//
//     vmap::Range page{0x1000, 0x2000};
//     page.size();                          // 0x1000
//     page.contains(vmap::Address{0x1fff}); // true; 0x2000 is not
//     vmap::align_up(0x1001, 0x1000);       // 0x2000; nullopt where the result would not fit 64 bits
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>

namespace vmap {

using Address = std::uint64_t;
using Size = std::uint64_t;

inline constexpr Address address_max = std::numeric_limits<Address>::max();

/// [begin, end). Well formed when begin <= end; empty when they are equal.
struct Range {
  Address begin = 0;
  Address end = 0;

  /// Bytes covered. Requires begin <= end.
  [[nodiscard]] constexpr Size size() const { return end - begin; }
  [[nodiscard]] constexpr bool empty() const { return begin == end; }
  [[nodiscard]] constexpr bool contains(Address address) const { return begin <= address && address < end; }
  /// True if every byte of `other` is in this range. An empty `other` is contained where its begin is in [begin, end].
  [[nodiscard]] constexpr bool contains(Range other) const { return begin <= other.begin && other.end <= end; }
  /// True if at least one byte is in both.
  [[nodiscard]] constexpr bool overlaps(Range other) const {
    return std::max(begin, other.begin) < std::min(end, other.end);
  }
  friend constexpr bool operator==(Range, Range) = default;
};

/// Every address that a Range can cover: all but the byte 2^64-1.
inline constexpr Range everywhere{0, address_max};

/// The bytes in both; an empty range (at an unspecified place inside `a`'s bounds) where there are none.
[[nodiscard]] constexpr Range intersection(Range a, Range b) {
  const Address begin = std::min(std::max(a.begin, b.begin), a.end);
  return {begin, std::max(begin, std::min(a.end, b.end))};
}

[[nodiscard]] constexpr bool is_power_of_two(Size n) { return n != 0 && (n & (n - 1)) == 0; }

/// True if `n` is a multiple of `align`. Requires a power of two.
[[nodiscard]] constexpr bool is_aligned(std::uint64_t n, Size align) { return (n & (align - 1)) == 0; }

/// The highest multiple of `align` at or below `address`. Requires a power of two.
[[nodiscard]] constexpr Address align_down(Address address, Size align) { return address & ~(align - 1); }

/// The lowest multiple of `align` at or above `address`, or nullopt if that is 2^64. Requires a power of two.
[[nodiscard]] constexpr std::optional<Address> align_up(Address address, Size align) {
  const Address down = align_down(address, align);
  if (down == address) return address;
  if (down > address_max - align) return std::nullopt;
  return down + align;
}

/// The lowest multiple of `align` at which `size` bytes lie inside `free`, or nullopt. Requires size > 0.
[[nodiscard]] constexpr std::optional<Address> lowest_placement(Range free, Size size, Size align) {
  const std::optional<Address> begin = align_up(free.begin, align);
  if (!begin || *begin >= free.end || free.end - *begin < size) return std::nullopt;
  return begin;
}

}  // namespace vmap
