// SPDX-License-Identifier: Apache-2.0
#include "harness/check.hpp"

#include <algorithm>
#include <utility>

#include "harness/choices.hpp"
#include "harness/draw.hpp"
#include "harness/model_subject.hpp"

namespace vmapcheck {
namespace {

/// Its own numbers for every case.
Random random_of(std::uint64_t seed, std::uint64_t case_index) {
  // Unlike a plain sum or xor, case a of seed b is not case b of seed a.
  return Random(Random(seed).next() ^ Random(~case_index).next());
}

/// One case, recorded as it runs.
struct Case {
  Trace trace;
  std::optional<Failure> failure;
};

/// `keep_going` is asked now and then; false ends the case early.
std::expected<Case, std::string> run_case(const SubjectFactory& make, Random random, std::uint64_t ops,
                                          Checking checking, Coverage& coverage,
                                          const std::function<bool()>& keep_going) {
  Generator generator(random, draw_shape(random));
  Case result{.trace = {.comments = {}, .space = generator.shape().space, .ops = {}}, .failure = {}};
  auto executor = Executor::create(result.trace.space, make, checking);
  if (!executor) return std::unexpected(std::move(executor.error()));
  result.trace.ops.reserve(std::min<std::uint64_t>(ops, 1 << 16));
  while (result.trace.ops.size() < ops && !result.failure) {
    if (result.trace.ops.size() % 4096 == 4095 && !keep_going()) break;
    result.trace.ops.push_back(generator.next(**executor));
    const Op& op = result.trace.ops.back();
    if (auto violation = (*executor)->step(op))
      result.failure = {result.trace.ops.size() - 1, op, *std::move(violation)};
  }
  if (!result.failure)
    if (auto violation = (*executor)->finish())
      result.failure = {result.trace.ops.size(), std::nullopt, *std::move(violation)};
  coverage += (*executor)->coverage();
  return result;
}

}  // namespace

Trace generate_trace(std::uint64_t seed, std::uint64_t case_index, std::uint64_t ops) {
  Coverage coverage;
  return run_case(model_subject(), random_of(seed, case_index), ops, Checking::amortized, coverage, [] { return true; })
      ->trace;
}

std::expected<CheckReport, std::string> check(const SubjectFactory& make, const CheckOptions& options) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  CheckReport report;
  for (std::uint64_t index = 0; index < options.cases && !report.found; ++index) {
    // Also within a case that is long.
    bool stopped = false;
    const auto keep_going = [&] {
      report.elapsed = Clock::now() - begin;
      stopped = options.on_progress && !options.on_progress(report);
      return !stopped && !(options.time && report.elapsed >= *options.time);
    };
    auto one =
        run_case(make, random_of(options.seed, index), options.ops, options.checking, report.coverage, keep_going);
    if (!one) return std::unexpected(std::move(one.error()));
    ++report.cases;
    report.ops = report.coverage.steps();
    report.elapsed = Clock::now() - begin;
    if (one->failure) {
      // A full check names the step; the amortized one may have come a few steps later.
      const auto again = run(one->trace, make, Checking::every_step);
      const bool reproduced = again && *again;
      report.found = {index, std::move(one->trace), reproduced ? **again : *std::move(one->failure), reproduced};
    }
    if (stopped || (options.on_progress && !options.on_progress(report))) {
      report.interrupted = !report.found;
      break;
    }
    if (options.time && report.elapsed >= *options.time) break;
  }
  return report;
}

}  // namespace vmapcheck
