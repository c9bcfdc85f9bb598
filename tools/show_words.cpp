// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <variant>

#include "harness/describe.hpp"
#include "model/trace.hpp"
#include "tools/files.hpp"
#include "tools/show.hpp"

namespace vmapcheck::tool {
namespace {

std::string effect_of(vmap::FitType fit) {
  switch (fit) {
    case vmap::FitType::full: return "the whole free block is taken";
    case vmap::FitType::left_edge: return "the begin of the free block moves up";
    case vmap::FitType::right_edge: return "the end of the free block moves down";
    case vmap::FitType::no_edge: break;
  }
  return "the free block is split, a remainder stays on both sides";
}

std::string effect_of_free(Range merged, Range freed) {
  const bool previous = merged.begin < freed.begin, next = freed.end < merged.end;
  if (previous && next) return "coalesces with both neighbours";
  if (previous) return "coalesces with the free block before";
  if (next) return "coalesces with the free block after";
  return "a free block of its own: no neighbour is free";
}

}  // namespace

Verdict verdict_of(const Trace& trace, const Ended& ended) {
  if (!ended.violation)
    return {
        .ok = true, .op = {}, .name = {}, .title = fmt::format("ok: {} steps, no violation", ended.steps), .rows = {}};
  const bool at_end = ended.step >= trace.ops.size();
  return {.ok = false,
          .step = ended.step,
          .op = at_end ? "" : print(trace.ops[ended.step]),
          .name = std::string(name(ended.violation->invariant)),
          .title = fmt::format("violation of {} at step {}: {}", name(ended.violation->invariant), ended.step,
                               at_end ? "the end of the trace" : print(trace.ops[ended.step])),
          .rows = rows_of(*ended.violation)};
}

std::string effect_of(const Op& op, const Answer& answer, std::span<const Range> changed) {
  if (const auto* placed = std::get_if<vmap::Allocation>(&answer)) return effect_of(placed->fit);
  const bool frees = std::holds_alternative<Free>(op) || std::holds_alternative<FreeAt>(op);
  if (const auto* merged = std::get_if<Range>(&answer); merged != nullptr && frees && changed.size() == 1)
    return effect_of_free(*merged, changed.front());
  return "";
}

std::string text_of(const Trace& trace, const Answered& answered) {
  if (answered.violation && answered.step == 0 && answered.violation->detail.starts_with("before the first op"))
    return "not asked: what was busy from the start is not held rightly";
  return text_of(trace.ops[answered.step], answered.answer);
}

}  // namespace vmapcheck::tool
