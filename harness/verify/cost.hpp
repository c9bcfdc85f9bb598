// SPDX-License-Identifier: Apache-2.0
//
// What the operations of a subject may cost: a bound that the subject brings, since it alone knows how it searches.
// Invariant cost holds the counters of stats() against it. A subject without a bound, or without stats(), is held to
// none.
//
//     // Of an allocator that looks through a list of free blocks, and through one of areas.
//     struct ListCost : CostBound {
//       Visits visits(const Step& step, const Observation&, std::uint64_t) const override {
//         const std::uint64_t searches = step.attempts + step.purged + step.hooks_called;
//         return {.min = 0, .max = searches * (step.free_blocks_max() + step.areas_max())};
//       }
//     };
//     struct Subject {
//       static const CostBound* cost() {
//         static const ListCost bound;
//         return &bound;
//       }
//       // and allocate(), free(), stats()
//     };
#pragma once

#include <cstdint>
#include <optional>

#include "harness/verify/observation.hpp"
#include "vmap/violation.hpp"

namespace vmapcheck {

/// How many nodes a step may visit, as vmap::Stats::nodes_visited counts them.
struct Visits {
  std::uint64_t min = 0;  ///< with fewer it has not counted
  std::uint64_t max = 0;
};

class CostBound {
 public:
  virtual ~CostBound() = default;

  /// Asked after each op. `misfits` is how many free blocks that are long enough for an allocation and begin before its
  /// answer do not hold it; where a purge or hook came between, or blocks are congruent, it is as many as there may be
  /// free blocks. It takes a walk to count them: 0 is tried first, and the rest only if that is exceeded.
  [[nodiscard]] virtual Visits visits(const Step& step, const Observation& seen, std::uint64_t misfits) const = 0;

  /// What is wrong with the other counters of work (nodes_propagated, tree_cases), or nothing. Asked after all else in
  /// stats() was found to be true.
  [[nodiscard]] virtual std::optional<vmap::Violation> work(const Step&, const Observation&) const {
    return std::nullopt;
  }
};

}  // namespace vmapcheck
