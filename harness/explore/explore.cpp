// SPDX-License-Identifier: Apache-2.0
#include "harness/explore/explore.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <ctime>
#include <exception>
#include <limits>
#include <mutex>
#include <ranges>
#include <thread>
#include <tuple>
#include <utility>

#include "harness/explore/state_file.hpp"

namespace vmapcheck {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

/// Counted by one worker, read by the process that watches.
struct alignas(64) Count {
  std::atomic<std::uint64_t> states;
  std::atomic<std::uint64_t> transitions;
  std::atomic<std::uint64_t> entered;
  std::atomic<std::uint64_t> again;  ///< transitions on walks
};

/// What the child tells its parent in shared memory.
struct Shared {
  std::atomic<std::uint64_t> level;
  std::atomic<std::uint64_t> level_states;
  std::atomic<std::uint64_t> bytes;
  ExploreProgress before;  ///< what the runs did that this one goes on from
  std::uint64_t states_before;
  // Written when the child ends.
  std::uint64_t depth;
  std::uint64_t layouts;
  std::int64_t cpu;
  Exercised exercised;
  bool complete;
  bool resumed;
  bool saved;
};

nanoseconds processor_time() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + nanoseconds(now.tv_nsec);
}

void add(Exercised& to, const Exercised& from) {
  to.coverage += from.coverage;
  to.searches += from.searches;
  to.again += from.again;
  to.sees_tree = to.sees_tree || from.sees_tree;
  to.shows_all = to.shows_all || from.shows_all;
  to.has_digest = to.has_digest || from.has_digest;
}

constexpr const char* another_state = "the same ops led to another state than before";
constexpr char mark_done = 'd', mark_error = 'e', mark_found = 'f';

/// The exploration itself, in the child.
class Exploration {
 public:
  Exploration(const Territory& territory, const ExploreOptions& options, Shared& shared,
              const SharedArray<Count>& counts, const SharedArray<Whereabouts>& here, Beacon& beacon)
      : territory_(territory), options_(options), shared_(shared), counts_(counts), here_(here), beacon_(beacon) {}

  /// Returns the answer for the parent: a mark, and what belongs to it.
  std::string run();

 private:
  struct Task {
    std::size_t shard = 0;
    StateSet::Places places;
  };
  class Worker;
  /// What was found on a walk.
  struct Astray {
    std::vector<Move> moves;
    std::string line;
    vmap::Violation violation;
    std::vector<Move> other;
  };

  std::optional<std::string> begin();
  void list_tasks();
  void run_tasks();
  void work(std::size_t worker);
  bool pause_wanted() const;
  bool is_overdue();
  void sign_of_life() { beacon_.at(Phase::op, steps_.fetch_add(1, std::memory_order_relaxed)); }
  std::string save();
  void conclude();
  void found(std::span<const Move> moves, const std::string& line, vmap::Violation violation);
  void found_astray(Astray astray);
  bool report_astray(std::uint64_t length_max);
  [[nodiscard]] ExploreProgress progress() const;

  const Territory& territory_;
  const ExploreOptions& options_;
  Shared& shared_;
  const SharedArray<Count>& counts_;
  const SharedArray<Whereabouts>& here_;
  Beacon& beacon_;

  StateSet states_;
  std::vector<std::unique_ptr<World>> worlds_;
  std::uint64_t level_ = 0;
  std::vector<Task> tasks_;
  std::atomic<std::size_t> next_task_ = 0;
  std::atomic<bool> stop_ = false;    ///< begin no more tasks
  std::atomic<bool> failed_ = false;  ///< nor end those that are begun
  std::atomic<std::uint64_t> steps_ = 0;
  std::atomic<Clock::rep> end_seen_ = 0;  ///< when the end was first wanted; 0: it is not
  std::uint64_t walks_below_ = 0;         ///< walks begin at states whose hash is below this
  unsigned walks_each_ = 1;               ///< how many begin at each
  Clock::time_point began_ = Clock::now();
  Clock::time_point save_due_ = Clock::now();
  std::mutex found_mutex_;
  std::optional<std::string> found_;
  std::optional<Astray> astray_;            ///< of those found so far, the first in order of length, then moves
  std::atomic<bool> astray_waits_ = false;  ///< there is one, not reported yet
  std::exception_ptr trouble_;
};

/// A finding as text, for the parent.
std::string text_of(std::span<const Move> moves, const std::string& line, const vmap::Violation& violation, bool astray,
                    std::span<const Move> other) {
  std::string text{mark_found};
  text += static_cast<char>('0' + static_cast<int>(violation.invariant));
  text += astray ? 'a' : '-';
  for (const Move move : moves) text += std::to_string(move) + " ";
  text += '/';
  for (const Move move : other) text += std::to_string(move) + " ";
  return text + '\0' + line + '\0' + violation.detail;
}

/// How many moves a walk has.
constexpr std::size_t walk_length = 8;

struct Arrival {
  Move move = 0;
  StateKey key = 0;
  friend bool operator==(const Arrival&, const Arrival&) = default;
};

/// What the moves from a state on a walk lead to.
class Arrivals final : public Explorer {
 public:
  struct Failure {
    std::optional<Move> move;
    std::string line;
    vmap::Violation violation;
  };
  void arrived(Move move, StateKey key) override { all.push_back({move, key}); }
  void failed(Move move, vmap::Violation violation) override {
    if (!failure) failure = Failure{move, "", std::move(violation)};
  }
  void failed(const std::string& line, vmap::Violation violation) override {
    if (!failure) failure = Failure{{}, line, std::move(violation)};
  }
  std::vector<Arrival> all;
  std::optional<Failure> failure;
};

/// Draws a state other than `from`, and then one of the moves to it. Every second time it takes the least move, which
/// is the plainest.
const Arrival* drawn(const std::vector<Arrival>& arrivals, StateKey from, std::uint64_t seed) {
  const Arrival* best = nullptr;
  const auto rank = [&](const Arrival& arrival) {
    return std::pair(StateSet::hash_of(arrival.key ^ seed),
                     (seed & 1u) != 0 ? arrival.move : StateSet::hash_of(arrival.move ^ seed));
  };
  for (const Arrival& arrival : arrivals)
    if (arrival.key != from && (best == nullptr || rank(arrival) < rank(*best))) best = &arrival;
  return best;
}

/// Puts what one state's moves lead to into the set.
class Exploration::Worker final : public Explorer {
 public:
  Worker(Exploration& all, Count& count, Whereabouts& here) : all_(all), count_(count), here_(here) {}

  /// The way to a state, from the first.
  [[nodiscard]] std::span<const Move> way_to(StateId id) {
    here_.length = 0;
    std::size_t length = 0;
    for (StateId at = id; all_.states_[at].parent != at; at = all_.states_[at].parent) ++length;
    for (std::size_t i = length; i-- > 0; id = all_.states_[id].parent) here_.moves[i] = all_.states_[id].move;
    here_.length = static_cast<std::uint32_t>(length);
    return {here_.moves.data(), length};
  }
  void at(StateId id) {
    from_ = {all_.states_[id].key, id};
    walks_ = StateSet::hash_of(~from_.key) < all_.walks_below_ ? all_.walks_each_ : 0;
    arrivals_.clear();
  }
  /// Walks on from that state, if it is in the sample.
  void walk(World& world, std::span<const Move> way) {
    const std::vector<Move> begin(way.begin(), way.end());
    for (unsigned number = 0; number < walks_ && !all_.failed_; ++number) walk(world, begin, number);
  }

  void arrived(Move move, StateKey key) override {
    count_.transitions.fetch_add(1, std::memory_order_relaxed);
    if (walks_ != 0) arrivals_.push_back({move, key});
    if (all_.states_.insert(key, from_, move)) count_.states.fetch_add(1, std::memory_order_relaxed);
  }
  void failed(Move move, vmap::Violation violation) override {
    here_.moves[here_.length] = move;
    all_.found({here_.moves.data(), here_.length + std::size_t{1}}, "", std::move(violation));
  }
  void failed(const std::string& line, vmap::Violation violation) override {
    all_.found({here_.moves.data(), here_.length}, line, std::move(violation));
  }

 private:
  struct Stop {
    std::vector<Move> path;
    StateId id;
    std::vector<Arrival> arrivals;
  };
  void walk(World& world, std::vector<Move> path, unsigned number);
  void compare(World& world, Stop stop);

  Exploration& all_;
  Count& count_;
  Whereabouts& here_;
  StateSet::From from_;
  unsigned walks_ = 0;  ///< from that state
  std::vector<Arrival> arrivals_;
};

void Exploration::Worker::walk(World& world, std::vector<Move> path, unsigned number) {
  here_.astray = true;
  std::vector<Arrival> arrivals = arrivals_;
  StateKey key = from_.key;
  std::optional<Stop> met;  // before, and last
  for (std::size_t step = 1; step <= walk_length && path.size() < explore_depth_max; ++step) {
    const Arrival* const next = drawn(arrivals, key, StateSet::hash_of(from_.key + number * walk_length + step));
    if (next == nullptr || all_.is_overdue()) break;
    path.push_back(next->move);
    key = next->key;
    all_.sign_of_life();
    auto violation = world.enter(path);
    if (!violation && world.key() != key) violation = vmap::Violation{vmap::Invariant::answer, another_state};
    if (violation) {
      all_.found_astray({path, "", *std::move(violation), {}});
      break;
    }
    Arrivals now;
    world.expand(now);
    count_.again.fetch_add(now.all.size(), std::memory_order_relaxed);
    if (now.failure) {
      if (now.failure->move) path.push_back(*now.failure->move);
      all_.found_astray({path, now.failure->line, std::move(now.failure->violation), {}});
      break;
    }
    arrivals = std::move(now.all);
    if (const auto id = all_.states_.find(key); id && world.exercised().keys_decide()) met = Stop{path, *id, arrivals};
  }
  if (met) compare(world, *std::move(met));
  here_.astray = false;
}

/// Enters the same state on its first way: the same moves must lead to the same states.
void Exploration::Worker::compare(World& world, Stop stop) {
  const std::span<const Move> way = way_to(stop.id);
  std::vector<Move> other(way.begin(), way.end());
  Arrivals first;
  all_.sign_of_life();
  if (world.enter(other) || world.key() != all_.states_[stop.id].key) return;  // it fails where that state is expanded
  world.expand(first);
  count_.again.fetch_add(first.all.size(), std::memory_order_relaxed);
  if (first.failure || first.all == stop.arrivals) return;
  const auto [here, there] = std::ranges::mismatch(stop.arrivals, first.all);
  const Move move = here != stop.arrivals.end() ? here->move : there->move;
  stop.path.push_back(move);
  other.push_back(there != first.all.end() ? there->move : move);
  all_.found_astray(
      {std::move(stop.path), "",
       vmap::Violation{vmap::Invariant::answer,
                       "expected that what the subject shows (and its digest) decides what it does, as it "
                       "says of itself; actual: in this state, met on two ways, the last op does not lead "
                       "to the same state"},
       std::move(other)});
}

std::string Exploration::run() {
  if (auto error = begin()) return *error;
  save_due_ = Clock::now() + options_.save_every;
  while (!found_ && level_ < options_.depth_max) {
    list_tasks();
    if (tasks_.empty()) {
      shared_.complete = true;
      break;
    }
    run_tasks();
    if (trouble_) std::rethrow_exception(trouble_);
    if (found_) break;
    if (next_task_ < tasks_.size()) {
      const bool end = beacon_.stop_wanted() || (options_.time && Clock::now() - began_ >= *options_.time);
      if (end && report_astray(explore_depth_max + 1)) break;
      beacon_.aside(true);
      const std::string error = options_.state_file.empty() ? "" : save();
      beacon_.aside(false);
      if (!end && error.empty()) continue;
      conclude();
      return error.empty() ? std::string{mark_done} : std::string{mark_error} + 'i' + error;
    }
    states_.end_level();
    next_task_ = 0;
    ++level_;
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i].entered = 0;
    if (report_astray(level_)) break;  // no shorter sequence fails
  }
  if (!found_) report_astray(explore_depth_max + 1);
  // A run that may go deeper goes on from what was not expanded because of the depth.
  if (!found_ && !shared_.complete && !options_.state_file.empty())
    if (const std::string error = save(); !error.empty()) return std::string{mark_error} + 'i' + error;
  conclude();
  if (found_) return *found_;
  if (shared_.complete)
    for (std::size_t i = 0; i < worlds_.size(); ++i)
      if (auto violation = worlds_[i]->finish()) {
        found({}, "", *std::move(violation));
        return *found_;
      }
  return std::string{mark_done};
}

/// Begins with the first state, or with all that an earlier run has met.
std::optional<std::string> Exploration::begin() {
  beacon_.at(Phase::construction, 0);
  for (unsigned i = 0; i < options_.jobs; ++i) {
    here_[i].beacon = beacon_;
    auto world = territory_.world(here_[i]);
    if (!world) return std::string{mark_error} + 's' + world.error();
    worlds_.push_back(*std::move(world));
  }
  if (!options_.state_file.empty() && !options_.afresh) {
    const auto read = read_state_file(options_.state_file, options_.identity, shared_.before, states_);
    if (!read)
      return std::string{mark_error} + (read.error().kind == ExploreError::Kind::io ? 'i' : 'f') + read.error().text;
    shared_.resumed = *read;
  }
  if (shared_.resumed) {
    level_ = shared_.before.level;
    next_task_ = shared_.before.tasks_done;
    shared_.states_before = states_.size();
    return std::nullopt;
  }
  if (auto violation = worlds_[0]->enter({})) {
    found({}, "", *std::move(violation));
    return found_;
  }
  states_.add_root(worlds_[0]->key());
  states_.end_level();
  shared_.states_before = 1;
  return std::nullopt;
}

/// Cuts the level into pieces, each some tens of milliseconds of work at most: the same pieces for the same states.
void Exploration::list_tasks() {
  constexpr std::size_t states_max = 64;
  tasks_.clear();
  std::uint64_t states = 0;
  for (std::size_t shard = 0; shard < StateSet::shards; ++shard) {
    const StateSet::Places level = states_.level(shard);
    states += level.end - level.begin;
    for (std::size_t begin = level.begin; begin < level.end; begin += states_max)
      tasks_.push_back({shard, {begin, std::min(level.end, begin + states_max)}});
  }
  shared_.level = level_;
  shared_.level_states = states;
  // One transition of a walk for about eight others, and some in a level of few states.
  const double expanded = static_cast<double>(states) / 8 + 8192.0 / static_cast<double>(territory_.moves_max);
  const double share = expanded / (walk_length + 1) / static_cast<double>(std::max<std::uint64_t>(states, 1));
  walks_below_ =
      share >= 1 ? std::numeric_limits<std::uint64_t>::max() : static_cast<std::uint64_t>(std::ldexp(share, 64));
  walks_each_ = static_cast<unsigned>(std::clamp(share, 1.0, 16.0));
}

void Exploration::run_tasks() {
  stop_ = false;
  std::vector<std::jthread> threads;
  for (std::size_t i = 1; i < worlds_.size(); ++i) threads.emplace_back([this, i] { work(i); });
  work(0);
  threads.clear();
  shared_.bytes = states_.bytes();
}

void Exploration::work(std::size_t number) {
  try {
    World& world = *worlds_[number];
    Worker worker(*this, counts_[number], here_[number]);
    while (!stop_) {
      if (pause_wanted()) stop_ = true;
      const std::size_t index = stop_ ? tasks_.size() : next_task_.fetch_add(1);
      if (index >= tasks_.size()) break;
      const Task task = tasks_[index];
      for (std::size_t place = task.places.begin; place < task.places.end && !failed_; ++place) {
        const StateId id = StateId::of(task.shard, place);
        sign_of_life();
        const std::span<const Move> way = worker.way_to(id);
        auto violation = world.enter(way);
        if (!violation && world.key() != states_[id].key)
          violation = vmap::Violation{vmap::Invariant::answer, another_state};
        if (violation) return found(way, "", *std::move(violation));
        worker.at(id);
        world.expand(worker);
        worker.walk(world, way);
        counts_[number].entered.fetch_add(1, std::memory_order_relaxed);
      }
    }
  } catch (...) {  // no memory for more states, or what a subject throws
    const std::scoped_lock lock(found_mutex_);
    trouble_ = std::current_exception();
    stop_ = true;
  }
}

/// True if the end has been wanted for a second: with a subject this slow, walks are not worth the wait.
bool Exploration::is_overdue() {
  const Clock::time_point now = Clock::now();
  if (!beacon_.stop_wanted() && !(options_.time && now - began_ >= *options_.time)) return false;
  Clock::rep seen = 0;
  if (end_seen_.compare_exchange_strong(seen, now.time_since_epoch().count())) return false;
  return now.time_since_epoch() - Clock::duration(seen) >= std::chrono::seconds(1);
}

bool Exploration::pause_wanted() const {
  const Clock::time_point now = Clock::now();
  return beacon_.stop_wanted() || (options_.time && now - began_ >= *options_.time) ||
         // What waits to be reported is not in the file. A run that goes on from the file before finds it again.
         (!options_.state_file.empty() && now >= save_due_ && !astray_waits_);
}

void Exploration::found(std::span<const Move> moves, const std::string& line, vmap::Violation violation) {
  const std::scoped_lock lock(found_mutex_);
  stop_ = failed_ = true;
  if (found_) return;
  found_ = text_of(moves, line, violation, false, {});
}

void Exploration::found_astray(Astray astray) {
  const std::scoped_lock lock(found_mutex_);
  const auto rank = [](const Astray& a) {
    return std::tuple<std::size_t, const std::vector<Move>&, const std::string&>(a.moves.size(), a.moves, a.line);
  };
  if (!astray_ || rank(astray) < rank(*astray_)) astray_ = std::move(astray);
  astray_waits_ = true;
}

/// Reports what a walk found, if it has at most so many moves.
bool Exploration::report_astray(std::uint64_t length_max) {
  if (!astray_ || astray_->moves.size() > length_max) return false;
  found_ = text_of(astray_->moves, astray_->line, astray_->violation, true, astray_->other);
  return true;
}

ExploreProgress Exploration::progress() const {
  ExploreProgress now = shared_.before;
  now.level = level_;
  now.tasks_done = std::min(next_task_.load(), tasks_.size());
  now.level_done = 0;
  for (const Task& task : std::span(tasks_).first(static_cast<std::size_t>(now.tasks_done)))
    now.level_done += task.places.end - task.places.begin;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    now.transitions += counts_[i].transitions;
    now.exercised.again += counts_[i].again;
  }
  now.elapsed += nanoseconds(Clock::now() - began_).count();
  now.cpu += processor_time().count();
  for (const auto& world : worlds_) add(now.exercised, world->exercised());
  return now;
}

std::string Exploration::save() {
  std::string error = write_state_file(options_.state_file, options_.identity, progress(), states_);
  if (error.empty()) shared_.saved = true;
  save_due_ = Clock::now() + options_.save_every;
  return error;
}

/// Tells the parent what is known only at the end.
void Exploration::conclude() {
  beacon_.aside(true);
  const ExploreProgress now = progress();
  shared_.cpu = now.cpu;
  shared_.exercised = now.exercised;
  shared_.bytes = states_.bytes();
  // If a level is begun, states one move farther may have been met.
  bool farther = false;
  std::vector<std::uint64_t> layouts;
  layouts.reserve(states_.size());
  for (std::size_t shard = 0; shard < StateSet::shards; ++shard) {
    farther = farther || states_.size(shard) > states_.level(shard).end;
    for (std::size_t place = 0; place < states_.size(shard); ++place)
      layouts.push_back(territory_.layout(states_.chunk(shard, place, 1).front().key));
  }
  const bool empty = std::ranges::none_of(std::views::iota(std::size_t{0}, StateSet::shards), [&](std::size_t shard) {
    return states_.level(shard).begin < states_.level(shard).end;
  });
  shared_.depth = farther ? level_ + 1 : empty && level_ > 0 ? level_ - 1 : level_;
  std::ranges::sort(layouts);
  shared_.layouts = layouts.size() - std::ranges::unique(layouts).size();
  beacon_.aside(false);
}

// ---- In the parent

void read_counts(const Shared& shared, const SharedArray<Count>& counts, ExploreReport& report) {
  report.states = shared.states_before;
  report.transitions = shared.before.transitions;
  report.level = shared.level;
  report.level_states = shared.level_states;
  report.level_done = shared.level == shared.before.level ? shared.before.level_done : 0;
  report.bytes = shared.bytes;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    report.states += counts[i].states;
    report.transitions += counts[i].transitions;
    report.level_done += counts[i].entered;
  }
}

ExploreReport::Found read_found(std::string_view text) {
  ExploreReport::Found found;
  const std::size_t end = text.find('\0');
  const std::size_t line_end = text.find('\0', end + 1);
  found.line = text.substr(end + 1, line_end - end - 1);
  found.violation =
      vmap::Violation{static_cast<vmap::Invariant>(text[0] - '0'), std::string(text.substr(line_end + 1))};
  found.astray = text[1] == 'a';
  std::vector<Move>* moves = &found.moves;
  Move move = 0;
  for (const char c : text.substr(2, end - 2)) {
    if (c == ' ')
      moves->push_back(std::exchange(move, 0));
    else if (c == '/')
      moves = &found.other;
    else
      move = move * 10 + static_cast<Move>(c - '0');
  }
  return found;
}

/// Finds the worker whose moves killed the child: they kill another child as well.
ExploreReport::Found find_killer(const Territory& territory, const ExploreOptions& options,
                                 const SharedArray<Whereabouts>& here, Death death) {
  ExploreReport::Found first{.moves = {}, .line = {}, .other = {}, .violation = {}, .death = death};
  if (death.phase == Phase::construction && !death.by_other) return first;
  for (std::size_t i = 0; i < here.size(); ++i) {
    const std::size_t length = std::min<std::size_t>(here[i].length + 1, explore_depth_max);
    ExploreReport::Found found = first;
    found.moves.assign(here[i].moves.begin(), here[i].moves.begin() + length);
    found.astray = here[i].astray;
    if (i == 0) first = found;
    const auto again = [&](std::uint64_t, Beacon& beacon) -> std::optional<std::string> {
      const SharedArray<Whereabouts> scratch(1);
      beacon.at(Phase::op, 0);
      if (auto world = territory.world(scratch[0])) (void)(*world)->enter(found.moves);
      return std::nullopt;
    };
    try {
      const Walked walked = walk(1, again, {.limits = options.limits, .on_death = {}, .keep_going = {}});
      if (!walked.death) continue;
      found.death = walked.death;
      return found;
    } catch (const ChildrenKilled&) {}  // this says nothing of these moves
  }
  if (death.by_other) throw ChildrenKilled(death);
  return first;
}

}  // namespace

std::expected<ExploreReport, ExploreError> explore(const Territory& territory, const ExploreOptions& options) {
  const Clock::time_point began = Clock::now();
  const SharedArray<Shared> shared(1);
  const SharedArray<Count> counts(options.jobs);
  const SharedArray<Whereabouts> here(options.jobs);
  ExploreReport report;
  const auto update = [&] {
    read_counts(shared[0], counts, report);
    report.elapsed = Clock::now() - began + nanoseconds(shared[0].before.elapsed);
  };
  const auto work = [&](std::uint64_t, Beacon& beacon) -> std::optional<std::string> {
    return Exploration(territory, options, shared[0], counts, here, beacon).run();
  };
  WalkOptions walk_options{.limits = options.limits, .on_death = {}, .keep_going = {}};
  walk_options.grace = std::chrono::minutes(5);  // to write the state file
  walk_options.tries = 1;                        // a second try would count twice
  walk_options.keep_going = [&] {
    update();
    return !options.on_progress || options.on_progress(report);
  };
  const Walked walked = walk(1, work, walk_options);
  update();
  const Shared& told = shared[0];
  report.depth = told.depth;
  report.layouts = told.layouts;
  report.exercised = told.exercised;
  report.cpu = nanoseconds(told.cpu);
  report.complete = told.complete;
  report.resumed = told.resumed;
  report.saved = told.saved;
  report.interrupted = walked.interrupted;
  if (walked.death) {
    report.found = find_killer(territory, options, here, *walked.death);
    return report;
  }
  if (!walked.answer) return report;
  const std::string_view answer = *walked.answer;
  if (answer.front() == mark_found) report.found = read_found(answer.substr(1));
  if (answer.front() == mark_error) {
    using Kind = ExploreError::Kind;
    const Kind kind = answer[1] == 's' ? Kind::subject : answer[1] == 'f' ? Kind::state_file : Kind::io;
    return std::unexpected(ExploreError{kind, std::string(answer.substr(2))});
  }
  return report;
}

}  // namespace vmapcheck
