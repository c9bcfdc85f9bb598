// SPDX-License-Identifier: Apache-2.0
#include "harness/picture/recording.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "model/reference_model.hpp"

namespace vmapcheck {
namespace {

Snapshot snapshot_after(const Executor& executor, const Op& op, const std::optional<vmap::Violation>& violation,
                        std::size_t items_max);
void perform_on(ReferenceModel& model, const Op& op);
void label_answer(Snapshot& snapshot, const Op& op, const Answer& answer);

}  // namespace

std::expected<void, std::string> record(const Trace& trace, const SubjectFactory& make, const RecordOptions& options,
                                        const Sink& sink) {
  auto created = Executor::create(trace.space, make, options.checking.value_or(checking_of(trace)));
  if (!created) return std::unexpected(std::move(created.error()));
  Executor& executor = **created;
  executor.report_to(options.beacon);
  Ended ended;
  for (std::size_t step = 0; step < trace.ops.size(); ++step) {
    Beacon(options.beacon).at(Phase::op, step);
    const bool recorded = step >= options.from && step <= options.to;
    const Op& op = trace.ops[step];
    if (step == options.from) sink(Begun{step, executor.snapshot(options.items_max)});
    std::optional<vmap::Violation> violation = executor.step(op);
    ++ended.steps;
    if (recorded) {
      sink(Answered{step, executor.answer(), violation});
      sink(Held{step, snapshot_after(executor, op, violation, options.items_max)});
    }
    if (violation) {
      ended.violation = std::move(violation);
      ended.step = step;
      sink(ended);
      return {};
    }
    if (step == options.run_to && step + 1 < trace.ops.size()) {
      sink(ended);
      return {};
    }
  }
  if (trace.ops.empty()) sink(Begun{0, executor.snapshot(options.items_max)});
  Beacon(options.beacon).at(Phase::end, trace.ops.size());
  ended.violation = executor.finish();
  ended.step = trace.ops.size();
  sink(ended);
  return {};
}

namespace {

Snapshot snapshot_after(const Executor& executor, const Op& op, const std::optional<vmap::Violation>& violation,
                        std::size_t items_max) {
  Snapshot snapshot = executor.snapshot(items_max);
  label_answer(snapshot, op, executor.answer());
  if (!violation || violation->invariant != vmap::Invariant::answer) return snapshot;
  if (executor.answer() == Answer(vmap::Error::out_of_memory)) return snapshot;
  // The model does not follow an answer that is wrong. What it expected is seen if it follows its own instead.
  ReferenceModel model = executor.model();
  perform_on(model, op);
  snapshot.expected_complete = list_model(model, items_max, snapshot.expected);
  return snapshot;
}

/// Places what the op should have placed, unless the model has it already.
void perform_on(ReferenceModel& model, const Op& op) {
  const auto has = [&](Label label) {
    return std::ranges::any_of(model.areas(), [&](const auto& entry) { return entry.second.label == label; });
  };
  if (const auto* alloc = std::get_if<Alloc>(&op); alloc != nullptr && !has(alloc->label)) {
    if (const auto placed = model.predict(alloc->request)) model.occupy(placed->range, alloc->label);
  } else if (const auto* exact = std::get_if<AllocAt>(&op); exact != nullptr && !has(exact->label)) {
    if (const auto placed = model.predict(exact->range)) model.occupy(placed->range, exact->label);
  } else if (const auto* areas = std::get_if<Congruent>(&op); areas != nullptr && !has({areas->label.id, 0})) {
    if (const auto base = model.predict(*areas))
      for (std::size_t i = 0; i < areas->blocks.size(); ++i) {
        const Address begin = *base + areas->blocks[i].offset;
        model.occupy({begin, begin + areas->blocks[i].size}, Label{areas->label.id, static_cast<std::uint32_t>(i)});
      }
  }
}

/// An area that the subject placed wrongly has no label in the model; in a picture it should.
void label_answer(Snapshot& snapshot, const Op& op, const Answer& answer) {
  const auto label_at = [&](Address begin, Label label) {
    for (MapItem& item : snapshot.actual)
      if (item.kind == ItemKind::busy && item.range.begin == begin && !item.label) item.label = label;
  };
  if (const auto* placed = std::get_if<vmap::Allocation>(&answer)) {
    if (const auto* alloc = std::get_if<Alloc>(&op)) label_at(placed->range.begin, alloc->label);
    if (const auto* exact = std::get_if<AllocAt>(&op)) label_at(placed->range.begin, exact->label);
  }
  const auto* base = std::get_if<Base>(&answer);
  const auto* areas = std::get_if<Congruent>(&op);
  if (base == nullptr || areas == nullptr) return;
  std::unordered_map<Address, std::uint32_t> blocks;
  for (std::size_t i = 0; i < areas->blocks.size(); ++i)
    blocks.emplace(base->address + areas->blocks[i].offset, static_cast<std::uint32_t>(i));
  for (MapItem& item : snapshot.actual)
    if (const auto block = blocks.find(item.range.begin);
        block != blocks.end() && item.kind == ItemKind::busy && !item.label)
      item.label = Label{areas->label.id, block->second};
}

}  // namespace
}  // namespace vmapcheck
