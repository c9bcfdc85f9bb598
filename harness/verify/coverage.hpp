// SPDX-License-Identifier: Apache-2.0
//
// What a run has exercised. A run in which a counter that it should have moved stayed at zero has tested less than it
// says.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "model/op.hpp"
#include "vmap/error.hpp"
#include "vmap/request.hpp"
#include "vmap/stats.hpp"
#include "vmap/violation.hpp"

namespace vmapcheck {

struct Coverage {
  std::array<std::uint64_t, op_kind_count> ops{};      ///< performed, by Op::index()
  std::array<std::uint64_t, op_kind_count> skipped{};  ///< of those: the label was not live
  std::uint64_t unsupported = 0;                       ///< of those: the subject does not have the function
  std::array<std::array<std::uint64_t, vmap::error_count>, op_kind_count> errors{};  ///< by op and vmap::Error
  std::array<std::uint64_t, vmap::fit_type_count> fits{};
  std::array<std::array<std::uint64_t, vmap::fit_type_count>, op_kind_count> fits_of{};  ///< by op and vmap::FitType
  /// How often each vmap::Invariant was checked after each op; in the last row at the begin and at the end of a run.
  std::array<std::array<std::uint64_t, vmap::invariant_count>, op_kind_count + 1> checks{};
  std::array<std::uint64_t, vmap::coalescing_count> coalescings{};  ///< frees, by what they touched
  std::uint64_t purges_on_limit = 0;                                ///< a lazy free went above the limit
  std::uint64_t purges_on_exhaustion = 0;                           ///< an allocation would have failed
  std::uint64_t hooks_called = 0;
  std::uint64_t rescued = 0;          ///< allocations that succeeded only after a purge or a hook
  std::uint64_t faults_fired = 0;     ///< injected metadata failures
  std::uint64_t rows_made = 0;        ///< alignments that got a row, where the subject counts them
  vmap::TreeCaseCounts tree_cases{};  ///< where the subject counts them
  std::uint64_t free_blocks_max = 0;
  std::uint64_t full_checks = 0;  ///< of the whole state

  [[nodiscard]] std::uint64_t steps() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t n : ops) sum += n;
    return sum;
  }
  [[nodiscard]] std::uint64_t errors_of(vmap::Error error) const {
    std::uint64_t sum = 0;
    for (const auto& of_op : errors) sum += of_op[static_cast<std::size_t>(error)];
    return sum;
  }

  Coverage& operator+=(const Coverage& other) {
    const auto add = [](auto& to, const auto& from) {
      for (std::size_t i = 0; i < to.size(); ++i) to[i] += from[i];
    };
    add(ops, other.ops);
    add(skipped, other.skipped);
    for (std::size_t i = 0; i < errors.size(); ++i) add(errors[i], other.errors[i]);
    for (std::size_t i = 0; i < fits_of.size(); ++i) add(fits_of[i], other.fits_of[i]);
    for (std::size_t i = 0; i < checks.size(); ++i) add(checks[i], other.checks[i]);
    add(fits, other.fits);
    add(coalescings, other.coalescings);
    add(tree_cases, other.tree_cases);
    unsupported += other.unsupported;
    purges_on_limit += other.purges_on_limit;
    purges_on_exhaustion += other.purges_on_exhaustion;
    hooks_called += other.hooks_called;
    rescued += other.rescued;
    faults_fired += other.faults_fired;
    rows_made += other.rows_made;
    full_checks += other.full_checks;
    free_blocks_max = std::max(free_blocks_max, other.free_blocks_max);
    return *this;
  }
};

}  // namespace vmapcheck
