// SPDX-License-Identifier: Apache-2.0
//
// What is asked of an address space, and what it answers.
#pragma once

#include <cstdint>
#include <string_view>

#include "vmap/range.hpp"

namespace vmap {

/// `size` bytes at a multiple of `align`, inside `within`.
struct Request {
  Size size = 0;              ///< bytes; a positive multiple of the granule
  Size align = 1;             ///< a power of two; below the granule it acts as the granule
  Range within = everywhere;  ///< the window; cut down to the space, need not lie on granules
  friend constexpr bool operator==(const Request&, const Request&) = default;
};

/// One area of a congruent placement: `size` bytes at base + `offset`. Both are multiples of the granule.
struct Block {
  Size offset = 0;
  Size size = 0;
  friend constexpr bool operator==(const Block&, const Block&) = default;
};

/// How a placement lies in the free block it is carved from ('#' is the placement, '.' remains free):
///
///     full        [########]   the free block disappears
///     left_edge   [####....]   its begin moves up
///     right_edge  [....####]   its end moves down
///     no_edge     [..####..]   it becomes two: one node more
enum class FitType : std::uint8_t { full, left_edge, right_edge, no_edge };

inline constexpr std::size_t fit_type_count = 4;

/// How `placement` lies in `free`. Requires that `free` contains it.
[[nodiscard]] constexpr FitType classify(Range free, Range placement) {
  const bool left = placement.begin == free.begin;
  const bool right = placement.end == free.end;
  if (left) return right ? FitType::full : FitType::left_edge;
  return right ? FitType::right_edge : FitType::no_edge;
}

[[nodiscard]] constexpr std::string_view name(FitType fit) {
  switch (fit) {
    case FitType::full: return "full";
    case FitType::left_edge: return "left_edge";
    case FitType::right_edge: return "right_edge";
    case FitType::no_edge: return "no_edge";
  }
  return "unknown";
}

/// A busy area as it was placed.
struct Allocation {
  Range range;
  FitType fit = FitType::full;
  friend constexpr bool operator==(const Allocation&, const Allocation&) = default;
};

}  // namespace vmap
