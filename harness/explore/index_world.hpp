// SPDX-License-Identifier: Apache-2.0
//
// The free-space index alone, explored: from every state, every range inside a free block is carved out of it, and
// every range of which nothing is free is added. Whatever users allocate and free, an index sees no other change, so
// these are all its trees.
//
// A state is which granules are free, and the shape and colours of the tree: 64 bits for up to 25 granules.
#pragma once

#include <cstddef>
#include <cstdint>

#include "harness/explore/free_index.hpp"
#include "harness/explore/world.hpp"

namespace vmapcheck {

inline constexpr std::size_t index_granules_max = 25;

struct IndexWorldOptions {
  std::size_t granules = 12;  ///< 1 to index_granules_max
  vmap::Address base = 0;     ///< of the space
  Size granule = 1;           ///< bytes; the space ends at or below 2^64-1
  /// In every state, make every search: all sizes, all alignments, all windows, including those between granules.
  bool searches = false;
};

[[nodiscard]] Territory index_territory(FreeIndexFactory make, const IndexWorldOptions& options);

}  // namespace vmapcheck
