// SPDX-License-Identifier: Apache-2.0
//
// What the benchmarks make subjects do. A load is generated once, from a seed, and knows nothing of who performs it:
// what a subject answers decides only at which address an area lies. It says how a state of so many live areas is made,
// and has rounds of ops that are performed over and over: each leaves as many areas as it found.
//
//     const Load load = make_load("churn", 1000, 7);  // 1,000 live areas, seed 7
//     load.setup;                                     // makes them
//     load.ops;                                       // load.ops_per_round of them are one round
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/verify/subject.hpp"
#include "model/op.hpp"

namespace vmapcheck::bench {

/// One op, in 16 bytes: reading it should cost little beside performing it. A slot holds the address of one area, or of
/// none: where an allocation has failed, what would free its area is passed by.
struct LoadOp {
  enum class Kind : std::uint8_t { allocate, allocate_at, congruent, free, free_lazily, find, purge };
  Kind kind = Kind::allocate;
  std::uint8_t align_log2 = 0;  ///< in granules
  std::uint32_t slot = 0;       ///< of a congruent placement the first: its blocks have slots that follow one another
  std::uint32_t granules = 0;
  std::uint32_t place = 0;  ///< allocate: of its window in Load::ranges; allocate_at: of what it wants there;
                            ///< congruent: of its blocks in Load::shapes
};

struct Load {
  std::string name;       ///< "churn", "real/node"
  std::string_view unit;  ///< what is timed: "pair" of a free and an allocation, "find", "group" of four areas, "op"
  std::size_t live = 0;   ///< areas; of a recorded trace the most that live at once
  Space space;
  std::vector<Range> ranges{vmap::everywhere};
  std::vector<std::vector<vmap::Block>> shapes;
  std::size_t slots = 0;
  std::vector<LoadOp> setup;
  std::vector<LoadOp> ops;  ///< whole rounds; after the last comes the first
  std::size_t ops_per_round = 0;
  std::size_t units_per_round = 1;
  std::size_t warm_up = 1;  ///< rounds until the state looks as it will go on to look

  Features needs;
  bool needs_places = false;  ///< alignments, windows or addresses: more than memory of some size
};

/// Requires a name of tools/load_names.hpp other than `real`, and 8 to 10^8 live areas. O(live).
[[nodiscard]] Load make_load(std::string_view name, std::size_t live, std::uint64_t seed);

/// A recorded trace; a round is all of it, from an empty space and back to one. Requires that its ops are those that a
/// recording has (alloc, alloc-at, free, free-lazily, purge), that its sizes are below 2^32 granules, and that nothing
/// is busy before it. Where that is not so: an empty name.
[[nodiscard]] Load load_of(const Trace& trace, std::string name);

}  // namespace vmapcheck::bench
