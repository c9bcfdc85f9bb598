// SPDX-License-Identifier: Apache-2.0
//
// One of our free-space indexes with its nodes, for the explorer.
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "harness/explore/free_index.hpp"
#include "subjects/red_black_cost.hpp"
#include "subjects/vmap_subject.hpp"

namespace vmapcheck {

/// With rows: for the four lowest alignments above the granule of 1 that there are.
template <class Index, bool rows = false>
class IndexSubject final : public AnyFreeIndex {
  static_assert(std::is_trivially_destructible_v<Index>, "its state must be all in its bytes");

 public:
  IndexSubject(Range space, std::size_t blocks_max) : size_(offsetof_nodes() + (blocks_max + 1) * sizeof(Node)) {
    if constexpr (rows)
      for (std::size_t row = 0; row < vmap::alignment_rows_max; ++row) state_.index.make_row(row, Size{2} << row);
    vmap::Node& whole = take();
    whole.range = space;
    state_.index.add(whole);
  }

  Carved carve(Range placement) override {
    vmap::Node* const block = state_.index.last_at_or_below(placement.begin);
    if (block == nullptr) return {};
    const Range found = block->range;
    if (!found.contains(placement)) return {found, false};
    const bool splits = vmap::classify(found, placement) == vmap::FitType::no_edge;
    const vmap::Node* const unneeded = state_.index.carve(*block, placement, splits ? &take() : nullptr);
    if (unneeded != nullptr) give(unneeded);
    return {found, unneeded != nullptr};
  }

  Merged add(Range range) override {
    vmap::Node& area = take();
    area.range = range;
    const typename Index::Merge merge = state_.index.add(area);
    Merged merged{merge.block, merge.coalescing, 0};
    for (const vmap::Node* const node : merge.unneeded)
      if (node != nullptr) {
        give(node);
        ++merged.handed_back;
      }
    return merged;
  }

  [[nodiscard]] std::optional<Fit> lowest_fit(Size size, Size align, Range window) const override {
    const auto fit = state_.index.lowest_fit(size, align, window);
    if (!fit) return std::nullopt;
    return Fit{fit->begin, fit->block->range};
  }
  [[nodiscard]] std::optional<Range> last_at_or_below(vmap::Address address) const override {
    return range_of(state_.index.last_at_or_below(address));
  }
  [[nodiscard]] std::optional<Range> previous_at_least(vmap::Address begin, Size size) const override {
    return range_of(state_.index.previous_at_least(*state_.index.last_at_or_below(begin), size));
  }

  [[nodiscard]] std::size_t nodes() const override {
    return state_.foreign ? nodes_max + 1 : static_cast<std::size_t>(std::popcount(state_.used));
  }
  [[nodiscard]] std::uint64_t visited() const override { return state_.index.visited(); }
  [[nodiscard]] std::uint64_t change_visits_max(std::size_t blocks) const override {
    return 1 + height_max(blocks);  // the place of the last change is looked at first
  }
  [[nodiscard]] std::uint64_t search_visits_max(std::size_t blocks, std::uint64_t misfits) const override {
    return search_cost_max(height_max(blocks), misfits);
  }
  [[nodiscard]] const vmap::TreeCaseCounts& cases() const override { return state_.index.tree().cases(); }
  [[nodiscard]] bool transparent() const override { return std::same_as<Index, vmap::FreeSpace>; }
  TreeFinding check_tree(std::size_t blocks_max, std::vector<Range>& blocks) override {
    return checker_.check_all(FreeTreeView(state_.index.tree()), blocks_max, blocks);
  }
  [[nodiscard]] std::span<std::byte> memory() override {
    return std::as_writable_bytes(std::span(&state_, 1)).first(size_);
  }

 private:
  using Node = std::conditional_t<rows, vmap::WideNode, vmap::Node>;
  static constexpr std::size_t nodes_max = 32;
  struct State {
    std::uint32_t used = 0;  ///< nodes, one bit each
    bool foreign = false;    ///< a node was handed back that was not in use
    Index index;
    std::array<Node, nodes_max> nodes;  ///< the lowest free one is taken: the last ones are never touched
  };

  static std::size_t offsetof_nodes() { return sizeof(State) - sizeof(State::nodes); }
  static std::optional<Range> range_of(const vmap::Node* node) {
    return node != nullptr ? std::optional(node->range) : std::nullopt;
  }

  vmap::Node& take() {
    const auto free = static_cast<std::size_t>(std::countr_one(state_.used));
    state_.used |= std::uint32_t{1} << free;
    return state_.nodes[free] = {};
  }
  void give(const vmap::Node* node) {
    const std::ptrdiff_t place = static_cast<const Node*>(node) - state_.nodes.data();
    const std::uint32_t bit = std::uint32_t{1} << place;
    state_.foreign = state_.foreign || (state_.used & bit) == 0;
    state_.used &= ~bit;
  }

  State state_;
  std::size_t size_;
  TreeChecker checker_;
};

/// That index, where it can be explored; else nothing.
template <class Index, bool rows = false>
[[nodiscard]] FreeIndexFactory index_factory() {
  if constexpr (std::is_trivially_destructible_v<Index>)
    return [](Range space, std::size_t blocks_max) -> std::unique_ptr<AnyFreeIndex> {
      return std::make_unique<IndexSubject<Index, rows>>(space, blocks_max);
    };
  return {};
}

}  // namespace vmapcheck
