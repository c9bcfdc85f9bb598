// SPDX-License-Identifier: Apache-2.0
#include "harness/random/check.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string_view>
#include <utility>

#include "harness/random/choices.hpp"
#include "harness/random/draw.hpp"
#include "harness/verify/isolated.hpp"
#include "harness/verify/model_subject.hpp"
#include "model/trace.hpp"

namespace vmapcheck {
namespace {

/// Each case has random numbers of its own.
Random random_of(std::uint64_t seed, std::uint64_t case_index) {
  // Unlike a plain sum or xor, case a of seed b is not case b of seed a.
  return Random(Random(seed).next() ^ Random(~case_index).next());
}

/// One case, recorded as it runs.
struct Case {
  Trace trace;
  std::optional<Failure> failure;
};

struct CaseOptions {
  std::uint64_t ops = 0;
  Checking checking = Checking::amortized;
  std::function<bool()> keep_going = [] { return true; };  ///< asked now and then; false ends the case early
  std::function<void(const Op&)> on_op{};                  ///< called before it is performed
  Beacon beacon{};
  std::function<void(const Case&)> on_failure{};  ///< called before the subject is destroyed
  bool observe = false;
};

/// What cases have done so far.
struct Tally {
  std::uint64_t cases = 0;
  std::uint64_t skipped = 0;
  char because[256] = {};  ///< it lies in memory that is shared
  Coverage coverage;
  std::uint64_t free_blocks_sum = 0;  ///< after each op
  std::uint64_t small_states = 0;
  Histograms histograms;  ///< where CaseOptions::observe is set
};

std::expected<Case, std::string> run_case(const SubjectFactory& make, Random random, const CaseOptions& options,
                                          Tally& tally, const std::function<void(const Space&)>& on_space = {}) {
  Generator generator(random, draw_shape(random));
  Case result{.trace = {.comments = {}, .space = generator.shape().space, .ops = {}}, .failure = {}};
  if (on_space) on_space(result.trace.space);
  auto executor = Executor::create(result.trace.space, make, options.checking);
  if (!executor) return std::unexpected(std::move(executor.error()));
  result.trace.ops.reserve(std::min<std::uint64_t>(options.ops, 1 << 16));
  std::optional<Observer> observer;
  if (options.observe) observer.emplace(tally.histograms, **executor);
  std::uint64_t free_blocks_sum = 0, small_states = 0;
  while (result.trace.ops.size() < options.ops && !result.failure) {
    const std::size_t step = result.trace.ops.size();
    if (step % 16 == 15 && !options.keep_going()) break;
    result.trace.ops.push_back(generator.next(**executor));
    const Op& op = result.trace.ops.back();
    Beacon(options.beacon).at(Phase::op, step);
    if (options.on_op) options.on_op(op);
    if (auto violation = (*executor)->step(op)) result.failure = {step, op, *std::move(violation)};
    free_blocks_sum += (*executor)->free_blocks();
    if ((*executor)->free_blocks() < small_free_blocks) ++small_states;
    if (observer && !result.failure) observer->step(op);
  }
  if (!result.failure) {
    const std::size_t end = result.trace.ops.size();
    Beacon(options.beacon).at(Phase::end, end);
    if (auto violation = (*executor)->finish())
      result.failure = {end, std::nullopt, *std::move(violation), FailureKind::violation, Phase::end};
    if (observer && !result.failure) observer->finish();
  }
  tally.coverage += (*executor)->coverage();
  tally.free_blocks_sum += free_blocks_sum;
  tally.small_states += small_states;
  if (result.failure && options.on_failure) options.on_failure(result);
  return result;
}

// ---- In children

constexpr char mark_done = 'd', mark_found = 'f';

/// Text that a child writes bit by bit, and its parent reads after its death.
class Record {
 public:
  Record() : file_(std::tmpfile()) {}
  Record(const Record&) = delete;
  Record& operator=(const Record&) = delete;
  ~Record() {
    if (file_ != nullptr) std::fclose(file_);
  }
  /// Begins again.
  void write_first(const std::string& text) {
    if (file_ != nullptr && ::ftruncate(::fileno(file_), 0) == 0) std::rewind(file_);
    write(text);
  }
  void write(const std::string& text) {
    if (file_ == nullptr) return;
    std::fwrite(text.data(), 1, text.size(), file_);
    std::fflush(file_);
  }
  [[nodiscard]] std::string text() {
    std::string all;
    if (file_ == nullptr) return all;
    std::rewind(file_);
    char bytes[1 << 14];
    while (const std::size_t got = std::fread(bytes, 1, sizeof bytes, file_)) all.append(bytes, got);
    return all;
  }

 private:
  std::FILE* file_;
};

/// The case again, written down before each op is performed: what it came to is the trace of its death.
Trace record_case(const SubjectFactory& make, const CheckOptions& options, std::uint64_t index) {
  Record record;
  const auto work = [&](std::uint64_t, Beacon& beacon) -> std::optional<std::string> {
    CaseOptions case_options{.ops = options.ops, .checking = options.checking};
    case_options.beacon = beacon;
    case_options.on_op = [&](const Op& op) { record.write(print(op) + "\n"); };
    Tally tally;
    const auto on_space = [&](const Space& space) { record.write_first(print(Trace{{}, space, {}})); };
    (void)run_case(make, random_of(options.seed, index), case_options, tally, on_space);
    return "";
  };
  try {
    (void)walk(1, work, {.limits = options.limits, .on_death = {}, .keep_going = {}});
  } catch (const ChildrenKilled&) {}  // what was written down is what there is
  auto trace = parse_trace(record.text());
  return trace ? *std::move(trace) : Trace{};
}

}  // namespace

Trace generate_trace(std::uint64_t seed, std::uint64_t case_index, std::uint64_t ops) {
  Tally tally;
  return run_case(model_subject(), random_of(seed, case_index), {.ops = ops}, tally)->trace;
}

std::expected<CheckReport, std::string> check(const SubjectFactory& make, const CheckOptions& options) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  // Children write, and we read. A case that is tried again, because another process killed its child, counts once.
  const SharedArray<Tally> tally(2);
  const SharedArray<std::uint64_t> begun(1);  // cases; before the last of them the tally was tally[1]
  CheckReport report;
  const auto update = [&] {
    report.cases = tally[0].cases;
    report.cases_skipped = tally[0].skipped;
    report.skipped_because = tally[0].because;
    report.coverage = tally[0].coverage;
    report.ops = report.coverage.steps();
    report.free_blocks_mean =
        static_cast<double>(tally[0].free_blocks_sum) / static_cast<double>(std::max<std::uint64_t>(1, report.ops));
    report.small_states = tally[0].small_states;
    if (options.observe) report.histograms = tally[0].histograms;
    report.elapsed = Clock::now() - begin;
  };

  const auto work = [&](std::uint64_t index, Beacon& beacon) -> std::optional<std::string> {
    if (begun[0] == index + 1) {  // again, since its child was killed
      tally[0] = tally[1];
    } else {
      tally[1] = tally[0];
      begun[0] = index + 1;
    }
    bool stopped = false;
    const auto keep_going = [&] {  // also within a case that is long
      stopped = beacon.stop_wanted() || (options.time && Clock::now() - begin >= *options.time);
      return !stopped;
    };
    CaseOptions case_options{.ops = options.ops, .checking = options.checking, .keep_going = keep_going};
    case_options.beacon = beacon;
    case_options.observe = options.observe;
    case_options.on_failure = [&](const Case& failed) {
      ++tally[0].cases;
      beacon.answer(std::string{mark_found} + print(failed.trace) + '\0' + pack(failed.failure));
    };
    const auto one = run_case(make, random_of(options.seed, index), case_options, tally[0]);
    if (one) {
      ++tally[0].cases;
    } else {
      if (tally[0].skipped++ == 0) one.error().copy(tally[0].because, sizeof tally[0].because - 1);
      stopped = tally[0].skipped >= refusals_min && is_nearly_none(tally[0].cases, tally[0].skipped);
    }
    return stopped || !keep_going() ? std::optional(std::string{mark_done}) : std::nullopt;
  };
  WalkOptions walk_options{.limits = options.limits, .on_death = {}, .keep_going = {}};
  walk_options.grace = std::chrono::milliseconds(500);
  walk_options.keep_going = [&] {
    update();
    return !options.on_progress || options.on_progress(report);
  };
  const Walked walked = walk(options.cases, work, walk_options);
  update();
  report.interrupted = walked.interrupted;
  report.complete = !walked.interrupted && !walked.answer && !walked.death;
  const bool found = walked.death || (walked.answer && walked.answer->front() == mark_found);
  const bool has_tried = report.complete || report.cases_skipped >= refusals_min;
  if (!found && has_tried && is_nearly_none(report.cases, report.cases_skipped))
    return std::unexpected(report.cases == 0
                               ? report.skipped_because
                               : fmt::format("{} of {} spaces were refused: {}", report.cases_skipped,
                                             report.cases + report.cases_skipped, report.skipped_because));
  if (!found) return report;

  CheckReport::Found one{.case_index = walked.items, .trace = {}, .failure = {}};
  if (walked.death) {
    ++report.cases;
    one.trace = record_case(make, options, walked.items);
    one.failure = failure_of(*walked.death, one.trace);
  } else {
    const std::size_t end = walked.answer->find('\0');
    one.trace = parse_trace(std::string_view(*walked.answer).substr(1, end - 1)).value();
    one.failure = *unpack(walked.answer->substr(end + 1), one.trace);
  }
  // Checking at every step names the step; amortized checking may have noticed it some steps later.
  try {
    const auto again = run_isolated(one.trace, make, {.limits = options.limits, .keep_going = {}});
    one.reproduced = again && *again;
    if (one.reproduced) one.failure = **again;
  } catch (const ChildrenKilled&) {}  // which says nothing of the subject: it failed
  cut_behind(one.trace, one.failure);
  report.found = std::move(one);
  report.interrupted = false;
  return report;
}

}  // namespace vmapcheck
