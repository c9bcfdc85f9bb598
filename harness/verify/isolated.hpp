// SPDX-License-Identifier: Apache-2.0
//
// Traces run in child processes: whatever a subject does, what comes back is a Failure, or that there was none.
//
//     const Trace trace = parse_trace("vmapcheck-trace 1\nspace 0x0..0x10\nalloc a0 size=1\n").value();
//     const auto failure = run_isolated(trace, model_subject());
//     if (failure && *failure) std::puts(signature(**failure).c_str());
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>

#include "harness/isolate/failure.hpp"
#include "harness/isolate/isolation.hpp"
#include "harness/verify/executor.hpp"
#include "harness/verify/subject.hpp"
#include "model/op.hpp"

namespace vmapcheck {

/// The failure that a death in the middle of `trace` is. An exception that the harness throws, or a crash in it that
/// comes as well with the model as the subject, is FailureKind::oracle. That is tried in another child.
[[nodiscard]] Failure failure_of(const Death& death, const Trace& trace);

/// The failure that a violation at `step` of `trace` is; the end of the trace if there is no such step.
[[nodiscard]] Failure failure_of(const vmap::Violation& violation, std::size_t step, const Trace& trace);

struct IsolatedOptions {
  /// None: checking_of() decides; where it says amortized, the step of a failure is found by named().
  std::optional<Checking> checking{};
  Limits limits{};
  std::function<bool()> keep_going{};  ///< false ends the run, which then has found nothing
  /// Called whenever keep_going is asked, with the step at which the run is.
  std::function<void(std::uint64_t step)> on_progress{};
  /// first_failing() calls it in the child before each candidate. What it returns is asked before each step; false ends
  /// the candidate, which then does not fail.
  std::function<std::function<bool()>()> share{};
};

/// Where a run failed under amortized checking, something may have been broken some steps before. `again` runs the same
/// trace with additional checks around there, which come closer from run to run until they are made at every step, but
/// are never more than are affordable. What fails then has the name that it has where everything is checked at every
/// step; what does not fail again stays what it was. `position` is where the first run came to.
[[nodiscard]] Failure named(
    Failure failure, Position position,
    const std::function<std::optional<Failure>(const Closer& closer, Position& position)>& again,
    std::uint64_t visits_max = visits_affordable);

/// run() in a child. The error says why the subject could not be made.
[[nodiscard]] std::expected<std::optional<Failure>, std::string> run_isolated(const Trace& trace,
                                                                              const SubjectFactory& make,
                                                                              const IsolatedOptions& options = {});

/// Limits for many short candidates, of which one is looked for that fails in this way: their ops take microseconds and
/// little memory. The one that is found should run again with `limits` themselves.
[[nodiscard]] Limits hurried(Limits limits, FailureKind kind);

/// A trace of a list that failed.
struct Hit {
  std::uint64_t index = 0;
  Trace trace;  ///< up to the op that failed
  Failure failure;
};

/// The first of `count` traces whose failure `wanted` accepts. Candidates run one after the other in one child; what
/// fails there runs again in a child of its own, and counts only if it fails there too (but for hangs, which cost too
/// much time). `candidate(i)` is called in the child, and again here for the one that is returned. A candidate whose
/// space has a defect is passed by. Cost: one child, and one more for each candidate that dies or hits.
[[nodiscard]] std::optional<Hit> first_failing(std::uint64_t count,
                                               const std::function<Trace(std::uint64_t)>& candidate,
                                               const std::function<bool(const Failure&)>& wanted,
                                               const SubjectFactory& make, const IsolatedOptions& options = {});

/// Ends a trace with the op that failed. A trace whose failure showed only at the end stays whole: every op may matter.
void cut_behind(Trace& trace, const Failure& failure);

// How a child reports a failure: as bytes. A violation comes back as it was.
[[nodiscard]] std::string pack(const std::optional<Failure>& failure);
[[nodiscard]] std::optional<Failure> unpack(const std::string& bytes, const Trace& trace);

}  // namespace vmapcheck
