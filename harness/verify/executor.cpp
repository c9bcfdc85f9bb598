// SPDX-License-Identifier: Apache-2.0
#include "harness/verify/executor.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>
#include <variant>

#include "harness/verify/cost.hpp"
#include "harness/verify/describe.hpp"
#include "model/trace.hpp"

namespace vmapcheck {
namespace {

using vmap::Allocation;
using vmap::Error;
using vmap::Invariant;
using vmap::Result;
using vmap::Violation;

std::optional<Violation> broken(Invariant invariant, std::string detail) {
  return Violation{invariant, std::move(detail)};
}

/// True where a check of all `nodes` is due, `steps` after the last: it then costs each step that of two nodes,
/// whatever their number.
bool is_due(std::uint64_t steps, std::size_t nodes) { return steps * 2 >= nodes; }

/// A purge or congruent placement that touches more than this is checked in full, unless there are more than
/// `nodes_per_touched` times as many nodes.
constexpr std::size_t touched_max = 8;
constexpr std::size_t nodes_per_touched = 1024;

/// True where a look at all `nodes` is worth more than one at the surroundings of so many places.
bool is_much(std::size_t touched, std::size_t nodes) {
  return touched > std::max(touched_max, nodes / nodes_per_touched);
}

/// States of more areas have an index of their gaps; it is given up below half of that.
constexpr std::size_t indexed_areas_min = 256;
/// The model repeats one prediction in as many as it walks over areas, divided by this.
constexpr std::size_t repeated_part = 64;

/// An error that the contract does not know breaks `answer`, and has no place in a table.
template <class Table>
void count_in(Table& table, Error error) {
  if (const auto place = static_cast<std::size_t>(error); place < table.size()) ++table[place];
}

constexpr Skipped not_live{};
constexpr Skipped unsupported{.unsupported = true};

}  // namespace

std::uint64_t visits_at_every_step(const Trace& trace) {
  // How many areas live is an estimate: every allocation is taken to succeed, and every free to end one.
  std::uint64_t visits = 0, lives = trace.space.busy.size(), lazy = 0;
  const auto end = [&](std::uint64_t areas) { lives -= std::min(lives, areas); };
  const Overloaded perform{
      [&](const Alloc&) { ++lives; },
      [&](const AllocAt&) { ++lives; },
      [&](const Congruent& op) { lives += op.blocks.size(); },
      [&](const Free&) { end(1); },
      [&](const FreeAt&) { end(1); },
      [&](const FreeLazily&) { ++lazy; },  // its node stays
      [&](const FreeLazilyAt&) { ++lazy; },
      [&](const Purge&) { end(std::exchange(lazy, 0)); },
      [](const Find&) {},
      [](const OnExhaustion&) {},
      [](const FailMetadata&) {},
  };
  for (const Op& op : trace.ops) {
    std::visit(perform, op);
    visits += 2 * lives + 1;
  }
  return visits;
}

Checking checking_of(const Trace& trace) {
  return visits_at_every_step(trace) <= visits_affordable ? Checking::every_step : Checking::amortized;
}

std::expected<std::unique_ptr<Executor>, std::string> Executor::create(const Space& space, const SubjectFactory& make,
                                                                       Checking checking, Arena* arena) {
  if (std::string why = defect(space); !why.empty()) return std::unexpected(why);
  std::unique_ptr<Executor> executor(new Executor(space, checking, arena));
  auto subject = make(SubjectConfig{.space = executor->model_.space(), .metadata = &executor->metadata_});
  if (!subject) return std::unexpected(std::move(subject.error()));
  executor->subject_ = *std::move(subject);
  executor->ask([&](const AnySubject& s) {
    executor->features_ = s.features();
    executor->promises_ = s.promises();
    executor->seen_.cost = s.cost();
  });
  executor->seen_.has_stats = executor->features_.stats;
  executor->step_.expected.free_blocks = executor->model_.gaps().size();
  executor->make_room();
  return executor;
}

/// For what most traces need, so that vectors do not grow step by step: there is a new executor for each trace, and
/// memory is dear under sanitizers.
void Executor::make_room() {
  constexpr std::size_t ordinary = 32;
  live_.reserve(ordinary);
  step_.touched.reserve(touched_max);
  for (std::vector<Range>* ranges : {&seen_.layout.busy, &seen_.layout.free, &seen_.blocks, &gaps_})
    ranges->reserve(ordinary);
}

std::optional<Violation> Executor::step(const Op& op) {
  if (!std::exchange(started_, true))
    if (auto violation = before_the_first()) return violation;
  ++position_.step;
  begin_step(&op);
  std::optional<Violation> violation = perform(op);
  if (!violation) violation = hooks_as_expected();
  if (!violation) violation = check();
  if (violation) confirm_index(op);
  count(op);
  return violation;
}

void Executor::begin_step(const Op* op) {
  step_.op = op;
  step_.failed = step_.released = false;
  step_.touched.clear();
  step_.attempts = 1;
  step_.hooks_called = step_.purged = 0;
  step_.free_blocks_before = free_blocks();
  seen_.hashes_before.reset();
  if (seen_.has_tree) seen_.hashes_before = seen_.tree.hashes;
  seen_.has_layout = seen_.has_tree = false;
  seen_.stats_before = seen_.stats;
  requests_before_ = metadata_.requests();
  failures_before_ = metadata_.failures();
  hooks_met_ = 0;
  hook_violation_.reset();
}

/// What was imported must be right before anything is done to it.
std::optional<Violation> Executor::before_the_first() {
  begin_step(nullptr);
  look_at_counters();
  auto violation = check_state(true);
  if (!violation && seen_.has_stats && has_counted(seen_.stats))
    violation =
        broken(Invariant::answer, "stats() has counted something: fits, coalescings, failures, nodes or tree cases");
  if (violation) violation->detail = "before the first op: " + violation->detail;
  return violation;
}

std::optional<Violation> Executor::finish() {
  begin_step(nullptr);
  look_at_counters();
  for (std::size_t i = 0; i < coverage_.tree_cases.size(); ++i) coverage_.tree_cases[i] += seen_.stats.tree_cases[i];
  coverage_.rows_made += seen_.stats.rows_made;
  if (auto violation = check_state(true)) return violation;
  if (auto violation = check_verify()) return violation;
  subject_.reset();
  checked(Invariant::memory);
  const std::size_t blocks = metadata_.blocks_outstanding(), bytes = metadata_.bytes_outstanding();
  if (blocks == 0 && bytes == 0) return std::nullopt;
  if (blocks == 0)
    return broken(Invariant::memory, "metadata was given back with other sizes than it was requested with");
  return broken(Invariant::memory, std::to_string(bytes) + " bytes of metadata in " + std::to_string(blocks) +
                                       " blocks were not given back when the subject was destroyed");
}

// ---- The ops

template <>
std::optional<Violation> Executor::perform(const Alloc& op) {
  const Result<Allocation> expected = expect([&] { return predict(op.request); });
  const Result<Allocation> actual = ask([&](AnySubject& s) { return s.allocate(op.request); });
  answered(actual);
  if (hook_violation_) return std::move(hook_violation_);
  if (!actual && (actual.error() == Error::out_of_memory || promises_.complete))
    return judge_failure(expected, actual, metadata_failed());
  if (auto why = model_.judge(op.request, expected, actual, promises_))
    return broken(Invariant::answer, *std::move(why));
  if (actual) occupied(actual->range, op.label);
  return std::nullopt;
}

template <>
std::optional<Violation> Executor::perform(const AllocAt& op) {
  if (!features_.allocate_at) return skip(unsupported);
  const Result<Allocation> expected = expect([&] { return model_.predict(op.range); });
  const Result<Allocation> actual = ask([&](AnySubject& s) { return s.allocate_at(op.range); });
  answered(actual);
  if (hook_violation_) return std::move(hook_violation_);
  if (!actual) return judge_failure(expected, actual, metadata_failed());
  const bool right =
      expected && actual->range == expected->range && (!promises_.fit_type || actual->fit == expected->fit);
  if (!right) return wrong_answer(expected, actual);
  occupied(actual->range, op.label);
  return std::nullopt;
}

template <>
std::optional<Violation> Executor::perform(const Congruent& op) {
  if (!features_.congruent) return skip(unsupported);
  const Result<Address> expected = expect([&] { return predict(op); });
  // Without memory, blocks in another order are compared each with each. That is slow, and no hang.
  constexpr std::uint64_t pairs_in_the_usual_time = std::uint64_t{1} << 27;
  if (!std::ranges::is_sorted(op.blocks, {}, &vmap::Block::offset))
    beacon_.allow(static_cast<std::uint32_t>(
        std::min<std::uint64_t>(op.blocks.size() * op.blocks.size() / pairs_in_the_usual_time, 1u << 30)));
  beacon_.aside(false);
  const Result<Address> actual =
      ask([&](AnySubject& s) { return s.allocate_congruent(op.blocks, op.align, op.within); });
  answered(actual);
  if (hook_violation_) return std::move(hook_violation_);
  if (!actual) return judge_failure(expected, actual, metadata_failed());
  if (actual != expected) return wrong_answer(expected, actual);
  beacon_.aside(true);  // the model follows, which takes a while for a million blocks
  for (std::size_t i = 0; i < op.blocks.size(); ++i) {
    const Address begin = *actual + op.blocks[i].offset;
    occupied({begin, begin + op.blocks[i].size}, {op.label.id, static_cast<std::uint32_t>(i)});
  }
  beacon_.aside(false);
  return std::nullopt;
}

template <>
std::optional<Violation> Executor::perform(const Free& op) {
  const Live* const live = find_live(op.label);
  return live != nullptr ? free_busy(live->begin) : skip(not_live);
}

template <>
std::optional<Violation> Executor::perform(const FreeAt& op) {
  if (model_.busy_at(op.address) != nullptr) return free_busy(op.address);
  if (!promises_.not_busy) return skip(unsupported);
  return refuse(ask([&](AnySubject& s) { return s.free(op.address); }));
}

template <>
std::optional<Violation> Executor::perform(const FreeLazily& op) {
  if (!features_.lazy) return skip(unsupported);
  const Live* const live = find_live(op.label);
  return live != nullptr ? free_busy_lazily(live->begin) : skip(not_live);
}

template <>
std::optional<Violation> Executor::perform(const FreeLazilyAt& op) {
  if (!features_.lazy) return skip(unsupported);
  if (model_.busy_at(op.address) != nullptr) return free_busy_lazily(op.address);
  if (!promises_.not_busy) return skip(unsupported);
  return refuse(ask([&](AnySubject& s) { return s.free_lazily(op.address); }));
}

template <>
std::optional<Violation> Executor::perform(const Purge&) {
  if (!features_.lazy) return skip(unsupported);
  const Size expected = model_.lazy_bytes();
  if (!model_.lazy().empty()) purged();
  const Size actual = ask([](AnySubject& s) { return s.purge(); });
  seen_.answer = Purged{actual};
  if (actual == expected) return std::nullopt;
  return wrong_answer(expected, actual);
}

template <>
std::optional<Violation> Executor::perform(const Find& op) {
  if (!features_.find) return skip(unsupported);
  const std::optional<Range> expected = model_.find(op.address);
  const std::optional<Range> actual = ask([&](const AnySubject& s) { return s.find(op.address); });
  seen_.answer = Found{actual};
  if (actual == expected) return std::nullopt;
  return wrong_answer(expected, actual);
}

template <>
std::optional<Violation> Executor::perform(const OnExhaustion& op) {
  if (!features_.hooks) return skip(unsupported);
  if (find_live(op.label) == nullptr) return skip(not_live);
  seen_.answer = Nothing{};
  const std::size_t index = hooks_.size();
  hooks_.push_back({op.label, false, std::nullopt, {}});
  ++step_.expected.hooks;
  if (ask([&](AnySubject& s) { return s.on_exhaustion([this, index] { return on_hook(index); }); }))
    return std::nullopt;
  return broken(Invariant::answer, "expected a registered hook, actual an error");
}

template <>
std::optional<Violation> Executor::perform(const FailMetadata& op) {
  metadata_.fail_at(op.countdown);
  seen_.answer = Nothing{};
  return std::nullopt;
}

std::optional<Violation> Executor::perform(const Op& op) {
  return std::visit([&](const auto& one) { return perform(one); }, op);
}

// ---- What several ops have in common

std::optional<Violation> Executor::skip(Skipped why) {
  seen_.answer = why;
  return std::nullopt;
}

template <class T>
void Executor::answered(const Result<T>& result) {
  step_.failed = !result;
  if (!result)
    seen_.answer = result.error();
  else if constexpr (std::is_same_v<T, Address>)
    seen_.answer = Base{*result};
  else
    seen_.answer = *result;
}

std::optional<Violation> Executor::free_busy(Address begin) {
  const Result<Range> expected = vacated(begin);
  const Result<Range> actual = ask([&](AnySubject& s) { return s.free(begin); });
  answered(actual);
  if (actual && (!promises_.coalesced || actual == expected)) return std::nullopt;
  return wrong_answer(expected, actual);
}

std::optional<Violation> Executor::free_busy_lazily(Address begin) {
  forget(*model_.busy_at(begin));
  const Result<Range> expected = model_.retire(begin);
  step_.touched.push_back(begin);
  const Result<Range> actual = ask([&](AnySubject& s) { return s.free_lazily(begin); });
  answered(actual);
  if (actual != expected) return wrong_answer(expected, actual);
  const auto limit = model_.space().lazy_limit;
  if (limit && model_.lazy_bytes() > *limit) {
    purged();
    ++coverage_.purges_on_limit;
  }
  return std::nullopt;
}

/// The answer to freeing what is not the begin of a busy area.
std::optional<Violation> Executor::refuse(const Result<Range>& actual) {
  answered(actual);
  const Result<Range> expected = std::unexpected(Error::not_busy);
  if (actual == expected) return std::nullopt;
  return wrong_answer(expected, actual);
}

// ---- What is expected

/// The prediction for this state.
template <class Request>
auto Executor::predict(const Request& request) -> decltype(std::declval<const ReferenceModel&>().predict(request)) {
  if (!gap_index_ || !model_.is_valid(request)) return model_.predict(request);
  const auto expected = gap_index_->predict(model_.space(), request);
  const bool must_release = !expected && (!model_.lazy().empty() || !hooks_.empty());
  if (must_release || ++indexed_ >= model_.areas().size() / repeated_part) {
    indexed_ = 0;
    demand_same(model_.predict(request), expected);
  }
  return expected;
}

/// Where the index of gaps and the model differ, nobody can be convicted: this is vmapcheck's own failure.
template <class T>
void Executor::demand_same(const Result<T>& by_model, const Result<T>& by_index) {
  if (by_model != by_index)
    throw std::logic_error("the index of gaps predicts " + describe(by_index) + ", the reference model " +
                           describe(by_model));
}

/// Before the subject is convicted: of what the index predicts, the model says the same.
void Executor::confirm_index(const Op& op) const {
  if (!gap_index_) return;
  const GapIndex& index = *gap_index_;
  const Space& space = model_.space();
  const auto same = [&](const auto& request) {
    if (model_.is_valid(request)) demand_same(model_.predict(request), index.predict(space, request));
  };
  std::visit(
      [&](const auto& one) {
        if constexpr (requires { one.request; }) same(one.request);
        if constexpr (requires { index.predict(space, one); }) same(one);
      },
      op);
}

/// Called where everything is visited anyway.
void Executor::use_gap_index_if_large() {
  const std::size_t areas = model_.areas().size();
  if (gap_index_ && areas < indexed_areas_min / 2) gap_index_.reset();
  if (!gap_index_ && areas >= indexed_areas_min) gap_index_.emplace(model_.gaps());
}

/// The prediction, after all that the contract has happen before an allocation fails with no_space: a purge, then the
/// hooks in order of registration. The model then is as the subject must be before it places.
template <class Predict>
auto Executor::expect(Predict predict) -> decltype(predict()) {
  auto expected = predict();
  const auto exhausted = [&] { return !expected && expected.error() == Error::no_space; };
  if (!exhausted()) return expected;
  if (!model_.lazy().empty()) {
    purged();
    ++coverage_.purges_on_exhaustion;
    expected = predict();
    ++step_.attempts;
  }
  for (std::size_t i = 0; i < hooks_.size() && exhausted(); ++i) {
    ++step_.hooks_called;
    ++step_.expected.hooks_called;
    Hook& hook = hooks_[i];
    hook.frees.reset();
    if (std::exchange(hook.spent, true)) continue;
    const Live* const live = find_live(hook.label);
    if (live == nullptr) continue;
    hook.frees = live->begin;
    hook.merged = vacated(live->begin);
    step_.released = true;
    expected = predict();
    ++step_.attempts;
  }
  if (expected) ++coverage_.rescued;
  return expected;
}

/// Called from inside the subject. Hooks are called in the order in which they were registered, from the first on.
bool Executor::on_hook(std::size_t index) {
  ++coverage_.hooks_called;
  if (hooks_met_ == step_.hooks_called || hooks_met_ != index) {
    if (!hook_violation_)
      hook_violation_ = Violation{Invariant::answer,
                                  "exhaustion hook " + std::to_string(index) + " was called, which was not its turn"};
    return false;
  }
  ++hooks_met_;
  const Hook& hook = hooks_[index];
  if (!hook.frees) return false;
  const Result<Range> actual = ask([&](AnySubject& s) { return s.free(*hook.frees); });
  if (!hook_violation_ && (!actual || (promises_.coalesced && *actual != hook.merged)))
    hook_violation_ = Violation{Invariant::answer, "free of " + print(hook.label) + " by an exhaustion hook: " +
                                                       expected_actual(describe(hook.merged), describe(actual))};
  return true;
}

std::optional<Violation> Executor::hooks_as_expected() {
  if (hook_violation_) return std::move(hook_violation_);
  if (hooks_met_ == step_.hooks_called) return std::nullopt;
  return broken(Invariant::answer, "exhaustion hook " + std::to_string(hooks_met_) + " was not called");
}

// ---- The model follows

void Executor::occupied(Range range, Label label) {
  const Range gap = model_.gap_around(range.begin);
  if (gap.begin != range.begin) ++step_.expected.free_blocks;
  if (gap.end == range.end) --step_.expected.free_blocks;
  const vmap::FitType fit = vmap::classify(gap, range);
  ++step_.expected.fits[static_cast<std::size_t>(fit)];
  ++coverage_.fits[static_cast<std::size_t>(fit)];
  ++coverage_.fits_of[step_.op->index()][static_cast<std::size_t>(fit)];
  model_.occupy(range, label);
  if (gap_index_) gap_index_->take(range);
  step_.touched.push_back(range.begin);
  if (index_of_live_.find(label) == index_of_live_.end()) {
    index_of_live_.emplace(label, live_.size());
    live_.push_back({label, range.begin});
  }
}

/// The busy area at `begin` is free; returns the free block that resulted.
Range Executor::vacated(Address begin) {
  const ReferenceModel::Area& area = *model_.busy_at(begin);
  const Address end = area.end;
  forget(area);
  const Range gap = model_.vacate(begin);
  const auto kind = static_cast<std::size_t>(freed({begin, end}, gap));
  ++step_.expected.coalescings[kind];
  ++coverage_.coalescings[kind];
  return gap;
}

void Executor::purged() {
  const std::size_t count = model_.lazy().size();
  step_.released = true;
  step_.purged = count;
  step_.free_blocks_before_purge = free_blocks();
  ++step_.expected.purges;
  while (!model_.lazy().empty()) {
    const Address begin = model_.lazy().back();
    const Address end = model_.areas().find(begin)->second.end;
    freed({begin, end}, model_.purge_one());
  }
  step_.free_blocks_after_purge = free_blocks();
}

/// `range` became free, and is now part of `gap`.
vmap::Coalescing Executor::freed(Range range, Range gap) {
  if (gap_index_) gap_index_->give(gap);
  step_.touched.push_back(range.begin);
  const bool previous = gap.begin != range.begin;
  const bool next = gap.end != range.end;
  if (!previous && !next) ++step_.expected.free_blocks;
  if (previous && next) --step_.expected.free_blocks;
  if (previous) return next ? vmap::Coalescing::both : vmap::Coalescing::previous;
  return next ? vmap::Coalescing::next : vmap::Coalescing::none;
}

/// The area's label names nothing any more.
void Executor::forget(const ReferenceModel::Area& area) {
  if (!area.label) return;
  const auto entry = index_of_live_.find(*area.label);
  const std::size_t index = entry->second;
  index_of_live_.erase(entry);
  if (index + 1 != live_.size()) {
    live_[index] = live_.back();
    index_of_live_.at(live_[index].label) = index;
  }
  live_.pop_back();
}

const Executor::Live* Executor::find_live(Label label) const {
  const auto entry = index_of_live_.find(label);
  return entry == index_of_live_.end() ? nullptr : &live_[entry->second];
}

// ---- Checks

std::optional<Violation> Executor::check() {
  beacon_.aside(false);
  look_at_counters();
  ++unchecked_;
  const std::uint64_t step = position_.step - 1;
  const bool closer =
      checking_ == Checking::every_step || (step >= closer_.from && (step - closer_.from) % closer_.stride == 0);
  const bool in_full = closer || is_much(step_.touched.size(), nodes()) || is_due(unchecked_, nodes());
  if (auto violation = check_state(in_full)) return violation;
  step_.gap_index = gap_index_ ? &*gap_index_ : nullptr;  // a look at everything may have made or dropped it
  if (auto violation = first_broken(checks.account)) return violation;
  if (auto why = untrue_counter(seen_, step_)) return broken(Invariant::answer, *std::move(why));
  if (step_.purged != 0) step_.expected.coalescings = seen_.stats.coalescings;
  if (seen_.has_stats && seen_.cost != nullptr)
    if (auto violation = seen_.cost->work(step_, seen_)) return violation;
  // The subject's own check is as long as ours: it is asked at every eighth of them, and at the end.
  if (closer || (in_full && coverage_.full_checks % 8 == 0))
    if (auto violation = check_verify()) return violation;
  if (in_full) position_ = {position_.step, position_.step, nodes()};
  return std::nullopt;
}

/// Everything that the subject holds, or what lies around the places that the step touched.
std::optional<Violation> Executor::check_state(bool in_full) {
  if (in_full) {
    look_at_layout();
    if (auto violation = first_broken(checks.layout)) return violation;
  }
  if (auto violation = first_broken(checks.count)) return violation;
  if (in_full) {
    look_at_tree();
    return first_broken(checks.tree);
  }
  if (features_.inspectable)
    for (const Address begin : step_.touched)
      if (auto violation = check_near(begin)) return violation;
  return std::nullopt;
}

/// Where something is wrong, a look at everything may say it better.
std::optional<Violation> Executor::check_near(Address begin) {
  for (const Invariant each : {Invariant::partition, Invariant::coalescing, Invariant::tree, Invariant::augment})
    checked(each);
  Near near;
  TreeFinding finding = ask([&](AnySubject& s) { return s.check_tree_near(begin, near); });
  if (!finding.tree && !finding.augment && is_right(near, model_, begin)) return std::nullopt;
  if (auto violation = check_state(true)) return violation;
  if (finding.tree) return broken(Invariant::tree, *std::move(finding.tree));
  if (finding.augment) return broken(Invariant::augment, *std::move(finding.augment));
  return broken(Invariant::tree, "the descent to " + describe(begin) + " does not meet the free blocks around it");
}

/// Everything was checked, and nothing is wrong: so must the subject's own check say.
std::optional<Violation> Executor::check_verify() {
  beacon_.aside(false);
  const auto violation = ask([](const AnySubject& s) { return s.verify(); });
  if (!violation) return std::nullopt;
  if (static_cast<std::size_t>(violation->invariant) >= vmap::invariant_count)
    return broken(Invariant::answer, "verify() names an invariant that there is not");
  return broken(Invariant::answer,
                "verify(): " + expected_actual("nothing wrong",
                                               std::string(name(violation->invariant)) + ": " + violation->detail));
}

std::optional<Violation> Executor::first_broken(std::span<const Check> group) {
  for (const Check& check : group) {
    CheckResult result = check.result(model_, seen_, step_);
    if (result == Checked::no) continue;
    checked(check.invariant);
    if (!result) return broken(check.invariant, std::move(result.error()));
  }
  return std::nullopt;
}

// ---- What can be observed

void Executor::look_at_counters() {
  if (features_.stats) ask([&](const AnySubject& s) { s.stats(seen_.stats); });
  seen_.requests = metadata_.requests() - requests_before_;
  seen_.metadata_blocks = metadata_.blocks_outstanding();
  vmap::Stats& expected = step_.expected;
  expected.busy_bytes = model_.busy_bytes();
  expected.lazy_bytes = model_.lazy_bytes();
  expected.free_bytes = model_.space().range.size() - expected.busy_bytes - expected.lazy_bytes;
  expected.lazy_areas = model_.lazy().size();
  expected.busy_areas = model_.areas().size() - expected.lazy_areas;
  expected.nodes_alive = promises_.free_nodes ? nodes() : model_.areas().size();
  if (step_.failed) count_in(expected.failures, std::get<Error>(seen_.answer));
}

void Executor::look_at_layout() {
  unchecked_ = 0;
  ++coverage_.full_checks;
  beacon_.aside(false);
  use_gap_index_if_large();
  if (!features_.observable) return;
  ask([&](const AnySubject& s) {
    s.busy(seen_.layout.busy);
    s.free(seen_.layout.free);
    if (features_.lazy) s.lazy(seen_.layout.lazy);
  });
  model_.gaps_into(gaps_);
  seen_.has_layout = true;
  seen_.layout_right = is_right(seen_.layout, model_, gaps_);
}

void Executor::look_at_tree() {
  if (!features_.inspectable) return;
  beacon_.aside(false);
  seen_.tree = ask([&](AnySubject& s) { return s.check_tree(nodes() + 2, seen_.blocks); });
  seen_.has_tree = true;
}

/// The invariant is being checked, after the op of this step.
void Executor::checked(Invariant invariant) {
  ++coverage_.checks[step_.op != nullptr ? step_.op->index() : op_kind_count][static_cast<std::size_t>(invariant)];
}

void Executor::count(const Op& op) {
  ++coverage_.ops[op.index()];
  if (const auto* skipped = std::get_if<Skipped>(&seen_.answer)) {
    ++coverage_.skipped[op.index()];
    if (skipped->unsupported) ++coverage_.unsupported;
  } else if (!std::holds_alternative<FailMetadata>(op)) {
    checked(Invariant::answer);
  }
  if (const auto* error = std::get_if<Error>(&seen_.answer)) count_in(coverage_.errors[op.index()], *error);
  coverage_.faults_fired += metadata_.failures() - failures_before_;
  coverage_.free_blocks_max = std::max<std::uint64_t>(coverage_.free_blocks_max, free_blocks());
}

// ---- There and back

void Executor::mark(Mark& mark) {
  if (mark.state_)
    *mark.state_ = state();  // into the memory that its vectors have
  else
    mark.state_.emplace(state());
  mark.metadata_ = metadata_.counts();
  arena_->mark(mark.arena_);
  const std::span<const std::byte> bytes = ask([](AnySubject& s) { return s.memory(); });
  mark.subject_.assign(bytes.begin(), bytes.end());
}

void Executor::rewind(const Mark& mark) {
  state() = *mark.state_;
  metadata_.restore(mark.metadata_);
  arena_->rewind(mark.arena_);
  std::ranges::copy(mark.subject_, ask([](AnySubject& s) { return s.memory(); }).begin());
}

std::uint64_t Executor::visible_state() const {
  std::uint64_t hash = seen_.tree.hashes.tree;
  const auto mix = [&](std::uint64_t n) { hash = (hash ^ n) * 0x9e3779b97f4a7c15u + (n >> 29) + (hash >> 31); };
  const auto mix_all = [&](const std::vector<Range>& ranges) {
    mix(ranges.size());
    for (const Range range : ranges) mix(range.begin), mix(range.end);
  };
  if (features_.observable) {
    mix_all(seen_.layout.busy);
    mix_all(seen_.layout.lazy);
    mix_all(seen_.layout.free);
  }
  // What the model knows, and a subject that shows less.
  for (const auto& [begin, area] : model_.areas()) mix(begin), mix(area.end), mix(area.lazy ? 1 : 0);
  for (const Address begin : model_.lazy()) mix(begin);  // in the order in which they were freed
  for (const Hook& hook : hooks_) {
    const Live* const live = hook.spent ? nullptr : find_live(hook.label);
    mix(live != nullptr ? live->begin : ~std::uint64_t{0});
  }
  for (const std::uint64_t countdown : metadata_.armed()) mix(countdown);
  mix(seen_.stats.nodes_spare);
  for (const Size align : seen_.stats.rows)
    if (align != 0) mix(align);
  return hash;
}

std::expected<std::optional<Failure>, std::string> run(const Trace& trace, const SubjectFactory& make,
                                                       const RunOptions& options) {
  Beacon beacon = options.beacon;
  beacon.at(Phase::construction, 0);
  auto executor = Executor::create(trace.space, make, options.checking);
  if (!executor) return std::unexpected(std::move(executor.error()));
  (*executor)->look_closer(options.closer);
  (*executor)->report_to(beacon);
  std::optional<Failure> failure;
  for (std::size_t step = 0; step < trace.ops.size() && !failure; ++step) {
    if (options.keep_going && !options.keep_going()) return std::nullopt;
    beacon.at(Phase::op, step);
    if (options.position != nullptr) *options.position = (*executor)->position();
    if (auto violation = (*executor)->step(trace.ops[step]))
      failure = Failure{step, trace.ops[step], *std::move(violation)};
  }
  if (!failure) {
    if (options.visible_state != nullptr) *options.visible_state = (*executor)->visible_state();
    beacon.at(Phase::end, trace.ops.size());
    if (options.position != nullptr) *options.position = (*executor)->position();
    if (auto violation = (*executor)->finish())
      failure = Failure{trace.ops.size(), std::nullopt, *std::move(violation), FailureKind::violation, Phase::end};
  }
  if (options.coverage != nullptr) *options.coverage += (*executor)->coverage();
  if (failure && options.on_violation) options.on_violation(*failure);
  return failure;
}

}  // namespace vmapcheck
