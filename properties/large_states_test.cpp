// SPDX-License-Identifier: Apache-2.0
//
// What makes large states affordable is itself checked against what is naive: the index of gaps against the model's
// walk from gap to gap.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "harness/random/choices.hpp"
#include "harness/random/draw.hpp"
#include "harness/verify/gap_index.hpp"
#include "harness/verify/model_subject.hpp"
#include "model/op_kinds.hpp"
#include "model/reference_model.hpp"
#include "model/trace.hpp"
#include "properties/traces.hpp"

namespace vmapcheck {
namespace {

/// What the executor's last step did, told to the index: one placement, one free, or the difference.
void follow(GapIndex& index, const Executor& executor, const Op& op, const std::vector<Range>& before) {
  const std::vector<Range> after = executor.model().gaps();
  const auto is_in = [](const std::vector<Range>& gaps, Range gap) { return std::ranges::count(gaps, gap) != 0; };
  const auto overlaps = [](Range gap) { return [gap](Range other) { return other.overlaps(gap); }; };
  if (const auto* placed = std::get_if<vmap::Allocation>(&executor.answer());
      placed != nullptr && std::ranges::any_of(before, [&](Range gap) { return gap.contains(placed->range); }) &&
      executor.model().lazy().empty())
    index.take(placed->range);
  if (const auto* freed = std::get_if<Range>(&executor.answer());
      freed != nullptr && kind_frees[op.index()] == Frees::at_once)
    index.give(*freed);
  for (const Range gap : after)
    if (!is_in(before, gap) && index.first_above(gap.begin, 0) != gap) index.give(gap);
  for (const Range gap : before)
    if (std::ranges::none_of(after, overlaps(gap)) && index.last_from(gap.begin, 0) == gap) index.take(gap);
}

/// Whatever the grammar draws: the same prediction at each step, with chunks so small that there are many.
TEST(GapIndex, PredictsWhatTheModelPredicts) {
  std::uint64_t predictions = 0, placements = 0, congruent = 0;
  for (std::uint64_t k = 0; k < 200; ++k) {
    const Trace trace = generate_trace(seed_of_this_run(), k, 400);
    auto executor = Executor::create(trace.space, model_subject(), Checking::amortized).value();
    const ReferenceModel& model = executor->model();
    GapIndex index(model.gaps(), 2 + k % 5);
    std::vector<Range> before = model.gaps();
    for (const Op& op : trace.ops) {
      if (const auto* alloc = std::get_if<Alloc>(&op); alloc != nullptr && model.is_valid(alloc->request)) {
        const auto expected = model.predict(alloc->request);
        ASSERT_EQ(index.predict(model.space(), alloc->request), expected) << print(op) << "\n" << print(trace);
        ++predictions, placements += expected.has_value();
      }
      if (const auto* blocks = std::get_if<Congruent>(&op); blocks != nullptr && model.is_valid(*blocks)) {
        const auto expected = model.predict(*blocks);
        ASSERT_EQ(index.predict(model.space(), *blocks), expected) << print(op) << "\n" << print(trace);
        ++predictions, congruent += expected.has_value();
      }
      ASSERT_FALSE(executor->step(op));
      follow(index, *executor, op, before);
      const std::vector<Range> after = model.gaps();
      before = after;
      ASSERT_EQ(index.size(), after.size());
    }
    for (Address at = trace.space.range.begin; const Range gap : before) {
      ASSERT_EQ(index.first_above(at, 0), gap);
      at = gap.end;
    }
  }
  EXPECT_GT(predictions, 10'000u);
  EXPECT_GT(placements, 5'000u);
  EXPECT_GT(congruent, 500u);
}

}  // namespace
}  // namespace vmapcheck
