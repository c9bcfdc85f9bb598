// SPDX-License-Identifier: Apache-2.0
//
// A whole allocator, explored: from every state the executor performs and checks every op of an alphabet.
//
// A state is what is busy and lazily freed, area by area; the shape and colours of the tree of free blocks, if the
// subject shows it; and, with metadata failures, how many nodes it has to spare: 64 bits for up to 16 granules.
// What else a subject keeps (the shape of a tree of busy areas, counters) does not tell states apart, unless it is in
// its digest. Then the part of the 64 bits beside the areas is a hash of tree, spare nodes and digest.
//
// An op in which the subject asks for metadata is repeated once for each request, with that request failing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "harness/explore/world.hpp"
#include "harness/verify/subject.hpp"
#include "model/op.hpp"

namespace vmapcheck {

inline constexpr std::size_t whole_granules_max = 16;

/// Kinds of ops, beside first fit: allocations of every size and frees of every address are always made.
struct ExploreOps {
  bool aligned = false;    ///< every alignment, from a granule to beyond the space and 2^63; one below it
  bool windows = false;    ///< every window between two granules; for congruent placements, those of one block
  bool placed = false;     ///< alloc-at of every range, and of one that leaves the space
  bool lazy = false;       ///< lazy frees of every address, and purges
  bool congruent = false;  ///< every list of one or two blocks, in both orders and aligned; addresses as offsets
  bool failures = false;   ///< of requests for metadata
  bool find = false;       ///< at every granule, and beside the space
  bool refused = false;    ///< what must be refused, in each way
};

struct WholeWorldOptions {
  std::size_t granules = 8;  ///< 1 to whole_granules_max
  Address base = 0;          ///< of the space
  Size granule = 1;          ///< bytes; the space ends at or below 2^64-1
  std::optional<Size> lazy_limit;
  ExploreOps ops;
};

/// All ops that are tried in each state. Their labels are set when they are performed.
[[nodiscard]] std::vector<Op> alphabet(const WholeWorldOptions& options);

[[nodiscard]] Territory whole_territory(SubjectFactory make, const WholeWorldOptions& options);

}  // namespace vmapcheck
