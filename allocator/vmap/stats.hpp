// SPDX-License-Identifier: Apache-2.0
//
// What an address space holds, and what it has done.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "vmap/error.hpp"
#include "vmap/request.hpp"
#include "vmap/tree_case.hpp"

namespace vmap {

/// What a freed range touched: the number of free blocks changes by +1, 0, 0, -1.
enum class Coalescing : std::uint8_t { none, previous, next, both };

inline constexpr std::size_t coalescing_count = 4;
inline constexpr std::array<std::string_view, coalescing_count> coalescing_names{"none", "previous", "next", "both"};

inline constexpr std::size_t alignment_rows_max = 4;

/// The alignments, in bytes, whose searches are O(log n) although blocks cannot be aligned; 0 where there is none.
using RowAlignments = std::array<Size, alignment_rows_max>;

struct Stats {
  // What there is.
  Size busy_bytes = 0;
  Size free_bytes = 0;
  Size lazy_bytes = 0;
  std::size_t busy_areas = 0;
  std::size_t free_blocks = 0;
  std::size_t lazy_areas = 0;
  Size largest_free = 0;        ///< bytes; 0 where nothing is free
  std::size_t nodes_alive = 0;  ///< one for each free block, busy and lazily freed area
  std::size_t nodes_spare = 0;  ///< taken from the memory resource, not in use
  std::size_t hooks = 0;        ///< exhaustion hooks registered
  RowAlignments rows{};         ///< above the granule; while there is one, nodes are twice as large

  // What has happened since construction.
  std::array<std::uint64_t, fit_type_count> fits{};           ///< placements, by FitType; one for each congruent block
  std::array<std::uint64_t, coalescing_count> coalescings{};  ///< ranges freed or purged, by Coalescing
  std::array<std::uint64_t, error_count> failures{};          ///< calls that failed, by Error
  std::uint64_t purges = 0;                                   ///< that freed at least one area
  std::uint64_t hooks_called = 0;
  std::uint64_t rows_made = 0;         ///< alignments that got a row
  std::uint64_t rows_dropped = 0;      ///< that lost it
  std::uint64_t rows_refused = 0;      ///< that did not get one, for want of memory
  std::uint64_t nodes_visited = 0;     ///< by searches, in the free-space index and among the areas
  std::uint64_t nodes_propagated = 0;  ///< at which subtree_max_size was recomputed on the way up
  TreeCaseCounts tree_cases{};         ///< of the free-space index

  /// 0 when all free bytes are in one block (or none is free), towards 1 as the largest becomes a small part of them.
  [[nodiscard]] double fragmentation() const {
    return free_bytes == 0 ? 0.0 : 1.0 - static_cast<double>(largest_free) / static_cast<double>(free_bytes);
  }
};

}  // namespace vmap
