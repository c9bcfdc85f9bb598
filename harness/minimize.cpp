// SPDX-License-Identifier: Apache-2.0
#include "harness/minimize.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "model/trace.hpp"

namespace vmapcheck {
namespace {

/// Ends a trace with the op that fails. Where the failure showed only at the end, every op may matter.
void cut_behind(Trace& trace, const Failure& failure) {
  if (failure.step < trace.ops.size()) trace.ops.resize(failure.step + 1);
}

}  // namespace

Minimized minimize(const Trace& trace, const Failure& failure, const SubjectFactory& make, std::size_t runs_max,
                   const std::function<bool()>& keep_going) {
  Minimized best{.trace = trace, .failure = failure};
  cut_behind(best.trace, best.failure);
  const auto may_run = [&] { return best.runs < runs_max && (!keep_going || keep_going()); };

  /// Adopts a smaller trace if it fails in the same way.
  const auto adopt = [&](Trace candidate) {
    ++best.runs;
    const auto outcome = run(candidate, make);
    if (!outcome || !*outcome || (**outcome).violation.invariant != failure.violation.invariant) return false;
    best.trace = std::move(candidate);
    best.failure = **outcome;
    cut_behind(best.trace, best.failure);
    return true;
  };
  const auto spare = [&](std::size_t begin, std::size_t length) {
    Trace candidate{best.trace.comments, best.trace.space, {}};
    candidate.ops.reserve(best.trace.ops.size() - length);
    const auto ops = best.trace.ops.begin();
    candidate.ops.assign(ops, ops + static_cast<std::ptrdiff_t>(begin));
    candidate.ops.insert(candidate.ops.end(), ops + static_cast<std::ptrdiff_t>(begin + length), best.trace.ops.end());
    return adopt(std::move(candidate));
  };
  const auto spare_busy = [&](std::size_t begin, std::size_t length) {
    Trace candidate = best.trace;
    const auto first = candidate.space.busy.begin() + static_cast<std::ptrdiff_t>(begin);
    candidate.space.busy.erase(first, first + static_cast<std::ptrdiff_t>(length));
    return adopt(std::move(candidate));
  };

  // What was busy from the start: all of it, or run by run.
  for (std::size_t length = best.trace.space.busy.size(); length > 0 && may_run(); length /= 2)
    for (std::size_t end = best.trace.space.busy.size(); end >= length && may_run(); end -= length)
      spare_busy(end - length, length);

  for (std::size_t length = std::max<std::size_t>(1, best.trace.ops.size() / 2); may_run();) {
    bool spared = false;
    // From the end: what stands late depends on what stands early.
    for (std::size_t end = best.trace.ops.size(); end > 0 && may_run();) {
      end = std::min(end, best.trace.ops.size());
      const std::size_t begin = end > length ? end - length : 0;
      spared = spare(begin, end - begin) || spared;
      end = begin;
    }
    if (length == 1 && !spared) break;
    length = std::max<std::size_t>(1, spared && length == 1 ? 1 : length / 2);
  }
  best.complete = may_run();
  best.trace = relabel(best.trace);
  if (best.failure.step < best.trace.ops.size()) best.failure.op = best.trace.ops[best.failure.step];
  return best;
}

}  // namespace vmapcheck
