// SPDX-License-Identifier: Apache-2.0
#include "harness/random/histograms.hpp"

#include <optional>
#include <type_traits>
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
  if (const auto* alloc = std::get_if<Alloc>(&op)) {
    size(alloc->request.size);
    histograms_.aligns.add(alloc->request.align / granule_);
  } else if (const auto* at = std::get_if<AllocAt>(&op)) {
    size(at->range.begin <= at->range.end ? at->range.size() : 0);
  } else if (const auto* congruent = std::get_if<Congruent>(&op)) {
    for (const vmap::Block& block : congruent->blocks) size(block.size);
    histograms_.aligns.add(congruent->align / granule_);
  }
}

void Observer::answered() {
  const Answer& answer = executor_.answer();
  mix(answer.index());
  const auto mix_range = [&](Range range) { mix(range.begin), mix(range.end); };
  std::visit(
      [&](const auto& a) {
        using A = std::decay_t<decltype(a)>;
        if constexpr (std::is_same_v<A, vmap::Allocation>) mix_range(a.range), mix(static_cast<std::uint64_t>(a.fit));
        if constexpr (std::is_same_v<A, Range>) mix_range(a);
        if constexpr (std::is_same_v<A, Base>) mix(a.address);
        if constexpr (std::is_same_v<A, Purged>) mix(a.bytes);
        if constexpr (std::is_same_v<A, Found>) mix_range(a.area.value_or(Range{}));
        if constexpr (std::is_same_v<A, Skipped>) mix(a.unsupported ? 1 : 0);
        if constexpr (std::is_same_v<A, vmap::Error>) mix(static_cast<std::uint64_t>(a));
      },
      answer);
}

}  // namespace vmapcheck
