// SPDX-License-Identifier: Apache-2.0
#include "harness/verify/isolated.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "harness/isolate/symbols.hpp"
#include "harness/verify/model_subject.hpp"
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
    case FailureKind::oracle:
      text = "vmapcheck is at fault, not the subject: it died of " + failure.what +
             (death.detail.empty() ? "" : ": " + death.detail);
      break;
  }
  return text;
}

/// True where the harness dies on the trace although the model stands in the subject's place. Where the trace has no
/// ops, the harness may have performed some that tell nothing, as the explorer does: one is tried.
bool dies_on_the_model(Trace trace) {
  if (trace.ops.empty()) trace.ops.push_back(Find{trace.space.range.begin});
  const auto work = [&](std::uint64_t, Beacon& beacon) -> std::optional<std::string> {
    (void)run(trace, model_subject(), {.checking = checking_of(trace), .beacon = beacon});
    return std::nullopt;
  };
  const Walked walked = walk(1, work);
  return walked.death && blame_for(walked.death->frames).harness;
}

/// An exception is thrown by code that does what it was written for. But a subject can overwrite what is the harness's,
/// which then crashes: a crash has to come on the model as well.
bool is_fault_of_harness(const Death& death, const Trace& trace) {
  switch (death.kind) {
    case FailureKind::exception: return true;
    case FailureKind::sanitizer:
    case FailureKind::signal: return dies_on_the_model(trace);
    case FailureKind::violation:
    case FailureKind::exit:
    case FailureKind::memory_limit:  // the subject may have used up the most of it
    case FailureKind::hang:          // and the time
    case FailureKind::oracle: return false;
  }
  return false;
}

}  // namespace

Failure failure_of(const Death& death, const Trace& trace) {
  Failure failure;
  failure.kind = death.kind;
  failure.phase = death.phase;
  failure.step = death.phase == Phase::construction ? 0 : static_cast<std::size_t>(death.step);
  if (failure.phase == Phase::op && failure.step < trace.ops.size()) failure.op = trace.ops[failure.step];
  failure.what = death.what;
  Blame blame = blame_for(death.frames);
  const bool in_harness = blame.harness;
  if (in_harness && is_fault_of_harness(death, trace)) failure.kind = FailureKind::oracle;
  failure.frames = std::move(blame.frames);
  failure.report = death.report;
  failure.violation.detail = describe(failure, death);
  if (in_harness && failure.kind != FailureKind::oracle) {
    failure.violation.detail += ", in vmapcheck's own code";
    failure.frames.clear();  // not the subject's
  }
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

Failure named(Failure failure, Position position,
              const std::function<std::optional<Failure>(const Closer& closer, Position& position)>& again,
              std::uint64_t visits_max) {
  for (Closer closer{.stride = 0}; closer.stride != 1;) {
    const std::uint64_t unsure = failure.step - std::min<std::uint64_t>(failure.step, position.sound) + 1;
    closer.from = position.sound - std::min<std::uint64_t>(position.sound, 1);
    const std::uint64_t stride = 1 + unsure * std::max<std::uint64_t>(position.nodes, 1) / visits_max;
    closer.stride = closer.stride == 0 ? stride : std::min(stride, closer.stride / 2);  // ever smaller
    auto closest = again(closer, position);
    if (!closest) break;
    failure = *std::move(closest);
  }
  return failure;
}

namespace {

std::expected<std::optional<Failure>, std::string> run_once(const Trace& trace, const SubjectFactory& make,
                                                            const IsolatedOptions& options, Checking checking,
                                                            const Closer& closer, Position& position) {
  const SharedArray<Position> shared(1);
  const auto work = [&](std::uint64_t, Beacon& beacon) -> std::optional<std::string> {
    const auto answer_at_once = [&](const Failure& failure) { beacon.answer(pack(failure)); };
    const auto outcome = run(trace, make,
                             {.checking = checking,
                              .closer = closer,
                              .beacon = beacon,
                              .on_violation = answer_at_once,
                              .position = &shared[0]});
    if (!outcome) return std::string{mark_error} + outcome.error();
    return pack(*outcome);
  };
  WalkOptions walk_options{.limits = options.limits, .on_death = {}, .keep_going = {}};
  walk_options.keep_going = [&] {
    if (options.on_progress) options.on_progress(shared[0].step);
    return !options.keep_going || options.keep_going();
  };
  const Walked walked = walk(1, work, walk_options);
  position = shared[0];
  if (walked.death) return failure_of(*walked.death, trace);
  if (!walked.answer || walked.answer->empty()) return std::nullopt;
  if (walked.answer->front() == mark_error) return std::unexpected(walked.answer->substr(1));
  return unpack(*walked.answer, trace);
}

}  // namespace

std::expected<std::optional<Failure>, std::string> run_isolated(const Trace& trace, const SubjectFactory& make,
                                                                const IsolatedOptions& options) {
  const Checking checking = options.checking.value_or(checking_of(trace));
  Position position;
  auto outcome = run_once(trace, make, options, checking, {}, position);
  if (options.checking || checking == Checking::every_step || !outcome || !*outcome) return outcome;
  return named(**std::move(outcome), position, [&](const Closer& closer, Position& now) {
    return run_once(trace, make, options, checking, closer, now).value_or(std::nullopt);
  });
}

Limits hurried(Limits limits, FailureKind kind) {
  using std::chrono::milliseconds;
  if (kind == FailureKind::hang) {
    limits.cpu = std::min(limits.cpu, milliseconds(is_sanitized() ? 100 : 20));
    limits.asleep = std::min(limits.asleep, milliseconds(25));
  }
  // AddressSanitizer keeps freed memory for a while, and needs memory of its own.
  if (kind == FailureKind::memory_limit && !is_sanitized())
    limits.memory = std::min(limits.memory, std::size_t{48} << 20);
  return limits;
}

std::optional<Hit> first_failing(std::uint64_t count, const std::function<Trace(std::uint64_t)>& candidate,
                                 const std::function<bool(const Failure&)>& wanted, const SubjectFactory& make,
                                 const IsolatedOptions& options) {
  // Amortized checking may give a failure another name than it has at the step that broke something.
  const auto how = [&](const Trace& trace) { return options.checking.value_or(checking_of(trace)); };
  const auto may_be_wanted = [&](const Failure& failure, const Trace& trace) {
    return wanted(failure) || (!options.checking && how(trace) == Checking::amortized);
  };
  const auto work = [&](std::uint64_t item, Beacon& beacon) -> std::optional<std::string> {
    const Trace trace = candidate(item);
    (void)run(trace, make,
              {.checking = how(trace),
               .beacon = beacon,
               .on_violation =
                   [&](const Failure& failure) {
                     if (may_be_wanted(failure, trace)) beacon.answer("");
                   },
               .keep_going = options.share ? options.share() : nullptr});
    return std::nullopt;
  };
  WalkOptions walk_options{.limits = options.limits, .on_death = {}, .keep_going = options.keep_going};
  walk_options.on_death = [&](std::uint64_t item, const Death& death) {
    const Trace trace = candidate(item);
    return may_be_wanted(failure_of(death, trace), trace);
  };
  while (walk_options.first < count) {
    const Walked walked = walk(count, work, walk_options);
    if (!walked.answer && !walked.death) return std::nullopt;
    walk_options.first = walked.items + 1;
    Trace trace = candidate(walked.items);
    if (walked.death && walked.death->kind == FailureKind::hang) {
      // To wait for it once more would cost more than all else.
      Failure failure = failure_of(*walked.death, trace);
      if (!wanted(failure)) continue;
      cut_behind(trace, failure);
      return Hit{walked.items, std::move(trace), std::move(failure)};
    }
    // In a child of its own: what other candidates did to the first one may have been the reason.
    IsolatedOptions alone = options;
    alone.checking = how(trace);
    auto again = run_isolated(trace, make, alone);
    if (!options.checking && alone.checking == Checking::amortized && again && *again && !wanted(**again))
      again = run_isolated(trace, make, options);
    if (again && *again && wanted(**again)) {
      cut_behind(trace, **again);
      return Hit{walked.items, std::move(trace), **std::move(again)};
    }
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
