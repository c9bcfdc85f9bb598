// SPDX-License-Identifier: Apache-2.0
//
// Threads that run the tests at once, on one subject. A subject is for one thread at a time: where there are several
// workers, each op takes the one lock around it.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "bench/kernel/settings.hpp"

namespace vmapcheck::bench {

struct WorkerReport {
  std::vector<Tally> tests;  ///< as Settings::tests
  Nanoseconds elapsed{};     ///< of all its runs
};

/// How far the workers are.
struct WorkersAt {
  std::size_t test = 0;  ///< that the first worker is at: a place in tool::kernel_tests
  std::uint64_t runs_done = 0;
  std::uint64_t runs = 0;
  double seconds_left = 0;  ///< an estimate; below zero: not yet known
};

/// Runs Settings::tests, each as often as Settings::repeats says. `on_progress` is called in the calling thread every
/// few hundredths of a second; where it returns false, the workers end, and the run that each was in does not count.
/// What a subject throws ends them, too, and is thrown here.
[[nodiscard]] std::vector<WorkerReport> run_workers(AnySubject& subject, const Settings& settings,
                                                    const std::function<bool(const WorkersAt&)>& on_progress);

}  // namespace vmapcheck::bench
