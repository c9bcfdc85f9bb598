// SPDX-License-Identifier: Apache-2.0
#include "harness/random/histograms.hpp"

#include <optional>
#include <variant>

#include "harness/verify/executor.hpp"

namespace vmapcheck {

Observer::Observer(Histograms& histograms, const Executor& executor)
    : histograms_(histograms), executor_(executor), granule_(executor.model().space().granule) {}

void Observer::step(const Op& op) {
  requested(op);
  answered();
  histograms_.areas.add(executor_.model().areas().size());
  histograms_.free_blocks.add(executor_.free_blocks());
  if (const auto visited = executor_.nodes_visited()) histograms_.nodes_visited.add(*visited);
  if (executor_.coverage().full_checks != full_checks_) state();
}

/// The whole state has just been checked: what executor and subject hold is at hand.
void Observer::state() {
  full_checks_ = executor_.coverage().full_checks;
  mix(executor_.visible_state());
  if (const auto depth = executor_.tree_depth()) histograms_.tree_depth.add(*depth);
}

void Observer::requested(const Op& op) {
  const auto size = [&](Size bytes) { histograms_.sizes.add(bytes / granule_ + (bytes % granule_ == 0 ? 0 : 1)); };
  for_each_field(op, [&](auto field, const auto& value) {
    if constexpr (field.meaning == Meaning::size) size(value);
    if constexpr (field.meaning == Meaning::align) histograms_.aligns.add(value / granule_);
    if constexpr (field.meaning == Meaning::range) size(value.begin <= value.end ? value.size() : 0);
    if constexpr (field.meaning == Meaning::blocks)
      for (const vmap::Block& block : value) size(block.size);
  });
}

void Observer::answered() {
  const Answer& answer = executor_.answer();
  mix(answer.index());
  const auto mix_range = [&](Range range) { mix(range.begin), mix(range.end); };
  std::visit(Overloaded{[](Nothing) {},
                        [&](const vmap::Allocation& a) { mix_range(a.range), mix(static_cast<std::uint64_t>(a.fit)); },
                        [&](Range range) { mix_range(range); }, [&](Base base) { mix(base.address); },
                        [&](Purged purged) { mix(purged.bytes); },
                        [&](const Found& found) { mix_range(found.area.value_or(Range{})); },
                        [&](Skipped skipped) { mix(skipped.unsupported ? 1 : 0); },
                        [&](vmap::Error error) { mix(static_cast<std::uint64_t>(error)); }},
             answer);
}

}  // namespace vmapcheck
