// SPDX-License-Identifier: Apache-2.0
#include "harness/reduce/minimize.hpp"

#include <algorithm>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "harness/reduce/numbers.hpp"
#include "harness/reduce/search.hpp"
#include "harness/verify/isolated.hpp"
#include "model/op_kinds.hpp"
#include "model/trace.hpp"

namespace vmapcheck {
namespace {

using Clock = std::chrono::steady_clock;

/// Longer traces are only shortened by deletion.
constexpr std::size_t simplified_length_max = 128;
/// Of longer traces, the last ops are tried alone.
constexpr std::size_t long_trace_min = 512;
/// A candidate may take one of so many parts of the time that is left.
constexpr int shares = 8;
/// A longer trace is not searched below its length: where deletion leaves so many ops, the fault needs them.
constexpr std::size_t searched_ops_max = 24;
/// The signature moves if so many candidates in a row fail otherwise.
constexpr std::uint64_t refused_max = 64;

/// Ops, and their blocks.
std::size_t ops_and_blocks(const Trace& trace) {
  std::size_t length = trace.ops.size();
  for (const Op& op : trace.ops)
    if (const Blocks* const blocks = blocks_of(op)) length += blocks->size();
  return length;
}

/// The label that the op binds or uses, or null.
const Label* label_in(const Op& op) { return bound_label(op) != nullptr ? bound_label(op) : used_label(op); }

/// What became of candidates: children count, and the parent reads.
struct Tally {
  std::uint64_t begun = 0;       ///< were run
  std::uint64_t refused = 0;     ///< of those: failed otherwise, since one failed as is wanted
  std::uint64_t refused_of = 0;  ///< `begun` when the last of them was counted
  std::uint64_t cut_short = 0;   ///< of those: took more than their share of the time
};

class Minimizer {
 public:
  Minimizer(const Trace& trace, const Failure& failure, const SubjectFactory& make, const MinimizeOptions& options);
  Minimized run();

 private:
  void keep_last();
  void delete_ops(Hit& shortest);
  bool delete_blocks(Hit& shortest, std::size_t length);
  template <class List>
  bool delete_runs(Hit& shortest, std::size_t length, List list_of);
  bool delete_again();
  bool delete_concretised();
  bool simplify_numbers();
  bool turn(const std::vector<Dial>& all, std::vector<std::uint64_t> (*values_of)(std::uint64_t));
  void bisect(const Dial& dial, Hit& hit, std::uint64_t n, std::optional<std::uint64_t> passing);
  bool simplify();
  bool find_shorter();
  void search();
  bool take(Hit hit);

  void keep(Kept kept);
  [[nodiscard]] bool signature_moves() const;
  [[nodiscard]] bool is_stable() const;
  void fall_back();

  std::optional<Hit> first(std::uint64_t count, const std::function<Trace(std::uint64_t)>& candidate);
  [[nodiscard]] bool time_is_left();
  [[nodiscard]] Placements placed(const Trace& trace) {
    return placements(trace, make_, isolated_.limits, isolated_.keep_going);
  }
  [[nodiscard]] Clock::duration elapsed() const { return options_.now() - begin_; }
  void run_last();
  void stage(std::string_view text) { progress_.stage = text; }

  const SubjectFactory& make_;
  const MinimizeOptions& options_;
  const Clock::time_point begin_ = options_.now();
  const Failure first_;
  bool may_fall_back_;
  const SharedArray<Tally> shared_{1};
  Tally& tally_ = shared_[0];
  std::function<bool(const Failure&)> wanted_;
  IsolatedOptions isolated_;
  MinimizeProgress progress_{};
  Hit best_;
  Minimized result_;                  ///< but for its trace and failure
  bool no_op_can_be_spared_ = false;  ///< each op of the best was left out, in a run that came to its end
  bool ended_ = false;
};

Minimizer::Minimizer(const Trace& trace, const Failure& failure, const SubjectFactory& make,
                     const MinimizeOptions& options)
    : make_(make), options_(options), first_(failure), may_fall_back_(options.fall_back), best_{0, trace, failure} {
  best_.trace.comments.clear();
  cut_behind(best_.trace, failure);
  wanted_ = [this](const Failure& other) {
    if (alike(first_, other, result_.kept)) return true;
    // A candidate may be run three times: with others, alone, and to name the step.
    if (std::exchange(tally_.refused_of, tally_.begun) != tally_.begun) ++tally_.refused;
    return false;
  };
  isolated_.keep_going = [this] { return time_is_left(); };
  isolated_.share = [this]() -> std::function<bool()> {
    if (!options_.time) return {};
    const Clock::duration share = (*options_.time - elapsed()) / shares;
    return [this, end = options_.now() + share] {
      if (options_.now() < end) return true;
      ++tally_.cut_short;
      return false;
    };
  };
  keep(options.keep);
}

Minimized Minimizer::run() {
  // Where children are killed from outside, the best so far is kept.
  try {
    search();
  } catch (const ChildrenKilled&) {}
  try {
    run_last();
  } catch (const ChildrenKilled&) {}
  result_.candidates = tally_.begun;
  result_.elapsed = elapsed();
  result_.trace = std::move(best_.trace);
  result_.failure = std::move(best_.failure);
  return std::move(result_);
}

void Minimizer::search() {
  stage("deleting ops");
  keep_last();
  delete_ops(best_);
  fall_back();
  do {
    // Until neither makes it simpler: what one makes of it may be new to the other.
    do {
      stage("making placements concrete");
      while (delete_again() || delete_concretised()) {}
      stage("simplifying");
      do {
        while (simplify()) {}
      } while (simplify_numbers());
    } while (delete_again() || delete_concretised());
    stage("searching for a shorter one");
  } while (find_shorter());
}

/// Runs the result once more, with its new labels and the limits of the caller; for a second at most if time is up.
void Minimizer::run_last() {
  best_.trace = relabel(best_.trace);
  if (best_.failure.op && best_.failure.step < best_.trace.ops.size())
    best_.failure.op = best_.trace.ops[best_.failure.step];
  const auto keep_going = [this, end = Clock::now() + std::chrono::seconds(1)] {
    return time_is_left() || Clock::now() < end;
  };
  const auto last = run_isolated(best_.trace, make_, {.limits = options_.limits, .keep_going = keep_going});
  if (last && *last && wanted_(**last)) best_.failure = **last;
}

bool Minimizer::time_is_left() {
  if (ended_) return false;
  progress_.length = best_.trace.ops.size();
  progress_.candidates = tally_.begun;
  if (options_.time && elapsed() >= *options_.time) ended_ = true;
  if (options_.on_progress && !options_.on_progress(progress_)) ended_ = true;
  return !ended_;
}

std::optional<Hit> Minimizer::first(std::uint64_t count, const std::function<Trace(std::uint64_t)>& candidate) {
  if (count == 0 || !time_is_left()) return std::nullopt;
  const auto counted = [&, before = tally_.begun](std::uint64_t i) {
    tally_.begun = before + i + 1;  // some are asked for twice
    return candidate(i);
  };
  auto hit = first_failing(count, counted, wanted_, make_, isolated_);
  if (hit) tally_.refused = 0;
  return hit;
}

/// If it is simpler, it is the best from here on.
bool Minimizer::take(Hit hit) {
  hit.trace = relabel(hit.trace);
  if (!(simplicity(hit.trace) < simplicity(best_.trace))) return false;
  best_ = std::move(hit);
  result_.elapsed_to_best = elapsed();
  result_.numbers_smallest = no_op_can_be_spared_ = false;
  return true;
}

// ---- What is kept

void Minimizer::keep(Kept kept) {
  result_.kept = kept;
  tally_.refused = 0;
  isolated_.limits = hurried(options_.limits, best_.failure.kind);
}

/// Deletion gains nothing, for candidates fail in other ways.
bool Minimizer::signature_moves() const {
  const std::size_t length = length_of(best_.trace);
  return may_fall_back_ && result_.kept != Kept::anything && length > searched_ops_max &&
         tally_.refused >= std::min<std::uint64_t>(refused_max, length);
}

/// The best fails in the same way again and again.
bool Minimizer::is_stable() const {
  constexpr int runs = 8;
  for (int i = 0; i < runs; ++i) {
    const auto again = run_isolated(best_.trace, make_, isolated_);
    if (!again || !*again || !alike(first_, **again, result_.kept)) return false;
  }
  return true;
}

/// Keeps less of the signature if that makes the trace shorter. If the best fails in the same way again and again, the
/// shorter one may be another failure that is also in it: then it has to be at most half as long.
void Minimizer::fall_back() {
  const bool moves = signature_moves(), is_refused = tally_.refused != 0;
  if (!std::exchange(may_fall_back_, false) || !is_refused || !time_is_left()) return;
  const bool stable = is_stable();
  if (stable && (!moves || first_.kind == FailureKind::violation)) return;
  stage("deleting ops, its signature moves");
  for (const Kept kept : {Kept::kind, Kept::anything}) {
    const Kept before = result_.kept;
    if (kept <= before || (stable && length_of(best_.trace) <= searched_ops_max)) continue;
    keep(kept);
    Hit hit = best_;
    try {
      delete_ops(hit);
    } catch (const ChildrenKilled&) {
      keep(before);
      throw;
    }
    const std::size_t length_max = stable ? length_of(best_.trace) / 2 : length_of(best_.trace) - 1;
    keep(length_of(hit.trace) <= length_max && take(std::move(hit)) ? kept : before);
  }
}

// ---- Deletion

/// Of a long trace the last ops are often enough, with those that allocated what they use. That is tried in no time.
void Minimizer::keep_last() {
  const Trace& whole = best_.trace;
  const std::size_t n = whole.ops.size();
  if (n + whole.space.busy.size() < long_trace_min) return;
  std::vector<std::size_t> lengths{1};
  while (lengths.back() * 8 < n) lengths.push_back(lengths.back() * 8);
  const auto end_of = [&](std::uint64_t i) {  // first without what is busy from the start, then with it
    const std::size_t from = n - std::min(n, lengths[i / 2]);
    Trace end{{}, whole.space, {}};
    if (i % 2 == 0) end.space.busy.clear();
    std::unordered_set<std::uint32_t> used;
    for (std::size_t step = from; step < n; ++step)
      if (const Label* const label = label_in(whole.ops[step])) used.insert(label->id);
    for (std::size_t step = 0; step < n; ++step) {
      const Label* const label = label_in(whole.ops[step]);
      if (step >= from || (label != nullptr && used.contains(label->id))) end.ops.push_back(whole.ops[step]);
    }
    return end;
  };
  if (auto hit = first(2 * lengths.size(), end_of)) take(*std::move(hit));
}

/// Deletes what can be spared: runs of what is busy and of ops, halves first, down to single ones until none can be
/// spared.
void Minimizer::delete_ops(Hit& shortest) {
  const std::size_t longest = std::max(shortest.trace.space.busy.size(), ops_and_blocks(shortest.trace));
  const bool is_long = ops_and_blocks(shortest.trace) > simplified_length_max;
  for (std::size_t length = std::max<std::size_t>(1, longest / 2); time_is_left() && !signature_moves();) {
    progress_.at_once = length;
    const bool busy = delete_runs(shortest, length, [](Trace& t) -> std::vector<Range>& { return t.space.busy; });
    const bool ops = delete_runs(shortest, length, [](Trace& t) -> std::vector<Op>& { return t.ops; });
    const bool blocks = is_long && delete_blocks(shortest, length);
    if (length == 1 && !busy && !ops && !blocks) break;
    length = std::max<std::size_t>(1, length / 2);
  }
  progress_.at_once = 0;
}

/// Of ops with more blocks than the moves of simplify.hpp can try.
bool Minimizer::delete_blocks(Hit& shortest, std::size_t length) {
  bool spared = false;
  for (std::size_t step = 0; step < shortest.trace.ops.size(); ++step) {
    if (blocks_of(shortest.trace.ops[step]) == nullptr) continue;
    Blocks none;  // the trace may have been cut before that op
    const auto blocks = [step, &none](Trace& t) -> Blocks& {
      return step < t.ops.size() ? *blocks_of(t.ops[step]) : none;
    };
    spared = delete_runs(shortest, length, blocks) || spared;
  }
  return spared;
}

/// Runs of that length in what `list_of(trace)` holds; true if any could be spared. From the end: what stands late
/// depends on what stands early.
template <class List>
bool Minimizer::delete_runs(Hit& shortest, std::size_t length, List list_of) {
  bool spared = false;
  if (length >= 2 * list_of(shortest.trace).size()) return false;  // all of them were tried before
  for (std::size_t end = list_of(shortest.trace).size(); end > 0;) {
    const auto begin_of = [&](std::uint64_t i) {
      const std::size_t behind = static_cast<std::size_t>(i + 1) * length;
      return behind < end ? end - behind : 0;
    };
    const auto without = [&](std::uint64_t i) {
      Trace candidate = shortest.trace;
      auto& list = list_of(candidate);
      const auto first = list.begin();
      list.erase(first + static_cast<std::ptrdiff_t>(begin_of(i)),
                 first + static_cast<std::ptrdiff_t>(end - static_cast<std::size_t>(i) * length));
      return candidate;
    };
    auto hit = first((end + length - 1) / length, without);
    if (!hit) break;
    spared = true;
    end = begin_of(hit->index);
    shortest = *std::move(hit);
    end = std::min(end, list_of(shortest.trace).size());
    result_.elapsed_to_best = elapsed();
  }
  return spared;
}

/// What was made simpler may have more to spare.
bool Minimizer::delete_again() {
  if (!time_is_left()) return false;
  const std::uint64_t cut_short = tally_.cut_short;
  Hit hit = best_;
  delete_ops(hit);
  no_op_can_be_spared_ = tally_.cut_short == cut_short;
  return take(std::move(hit));
}

/// Deletes from the trace with concrete placements, and keeps the result if it is shorter.
bool Minimizer::delete_concretised() {
  if (!time_is_left()) return false;
  const Trace concrete = concretised(best_.trace, placed(best_.trace));
  if (concrete == best_.trace) return false;
  auto hit = first(1, [&](std::uint64_t) { return concrete; });
  if (!hit) return false;
  const std::size_t length = length_of(best_.trace);
  delete_ops(*hit);
  if (length_of(hit->trace) >= length) return false;
  return take(*std::move(hit));
}

// ---- Simplification

/// Lowers each number, alone or with those that are linked to it, until each is as small as it can be. True if any
/// could be lowered.
bool Minimizer::simplify_numbers() {
  if (ops_and_blocks(best_.trace) > simplified_length_max || result_.numbers_smallest) return false;
  for (bool any = false; time_is_left(); any = true) {
    const std::uint64_t cut_short = tally_.cut_short;
    const Trace trace = best_.trace;  // what the dials refer to
    const Placements where = placed(trace);
    const std::vector<Dial> all = dials(trace, where);
    if (turn(all, first_values) || turn(all, odd_values)) continue;
    result_.numbers_smallest = time_is_left() && tally_.cut_short == cut_short && has_every_dial(trace, where);
    return any;
  }
  return false;
}

/// Turns the dial that makes the trace simplest with one of its values, and turns it on from there.
bool Minimizer::turn(const std::vector<Dial>& all, std::vector<std::uint64_t> (*values_of)(std::uint64_t)) {
  struct Turn {
    Simplicity measure;
    std::size_t dial;
    std::uint64_t n;
  };
  std::vector<Turn> turns;
  const Simplicity now = simplicity(best_.trace);
  for (std::size_t dial = 0; dial < all.size(); ++dial)
    for (const std::uint64_t n : values_of(all[dial].now)) {
      const Trace candidate = relabel(all[dial].at(n));
      if (!defect(candidate.space).empty()) continue;
      if (Simplicity measure = simplicity(candidate); measure < now) turns.push_back({std::move(measure), dial, n});
    }
  std::ranges::sort(turns, {}, &Turn::measure);
  auto hit = first(turns.size(), [&](std::uint64_t i) { return relabel(all[turns[i].dial].at(turns[i].n)); });
  if (!hit) return false;
  const Turn& found = turns[hit->index];
  std::optional<std::uint64_t> passing;
  for (std::size_t i = 0; i < hit->index; ++i)
    if (turns[i].dial == found.dial && turns[i].n < found.n) passing = std::max(passing.value_or(0), turns[i].n);
  bisect(all[found.dial], *hit, found.n, passing);
  return take(*std::move(hit));
}

/// Turns a dial down from `n`, with which `hit` was found, as far as it goes. Source: binary search; its invariant is
/// that the trace fails at `n`, and passes, or is no simpler, at `passing`.
void Minimizer::bisect(const Dial& dial, Hit& hit, std::uint64_t n, std::optional<std::uint64_t> passing) {
  while (n > 0 && passing != n - 1 && time_is_left()) {
    const std::uint64_t next = passing ? *passing + (n - *passing) / 2 : 0;
    Trace candidate = relabel(dial.at(next));
    std::optional<Hit> lower;
    if (defect(candidate.space).empty() && simplicity(candidate) < simplicity(hit.trace))
      lower = first(1, [&](std::uint64_t) { return candidate; });
    if (lower) {
      hit = *std::move(lower);
      n = next;
    } else {
      passing = next;
    }
  }
}

/// The best move that there is.
bool Minimizer::simplify() {
  if (ops_and_blocks(best_.trace) > simplified_length_max || !time_is_left()) return false;
  const std::vector<Trace> candidates = simpler(best_.trace, placed(best_.trace));
  auto hit = first(candidates.size(), [&](std::uint64_t i) { return candidates[i]; });
  return hit && take(*std::move(hit));
}

// ---- Search

/// True if a shorter one was found; else says how sure it is that there is none.
bool Minimizer::find_shorter() {
  const std::size_t length = length_of(best_.trace);
  result_.minimality = Minimality::time_is_up;
  if (!options_.search || length > searched_ops_max || ops_and_blocks(best_.trace) > simplified_length_max) {
    if (time_is_left() && no_op_can_be_spared_) result_.minimality = Minimality::too_many;
    return false;
  }
  if (length <= 1) {  // no op at all was tried when the last was deleted
    if (time_is_left() && no_op_can_be_spared_) result_.minimality = Minimality::proved;
    return false;
  }
  const SearchOptions search{.seed = options_.seed,
                             .breadth_first_max = options_.sequences_max,
                             .exhaustive_max = options_.exhaustive_max,
                             .run = isolated_};
  const Placements where = placed(best_.trace);
  const Vocabulary vocabulary(best_.trace, where, Vocabulary::Begin::empty);
  const auto is_shorter = [&](const std::optional<Hit>& hit) { return hit && length_of(hit->trace) < length; };
  if (!time_is_left()) return false;
  if (auto hit = search_randomly(vocabulary, length, wanted_, make_, search); is_shorter(hit)) {
    delete_ops(*hit);
    return take(*std::move(hit));
  }
  // From what was busy at the beginning, which can be all that it takes; then from nothing.
  result_.states = result_.sequences = 0;
  auto complete = Explored::Complete::sequences;
  for (const auto begin : {Vocabulary::Begin::as_it_is, Vocabulary::Begin::empty}) {
    if (begin == Vocabulary::Begin::as_it_is && best_.trace.space.busy.empty()) continue;
    const Vocabulary words(best_.trace, where, begin);
    const std::size_t below = begin == Vocabulary::Begin::as_it_is ? best_.trace.ops.size() : length;
    if (!time_is_left()) return false;
    Explored explored = search_breadth_first(words, below, wanted_, make_, search);
    result_.states += explored.states;
    result_.sequences += explored.sequences;
    result_.granules = words.grid_size() - 1;
    if (explored.hit && simplicity(explored.hit->trace).length < length) return take(*std::move(explored.hit));
    complete = std::min(complete, explored.complete);
  }
  if (complete == Explored::Complete::sequences)
    result_.minimality = Minimality::proved;
  else if (complete == Explored::Complete::states)
    result_.minimality = Minimality::proved_visible;
  else if (time_is_left() && no_op_can_be_spared_)
    result_.minimality = Minimality::too_many;
  return false;
}

}  // namespace

Minimized minimize(const Trace& trace, const Failure& failure, const SubjectFactory& make,
                   const MinimizeOptions& options) {
  return Minimizer(trace, failure, make, options).run();
}

Placements placements(const Trace& trace, const SubjectFactory& make, const Limits& limits,
                      const std::function<bool()>& keep_going) {
  const SharedArray<Range> placed(trace.ops.size());
  const auto work = [&](std::uint64_t, Beacon& beacon) -> std::optional<std::string> {
    auto executor = Executor::create(trace.space, make, Checking::amortized);
    if (!executor) return "";
    for (std::size_t step = 0; step < trace.ops.size(); ++step) {
      beacon.at(Phase::op, step);
      const bool failed = (*executor)->step(trace.ops[step]).has_value();
      const Answer& answer = (*executor)->answer();
      if (const auto* const allocation = std::get_if<vmap::Allocation>(&answer)) placed[step] = allocation->range;
      const Blocks* const blocks = blocks_of(trace.ops[step]);
      if (const auto* const base = std::get_if<Base>(&answer); base != nullptr && blocks != nullptr) {
        Range hull{vmap::address_max, 0};
        for (const vmap::Block& block : *blocks)
          hull = {std::min(hull.begin, base->address + block.offset),
                  std::max(hull.end, base->address + block.offset + block.size)};
        placed[step] = hull;
      }
      if (failed) break;
    }
    return "";
  };
  (void)walk(1, work, {.limits = limits, .on_death = {}, .keep_going = keep_going});
  Placements copy(trace.ops.size());
  for (std::size_t i = 0; i < copy.size(); ++i) copy[i] = placed[i];
  return copy;
}

}  // namespace vmapcheck
