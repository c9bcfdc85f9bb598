// SPDX-License-Identifier: Apache-2.0
#include "harness/verify/executor.hpp"

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <utility>

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

std::string expected_actual(const std::string& expected, const std::string& actual) {
  return "expected " + expected + ", actual " + actual;
}

template <class T>
Answer answer_of(const Result<T>& result) {
  if (result) return *result;
  return result.error();
}

/// True where a check of all `nodes` is due, `steps` after the last: it then costs each step that of two nodes,
/// whatever their number.
bool is_due(std::uint64_t steps, std::size_t nodes) { return steps * 2 >= nodes; }

/// A purge or congruent placement of more than this is checked in full, unless that is more than `state_per_touched`
/// times as much.
constexpr std::size_t touched_max = 8;
constexpr std::size_t state_per_touched = 1024;

/// States of more areas have an index of their gaps; it is given up below half of that.
constexpr std::size_t indexed_areas_min = 8192;
/// The model repeats one prediction in as many as it walks over areas, divided by this.
constexpr std::size_t repeated_part = 64;

}  // namespace

std::uint64_t visits_at_every_step(const Trace& trace) {
  // How many areas live is an estimate: every allocation is taken to succeed, and every free to end one.
  std::uint64_t visits = 0, lives = trace.space.busy.size(), lazy = 0;
  for (const Op& op : trace.ops) {
    if (const auto* congruent = std::get_if<Congruent>(&op))
      lives += congruent->blocks.size();
    else if (std::holds_alternative<Alloc>(op) || std::holds_alternative<AllocAt>(op))
      ++lives;
    else if (std::holds_alternative<Free>(op) || std::holds_alternative<FreeAt>(op))
      lives -= std::min<std::uint64_t>(lives, 1);
    else if (std::holds_alternative<FreeLazily>(op) || std::holds_alternative<FreeLazilyAt>(op))
      ++lazy;  // its node stays
    else if (std::holds_alternative<Purge>(op))
      lives -= std::min(lives, std::exchange(lazy, 0));
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
  executor->features_ = executor->subject_->features();
  executor->promises_ = executor->subject_->promises();
  executor->free_blocks_ = executor->model_.gaps().size();
  executor->make_room();
  return executor;
}

/// For what most traces need, so that vectors do not grow step by step: there is a new executor for each trace, and
/// memory is dear under sanitizers.
void Executor::make_room() {
  constexpr std::size_t ordinary = 32;
  live_.reserve(ordinary);
  now_.touched.reserve(touched_max);
  layout_.busy.reserve(ordinary);
  layout_.free.reserve(ordinary);
  gaps_.reserve(ordinary);
  blocks_.reserve(ordinary);
}

std::optional<Violation> Executor::step(const Op& op) {
  if (!std::exchange(started_, true)) {
    // What was imported must be right before anything is done to it.
    now_.free_blocks = free_blocks_;
    if (features_.stats) subject_->stats(stats_);
    auto violation = check_everything();
    if (!violation) violation = check_nothing_counted();
    if (violation) {
      violation->detail = "before the first op: " + violation->detail;
      return violation;
    }
  }
  ++position_.step;
  now_.op = op.index();
  now_.failed = now_.released = now_.thorough = false;
  now_.touched.clear();
  now_.visits_max = 0;
  now_.purged = 0;
  now_.attempts = 1;
  now_.requests = metadata_.requests();
  now_.faults = metadata_.failures();
  now_.free_blocks = free_blocks_;
  hooks_expected_.clear();
  hooks_met_ = 0;
  hook_violation_.reset();
  before_ = stats_;

  std::optional<Violation> violation = perform(op);
  if (!violation) violation = hooks_as_expected();
  if (!violation) violation = check(op);
  count(op);
  return violation;
}

std::optional<Violation> Executor::finish() {
  now_ = {};
  now_.free_blocks = free_blocks_;
  if (features_.stats) subject_->stats(stats_);
  for (std::size_t i = 0; i < coverage_.tree_cases.size(); ++i) coverage_.tree_cases[i] += stats_.tree_cases[i];
  if (auto violation = check_everything()) return violation;
  if (auto violation = check_verify()) return violation;
  subject_.reset();
  checked(Invariant::memory);
  if (metadata_.blocks_outstanding() == 0 && metadata_.bytes_outstanding() == 0) return std::nullopt;
  if (metadata_.blocks_outstanding() == 0)
    return broken(Invariant::memory, "metadata was given back with other sizes than it was requested with");
  return broken(Invariant::memory, std::to_string(metadata_.bytes_outstanding()) + " bytes of metadata in " +
                                       std::to_string(metadata_.blocks_outstanding()) +
                                       " blocks were not given back when the subject was destroyed");
}

// ---- Allocation

/// The prediction for this state.
template <class Request>
auto Executor::predict(const Request& request) -> decltype(std::declval<const ReferenceModel&>().predict(request)) {
  if (!gap_index_ || !model_.is_valid(request)) return model_.predict(request);
  const auto expected = gap_index_->predict(model_.space(), request);
  if (++indexed_ >= model_.areas().size() / repeated_part) {
    indexed_ = 0;
    if (model_.predict(request) != expected)
      throw std::logic_error("the index of gaps does not predict what the reference model does: a fault of vmapcheck");
  }
  return expected;
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
    ++now_.attempts;
  }
  for (std::size_t i = 0; i < hooks_.size() && exhausted(); ++i) {
    hooks_expected_.push_back(i);
    ++tally_.hooks_called;
    Hook& hook = hooks_[i];
    hook.frees.reset();
    if (std::exchange(hook.spent, true)) continue;
    const Live* const live = find_live(hook.label);
    if (live == nullptr) continue;
    hook.frees = live->begin;
    hook.merged = vacated(live->begin);
    now_.released = true;
    expected = predict();
    ++now_.attempts;
  }
  if (expected) ++coverage_.rescued;
  return expected;
}

/// Called from inside the subject.
bool Executor::on_hook(std::size_t index) {
  ++coverage_.hooks_called;
  if (hooks_met_ == hooks_expected_.size() || hooks_expected_[hooks_met_] != index) {
    if (!hook_violation_)
      hook_violation_ = Violation{Invariant::answer,
                                  "exhaustion hook " + std::to_string(index) + " was called, which was not its turn"};
    return false;
  }
  ++hooks_met_;
  const Hook& hook = hooks_[index];
  if (!hook.frees) return false;
  const Result<Range> actual = subject_->free(*hook.frees);
  if (!hook_violation_ && (!actual || (promises_.coalesced && *actual != hook.merged)))
    hook_violation_ = Violation{Invariant::answer, "free of " + print(hook.label) + " by an exhaustion hook: " +
                                                       expected_actual(describe(hook.merged), describe(actual))};
  return true;
}

std::optional<Violation> Executor::hooks_as_expected() {
  if (hook_violation_) return std::move(hook_violation_);
  if (hooks_met_ == hooks_expected_.size()) return std::nullopt;
  return broken(Invariant::answer,
                "exhaustion hook " + std::to_string(hooks_expected_[hooks_met_]) + " was not called");
}

/// What holds for the error of any allocation. A metadata failure is accepted where one was injected and the request
/// has a place.
template <class T>
std::optional<Violation> Executor::judge_failure(const Result<T>& expected, const Result<T>& actual) {
  now_.failed = true;
  if (actual.error() != Error::out_of_memory || !expected) {
    if (expected || actual.error() != expected.error())
      return broken(Invariant::answer, expected_actual(describe(expected), describe(actual)));
    return std::nullopt;
  }
  if (metadata_.failures() == now_.faults)
    return broken(Invariant::answer,
                  expected_actual(describe(expected), describe(actual)) + ", though no request for metadata failed");
  return std::nullopt;
}

template <>
std::optional<Violation> Executor::perform(const Alloc& op) {
  const Result<Allocation> expected = expect([&] { return predict(op.request); });
  const Result<Allocation> actual = subject_->allocate(op.request);
  answer_ = answer_of(actual);
  if (hook_violation_) return std::move(hook_violation_);
  if (!actual && (actual.error() == Error::out_of_memory || promises_.complete)) return judge_failure(expected, actual);
  if (auto why = model_.judge(op.request, expected, actual, promises_))
    return broken(Invariant::answer, *std::move(why));
  if (actual)
    occupied(actual->range, op.label);
  else
    now_.failed = true;
  return std::nullopt;
}

template <>
std::optional<Violation> Executor::perform(const AllocAt& op) {
  if (!features_.allocate_at) return answer_ = Skipped{.unsupported = true}, std::nullopt;
  const Result<Allocation> expected = expect([&] { return model_.predict(op.range); });
  const Result<Allocation> actual = subject_->allocate_at(op.range);
  answer_ = answer_of(actual);
  if (hook_violation_) return std::move(hook_violation_);
  if (!actual) return judge_failure(expected, actual);
  const bool right =
      expected && actual->range == expected->range && (!promises_.fit_type || actual->fit == expected->fit);
  if (!right) return broken(Invariant::answer, expected_actual(describe(expected), describe(actual)));
  occupied(actual->range, op.label);
  return std::nullopt;
}

template <>
std::optional<Violation> Executor::perform(const Congruent& op) {
  if (!features_.congruent) return answer_ = Skipped{.unsupported = true}, std::nullopt;
  const Result<Address> expected = expect([&] { return predict(op); });
  // Without memory, blocks in another order are compared each with each. That is slow, and no hang.
  constexpr std::uint64_t pairs_in_the_usual_time = std::uint64_t{1} << 27;
  if (!std::ranges::is_sorted(op.blocks, {}, &vmap::Block::offset))
    beacon_.allow(static_cast<std::uint32_t>(
        std::min<std::uint64_t>(op.blocks.size() * op.blocks.size() / pairs_in_the_usual_time, 1u << 30)));
  beacon_.aside(false);
  const Result<Address> actual = subject_->allocate_congruent(op.blocks, op.align, op.within);
  if (actual)
    answer_ = Base{*actual};
  else
    answer_ = actual.error();
  if (hook_violation_) return std::move(hook_violation_);
  if (!actual) return judge_failure(expected, actual);
  if (actual != expected) return broken(Invariant::answer, expected_actual(describe(expected), describe(actual)));
  beacon_.aside(true);  // the model follows, which takes a while for a million blocks
  for (std::size_t i = 0; i < op.blocks.size(); ++i) {
    const Address begin = *actual + op.blocks[i].offset;
    occupied({begin, begin + op.blocks[i].size}, {op.label.id, static_cast<std::uint32_t>(i)});
  }
  beacon_.aside(false);
  return std::nullopt;
}

// ---- Freeing

template <>
std::optional<Violation> Executor::perform(const Free& op) {
  const Live* const live = find_live(op.label);
  if (live == nullptr) return answer_ = Skipped{}, std::nullopt;
  return free_busy(live->begin);
}

template <>
std::optional<Violation> Executor::perform(const FreeAt& op) {
  if (model_.busy_at(op.address) != nullptr) return free_busy(op.address);
  if (!promises_.not_busy) return answer_ = Skipped{.unsupported = true}, std::nullopt;
  return refuse(subject_->free(op.address));
}

template <>
std::optional<Violation> Executor::perform(const FreeLazily& op) {
  if (!features_.lazy) return answer_ = Skipped{.unsupported = true}, std::nullopt;
  const Live* const live = find_live(op.label);
  if (live == nullptr) return answer_ = Skipped{}, std::nullopt;
  return free_busy_lazily(live->begin);
}

template <>
std::optional<Violation> Executor::perform(const FreeLazilyAt& op) {
  if (!features_.lazy) return answer_ = Skipped{.unsupported = true}, std::nullopt;
  if (model_.busy_at(op.address) != nullptr) return free_busy_lazily(op.address);
  if (!promises_.not_busy) return answer_ = Skipped{.unsupported = true}, std::nullopt;
  return refuse(subject_->free_lazily(op.address));
}

std::optional<Violation> Executor::free_busy(Address begin) {
  const Range expected = vacated(begin);
  const Result<Range> actual = subject_->free(begin);
  answer_ = answer_of(actual);
  if (actual && (!promises_.coalesced || *actual == expected)) return std::nullopt;
  return broken(Invariant::answer, expected_actual(describe(expected), describe(actual)));
}

std::optional<Violation> Executor::free_busy_lazily(Address begin) {
  forget(*model_.busy_at(begin));
  const Range expected = model_.retire(begin);
  now_.touched.push_back(begin);
  const Result<Range> actual = subject_->free_lazily(begin);
  answer_ = answer_of(actual);
  if (!actual || *actual != expected)
    return broken(Invariant::answer, expected_actual(describe(expected), describe(actual)));
  const auto limit = model_.space().lazy_limit;
  if (limit && model_.lazy_bytes() > *limit) {
    purged();
    ++coverage_.purges_on_limit;
  }
  return std::nullopt;
}

/// The answer to freeing what is not the begin of a busy area.
std::optional<Violation> Executor::refuse(const Result<Range>& actual) {
  now_.failed = true;
  answer_ = answer_of(actual);
  if (!actual && actual.error() == Error::not_busy) return std::nullopt;
  return broken(Invariant::answer, expected_actual("not_busy", describe(actual)));
}

template <>
std::optional<Violation> Executor::perform(const Purge&) {
  if (!features_.lazy) return answer_ = Skipped{.unsupported = true}, std::nullopt;
  const Size expected = model_.lazy_bytes();
  if (!model_.lazy().empty()) purged();
  const Size actual = subject_->purge();
  answer_ = Purged{actual};
  if (actual == expected) return std::nullopt;
  return broken(Invariant::answer, expected_actual(describe(expected), describe(actual)));
}

// ---- The rest

template <>
std::optional<Violation> Executor::perform(const Find& op) {
  if (!features_.find) return answer_ = Skipped{.unsupported = true}, std::nullopt;
  const std::optional<Range> expected = model_.find(op.address);
  const std::optional<Range> actual = std::as_const(*subject_).find(op.address);
  answer_ = Found{actual};
  if (actual == expected) return std::nullopt;
  return broken(Invariant::answer, expected_actual(describe(expected), describe(actual)));
}

template <>
std::optional<Violation> Executor::perform(const OnExhaustion& op) {
  if (!features_.hooks) return answer_ = Skipped{.unsupported = true}, std::nullopt;
  if (find_live(op.label) == nullptr) return answer_ = Skipped{}, std::nullopt;
  answer_ = Nothing{};
  const std::size_t index = hooks_.size();
  hooks_.push_back({op.label, false, std::nullopt, {}});
  if (subject_->on_exhaustion([this, index] { return on_hook(index); })) return std::nullopt;
  return broken(Invariant::answer, "expected a registered hook, actual an error");
}

template <>
std::optional<Violation> Executor::perform(const FailMetadata& op) {
  metadata_.fail_at(op.countdown);
  answer_ = Nothing{};
  return std::nullopt;
}

std::optional<Violation> Executor::perform(const Op& op) {
  return std::visit([&](const auto& one) { return perform(one); }, op);
}

// ---- The model follows

void Executor::occupied(Range range, Label label) {
  const Range gap = model_.gap_around(range.begin);
  if (gap.begin != range.begin) ++free_blocks_;
  if (gap.end == range.end) --free_blocks_;
  const vmap::FitType fit = vmap::classify(gap, range);
  ++tally_.fits[static_cast<std::size_t>(fit)];
  ++coverage_.fits[static_cast<std::size_t>(fit)];
  ++coverage_.fits_of[now_.op][static_cast<std::size_t>(fit)];
  model_.occupy(range, label);
  if (gap_index_) gap_index_->take(range);
  now_.touched.push_back(range.begin);
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
  ++tally_.coalescings[kind];
  ++coverage_.coalescings[kind];
  return gap;
}

void Executor::purged() {
  const std::size_t count = model_.lazy().size();
  now_.thorough = now_.thorough || is_much(count);
  now_.visits_max += count * height_max(now_.free_blocks + count);
  now_.released = true;
  now_.purged += count;
  now_.purged_from = free_blocks_;
  ++tally_.purges;
  while (!model_.lazy().empty()) {
    const Address begin = model_.lazy().back();
    const Address end = model_.areas().find(begin)->second.end;
    freed({begin, end}, model_.purge_one());
  }
  now_.purged_to = free_blocks_;
}

/// `range` became free, and is now part of `gap`.
vmap::Coalescing Executor::freed(Range range, Range gap) {
  if (gap_index_) gap_index_->give(gap);
  now_.touched.push_back(range.begin);
  const bool previous = gap.begin != range.begin;
  const bool next = gap.end != range.end;
  if (!previous && !next) ++free_blocks_;
  if (previous && next) --free_blocks_;
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

// ---- The invariants, in their order

std::optional<Violation> Executor::check(const Op& op) {
  beacon_.aside(false);
  if (features_.stats) subject_->stats(stats_);
  ++unchecked_;
  const std::uint64_t step = position_.step - 1;
  const bool closer =
      checking_ == Checking::every_step || (step >= closer_.from && (step - closer_.from) % closer_.stride == 0);
  const std::size_t nodes = model_.areas().size() + free_blocks_;
  const bool in_full = closer || now_.thorough || is_much(now_.touched.size()) || is_due(unchecked_, nodes);
  if (auto violation = in_full ? check_everything() : check_what_was_touched()) return violation;
  if (auto violation = check_memory()) return violation;
  if (auto violation = check_cost(op)) return violation;
  if (auto violation = check_coalescings()) return violation;
  if (auto violation = check_stats(in_full)) return violation;
  if (auto violation = check_tree_cases()) return violation;
  // The subject's own check is as long as ours: it is asked at every eighth of them, and at the end.
  if (closer || (in_full && coverage_.full_checks % 8 == 0))
    if (auto violation = check_verify()) return violation;
  if (in_full) position_ = {position_.step, position_.step, nodes};
  return std::nullopt;
}

/// True where a look at everything is worth more than one at the surroundings of so many places.
bool Executor::is_much(std::size_t touched) const {
  return touched > std::max(touched_max, (model_.areas().size() + free_blocks_) / state_per_touched);
}

std::optional<Violation> Executor::check_everything() {
  unchecked_ = 0;
  ++coverage_.full_checks;
  beacon_.aside(false);
  use_gap_index_if_large();
  std::optional<Violation> atomicity;
  if (features_.observable) {
    subject_->busy(layout_.busy);
    subject_->free(layout_.free);
    if (features_.lazy) subject_->lazy(layout_.lazy);
    model_.gaps_into(gaps_);
    for (const Invariant each : {Invariant::overlap, Invariant::partition, Invariant::coalescing}) checked(each);
    if (now_.failed) checked(Invariant::atomicity);
    if (!is_layout_expected()) {
      if (auto violation = check_layout(layout_, model_.space())) return violation;
      const std::string text = difference(expected_layout(), layout_);
      if (!now_.failed) return broken(Invariant::partition, "not the layout that the answers add up to: " + text);
      atomicity = broken(Invariant::atomicity, "the call failed and changed the layout: " + text);
    }
  }
  if (!atomicity)
    if (auto violation = check_classification()) return violation;
  if (features_.inspectable) {
    checked(Invariant::tree), checked(Invariant::augment);
    beacon_.aside(false);
    TreeFinding finding = subject_->check_tree(model_.areas().size() + free_blocks_ + 2, blocks_);
    if (finding.tree) return broken(Invariant::tree, *std::move(finding.tree));
    if (!atomicity && features_.observable && blocks_ != layout_.free)
      return broken(Invariant::tree, "the tree does not hold the free blocks that are listed");
    if (finding.augment) return broken(Invariant::augment, *std::move(finding.augment));
    const std::optional<std::uint64_t> before = std::exchange(shape_, finding.shape);
    form_ = finding.form;
    outline_ = finding.outline;
    depth_ = finding.depth;
    if (!atomicity && now_.failed && !now_.released && before && before != shape_)
      return broken(Invariant::atomicity, "the call failed and changed the tree of free blocks");
  }
  return atomicity;
}

/// The same for the surroundings of what the op touched.
std::optional<Violation> Executor::check_what_was_touched() {
  if (auto violation = check_classification()) return violation;
  if (!features_.inspectable) return std::nullopt;
  for (const Address begin : now_.touched)
    if (auto violation = check_gaps_near(begin)) return violation;
  shape_.reset();
  return std::nullopt;
}

std::optional<Violation> Executor::check_gaps_near(Address begin) {
  Near near;
  for (const Invariant each : {Invariant::partition, Invariant::coalescing, Invariant::tree, Invariant::augment})
    checked(each);
  TreeFinding finding = subject_->check_tree_near(begin, near);
  bool as_expected = !finding.tree && !finding.augment;
  const auto after = model_.areas().upper_bound(begin);
  const bool is_area = after != model_.areas().begin() && begin < std::prev(after)->second.end;
  if (is_area) {
    const auto area = std::prev(after);
    const Range left = model_.gap_before(area);
    const Range right = model_.gap_before(after);
    as_expected =
        as_expected &&
        (left.empty() ? !near.at_or_before || near.at_or_before->end < area->first : near.at_or_before == left) &&
        (right.empty() ? !near.after || near.after->begin > right.end : near.after == right);
  } else {
    as_expected = as_expected && near.at_or_before == model_.gap_before(after);
  }
  if (as_expected) return std::nullopt;
  if (auto violation = check_everything()) return violation;
  if (finding.tree) return broken(Invariant::tree, *std::move(finding.tree));
  if (finding.augment) return broken(Invariant::augment, *std::move(finding.augment));
  return broken(Invariant::tree, "the descent to " + describe(begin) + " does not meet the free blocks around it");
}

std::optional<Violation> Executor::check_classification() {
  const std::size_t actual = features_.stats ? stats_.free_blocks : layout_.free.size();
  if (!features_.stats && !features_.observable) return std::nullopt;
  if (!features_.stats && unchecked_ != 0) return std::nullopt;  // layout_ is not of this step
  checked(Invariant::classification);
  if (actual == free_blocks_) return std::nullopt;
  return broken(Invariant::classification, "from " + std::to_string(now_.free_blocks) + " free blocks, expected " +
                                               std::to_string(free_blocks_) + ", actual " + std::to_string(actual));
}

std::optional<Violation> Executor::check_memory() {
  checked(Invariant::memory);
  const std::uint64_t requests = metadata_.requests() - now_.requests;
  const bool freeing = std::holds_alternative<Range>(answer_) || std::holds_alternative<Purged>(answer_);
  if (requests != 0 && freeing)
    return broken(Invariant::memory, "a free asked for metadata memory " + std::to_string(requests) + " times");
  if (!features_.stats) return std::nullopt;
  const std::size_t expected = model_.areas().size() + free_blocks_;
  if (stats_.nodes_alive != expected)
    return broken(Invariant::memory,
                  "nodes alive: " + expected_actual(std::to_string(expected), std::to_string(stats_.nodes_alive)));
  const std::size_t slabs = metadata_.blocks_outstanding();
  if (slabs != stats_.nodes_alive + stats_.nodes_spare)
    return broken(Invariant::memory, std::to_string(slabs) + " nodes taken from the resource, " +
                                         std::to_string(stats_.nodes_alive) + " alive, " +
                                         std::to_string(stats_.nodes_spare) + " spare: a node is lost");
  if (requests != 0 && !now_.failed && stats_.nodes_spare != 0)
    return broken(Invariant::memory,
                  "metadata was asked for while " + std::to_string(stats_.nodes_spare) + " nodes were spare");
  return std::nullopt;
}

std::optional<Violation> Executor::check_cost(const Op& op) {
  if (!features_.stats) return std::nullopt;
  checked(Invariant::cost);
  const std::uint64_t visited = stats_.nodes_visited - before_.nodes_visited;
  const std::uint64_t least = features_.inspectable && promises_.work ? visits_min(op) : 0;
  if (visited < least)
    return broken(Invariant::cost, std::to_string(visited) + " nodes visited, which must be at least " +
                                       std::to_string(least) + ": they are not counted");
  std::uint64_t most = visits_max(op);
  if (visited <= most) return std::nullopt;
  most += now_.attempts * misfits_allowed(op) * height_max(now_.free_blocks + now_.touched.size());
  if (visited <= most) return std::nullopt;
  return broken(Invariant::cost, std::to_string(visited) + " nodes visited among " + std::to_string(now_.free_blocks) +
                                     " free blocks, at most " + std::to_string(most) + " allowed");
}

/// As docs/contract.md has it, for a search without misfits. There are at no time of the step more free blocks or areas
/// than before it and what it touched.
std::uint64_t Executor::visits_max(const Op& op) const {
  const std::uint64_t free_height = height_max(now_.free_blocks + now_.touched.size());
  const std::uint64_t area_height = height_max(model_.areas().size() + now_.touched.size());
  const std::uint64_t hooks = hooks_expected_.size() * (area_height + free_height);
  std::uint64_t of_op = area_height + std::max(free_height, area_height);  // free, free_lazily
  if (std::holds_alternative<Find>(op))
    of_op = area_height;
  else if (std::holds_alternative<Alloc>(op))
    of_op = now_.attempts * search_cost_max(free_height, 0) + area_height;
  else if (std::holds_alternative<AllocAt>(op))
    of_op = now_.attempts * free_height + area_height;
  else if (const auto* congruent = std::get_if<Congruent>(&op))
    of_op =
        now_.attempts * search_cost_max(free_height, 0) +
        congruent->blocks.size() * (2 * free_height + area_height);  // what they need is counted, and they are placed
  return now_.visits_max + hooks + of_op;
}

/// What a descent to where a child is missing visits, at least, in the trees of busy areas and of free blocks as they
/// were before the step.
std::uint64_t Executor::visits_min(const Op& op) const {
  if (now_.released || std::holds_alternative<Skipped>(answer_)) return 0;
  const std::uint64_t among_free = height_min(before_.free_blocks);
  const std::uint64_t among_busy = height_min(before_.busy_areas);
  if (const auto* error = std::get_if<Error>(&answer_)) return *error == Error::not_busy ? among_busy : 0;
  if (std::holds_alternative<Find>(op)) return among_busy;
  if (std::holds_alternative<Alloc>(op)) return 1 + among_busy;
  if (std::holds_alternative<AllocAt>(op)) return among_free + among_busy;
  if (std::holds_alternative<Free>(op) || std::holds_alternative<FreeAt>(op)) return among_busy + among_free;
  if (std::holds_alternative<FreeLazily>(op) || std::holds_alternative<FreeLazilyAt>(op))
    return among_busy + height_min(before_.lazy_areas);
  if (const auto* congruent = std::get_if<Congruent>(&op)) {
    // Looked at once to be settled, once to count nodes, once to be placed: in a tree that loses no more than these.
    const std::uint64_t m = congruent->blocks.size();
    return m * (2 * among_free + height_min(before_.free_blocks - std::min(before_.free_blocks, m)) + among_busy);
  }
  return 0;
}

/// Heights that a search may visit beyond those of a search without obstacles.
std::uint64_t Executor::misfits_allowed(const Op& op) const {
  const std::uint64_t everything = now_.free_blocks + now_.touched.size() + 1;
  if (const auto* congruent = std::get_if<Congruent>(&op))
    return congruent_cost_max(1, congruent->blocks.size(), everything);
  const auto* alloc = std::get_if<Alloc>(&op);
  if (alloc == nullptr) return 0;
  if (now_.attempts > 1) return 2 * everything;
  const auto* placed = std::get_if<Allocation>(&answer_);
  return 2 * misfits_before(alloc->request, placed != nullptr ? placed->range.begin : vmap::address_max);
}

std::uint64_t Executor::misfits_before(const vmap::Request& request, Address before) const {
  if (!gap_index_) return vmapcheck::misfits_before(model_, request, before);
  std::uint64_t misfits = 0;
  for (auto gap = gap_index_->first_above(request.within.begin, request.size);
       gap && gap->begin < before && gap->overlaps(request.within);
       gap = gap_index_->first_above(gap->end, request.size))
    ++misfits;
  return misfits;
}

/// Nothing has happened yet, whatever had to be done to import what was busy.
std::optional<Violation> Executor::check_nothing_counted() const {
  if (!features_.stats) return std::nullopt;
  const auto sum = [](const auto& counts) {
    std::uint64_t n = 0;
    for (const std::uint64_t count : counts) n += count;
    return n;
  };
  const std::uint64_t counted = stats_.nodes_visited + stats_.nodes_propagated + stats_.purges + stats_.hooks_called +
                                sum(stats_.fits) + sum(stats_.coalescings) + sum(stats_.failures) +
                                sum(stats_.tree_cases);
  if (counted == 0) return std::nullopt;
  return broken(Invariant::answer, "stats() has counted something: fits, coalescings, failures, nodes or tree cases");
}

/// Of areas that are purged together, the kinds depend on the order in which the subject frees them. There are as many
/// as areas, and free blocks become more by each that touches none, and fewer by each that touches two.
std::optional<Violation> Executor::check_coalescings() {
  if (!features_.stats || now_.purged == 0) return std::nullopt;
  constexpr auto none = static_cast<std::size_t>(vmap::Coalescing::none);
  constexpr auto both = static_cast<std::size_t>(vmap::Coalescing::both);
  std::array<std::uint64_t, vmap::coalescing_count> purged{};
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < purged.size(); ++i) sum += purged[i] = stats_.coalescings[i] - tally_.coalescings[i];
  tally_.coalescings = stats_.coalescings;
  if (sum == now_.purged && now_.purged_from + purged[none] == now_.purged_to + purged[both]) return std::nullopt;
  return broken(Invariant::answer, "stats().coalescings are not those of a purge of " + std::to_string(now_.purged) +
                                       " areas, which made " + std::to_string(now_.purged_to) + " free blocks of " +
                                       std::to_string(now_.purged_from));
}

/// How often the tree says that it did what, against how often it was linked to and erased from.
std::optional<Violation> Executor::check_tree_cases() const {
  if (!features_.stats || !features_.inspectable || !promises_.work) return std::nullopt;
  using vmap::TreeCase;
  const auto now = [&](TreeCase first, TreeCase last) {
    std::uint64_t n = 0;
    for (auto i = static_cast<std::size_t>(first); i <= static_cast<std::size_t>(last); ++i)
      n += stats_.tree_cases[i] - before_.tree_cases[i];
    return n;
  };
  const auto delta = [&](const auto& after, const auto& before, auto kind) {
    return after[static_cast<std::size_t>(kind)] - before[static_cast<std::size_t>(kind)];
  };
  const std::uint64_t links = delta(stats_.fits, before_.fits, vmap::FitType::no_edge) +
                              delta(stats_.coalescings, before_.coalescings, vmap::Coalescing::none);
  const std::uint64_t erases = delta(stats_.fits, before_.fits, vmap::FitType::full) +
                               delta(stats_.coalescings, before_.coalescings, vmap::Coalescing::both);
  // What changes where it lies is recomputed, at least; a remainder's parent, too. Each change climbs at most three
  // times.
  const std::uint64_t placed = delta(stats_.fits, before_.fits, vmap::FitType::left_edge) +
                               delta(stats_.fits, before_.fits, vmap::FitType::right_edge);
  const std::uint64_t merged = delta(stats_.coalescings, before_.coalescings, vmap::Coalescing::previous) +
                               delta(stats_.coalescings, before_.coalescings, vmap::Coalescing::next) +
                               delta(stats_.coalescings, before_.coalescings, vmap::Coalescing::both);
  const std::uint64_t split = delta(stats_.fits, before_.fits, vmap::FitType::no_edge);
  const std::uint64_t propagated = stats_.nodes_propagated - before_.nodes_propagated;
  if (propagated < placed + merged + 2 * split ||
      propagated > 3 * (placed + merged + links + erases) * height_max(now_.free_blocks + now_.touched.size()))
    return broken(Invariant::cost, std::to_string(propagated) + " nodes recomputed by " +
                                       std::to_string(placed + merged + links + erases) + " changes of free blocks");
  // Of an erased node that had two children it is not said whether a black one was lacking.
  const std::uint64_t lacking = now(TreeCase::erase_black_leaf, TreeCase::erase_black_leaf) +
                                now(TreeCase::erase_next_is_child, TreeCase::erase_next_is_deeper);
  const bool right = now(TreeCase::erase_red_leaf, TreeCase::erase_next_is_deeper) == erases &&
                     now(TreeCase::link_inner_left, TreeCase::link_outer_right) <= links &&
                     (links != 0 || now(TreeCase::link_recolour_left, TreeCase::link_recolour_right) == 0) &&
                     now(TreeCase::fix_recolour_end_left, TreeCase::fix_outer_nephew_right) <= lacking &&
                     now(TreeCase::fix_red_sibling_left, TreeCase::fix_red_sibling_right) <= lacking &&
                     (lacking != 0 || now(TreeCase::fix_recolour_up_left, TreeCase::fix_recolour_up_right) == 0);
  if (right) return std::nullopt;
  return broken(Invariant::answer, "stats().tree_cases are not those of " + std::to_string(links) +
                                       " blocks linked to the tree, and " + std::to_string(erases) + " erased from it");
}

/// What stats() says must be true. `largest` was just recomputed for the whole tree.
std::optional<Violation> Executor::check_stats(bool largest) const {
  if (!features_.stats) return std::nullopt;
  struct {
    const char* what = nullptr;
    std::uint64_t expected = 0;
    std::uint64_t actual = 0;
  } wrong;  // the first; in words only when there is one
  const auto expect_equal = [&](const char* what, std::uint64_t expected, std::uint64_t actual) {
    if (expected != actual && wrong.what == nullptr) wrong = {what, expected, actual};
  };
  const Size size = model_.space().range.size();
  expect_equal("busy_bytes", model_.busy_bytes(), stats_.busy_bytes);
  expect_equal("lazy_bytes", model_.lazy_bytes(), stats_.lazy_bytes);
  expect_equal("free_bytes", size - model_.busy_bytes() - model_.lazy_bytes(), stats_.free_bytes);
  expect_equal("busy_areas", model_.areas().size() - model_.lazy().size(), stats_.busy_areas);
  expect_equal("lazy_areas", model_.lazy().size(), stats_.lazy_areas);
  expect_equal("hooks", hooks_.size(), stats_.hooks);
  expect_equal("hooks_called", tally_.hooks_called, stats_.hooks_called);
  expect_equal("purges", tally_.purges, stats_.purges);
  for (std::size_t i = 0; i < tally_.fits.size(); ++i) expect_equal("fits", tally_.fits[i], stats_.fits[i]);
  const Error* const failure = now_.failed ? std::get_if<Error>(&answer_) : nullptr;
  for (std::size_t i = 0; i < tally_.failures.size(); ++i)
    expect_equal("failures", tally_.failures[i] + (failure != nullptr && *failure == static_cast<Error>(i) ? 1 : 0),
                 stats_.failures[i]);
  for (std::size_t i = 0; i < tally_.coalescings.size(); ++i)
    expect_equal("coalescings", tally_.coalescings[i], stats_.coalescings[i]);
  if (largest && features_.observable) {
    Size largest_free = 0;
    for (const Range range : layout_.free) largest_free = std::max(largest_free, range.size());
    expect_equal("largest_free", largest_free, stats_.largest_free);
  }
  if (wrong.what == nullptr) return std::nullopt;
  return broken(Invariant::answer, std::string("stats().") + wrong.what + ": " +
                                       expected_actual(std::to_string(wrong.expected), std::to_string(wrong.actual)));
}

/// Everything was checked, and nothing is wrong: so must the subject's own check say.
std::optional<Violation> Executor::check_verify() {
  beacon_.aside(false);
  const auto violation = subject_->verify();
  if (!violation) return std::nullopt;
  return broken(Invariant::answer,
                "verify(): " + expected_actual("nothing wrong",
                                               std::string(name(violation->invariant)) + ": " + violation->detail));
}

/// True if the subject lists the model's areas, in their order, and the gaps between them.
bool Executor::is_layout_expected() const {
  auto busy = layout_.busy.begin();
  auto lazy = layout_.lazy.begin();
  for (const auto& [begin, area] : model_.areas()) {
    auto& next = area.lazy ? lazy : busy;
    const auto end = area.lazy ? layout_.lazy.end() : layout_.busy.end();
    if (next == end || *next++ != Range{begin, area.end}) return false;
  }
  return busy == layout_.busy.end() && lazy == layout_.lazy.end() && layout_.free == gaps_;
}

/// The model's areas, and the gaps between them.
Layout Executor::expected_layout() const {
  Layout layout;
  for (const auto& [begin, area] : model_.areas()) (area.lazy ? layout.lazy : layout.busy).push_back({begin, area.end});
  layout.free = model_.gaps();
  return layout;
}

void Executor::count(const Op& op) {
  ++coverage_.ops[op.index()];
  if (const auto* skipped = std::get_if<Skipped>(&answer_)) {
    ++coverage_.skipped[op.index()];
    if (skipped->unsupported) ++coverage_.unsupported;
  } else if (!std::holds_alternative<FailMetadata>(op)) {
    checked(Invariant::answer);
  }
  if (const auto* error = std::get_if<Error>(&answer_)) {
    ++coverage_.errors[op.index()][static_cast<std::size_t>(*error)];
    ++tally_.failures[static_cast<std::size_t>(*error)];
  }
  coverage_.faults_fired += metadata_.failures() - now_.faults;
  coverage_.free_blocks_max = std::max<std::uint64_t>(coverage_.free_blocks_max, free_blocks_);
}

// ---- There and back

void Executor::mark(Mark& mark) {
  if (mark.state_)
    *mark.state_ = state();  // into the memory that its vectors have
  else
    mark.state_.emplace(state());
  mark.metadata_ = metadata_.counts();
  arena_->mark(mark.arena_);
  const std::span<const std::byte> bytes = subject_->memory();
  mark.subject_.assign(bytes.begin(), bytes.end());
}

void Executor::rewind(const Mark& mark) {
  state() = *mark.state_;
  metadata_.restore(mark.metadata_);
  arena_->rewind(mark.arena_);
  std::ranges::copy(mark.subject_, subject_->memory().begin());
}

std::uint64_t Executor::visible_state() const {
  std::uint64_t hash = form_;
  const auto mix = [&](std::uint64_t n) { hash = (hash ^ n) * 0x9e3779b97f4a7c15u + (n >> 29) + (hash >> 31); };
  const auto mix_all = [&](const std::vector<Range>& ranges) {
    mix(ranges.size());
    for (const Range range : ranges) mix(range.begin), mix(range.end);
  };
  if (features_.observable) {
    mix_all(layout_.busy);
    mix_all(layout_.lazy);
    mix_all(layout_.free);
  }
  // What the model knows, and a subject that shows less.
  for (const auto& [begin, area] : model_.areas()) mix(begin), mix(area.end), mix(area.lazy ? 1 : 0);
  for (const Address begin : model_.lazy()) mix(begin);  // in the order in which they were freed
  for (const Hook& hook : hooks_) {
    const Live* const live = hook.spent ? nullptr : find_live(hook.label);
    mix(live != nullptr ? live->begin : ~std::uint64_t{0});
  }
  for (const std::uint64_t countdown : metadata_.armed()) mix(countdown);
  mix(stats_.nodes_spare);
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
    beacon.at(Phase::end, trace.ops.size());
    if (options.position != nullptr) *options.position = (*executor)->position();
    if (auto violation = (*executor)->finish())
      failure = Failure{trace.ops.size(), std::nullopt, *std::move(violation), FailureKind::violation, Phase::end};
  }
  if (options.coverage != nullptr) *options.coverage += (*executor)->coverage();
  if (failure && options.on_violation) options.on_violation(*failure);
  return failure;
}

std::expected<std::optional<Failure>, std::string> run(const Trace& trace, const SubjectFactory& make,
                                                       Checking checking, Coverage* coverage, Beacon beacon,
                                                       const std::function<void(const Failure&)>& on_violation) {
  return run(trace, make,
             RunOptions{.checking = checking, .coverage = coverage, .beacon = beacon, .on_violation = on_violation});
}

}  // namespace vmapcheck
