// SPDX-License-Identifier: Apache-2.0
//
// Invariant cost: how many nodes an operation may visit. The bounds are those that the allocator documents
// (vmap/free_space.hpp), computed here from the model's state.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "model/reference_model.hpp"

namespace vmapcheck {

/// Nodes on the longest path of a red-black tree of `nodes`, which are fewer than 2^31: at most 2 log2(n + 1).
[[nodiscard]] constexpr std::uint64_t height_max(std::uint64_t nodes) {
  return static_cast<std::uint64_t>(std::bit_width((nodes + 1) * (nodes + 1))) - 1;
}

/// Nodes on the shortest path from the root to a place where a child is missing: at least (log2(n + 1)) / 2. A search
/// that ends there, and says that it visited fewer, has not counted.
[[nodiscard]] constexpr std::uint64_t height_min(std::uint64_t nodes) {
  return (static_cast<std::uint64_t>(std::bit_width(nodes)) + 1) / 2;
}

/// The exact first-fit search among free blocks of that height, with `misfits` before the answer.
[[nodiscard]] constexpr std::uint64_t search_cost_max(std::uint64_t height, std::uint64_t misfits) {
  return (2 * misfits + 3) * height;
}

/// The search for a congruent base: with m blocks, each of `passed` free blocks lowers the base at most m times, and
/// between two lowerings at most m blocks are looked at; each look is one descent, and each lowering one climb and one
/// descent more.
[[nodiscard]] constexpr std::uint64_t congruent_cost_max(std::uint64_t height, std::uint64_t blocks,
                                                         std::uint64_t passed) {
  const std::uint64_t lowerings = blocks * passed;
  return ((lowerings + 1) * blocks + lowerings + 2 * (lowerings + 1)) * height;
}

/// Gaps long enough for the request that intersect its window and begin below `before`: those that the search may have
/// to look at in vain.
[[nodiscard]] inline std::uint64_t misfits_before(const ReferenceModel& model, const vmap::Request& request,
                                                  Address before) {
  return static_cast<std::uint64_t>(std::ranges::count_if(model.gaps(), [&](Range gap) {
    return gap.begin < before && gap.size() >= request.size && gap.overlaps(request.within);
  }));
}

}  // namespace vmapcheck
