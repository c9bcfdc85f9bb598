// SPDX-License-Identifier: Apache-2.0
//
// What our allocator may cost, as docs/contract.md has it: searches in a red-black tree of free blocks and in those of
// areas, without a short cut, and the cases of the tree for each change of it.
//
// It is a check, and not under test: where subjects are instrumented for fuzzing, this is not (CMakeLists.txt).
#pragma once

#include <bit>
#include <cstdint>

#include "harness/verify/cost.hpp"

namespace vmapcheck {

[[nodiscard]] const CostBound& red_black_cost();

/// Nodes on the longest path of a red-black tree of `nodes`, which are fewer than 2^31: at most 2 log2(n + 1).
[[nodiscard]] constexpr std::uint64_t height_max(std::uint64_t nodes) {
  return static_cast<std::uint64_t>(std::bit_width((nodes + 1) * (nodes + 1))) - 1;
}

/// Where the alignment has a row: the block that the window's begin cuts, and one that its end cuts.
inline constexpr std::uint64_t row_misfits_max = 2;

/// The exact first-fit search among free blocks of that height, with `misfits` before the answer.
[[nodiscard]] constexpr std::uint64_t search_cost_max(std::uint64_t height, std::uint64_t misfits) {
  return (2 * misfits + 3) * height;
}

}  // namespace vmapcheck
