// SPDX-License-Identifier: Apache-2.0
//
// One long case on a large state: the driver behind `vmapcheck check --live N`.
//
// It fills a space until N areas live, then keeps about as many, with the ops of the grammar (draw.hpp). Requests that
// would make nearly every op visit nearly every gap, or end the run, are capped (RequestCap in soak.cpp). The executor
// checks each answer by an index of gaps that shares nothing with a tree, the reference model repeats some of them, the
// surroundings of what was touched are checked at each step, and the whole state so often that it costs each step the
// visit of two nodes.
//
// Hours of ops would fill the memory: only a tape of the last is kept, from the state at a check of the whole. What
// fails is given as a trace that begins in a state close to the failure, whose areas are busy from the start, and goes
// on with the last ops: as few of them as fail in the same way.
//
//     SoakOptions options{.live = 1000, .ops = 20'000};
//     const auto report = soak(model_subject(), options);     // no violation: report->found is empty
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>

#include "harness/random/check.hpp"
#include "harness/verify/subject.hpp"

namespace vmapcheck {

struct SoakOptions {
  std::uint64_t seed = seed_default;
  std::uint32_t live = 1'000'000;      ///< areas to keep, about
  std::optional<std::uint64_t> ops{};  ///< without it, and without `time`: 8 for each area
  std::optional<std::chrono::nanoseconds> time{};
  /// Called every few hundredths of a second; false ends the run.
  std::function<bool(const CheckReport&)> on_progress{};
};

/// What a step on so large a state may use up: it may have to visit all of it.
[[nodiscard]] Limits soak_limits(std::uint32_t live);

/// Its histograms are always there.
[[nodiscard]] std::expected<CheckReport, std::string> soak(const SubjectFactory& make, const SoakOptions& options);

}  // namespace vmapcheck
