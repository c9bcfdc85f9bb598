// SPDX-License-Identifier: Apache-2.0
#include "harness/picture/recording.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <variant>

#include "model/op_kinds.hpp"
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
  const Label* const bound = bound_label(op);
  if (bound == nullptr || std::ranges::any_of(model.areas(), [&](const auto& entry) {
        return entry.second.label && entry.second.label->id == bound->id;
      }))
    return;
  const auto occupy = [&](const vmap::Result<vmap::Allocation>& placed) {
    if (placed) model.occupy(placed->range, *bound);
  };
  std::visit(Overloaded{[&](const Alloc& one) { occupy(model.predict(one.request)); },
                        [&](const AllocAt& one) { occupy(model.predict(one.range)); },
                        [&](const Congruent& one) {
                          const auto base = model.predict(one);
                          for (std::uint32_t i = 0; base && i < one.blocks.size(); ++i) {
                            const Address begin = *base + one.blocks[i].offset;
                            model.occupy({begin, begin + one.blocks[i].size}, Label{bound->id, i});
                          }
                        },
                        []<class T>(const T&)
                          requires(!has_field<T>(Meaning::label_bound))
                        {}},
                        op);
}

/// An area that the subject placed wrongly has no label in the model; in a picture it should.
void label_answer(Snapshot& snapshot, const Op& op, const Answer& answer) {
  std::unordered_map<Address, Label> labels;
  if (const auto* const placed = std::get_if<vmap::Allocation>(&answer))
    if (const Label* const label = area_label(op)) labels.emplace(placed->range.begin, *label);
  const Blocks* const blocks = blocks_of(op);
  if (const auto* const base = std::get_if<Base>(&answer); base != nullptr && blocks != nullptr)
    for (std::uint32_t i = 0; i < blocks->size(); ++i)
      labels.emplace(base->address + (*blocks)[i].offset, Label{bound_label(op)->id, i});
  if (labels.empty()) return;
  for (MapItem& item : snapshot.actual)
    if (const auto label = labels.find(item.range.begin);
        label != labels.end() && item.kind == ItemKind::busy && !item.label)
      item.label = label->second;
}

}  // namespace
}  // namespace vmapcheck
