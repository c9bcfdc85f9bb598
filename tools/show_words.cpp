// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <variant>

#include "harness/verify/describe.hpp"
#include "model/op_kinds.hpp"
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

Verdict verdict_of(const Ran& ran) {
  if (!ran.failure)
    return {.ok = true,
            .op = {},
            .name = {},
            .title = fmt::format("ok: {}, no violation", count_of(ran.steps, "step")),
            .rows = {}};
  const Failure& failure = *ran.failure;
  const bool is_violation = failure.kind == FailureKind::violation;
  return {.ok = false,
          .step = failure.step,
          .op = failure.op ? print(*failure.op) : "",
          .name = is_violation ? signature(failure) : std::string(name(failure.kind)),
          .title = title_of(failure),
          .rows = rows_of(failure)};
}

std::string effect_of(const Op& op, const Answer& answer, std::span<const Range> changed) {
  if (const auto* placed = std::get_if<vmap::Allocation>(&answer)) return effect_of(placed->fit);
  const bool frees = kind_frees[op.index()] == Frees::at_once;
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
