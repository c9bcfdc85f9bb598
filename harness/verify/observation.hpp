// SPDX-License-Identifier: Apache-2.0
//
// A step, and what was observed of the subject after it: what invariants and bounds of cost speak of. Both are plain
// values, filled by the executor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "harness/verify/gap_index.hpp"
#include "harness/verify/layout.hpp"
#include "harness/verify/tree_view.hpp"
#include "model/op.hpp"
#include "vmap/error.hpp"
#include "vmap/request.hpp"
#include "vmap/stats.hpp"

namespace vmapcheck {

class CostBound;

/// What a subject answered, or why it was not asked.
struct Nothing {
  friend bool operator==(Nothing, Nothing) = default;
};
struct Skipped {
  bool unsupported = false;  ///< the subject does not have the function; else the label is not live
  friend bool operator==(Skipped, Skipped) = default;
};
struct Base {
  Address address = 0;
  friend bool operator==(Base, Base) = default;
};
struct Purged {
  Size bytes = 0;
  friend bool operator==(Purged, Purged) = default;
};
struct Found {
  std::optional<Range> area;
  friend bool operator==(Found, Found) = default;
};
using Answer = std::variant<Nothing, Skipped, vmap::Allocation, Base, Range, Purged, Found, vmap::Error>;

/// A step as the model followed it.
struct Step {
  const Op* op = nullptr;        ///< null before the first op and after the last
  bool failed = false;           ///< the subject answered with an error
  bool released = false;         ///< a purge or a hook made something free on the way
  std::vector<Address> touched;  ///< begins of what was placed or freed
  std::uint64_t attempts = 1;  ///< searches for a place: one more after a purge, and after each hook that freed an area
  std::uint64_t hooks_called = 0;
  std::uint64_t purged = 0;  ///< areas, which the subject frees in an order of its own
  std::size_t free_blocks_before = 0;
  std::size_t free_blocks_before_purge = 0;
  std::size_t free_blocks_after_purge = 0;
  /// What stats() should say after the step. What is left out: largest_free, nodes_spare, and what a CostBound speaks
  /// of.
  vmap::Stats expected;
  const GapIndex* gap_index = nullptr;  ///< of the model's gaps, where they are many

  /// At no time of the step there are more.
  [[nodiscard]] std::size_t free_blocks_max() const { return free_blocks_before + touched.size(); }
  /// The same of areas, busy or lazily freed.
  [[nodiscard]] std::size_t areas_max() const { return expected.busy_areas + expected.lazy_areas + touched.size(); }
};

/// What was observed of the subject in a step and after it.
struct Observation {
  Answer answer;
  bool has_layout = false;    ///< layout is of this step
  bool layout_right = false;  ///< and is that of the model
  bool has_tree = false;      ///< tree and blocks are of this step
  bool has_stats = false;     ///< the subject counts
  Layout layout;
  TreeFinding tree;                         ///< of the last check of the whole tree
  std::vector<Range> blocks;                ///< of the tree, in its order
  std::optional<TreeHashes> hashes_before;  ///< of the tree after the step before, where they are known
  vmap::Stats stats;
  vmap::Stats stats_before;
  std::uint64_t requests = 0;       ///< for metadata, in this step
  std::size_t metadata_blocks = 0;  ///< that the subject has
  const CostBound* cost = nullptr;  ///< the subject's, or null

  /// An alignment got or lost its row, or would have: nodes may have moved to others, which memory was asked for.
  [[nodiscard]] bool switched_rows() const {
    return stats.rows_made != stats_before.rows_made || stats.rows_dropped != stats_before.rows_dropped ||
           stats.rows_refused != stats_before.rows_refused;
  }
  [[nodiscard]] std::uint64_t visited() const { return stats.nodes_visited - stats_before.nodes_visited; }
};

}  // namespace vmapcheck
