// SPDX-License-Identifier: Apache-2.0
//
// Deletes ops, and what was busy from the start, from a failing trace while it still breaks the same invariant.
//
// Every subsequence of a trace is a trace (see model/op.hpp), so deletion needs no repair. Runs of ops are deleted,
// halves first, down to single ones, until no single op can be spared. Source: Zeller and Hildebrandt, "Simplifying and
// isolating failure-inducing input" (2002).
#pragma once

#include <cstddef>
#include <functional>

#include "harness/executor.hpp"
#include "harness/subject.hpp"
#include "model/op.hpp"
#include "vmap/violation.hpp"

namespace vmapcheck {

struct Minimized {
  Trace trace;      ///< relabelled; ends with the op that fails
  Failure failure;  ///< of that trace
  std::size_t runs = 0;
  bool complete = true;  ///< no single op can be spared; false where `runs_max` ended it before that was known
};

/// Requires that `trace` breaks `failure.violation.invariant` with this subject: the failure as run() reported it,
/// checked at every step. `runs_max` bounds the number of candidates; `keep_going`, called between them, ends it early
/// by false.
[[nodiscard]] Minimized minimize(const Trace& trace, const Failure& failure, const SubjectFactory& make,
                                 std::size_t runs_max = 100'000, const std::function<bool()>& keep_going = {});

}  // namespace vmapcheck
