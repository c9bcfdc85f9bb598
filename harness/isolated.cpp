// SPDX-License-Identifier: Apache-2.0
#include "harness/isolated.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "harness/symbols.hpp"
#include "model/trace.hpp"

namespace vmapcheck {
namespace {

constexpr char mark_error = 'e', mark_ok = 'o', mark_violation = 'v';

/// What people are told of a death.
std::string describe(const Failure& failure, const Death& death) {
  std::string text;
  switch (failure.kind) {
    case FailureKind::violation: break;
    case FailureKind::sanitizer: text = "a sanitizer reported " + failure.what; break;
    case FailureKind::signal:
      text = failure.what == "stack-overflow"   ? "the stack overflowed"
             : failure.what == "std::terminate" ? "std::terminate was called"
                                                : "died of " + failure.what;
      break;
    case FailureKind::exception:
      text = "threw " + failure.what + (death.detail.empty() ? "" : ": " + death.detail);
      break;
    case FailureKind::exit: text = "ended the process with status " + failure.what; break;
    case FailureKind::memory_limit: text = "used up the memory that it may have"; break;
    case FailureKind::hang: text = "did not come back"; break;
  }
  for (std::size_t i = 0; i < std::min<std::size_t>(failure.frames.size(), 6); ++i)
    text += (i == 0 ? ", in " : " < ") + failure.frames[i];
  return text;
}

}  // namespace

Failure failure_of(const Death& death, const Trace& trace) {
  Failure failure;
  failure.kind = death.kind;
  failure.phase = death.phase;
  failure.step = death.phase == Phase::construction ? 0 : static_cast<std::size_t>(death.step);
  if (failure.phase == Phase::op && failure.step < trace.ops.size()) failure.op = trace.ops[failure.step];
  failure.what = death.what;
  failure.frames = subject_frames(death.frames);
  failure.report = death.report;
  failure.violation.detail = describe(failure, death);
  return failure;
}

Failure failure_of(const vmap::Violation& violation, std::size_t step, const Trace& trace) {
  Failure failure{step, std::nullopt, violation};
  if (step < trace.ops.size())
    failure.op = trace.ops[step];
  else
    failure.phase = Phase::end;
  return failure;
}

std::string pack(const std::optional<Failure>& failure) {
  if (!failure) return {mark_ok};
  std::string bytes{mark_violation};
  bytes += static_cast<char>('0' + static_cast<int>(failure->violation.invariant));
  bytes += static_cast<char>('0' + static_cast<int>(failure->phase));
  return bytes + std::to_string(failure->step) + "\n" + failure->violation.detail;
}

std::optional<Failure> unpack(const std::string& bytes, const Trace& trace) {
  if (bytes.size() < 3 || bytes[0] != mark_violation) return std::nullopt;
  Failure failure;
  failure.violation.invariant = static_cast<vmap::Invariant>(bytes[1] - '0');
  failure.phase = static_cast<Phase>(bytes[2] - '0');
  const char* const end = std::from_chars(bytes.data() + 3, bytes.data() + bytes.size(), failure.step).ptr;
  failure.violation.detail.assign(end + 1, bytes.data() + bytes.size());
  if (failure.phase == Phase::op && failure.step < trace.ops.size()) failure.op = trace.ops[failure.step];
  return failure;
}

std::expected<std::optional<Failure>, std::string> run_isolated(const Trace& trace, const SubjectFactory& make,
                                                                const IsolatedOptions& options) {
  const auto work = [&](std::uint64_t, Beacon& beacon) -> std::optional<std::string> {
    const auto answer_at_once = [&](const Failure& failure) { beacon.answer(pack(failure)); };
    const auto outcome = run(trace, make, options.checking, nullptr, beacon, answer_at_once);
    if (!outcome) return std::string{mark_error} + outcome.error();
    return pack(*outcome);
  };
  const Walked walked = walk(1, work, {.limits = options.limits, .on_death = {}, .keep_going = options.keep_going});
  if (walked.death) return failure_of(*walked.death, trace);
  if (!walked.answer || walked.answer->empty()) return std::nullopt;
  if (walked.answer->front() == mark_error) return std::unexpected(walked.answer->substr(1));
  return unpack(*walked.answer, trace);
}

Limits hurried(Limits limits, FailureKind kind) {
  using std::chrono::milliseconds;
  if (kind == FailureKind::hang) {
    limits.cpu = std::min(limits.cpu, milliseconds(is_sanitized() ? 100 : 20));
    limits.asleep = std::min(limits.asleep, milliseconds(25));
  }
  // AddressSanitizer holds back what was given back, and has shadows besides.
  if (kind == FailureKind::memory_limit && !is_sanitized())
    limits.memory = std::min(limits.memory, std::size_t{48} << 20);
  return limits;
}

std::optional<Hit> first_failing(std::uint64_t count, const std::function<Trace(std::uint64_t)>& candidate,
                                 const std::function<bool(const Failure&)>& wanted, const SubjectFactory& make,
                                 const IsolatedOptions& options) {
  const auto work = [&](std::uint64_t item, Beacon& beacon) -> std::optional<std::string> {
    (void)run(candidate(item), make, options.checking, nullptr, beacon, [&](const Failure& failure) {
      if (wanted(failure)) beacon.answer("");
    });
    return std::nullopt;
  };
  WalkOptions walk_options{.limits = options.limits, .on_death = {}, .keep_going = options.keep_going};
  walk_options.on_death = [&](std::uint64_t item, const Death& death) {
    return wanted(failure_of(death, candidate(item)));
  };
  while (walk_options.first < count) {
    const Walked walked = walk(count, work, walk_options);
    if (!walked.answer && !walked.death) return std::nullopt;
    Trace trace = candidate(walked.items);
    if (walked.death && walked.death->kind == FailureKind::hang) {
      // Nothing is more expensive than to wait for one again.
      Failure failure = failure_of(*walked.death, trace);
      cut_behind(trace, failure);
      return Hit{walked.items, std::move(trace), std::move(failure)};
    }
    // Alone: what others have done to that child may have been the reason.
    auto again = run_isolated(trace, make, options);
    if (again && *again && wanted(**again)) {
      cut_behind(trace, **again);
      return Hit{walked.items, std::move(trace), **std::move(again)};
    }
    walk_options.first = walked.items + 1;
  }
  return std::nullopt;
}

void cut_behind(Trace& trace, const Failure& failure) {
  if (failure.phase == Phase::construction)
    trace.ops.clear();
  else if (failure.step < trace.ops.size())
    trace.ops.resize(failure.step + 1);
}

}  // namespace vmapcheck
