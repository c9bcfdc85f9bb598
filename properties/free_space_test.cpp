// SPDX-License-Identifier: Apache-2.0
//
// FreeSpace alone, against a sorted vector of blocks: what it finds, how it splits and coalesces, and how many nodes a
// search visits. The bound of free_space.hpp is computed here from the blocks and the tree's real height.

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/verify/describe.hpp"
#include "subjects/vmap_subject.hpp"
#include "vmap/free_space.hpp"

namespace vmapcheck {
namespace {

__extension__ using Wide = unsigned __int128;

using vmap::Coalescing;
using vmap::FitType;
using vmap::FreeSpace;
using vmap::Node;

std::uint64_t pick(std::uint64_t from, std::uint64_t to) { return *rc::gen::inRange(from, to + 1); }
bool one_in(std::uint64_t n) { return pick(1, n) == 1; }

std::optional<Range> range_of(const Node* block) {
  return block != nullptr ? std::optional(block->range) : std::nullopt;
}

struct Search {
  Size size = 1;
  Size align = 1;
  Range window = vmap::everywhere;
};

std::uint64_t height_of(const Node* node) {
  if (node == nullptr) return 0;
  return 1 + std::max(height_of(node->child(vmap::Side::left)), height_of(node->child(vmap::Side::right)));
}

/// Links of the tree between two nodes.
std::uint64_t distance(const Node& one, const Node& other) {
  std::vector<const Node*> above;
  for (const Node* node = &one; node != nullptr; node = node->parent()) above.push_back(node);
  std::uint64_t links = 0;
  for (const Node* node = &other;; node = node->parent(), ++links)
    if (const auto meet = std::ranges::find(above, node); meet != above.end())
      return links + static_cast<std::uint64_t>(meet - above.begin());
}

/// The blocks in order of address, and nothing else.
class NaiveBlocks {
 public:
  [[nodiscard]] const std::vector<Range>& blocks() const { return blocks_; }

  /// The lowest multiple of the alignment that `block` and the window hold.
  static std::optional<Address> placement_in(Range block, const Search& search) {
    const Wide lowest = std::max(block.begin, search.window.begin);
    const Wide begin = (lowest + search.align - 1) / search.align * search.align;
    if (begin + search.size > std::min(block.end, search.window.end)) return std::nullopt;
    return static_cast<Address>(begin);
  }

  [[nodiscard]] std::optional<Address> lowest_fit(const Search& search) const {
    for (const Range block : blocks_)
      if (const auto begin = placement_in(block, search)) return begin;
    return std::nullopt;
  }

  /// Blocks that are long enough and do not hold the request, between the window's begin and the answer.
  [[nodiscard]] std::uint64_t misfits(const Search& search) const {
    const Address before = std::min(lowest_fit(search).value_or(vmap::address_max), search.window.end);
    return static_cast<std::uint64_t>(std::ranges::count_if(blocks_, [&](Range block) {
      return block.size() >= search.size && block.end > search.window.begin && block.begin < before &&
             !placement_in(block, search);
    }));
  }

  [[nodiscard]] std::optional<Range> last_at_or_below(Address address, Size size_min = 0) const {
    std::optional<Range> last;
    for (const Range block : blocks_)
      if (block.begin <= address && block.size() >= size_min) last = block;
    return last;
  }

  void carve(Range block, Range placement) {
    std::erase(blocks_, block);
    for (const Range rest : {Range{block.begin, placement.begin}, Range{placement.end, block.end}})
      if (!rest.empty()) blocks_.push_back(rest);
    std::ranges::sort(blocks_, {}, &Range::begin);
  }

  Range add(Range freed) {
    std::erase_if(blocks_, [&](Range block) {
      if (block.end != freed.begin && block.begin != freed.end) return false;
      freed = {std::min(freed.begin, block.begin), std::max(freed.end, block.end)};
      return true;
    });
    blocks_.push_back(freed);
    std::ranges::sort(blocks_, {}, &Range::begin);
    return freed;
  }

 private:
  std::vector<Range> blocks_;
};

/// A free space and the naive blocks, to which the same happens; areas are what is not free.
struct Pair {
  FreeSpace space;
  NaiveBlocks naive;
  std::vector<Range> areas;
  std::deque<Node> storage;
  std::vector<Node*> unneeded;

  explicit Pair(Range whole) {
    areas.push_back(whole);
    free(0);
  }

  Node& fresh_node() {
    if (unneeded.empty()) return storage.emplace_back();
    Node& node = *unneeded.back();
    unneeded.pop_back();
    return node;
  }

  [[nodiscard]] Node* block_at(Address begin) const {
    Node* const block = space.last_at_or_below(begin);
    return block != nullptr && block->range.begin == begin ? block : nullptr;
  }

  FitType carve(Range placement) {
    const Range before = naive.last_at_or_below(placement.begin).value();
    Node& remainder = fresh_node();
    Node* const freed = space.carve(*block_at(before.begin), placement, &remainder);
    const FitType fit = vmap::classify(before, placement);
    RC_ASSERT((freed != nullptr) == (fit == FitType::full));
    if (freed != nullptr) unneeded.push_back(freed);
    if (fit != FitType::no_edge) unneeded.push_back(&remainder);
    naive.carve(before, placement);
    areas.push_back(placement);
    return fit;
  }

  Coalescing free(std::size_t index) {
    Node& area = fresh_node();
    area.range = areas[index];
    const std::size_t before = naive.blocks().size();
    const FreeSpace::Merge merge = space.add(area);
    RC_ASSERT(merge.block == naive.add(areas[index]));
    const bool previous = merge.block.begin != areas[index].begin;
    const bool next = merge.block.end != areas[index].end;
    RC_ASSERT(merge.coalescing == static_cast<Coalescing>((previous ? 1 : 0) + (next ? 2 : 0)));
    for (Node* const node : merge.unneeded)
      if (node != nullptr) unneeded.push_back(node);
    // Every node is a block's, or was handed back: none is lost.
    RC_ASSERT(naive.blocks().size() == before + 1 - (previous ? 1u : 0u) - (next ? 1u : 0u));
    RC_ASSERT(storage.size() == naive.blocks().size() + unneeded.size());
    areas[index] = areas.back();
    areas.pop_back();
    return merge.coalescing;
  }

  void check() const {
    std::vector<Range> blocks;
    TreeChecker checker;
    const TreeFinding finding = checker.check_all(FreeTreeView(space.tree()), naive.blocks().size() + 1, blocks);
    if (finding.tree) RC_FAIL(*finding.tree);
    if (finding.augment) RC_FAIL(*finding.augment);
    RC_ASSERT(blocks == naive.blocks());
  }
};

constexpr Size span = 4096;

/// At the bottom, in the middle or at the top of the addresses.
Range any_whole() {
  const Address begin = *rc::gen::element<Address>(0, 0x10000, Address{1} << 63, vmap::address_max - span);
  return {begin, begin + span};
}

Address any_address(Range whole) { return whole.begin + pick(0, span); }

Search any_search(Range whole) {
  Search search{.size = one_in(3) ? pick(1, 300) : pick(1, 20)};
  if (one_in(2)) search.align = Size{1} << (one_in(8) ? pick(0, 63) : pick(0, 9));
  const auto [low, high] = std::minmax({any_address(whole), any_address(whole)});
  if (one_in(2)) search.window = {low, high};
  if (one_in(20)) search.size = *rc::gen::element<Size>(Size{vmap::address_max}, Size{span}, span + 1);
  return search;
}

/// Somewhere, and split in many blocks in up to `steps_max` steps; mostly small areas in random places.
struct Fragmented : Pair {
  Range whole;

  explicit Fragmented(std::size_t steps_max, Range in = any_whole()) : Pair(in), whole(in) {
    for (std::size_t steps = pick(0, steps_max); steps > 0; --steps) {
      const std::optional<Range> block = naive.last_at_or_below(any_address(whole));
      if (!block) continue;
      const Size size = std::min(block->size(), one_in(4) ? pick(1, 60) : pick(1, 5));
      const Address begin = block->begin + (one_in(4) ? 0 : pick(0, block->size() - size));
      carve({begin, begin + size});
    }
  }
};

void demand_exact_and_cheap(const Pair& pair, const Search& search) {
  const std::optional<Address> expected = pair.naive.lowest_fit(search);
  const std::uint64_t before = pair.space.visited();
  const auto actual = pair.space.lowest_fit(search.size, search.align, search.window);
  const std::uint64_t visited = pair.space.visited() - before;
  RC_LOG() << "size " << search.size << " align " << search.align << " within " << describe(search.window) << '\n';
  RC_ASSERT((actual ? std::optional(actual->begin) : std::nullopt) == expected);
  if (actual) RC_ASSERT(actual->block->range.contains({actual->begin, actual->begin + search.size}));
  const std::uint64_t height = height_of(pair.space.tree().root());
  RC_ASSERT(visited <= (2 * pair.naive.misfits(search) + 3) * height);
}

RC_GTEST_PROP(FreeSpaceSearch, IsExactAndVisitsNoMoreNodesThanItsBound, ()) {
  Fragmented pair(500);
  for (int i = 0; i < 60; ++i) demand_exact_and_cheap(pair, any_search(pair.whole));
}

RC_GTEST_PROP(FreeSpaceSearch, FindsThePreviousBlockThatIsLongEnough, ()) {
  Fragmented pair(200);
  const std::uint64_t height = height_of(pair.space.tree().root());
  for (const Range block : pair.naive.blocks()) {
    const Size size = pick(1, 40);
    Node& node = *pair.block_at(block.begin);
    const std::uint64_t before = pair.space.visited();
    const Node* const actual = pair.space.previous_at_least(node, size);
    const std::uint64_t visited = pair.space.visited() - before;
    RC_ASSERT(visited <= 2 * height);  // one climb and one descent
    RC_ASSERT(visited == distance(node, actual != nullptr ? *actual : *pair.space.tree().root()));
    const std::optional<Range> expected =
        block.begin != 0 ? pair.naive.last_at_or_below(block.begin - 1, size) : std::nullopt;
    RC_ASSERT(range_of(actual) == expected);
  }
}

RC_GTEST_PROP(FreeSpaceSearch, FindsTheLastBlockAtOrBelowAnAddress, ()) {
  Fragmented pair(200);
  for (int i = 0; i < 100; ++i) {
    const Address address = any_address(pair.whole);
    RC_ASSERT(range_of(pair.space.last_at_or_below(address)) == pair.naive.last_at_or_below(address));
  }
}

// Whatever is carved out and added again, the blocks are those of the vector, and the run must have met every kind of
// each.
TEST(FreeSpaceChange, SplitsAndCoalescesLikeTheVectorInEveryWay) {
  std::array<std::uint64_t, vmap::fit_type_count> fits{};
  std::array<std::uint64_t, vmap::coalescing_count> coalescings{};
  EXPECT_TRUE(rc::check([&] {
    Fragmented pair(200);
    for (int step = 0; step < 150; ++step) {
      if (!pair.areas.empty() && one_in(2)) {
        ++coalescings[static_cast<std::size_t>(pair.free(pick(0, pair.areas.size() - 1)))];
      } else if (const auto block = pair.naive.last_at_or_below(any_address(pair.whole))) {
        const Address begin = one_in(2) ? block->begin : block->begin + pick(0, block->size() - 1);
        const Address end = one_in(2) ? block->end : begin + pick(1, block->end - begin);
        ++fits[static_cast<std::size_t>(pair.carve({begin, end}))];
      }
      pair.check();
    }
  }));
  for (std::size_t i = 0; i < fits.size(); ++i) EXPECT_GT(fits[i], 0u) << name(static_cast<FitType>(i));
  for (std::size_t i = 0; i < coalescings.size(); ++i) EXPECT_GT(coalescings[i], 0u) << vmap::coalescing_names[i];
}

TEST(FreeSpaceSearch, WithoutBlocksFindsNothing) {
  const FreeSpace space;
  EXPECT_FALSE(space.lowest_fit(1, 1, vmap::everywhere).has_value());
  EXPECT_EQ(space.last_at_or_below(vmap::address_max), nullptr);
  EXPECT_EQ(space.visited(), 0u);
}

/// `n` blocks of 1 to 8 bytes, 16 bytes apart, each eighth one of 8; the first and the last are of 9, so that a search
/// which begins in between is led to the first in vain. They are added in no order.
struct ManyBlocks {
  FreeSpace space;
  std::deque<Node> storage;

  explicit ManyBlocks(std::uint64_t n) {
    for (std::uint64_t k = 0; k < n; ++k) {
      const std::uint64_t i = k * 7919 % n;
      Node& node = storage.emplace_back();
      node.range = {16 * i, 16 * i + (i == 0 || i + 1 == n ? 9 : 1 + i % 8)};
      space.add(node);
    }
  }

  [[nodiscard]] std::uint64_t visits(Size size, Size align, Range window) const {
    const std::uint64_t before = space.visited();
    (void)space.lowest_fit(size, align, window);
    return space.visited() - before;
  }
};

TEST(FreeSpaceCost, OfASearchWithoutAlignmentIsLogarithmic) {
  for (const std::uint64_t n : {100u, 1000u, 10'000u, 100'000u}) {
    const ManyBlocks blocks(n);
    const std::uint64_t height = height_of(blocks.space.tree().root());
    ASSERT_LE(height, static_cast<std::uint64_t>(2 * std::log2(n + 1)));
    for (std::uint64_t i = 0; i < 1000; ++i) {
      const Address between = i * n / 1000 * 16 + 15;
      const Address inside = i * n / 1000 * 16 + 1;
      for (const Size size : {1u, 3u, 8u, 9u, 10u})
        for (const Address end : {inside + 1 + i * i, vmap::address_max}) {
          ASSERT_LE(blocks.visits(size, 1, {between, std::max(between, end)}), 3 * height) << n << ": " << i;
          // One misfit more: the block that the window's begin cuts.
          ASSERT_LE(blocks.visits(size, 1, {inside, end}), 5 * height) << n << ": " << i;
        }
    }
  }
}

TEST(FreeSpaceCost, OfChangesAndLookUpsIsLogarithmic) {
  for (const std::uint64_t n : {100u, 1000u, 10'000u, 100'000u}) {
    ManyBlocks blocks(n);
    const auto bound = static_cast<std::uint64_t>(2 * 2 * std::log2(n + 1)) + 2;
    for (std::uint64_t i = 0; i < 100; ++i) {
      const std::uint64_t before = blocks.space.visited() + blocks.space.tree().propagated();
      Node area;
      area.range = {16 * (i * n / 100) + 10, 16 * (i * n / 100) + 12};  // touches nothing
      blocks.space.add(area);
      Node* const found = blocks.space.last_at_or_below(area.range.begin);
      ASSERT_EQ(found, &area);
      ASSERT_EQ(blocks.space.carve(area, area.range, nullptr), &area);
      ASSERT_LE(blocks.space.visited() + blocks.space.tree().propagated() - before, 2 * bound);
    }
  }
}

TEST(FreeSpaceCost, OfAChangeEndsWhereTheLargestBlockStaysTheSame) {
  constexpr std::uint64_t n = 1000;
  ManyBlocks blocks(n);
  for (Node* block = blocks.space.tree().outermost(vmap::Side::left); block != nullptr; block = block->next()) {
    if (block->range.size() == 1) continue;  // nothing would be left
    std::uint64_t expected = 0;              // as many as change, and the first that does not
    const Size size = block->range.size() - 1;
    const Node* below = nullptr;
    Size largest = size;
    for (const Node* node = block; node != nullptr; below = node, node = node->parent()) {
      if (below != nullptr) largest = std::max(largest, node->range.size());
      for (const vmap::Side side : {vmap::Side::left, vmap::Side::right})
        if (node->child(side) != below) largest = std::max(largest, vmap::SubtreeMaxSize::of(node->child(side)));
      ++expected;
      if (largest == node->subtree_max_size) break;
    }
    const std::uint64_t before = blocks.space.tree().propagated();
    ASSERT_EQ(blocks.space.carve(*block, {block->range.begin, block->range.begin + 1}, nullptr), nullptr);
    ASSERT_EQ(blocks.space.tree().propagated() - before, expected);
  }
}

TEST(FreeSpaceCost, IsANodeForEachThatIsEnteredAndForEachThatIsClimbedTo) {
  FreeSpace space;
  std::array<Node, 3> nodes;
  nodes[0].range = {33, 49};  // the root: holds the next multiple of 16 but not a second one
  nodes[1].range = {1, 17};   // to its left: long enough, and off every multiple of 16
  nodes[2].range = {65, 97};
  for (Node& node : nodes) space.add(node);
  ASSERT_EQ(space.tree().root(), &nodes[0]);
  const auto visits = [&](Size size, Size align) {
    const std::uint64_t before = space.visited();
    const auto fit = space.lowest_fit(size, align, vmap::everywhere);
    return std::pair(fit ? fit->block : nullptr, space.visited() - before);
  };
  using Visits = std::pair<Node*, std::uint64_t>;
  EXPECT_EQ(visits(1, 1), (Visits{&nodes[1], 2})) << "the root, the left one";
  EXPECT_EQ(visits(1, 16), (Visits{&nodes[1], 2}));
  EXPECT_EQ(visits(16, 16), (Visits{&nodes[2], 4})) << "the root, the left one, the root again, the right one";
  EXPECT_EQ(visits(17, 1), (Visits{&nodes[2], 2})) << "no candidate to the left: the root, the right one";
  EXPECT_EQ(visits(33, 1), (Visits{nullptr, 0})) << "no candidate at all";
}

TEST(FreeSpaceCost, OfAnAlignedSearchGrowsOnlyWithTheMisfits) {
  constexpr std::uint64_t n = 10'000;
  ManyBlocks blocks(n);
  Node last;
  last.range = {16 * n + 512, 16 * n + 2048};
  blocks.space.add(last);
  const std::uint64_t height = height_of(blocks.space.tree().root());
  EXPECT_LE(blocks.visits(10, 1024, vmap::everywhere), 3 * height) << "the others are too short to be looked at";
  const std::uint64_t misfits = n / 8 + 1;  // each eighth is long enough and not on a multiple of 4096
  EXPECT_GE(blocks.visits(8, 4096, {1, vmap::address_max}), n / 8) << "an exact search cannot do without";
  EXPECT_LE(blocks.visits(8, 4096, {1, vmap::address_max}), (2 * misfits + 3) * height);
}

}  // namespace
}  // namespace vmapcheck
