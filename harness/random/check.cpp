// SPDX-License-Identifier: Apache-2.0
#include "harness/random/check.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <exception>
#include <map>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "harness/isolate/crew.hpp"
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

// ---- In batches

/// Consecutive cases, and what became of them.
struct Batch {
  enum class End : std::uint8_t {
    all,     ///< every case was run
    cut,     ///< the time was over, or the run was to end
    found,   ///< a violation, with `text`
    died,    ///< with `death`
    killed,  ///< ChildrenKilled, with `text`
    failed,  ///< another exception, with `text`
  };
  std::uint64_t number = 0;
  End end = End::all;
  std::uint64_t case_index = 0;  ///< of the case that failed
  std::string text{};
  Death death{};
  Tally tally{};  ///< of the cases up to there

  [[nodiscard]] bool ends_the_run() const { return end >= End::found; }
};

/// Its parts, in one order for who sends and who receives it. One that is added must be named here.
template <class AnyBatch, class Each>
void for_each_part(AnyBatch& batch, Each each) {
  auto& [number, end, case_index, text, death, tally] = batch;
  auto& [kind, phase, step, what, detail, frames, report, by_other] = death;
  each(number), each(end), each(case_index), each(text), each(tally);
  each(kind), each(phase), each(step), each(what), each(detail), each(frames), each(report), each(by_other);
}

template <class T>
constexpr bool is_list = requires(T& value) { value.resize(1), value.data(); };

std::string bytes_of(const Batch& batch) {
  std::string bytes;
  const auto put = [&](const void* from, std::size_t size) { bytes.append(static_cast<const char*>(from), size); };
  for_each_part(batch, [&]<class T>(const T& part) {
    if constexpr (is_list<T>) {
      const std::size_t count = part.size();
      put(&count, sizeof count);
      put(part.data(), count * sizeof part[0]);
    } else {
      put(&part, sizeof part);
    }
  });
  return bytes;
}

Batch batch_of(std::string_view bytes) {
  Batch batch;
  const auto take = [&](void* to, std::size_t size) { bytes.remove_prefix(bytes.copy(static_cast<char*>(to), size)); };
  for_each_part(batch, [&]<class T>(T& part) {
    if constexpr (is_list<T>) {
      std::size_t count = 0;
      take(&count, sizeof count);
      part.resize(count);
      take(part.data(), count * sizeof part[0]);
    } else {
      take(&part, sizeof part);
    }
  });
  return batch;
}

/// One run of check(). Members of a crew take batches and send what became of them; here they are counted in order.
class CheckRun {
 public:
  CheckRun(const SubjectFactory& make, const CheckOptions& options);
  std::expected<CheckReport, std::string> run();

 private:
  using Clock = std::chrono::steady_clock;
  using Send = std::function<void(Batch batch)>;

  // In the processes that work: in this one, if it is the only one.
  void take_batches(unsigned worker, const Send& send, const std::function<bool()>& keep_going);
  Batch run_batch(std::uint64_t number, unsigned worker, const std::function<bool()>& keep_going);
  std::optional<std::string> run_one(std::uint64_t index, Beacon& beacon, unsigned worker);
  [[nodiscard]] bool is_time_over() const { return options_.time && Clock::now() - begin_ >= *options_.time; }

  // In this process.
  void run_by_crew(unsigned jobs);
  void receive(Batch batch);
  void count(Batch batch);
  bool progress();
  void update();
  CheckReport::Found found_in(const Batch& batch) const;

  /// What the processes agree on.
  struct Plan {
    std::atomic<std::uint64_t> next;         ///< batch to be taken
    std::atomic<std::uint64_t> last_wanted;  ///< batch; those behind it are not needed
    std::atomic<bool> stop;
  };
  /// Of one who works: written by its children.
  struct Desk {
    Tally tally;
    Tally before;         ///< as it was before the case `begun` - 1; that counts once if it is tried again
    std::uint64_t begun;  ///< one more than the case that was begun last
  };

  const SubjectFactory& make_;
  const CheckOptions& options_;
  Clock::time_point begin_ = Clock::now();
  std::uint64_t batch_cases_;  ///< cases of a batch
  std::uint64_t batches_;
  SharedArray<Plan> plan_{1};
  SharedArray<Desk> desks_;
  std::map<std::uint64_t, Batch> waiting_;  ///< for one before them
  std::uint64_t counted_ = 0;               ///< batches
  Tally tally_;                             ///< of these
  std::optional<Batch> last_;               ///< at which the run ended
  bool cut_ = false;
  bool refused_ = false;  ///< by nearly all spaces
  bool lost_ = false;     ///< one who worked was killed
  CheckReport report_;
};

CheckRun::CheckRun(const SubjectFactory& make, const CheckOptions& options)
    : make_(make),
      options_(options),
      batch_cases_(
          std::clamp<std::uint64_t>(options.batch_ops / std::max<std::uint64_t>(options.ops, 1), 1, batch_cases_max)),
      batches_(options.cases / batch_cases_ + (options.cases % batch_cases_ == 0 ? 0 : 1)),
      desks_(std::clamp<std::uint64_t>(options.jobs, 1, std::max<std::uint64_t>(batches_, 1))) {
  plan_[0].last_wanted = batches_;
}

std::expected<CheckReport, std::string> CheckRun::run() {
  if (desks_.size() == 1)
    take_batches(0, [this](Batch batch) { receive(std::move(batch)); }, [this] { return progress(); });
  else
    run_by_crew(static_cast<unsigned>(desks_.size()));
  if (!last_ && lost_) {  // what was found behind the batch that is missing is found all the same
    const auto found = std::ranges::find_if(waiting_, [](const auto& each) {
      return each.second.end == Batch::End::found || each.second.end == Batch::End::died;
    });
    if (found != waiting_.end()) count(std::move(found->second));
  }
  update();
  if (last_ && last_->end == Batch::End::killed) throw ChildrenKilled(last_->text);
  if (last_ && last_->end == Batch::End::failed) throw std::runtime_error(last_->text);
  if (!last_ && lost_)
    throw ChildrenKilled("a process that checks was killed from outside: is there too little memory?");
  report_.complete = !last_ && !cut_ && !report_.interrupted && counted_ == batches_;
  if (!last_ && (refused_ || (report_.complete && is_nearly_none(report_.cases, report_.cases_skipped))))
    return std::unexpected(report_.cases == 0
                               ? report_.skipped_because
                               : fmt::format("{} of {} spaces were refused: {}", report_.cases_skipped,
                                             report_.cases + report_.cases_skipped, report_.skipped_because));
  if (last_) {
    report_.interrupted = false;
    report_.found = found_in(*last_);
  }
  return std::move(report_);
}

void CheckRun::take_batches(unsigned worker, const Send& send, const std::function<bool()>& keep_going) {
  Plan& plan = plan_[0];
  while (!plan.stop && (plan.next == 0 || !is_time_over())) {
    const std::uint64_t number = plan.next++;
    if (number >= batches_ || number > plan.last_wanted) return;
    send(run_batch(number, worker, keep_going));
  }
}

/// All its cases in one child.
Batch CheckRun::run_batch(std::uint64_t number, unsigned worker, const std::function<bool()>& keep_going) {
  Desk& desk = desks_[worker];
  desk = Desk{};
  Batch batch{.number = number};
  const std::uint64_t first = number * batch_cases_;
  WalkOptions walk_options{.limits = options_.limits, .on_death = {}, .keep_going = {}, .first = first};
  walk_options.grace = std::chrono::milliseconds(500);
  walk_options.keep_going = [&] {
    const bool goes_on = keep_going();  // also if it is known that this is the end
    return goes_on && !plan_[0].stop && number <= plan_[0].last_wanted;
  };
  const auto work = [&](std::uint64_t index, Beacon& beacon) { return run_one(index, beacon, worker); };
  try {
    Walked walked = walk(std::min(first + batch_cases_, options_.cases), work, walk_options);
    batch.case_index = walked.items;
    if (walked.death) {
      batch.end = Batch::End::died;
      batch.death = *std::move(walked.death);
      ++desk.tally.cases;
    } else if (walked.answer && walked.answer->front() == mark_found) {
      batch.end = Batch::End::found;
      batch.text = walked.answer->substr(1);
    } else if (walked.answer || walked.interrupted) {
      batch.end = Batch::End::cut;
    }
  } catch (const ChildrenKilled& killed) {
    batch.end = Batch::End::killed;
    batch.text = killed.what();
  } catch (const std::exception& error) {
    batch.end = Batch::End::failed;
    batch.text = error.what();
  }
  batch.tally = desk.tally;
  return batch;
}

/// In the child. An answer ends the batch.
std::optional<std::string> CheckRun::run_one(std::uint64_t index, Beacon& beacon, unsigned worker) {
  Desk& desk = desks_[worker];
  if (desk.begun == index + 1) {  // again, since its child was killed
    desk.tally = desk.before;
  } else {
    desk.before = desk.tally;
    desk.begun = index + 1;
  }
  const auto keep_going = [&] { return !beacon.stop_wanted() && !is_time_over(); };  // also within a case that is long
  CaseOptions case_options{.ops = options_.ops, .checking = options_.checking, .keep_going = keep_going};
  case_options.beacon = beacon;
  case_options.observe = options_.observe;
  case_options.on_failure = [&](const Case& failed) {
    ++desk.tally.cases;
    beacon.answer(std::string{mark_found} + print(failed.trace) + '\0' + pack(failed.failure));
  };
  const auto one = run_case(make_, random_of(options_.seed, index), case_options, desk.tally);
  if (one)
    ++desk.tally.cases;
  else if (desk.tally.skipped++ == 0)
    one.error().copy(desk.tally.because, sizeof desk.tally.because - 1);
  return keep_going() ? std::nullopt : std::optional(std::string{mark_done});
}

void CheckRun::run_by_crew(unsigned jobs) {
  Crew crew(jobs, [this](unsigned worker, const Crew::Tell& tell) {
    take_batches(worker, [&](const Batch& batch) { tell(bytes_of(batch)); }, [] { return true; });
  });
  const auto on_killed = [this](unsigned) {
    lost_ = true;
    plan_[0].stop = true;
  };
  while (crew.hear([this](unsigned, std::string_view message) { receive(batch_of(message)); }, on_killed)) progress();
}

/// Counts it, and those that waited for it.
void CheckRun::receive(Batch batch) {
  Plan& plan = plan_[0];
  if (batch.ends_the_run()) plan.last_wanted = std::min(plan.last_wanted.load(), batch.number);
  waiting_.emplace(batch.number, std::move(batch));
  for (auto first = waiting_.begin(); first != waiting_.end() && first->first == counted_; first = waiting_.begin()) {
    if (!last_ && !refused_) count(std::move(first->second));
    waiting_.erase(first);
    ++counted_;
  }
  if (last_ || refused_) plan.stop = true;
}

void CheckRun::count(Batch batch) {
  const Tally& tally = batch.tally;
  tally_.cases += tally.cases;
  if (tally_.skipped == 0) std::ranges::copy(tally.because, tally_.because);
  tally_.skipped += tally.skipped;
  tally_.coverage += tally.coverage;
  tally_.free_blocks_sum += tally.free_blocks_sum;
  tally_.small_states += tally.small_states;
  tally_.histograms += tally.histograms;
  cut_ = cut_ || batch.end == Batch::End::cut;
  if (batch.ends_the_run())
    last_ = std::move(batch);
  else
    refused_ = tally_.skipped >= refusals_min && is_nearly_none(tally_.cases, tally_.skipped);
}

bool CheckRun::progress() {
  update();
  const bool goes_on = !options_.on_progress || options_.on_progress(report_);
  if (!goes_on) report_.interrupted = plan_[0].stop = true;
  return goes_on;
}

void CheckRun::update() {
  report_.cases = tally_.cases;
  report_.cases_skipped = tally_.skipped;
  report_.skipped_because = tally_.because;
  report_.coverage = tally_.coverage;
  report_.ops = report_.coverage.steps();
  report_.free_blocks_mean =
      static_cast<double>(tally_.free_blocks_sum) / static_cast<double>(std::max<std::uint64_t>(1, report_.ops));
  report_.small_states = tally_.small_states;
  if (options_.observe) report_.histograms = tally_.histograms;
  report_.elapsed = Clock::now() - begin_;
}

CheckReport::Found CheckRun::found_in(const Batch& batch) const {
  CheckReport::Found found{.case_index = batch.case_index, .trace = {}, .failure = {}};
  if (batch.end == Batch::End::died) {
    found.trace = record_case(make_, options_, batch.case_index);
    found.failure = failure_of(batch.death, found.trace);
  } else {
    const std::size_t end = batch.text.find('\0');
    found.trace = parse_trace(std::string_view(batch.text).substr(0, end)).value();
    found.failure = *unpack(batch.text.substr(end + 1), found.trace);
  }
  // Checking at every step names the step; amortized checking may have noticed it some steps later.
  try {
    const auto again = run_isolated(found.trace, make_, {.limits = options_.limits, .keep_going = {}});
    found.reproduced = again && *again;
    if (found.reproduced) found.failure = **again;
  } catch (const ChildrenKilled&) {}  // which says nothing of the subject: it failed
  cut_behind(found.trace, found.failure);
  return found;
}

}  // namespace

Trace generate_trace(std::uint64_t seed, std::uint64_t case_index, std::uint64_t ops) {
  Tally tally;
  return run_case(model_subject(), random_of(seed, case_index), {.ops = ops}, tally)->trace;
}

std::expected<CheckReport, std::string> check(const SubjectFactory& make, const CheckOptions& options) {
  return CheckRun(make, options).run();
}

}  // namespace vmapcheck
