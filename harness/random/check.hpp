// SPDX-License-Identifier: Apache-2.0
//
// Random traces against a subject: the driver behind `vmapcheck check`.
//
// Deterministic: case k of seed s is the same trace for every subject that answers alike, whatever ran before it.
//
// Cases run in batches, each in a child process of its own, which says in shared memory where it is: should the subject
// kill it, the case is run again, op by op on record, so that nothing is lost. Several batches may run at once. They
// are counted in their order, up to the first that fails: how many run at once changes nothing in the report but the
// time.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>

#include "harness/random/histograms.hpp"
#include "harness/verify/coverage.hpp"
#include "harness/verify/executor.hpp"
#include "harness/verify/subject.hpp"
#include "model/op.hpp"

namespace vmapcheck {

/// The seed of a run that is not given one.
inline constexpr std::uint64_t seed_default = 20240229;

/// A state with fewer is small: it has no tree to speak of.
inline constexpr std::size_t small_free_blocks = 4;

inline constexpr std::uint64_t batch_cases_max = 1024;

struct CheckOptions {
  std::uint64_t seed = seed_default;
  std::uint64_t cases = 1000;
  std::uint64_t ops = 1000;                      ///< of each case
  std::optional<std::chrono::nanoseconds> time;  ///< ends the run; a case that runs is cut short
  Checking checking = Checking::amortized;
  bool observe = false;  ///< collect CheckReport::histograms
  Limits limits{};
  unsigned jobs = 1;  ///< batches that run at once
  /// Ops of a batch, about: it has one case at least, and batch_cases_max at most. So many that the fork of a child
  /// does not count, so few that all processes have work until the end.
  std::uint64_t batch_ops = 1 << 15;
  /// Called every few hundredths of a second with what the batches have come to that are counted; false ends the run.
  std::function<bool(const struct CheckReport&)> on_progress;
};

struct CheckReport {
  std::uint64_t cases = 0;
  std::uint64_t ops = 0;
  std::chrono::nanoseconds elapsed{};
  Coverage coverage;
  double free_blocks_mean = 0;           ///< after each op
  std::uint64_t cases_skipped = 0;       ///< no subject could be made in their space; not among `cases`
  std::string skipped_because;           ///< what the first of them said
  std::uint64_t small_states = 0;        ///< after an op, with fewer than small_free_blocks free blocks
  std::optional<Histograms> histograms;  ///< where CheckOptions::observe is set
  std::uint64_t live = 0;                ///< areas that a label names, lately: of a soak (soak.hpp)
  bool complete = false;                 ///< every case was run to its end
  bool interrupted = false;              ///< on_progress() ended it
  /// The first failing case, up to the op that failed. The failure is named as by checking at every step, if that also
  /// finds it.
  struct Found {
    std::uint64_t case_index = 0;
    Trace trace;
    Failure failure;
    bool reproduced = true;  ///< the trace, run again by itself, failed again
  };
  std::optional<Found> found;
};

/// The trace of one case, for a subject that answers like the model.
[[nodiscard]] Trace generate_trace(std::uint64_t seed, std::uint64_t case_index, std::uint64_t ops);

/// Whether a subject could be made in fewer than one of twenty spaces, so that hardly anything was checked.
[[nodiscard]] constexpr bool is_nearly_none(std::uint64_t made, std::uint64_t refused) { return made * 19 < refused; }
/// A run ends for that reason after the batch that has so many refusals, not before.
inline constexpr std::uint64_t refusals_min = 100;

/// Runs cases until one fails, or all are run, or the time is over. A case in whose space the subject cannot be made is
/// skipped and counted; the error, where nearly none can, says why. Throws as walk() and Crew do.
[[nodiscard]] std::expected<CheckReport, std::string> check(const SubjectFactory& make, const CheckOptions& options);

}  // namespace vmapcheck
