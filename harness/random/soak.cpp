// SPDX-License-Identifier: Apache-2.0
#include "harness/random/soak.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <limits>
#include <memory>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "harness/random/choices.hpp"
#include "harness/random/draw.hpp"
#include "harness/random/histograms.hpp"
#include "harness/verify/isolated.hpp"
#include "model/op_kinds.hpp"
#include "model/trace.hpp"

namespace vmapcheck {
namespace {

// ---- The ops

/// There is room for a quarter more than what is to live, so that holes of all sizes form.
Shape soak_shape(std::uint32_t live) {
  Shape shape;
  shape.live_max = live;
  shape.live_min = live - live / 16;
  shape.granules_max = 16;
  shape.space.granule = 0x1000;
  const std::uint64_t granules = std::max<std::uint64_t>(64, std::uint64_t{live} * 17 / 2 * 5 / 4);
  shape.space.range = {0x10'0000, 0x10'0000 + granules * shape.space.granule};
  shape.space.lazy_limit = 64 * shape.space.granule;
  shape.weights = weights_usual;
  shape.weights[op_kind<OnExhaustion>] = 0;  // a hook is called for ever
  shape.align_in = 16;
  shape.bad_in = 200;
  return shape;
}

/// Caps requests that would spoil a large state. An area that takes a good part of the space would stay for as long as
/// a million others. An alignment far above all sizes makes every search, also ours, visit nearly every gap in vain: a
/// large state gets one seldom.
class RequestCap {
 public:
  RequestCap(Random& random, const Shape& shape) : random_(random), shape_(shape) {}

  void cap(Op& op) {
    for_each_field(op, [&](auto field, auto& value) {
      if constexpr (field.meaning == Meaning::size) cap_size(value);
      if constexpr (field.meaning == Meaning::align) cap_align(value);
    });
  }

 private:
  void cap_size(Size& size) {
    const Size granule = shape_.space.granule, granules = size / granule;
    if (granules > 4 * shape_.granules_max && size <= shape_.space.range.size())
      size = (1 + granules % shape_.granules_max) * granule;
  }

  void cap_align(Size& align) {
    if (align > 64 * shape_.space.granule && !one_in(random_, 1 + shape_.live_max / 16)) align = shape_.space.granule;
  }

  Random& random_;
  const Shape& shape_;
};

// ---- The tape

/// A trace as text, in memory that outlives the process that writes it: a state, and the ops since.
class Tape {
 public:
  explicit Tape(std::size_t bytes) : text_(bytes), length_(1) {}

  /// Begins anew with the state of an executor, as areas that are busy from the start. Metadata failures to come are
  /// not part of it.
  void begin(const Executor& executor) {
    length_[0] = 0;
    ops_ = 0;
    const ReferenceModel& model = executor.model();
    Space space = model.space();
    space.busy.clear();
    append(print(Trace{{}, space, {}}));
    for (const auto& [begin, area] : model.areas()) append_busy({begin, area.end});
    for (const Address begin : model.lazy()) append(print(Op(FreeLazilyAt{begin})) + "\n");
    base_ = label_next_;
  }

  /// Before the op is performed. Areas that are older than the tape are named by their address.
  void record(const Op& op, const Executor& executor) {
    ++ops_;
    append(print(renamed(op, executor)) + "\n");
    if (const Label* const bound = bound_label(op)) label_next_ = std::max(label_next_, bound->id + 1);
  }

  [[nodiscard]] std::uint64_t ops() const { return ops_; }
  [[nodiscard]] bool nearly_full() const { return length_[0] + 4096 > text_.size(); }
  [[nodiscard]] std::string_view text() const { return {&text_[0], length_[0]}; }

 private:
  [[nodiscard]] Op renamed(Op op, const Executor& executor) const {
    if (const Label* const used = used_label(op); used != nullptr && used->id < base_) {
      const Executor::Live* const live = executor.find_live(*used);
      if (live == nullptr) return Find{executor.model().space().range.begin};
      if (auto named = by_address(op, live->begin)) return *std::move(named);
    }
    for (Label* const label : {bound_label(op), used_label(op)})
      if (label != nullptr) label->id -= base_;
    return op;
  }

  void append_busy(Range range) {
    std::array<char, 64> line;
    char* at = line.data();
    const auto put = [&](std::string_view text) { at = std::ranges::copy(text, at).out; };
    const auto put_number = [&](Address n) { at = std::to_chars(at, line.data() + line.size(), n, 16).ptr; };
    put("busy 0x"), put_number(range.begin), put("..0x"), put_number(range.end), put("\n");
    append({line.data(), static_cast<std::size_t>(at - line.data())});
  }

  void append(std::string_view text) {
    if (length_[0] + text.size() > text_.size()) return;
    std::memcpy(&text_[length_[0]], text.data(), text.size());
    length_[0] += text.size();
  }

  SharedArray<char> text_;
  SharedArray<std::size_t> length_;
  std::uint64_t ops_ = 0;
  std::uint32_t label_next_ = 0;  ///< of the whole run
  std::uint32_t base_ = 0;        ///< the first label that the tape binds
};

/// Enough for the text of two states, whose lines have at most 64 bytes.
std::size_t tape_bytes(std::uint32_t live) { return (std::size_t{1} << 22) + std::size_t{live} * 192; }

// ---- From the tape to a trace

/// The last ops that are tried, before the whole tape.
constexpr std::array<std::size_t, 5> last_ops{1, 8, 64, 512, 4096};

bool alike(const Failure& a, const Failure& b) { return signature(a) == signature(b); }

/// Traces that begin in the states before the last 1, 8, ... ops of `trace`.
std::vector<Trace> cut(const Trace& trace, const SubjectFactory& make, std::uint32_t live) {
  std::vector<std::unique_ptr<Tape>> tapes;
  for (const std::size_t last : last_ops)
    if (last < trace.ops.size()) tapes.push_back(std::make_unique<Tape>(tape_bytes(live)));
  const auto work = [&](std::uint64_t, Beacon& beacon) -> std::optional<std::string> {
    auto executor = Executor::create(trace.space, make, Checking::amortized);
    if (!executor) return "";
    for (std::size_t step = 0; step < trace.ops.size(); ++step) {
      for (std::size_t i = 0; i < tapes.size(); ++i) {
        if (step + last_ops[i] < trace.ops.size()) continue;
        if (step + last_ops[i] == trace.ops.size()) tapes[i]->begin(**executor);
        tapes[i]->record(trace.ops[step], **executor);
      }
      beacon.at(Phase::op, step);
      if ((*executor)->step(trace.ops[step])) break;
    }
    return "";
  };
  (void)walk(1, work, {.limits = soak_limits(live), .on_death = {}, .keep_going = {}});
  std::vector<Trace> traces;
  for (const auto& tape : tapes)
    if (auto parsed = parse_trace(tape->text())) traces.push_back(*std::move(parsed));
  return traces;
}

/// The shortest of the tape's ends that fails as the run did, else the whole tape.
CheckReport::Found found_on(const Tape& tape, const std::optional<Failure>& told, const std::optional<Death>& death,
                            const SubjectFactory& make, const SoakOptions& options, const CheckReport& report) {
  CheckReport::Found found{.case_index = 0, .trace = {}, .failure = {}};
  if (auto parsed = parse_trace(tape.text())) found.trace = *std::move(parsed);
  found.failure = told ? *told : failure_of(*death, found.trace);
  found.failure.step = found.trace.ops.size();
  if (found.failure.phase == Phase::op && !found.trace.ops.empty())
    found.failure.op = found.trace.ops[--found.failure.step];
  found.reproduced = false;
  const IsolatedOptions isolated{.checking = Checking::amortized,
                                 .limits = soak_limits(options.live),
                                 .keep_going = [&] { return !options.on_progress || options.on_progress(report); }};
  std::vector<Trace> candidates = cut(found.trace, make, options.live);
  candidates.push_back(found.trace);
  for (Trace& candidate : candidates) {
    std::expected<std::optional<Failure>, std::string> failure;
    try {
      failure = run_isolated(candidate, make, isolated);
    } catch (const ChildrenKilled&) {  // which says nothing of the subject: it failed
      found.reproduced = told.has_value();
      break;
    }
    if (!failure || !*failure || !alike(**failure, found.failure)) continue;
    found = {.case_index = 0, .trace = std::move(candidate), .failure = **failure};
    cut_behind(found.trace, found.failure);
    break;
  }
  return found;
}

// ---- The run

struct Tally {
  Coverage coverage;
  Histograms histograms;
  std::uint64_t small_states = 0;
  std::uint64_t live = 0;
};

constexpr char mark_error = 'e', mark_done = 'd', mark_found = 'f';

}  // namespace

Limits soak_limits(std::uint32_t live) {
  Limits limits;
  limits.cpu += std::chrono::milliseconds(live / 50);
  limits.asleep += std::chrono::milliseconds(live / 50);
  limits.memory += std::size_t{live} * 4096;
  return limits;
}

std::expected<CheckReport, std::string> soak(const SubjectFactory& make, const SoakOptions& options) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  const SharedArray<Tally> tally(1);
  Tape tape(tape_bytes(options.live));
  const std::uint64_t ops_max =
      options.ops.value_or(options.time ? std::numeric_limits<std::uint64_t>::max() : std::uint64_t{options.live} * 8);
  CheckReport report;
  report.cases = 1;
  const auto update = [&] {
    report.coverage = tally[0].coverage;
    report.ops = report.coverage.steps();
    report.histograms = tally[0].histograms;
    report.free_blocks_mean = report.histograms->free_blocks.mean();
    report.small_states = tally[0].small_states;
    report.live = tally[0].live;
    report.elapsed = Clock::now() - begin;
  };

  const auto work = [&](std::uint64_t, Beacon& beacon) -> std::optional<std::string> {
    Random random(Random(options.seed).next());
    Generator generator(random, soak_shape(options.live));
    RequestCap request_cap(random, generator.shape());
    auto made = Executor::create(generator.shape().space, make, Checking::amortized);
    if (!made) return std::string{mark_error} + made.error();
    Executor& executor = **made;
    Observer observer(tally[0].histograms, executor);
    tape.begin(executor);
    std::uint64_t full_checks = 1;
    std::optional<Failure> failure;
    bool stopped = false;
    std::uint64_t step = 0;
    for (; step < ops_max && !failure; ++step) {
      if (step % 1024 == 1023) {
        tally[0].coverage = executor.coverage();
        tally[0].live = executor.live().size();
      }
      if (step % 16 == 15) stopped = beacon.stop_wanted() || (options.time && Clock::now() - begin >= *options.time);
      if (stopped) break;
      Op op = generator.next(executor);
      request_cap.cap(op);
      tape.record(op, executor);
      beacon.at(Phase::op, step);
      if (auto violation = executor.step(op)) {
        failure = Failure{step, op, *std::move(violation)};
        break;
      }
      observer.step(op);
      if (executor.free_blocks() < small_free_blocks) ++tally[0].small_states;
      const bool checked = std::exchange(full_checks, executor.coverage().full_checks) != full_checks;
      if ((checked && tape.ops() * 2 >= executor.model().areas().size()) || tape.nearly_full()) tape.begin(executor);
    }
    tally[0].coverage = executor.coverage();
    if (!failure) {
      beacon.at(Phase::end, step);
      if (auto violation = executor.finish())
        failure = Failure{step, std::nullopt, *std::move(violation), FailureKind::violation, Phase::end};
      else
        observer.finish();
      tally[0].coverage = executor.coverage();
    }
    if (failure) beacon.answer(std::string{mark_found} + pack(failure));
    return stopped ? std::optional(std::string{mark_done}) : std::nullopt;
  };
  WalkOptions walk_options{.limits = soak_limits(options.live), .on_death = {}, .keep_going = {}};
  walk_options.limits.memory += tape_bytes(options.live);
  walk_options.grace = std::chrono::milliseconds(2000 + options.live / 50);
  walk_options.tries = 1;  // of hours
  walk_options.keep_going = [&] {
    update();
    return !options.on_progress || options.on_progress(report);
  };
  const Walked walked = walk(1, work, walk_options);
  update();
  report.interrupted = walked.interrupted;
  report.complete = !walked.interrupted && !walked.answer && !walked.death;
  if (walked.answer && walked.answer->front() == mark_error) return std::unexpected(walked.answer->substr(1));
  if (walked.death || (walked.answer && walked.answer->front() == mark_found)) {
    std::optional<Failure> told;
    if (!walked.death) told = unpack(walked.answer->substr(1), Trace{});
    report.found = found_on(tape, told, walked.death, make, options, report);
    if (walked.death && walked.death->by_other && !report.found->reproduced) throw ChildrenKilled(*walked.death);
    report.interrupted = false;
  }
  return report;
}

}  // namespace vmapcheck
