// SPDX-License-Identifier: Apache-2.0
//
// What properties over whole traces share: where seeds come from, a RapidCheck generator of traces whose shrinking is
// the project's own minimizer, and where failing traces are kept.
#pragma once

#include <rapidcheck.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>

#include "harness/random/check.hpp"
#include "harness/reduce/minimize.hpp"
#include "harness/verify/executor.hpp"
#include "harness/verify/isolated.hpp"
#include "model/op.hpp"
#include "model/trace.hpp"
#include "subjects/registry.hpp"

namespace vmapcheck {

/// From VMAPCHECK_SEED; a fixed one without it.
inline std::uint64_t seed_of_this_run() {
  const char* const text = std::getenv("VMAPCHECK_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : seed_default;
}

inline const SubjectFactory& subject(std::string_view name) { return find_subject(name)->make; }

/// A run of random checking with the seed of this run.
inline CheckReport check_with(const SubjectFactory& make, std::uint64_t cases, std::uint64_t ops) {
  CheckOptions options;
  options.seed = seed_of_this_run();
  options.cases = cases;
  options.ops = ops;
  CheckReport report = check(make, options).value();
  if (report.cases_skipped != 0)
    throw std::runtime_error(report.skipped_because);  // no subject here may refuse a space
  return report;
}

/// Random traces of `ops` ops. A failing one shrinks in one stride, to what the minimizer makes of it on `make`.
inline rc::Gen<Trace> traces(const SubjectFactory& make, std::uint64_t ops) {
  return rc::Gen<Trace>([make, ops](const rc::Random& random, int) {
    rc::Random numbers = random;
    return rc::shrinkable::shrinkRecur(generate_trace(numbers.next(), 0, ops), [make](const Trace& trace) {
      const auto outcome = run_isolated(trace, make);
      if (!outcome || !*outcome) return rc::Seq<Trace>();
      Minimized minimal = minimize(trace, **outcome, make, {.search = false});
      if (minimal.trace.ops.size() >= trace.ops.size()) return rc::Seq<Trace>();
      return rc::seq::just(std::move(minimal.trace));
    });
  });
}

/// Where failing traces are kept: below VMAPCHECK_FAILURES, or the working directory.
inline std::filesystem::path failures_folder() {
  const char* const text = std::getenv("VMAPCHECK_FAILURES");
  return text != nullptr ? text : "vmapcheck-failures";
}

/// Keeps a failing trace under `name`: the last that a property keeps is the smallest. Returns where.
inline std::string keep(Trace trace, const Failure& failure, const std::string& name) {
  trace.comments = {"Fails with " + signature(failure) + ": " + failure.violation.detail};
  std::error_code ignored;
  std::filesystem::create_directories(failures_folder(), ignored);
  const std::filesystem::path path = failures_folder() / (name + ".trace");
  std::ofstream(path) << print(trace);
  return path.string();
}

/// "Every answer to every trace is right, no invariant breaks, and nothing dies", for RapidCheck, which itself sees
/// only exceptions: the trace runs in a child.
inline void keeps_every_invariant(const Trace& trace, const SubjectFactory& make, const std::string& name) {
  const auto outcome = run_isolated(trace, make);
  if (!outcome) RC_FAIL(outcome.error());
  if (!*outcome) return;
  const Failure& failure = **outcome;
  RC_FAIL(signature(failure) + " at step " + std::to_string(failure.step) + ": " + failure.violation.detail + "\n" +
          print(trace) + "kept as " + keep(trace, failure, name));
}

}  // namespace vmapcheck

namespace rc {

/// A trace prints as itself.
inline void showValue(const vmapcheck::Trace& trace, std::ostream& stream) { stream << vmapcheck::print(trace); }

}  // namespace rc
