// SPDX-License-Identifier: Apache-2.0
//
// AugmentedRbTree alone: whatever is linked and erased, the red-black rules, the links, the list and the augment are
// right, and it costs what its header says. The augments have nothing to do with addresses.

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "vmap/augmented_rbtree.hpp"

namespace vmap {
namespace {

using Value = std::array<std::uint64_t, 3>;

struct Item : TreeLinks<Item> {
  std::uint64_t key = 0;
  std::uint64_t weight = 0;
  Value value{};
};

/// How many items, and what they weigh: each change is felt up to the root.
struct Sum {
  static Value combine(const Item& item, const Value* left, const Value* right) {
    Value sum{1, item.weight, 0};
    for (const Value* side : {left, right})
      if (side != nullptr) sum = {sum[0] + (*side)[0], sum[1] + (*side)[1], 0};
    return sum;
  }
};

/// The lowest and highest key, and the smallest difference between keys that follow each other: the order matters.
struct MinGap {
  static Value combine(const Item& item, const Value* left, const Value* right) {
    std::uint64_t gap = std::numeric_limits<std::uint64_t>::max();
    if (left != nullptr) gap = std::min({gap, (*left)[2], item.key - (*left)[1]});
    if (right != nullptr) gap = std::min({gap, (*right)[2], (*right)[0] - item.key});
    return {left != nullptr ? (*left)[0] : item.key, right != nullptr ? (*right)[1] : item.key, gap};
  }
};

/// The heaviest item: most changes are felt only a little way up.
struct Heaviest {
  static Value combine(const Item& item, const Value* left, const Value* right) {
    return {std::max({item.weight, left != nullptr ? (*left)[0] : 0, right != nullptr ? (*right)[0] : 0}), 0, 0};
  }
};

/// The same for all: nothing ever changes.
struct Constant {
  static Value combine(const Item&, const Value*, const Value*) { return {}; }
};

/// `Combined`, kept in the items, and the calls counted.
template <class Combined>
struct Kept {
  static inline std::uint64_t copies = 0;

  static bool recompute(Item& item) {
    const auto of = [&](Side side) { return item.child(side) != nullptr ? &item.child(side)->value : nullptr; };
    const Value value = Combined::combine(item, of(Side::left), of(Side::right));
    return std::exchange(item.value, value) != value;
  }
  static void copy(const Item& from, Item& to) {
    ++copies;
    to.value = from.value;
  }
};

template <class Combined>
using Tree = AugmentedRbTree<Item, Kept<Combined>>;

void demand(bool holds, const char* what) {
  if (!holds) RC_FAIL(std::string(what));
}

/// A walk that believes nothing: all is computed from the leaves up.
template <class Combined>
class Walk {
 public:
  explicit Walk(const Tree<Combined>& tree) {
    demand(tree.root() == nullptr || !tree.root()->is_red(), "the root is black");
    visit(tree.root(), nullptr);
    const std::size_t n = items_.size();
    demand(tree.size() == n && tree.empty() == (n == 0), "the size is the number of items");
    demand(static_cast<double>(height_) <= 2 * std::log2(n + 1), "the height is at most 2 log2(n + 1)");
    for (std::size_t i = 0; i < n; ++i) {
      demand(items_[i]->previous() == (i == 0 ? nullptr : items_[i - 1]), "the list leads to the item before");
      demand(items_[i]->next() == (i + 1 == n ? nullptr : items_[i + 1]), "the list leads to the item after");
    }
    demand(tree.outermost(Side::left) == (n == 0 ? nullptr : items_.front()), "the first item");
    demand(tree.outermost(Side::right) == (n == 0 ? nullptr : items_.back()), "the last item");
  }

  [[nodiscard]] const std::vector<const Item*>& items() const { return items_; }

 private:
  struct Subtree {
    int black_height = 0;
    Value value{};
  };

  Subtree visit(const Item* item, const Item* parent, int depth = 1) {
    if (item == nullptr) return {};
    height_ = std::max(height_, depth);
    demand(item->parent() == parent, "the parent link leads to the parent");
    demand(parent == nullptr || !item->is_red() || !parent->is_red(), "a red item has a black parent");
    const Subtree left = visit(item->child(Side::left), item, depth + 1);
    items_.push_back(item);
    const Subtree right = visit(item->child(Side::right), item, depth + 1);
    demand(left.black_height == right.black_height, "all paths down have the same number of black items");
    const Value value = Combined::combine(*item, item->child(Side::left) != nullptr ? &left.value : nullptr,
                                          item->child(Side::right) != nullptr ? &right.value : nullptr);
    demand(item->value == value, "the augment is the recomputed one");
    return {left.black_height + (item->is_red() ? 0 : 1), value};
  }

  int height_ = 0;
  std::vector<const Item*> items_;
};

/// A tree of items in order of their keys, beside a std::map that says what it should hold.
template <class Combined>
class Population {
 public:
  Tree<Combined> tree;

  /// Links a new item with this key, or erases the one that has it.
  void toggle(std::uint64_t key, std::uint64_t weight) {
    if (const auto found = items_.find(key); found != items_.end()) {
      tree.erase(*found->second);
      items_.erase(found);
    } else {
      link(key, weight);
    }
  }

  void link(std::uint64_t key, std::uint64_t weight) {
    Item& item = storage_.emplace_back();
    item.key = key;
    item.weight = weight;
    const auto [parent, side] = place_of(key);
    tree.link(parent, side, item);
    items_[key] = &item;
  }

  /// Where an item with this key would hang.
  [[nodiscard]] std::pair<Item*, Side> place_of(std::uint64_t key) const {
    Item* parent = nullptr;
    Side side = Side::left;
    for (Item* below = tree.root(); below != nullptr; below = below->child(side)) {
      parent = below;
      side = key < below->key ? Side::left : Side::right;
    }
    return {parent, side};
  }

  [[nodiscard]] Item* find(std::uint64_t key) const {
    const auto found = items_.find(key);
    return found == items_.end() ? nullptr : found->second;
  }

  [[nodiscard]] std::size_t size() const { return items_.size(); }

  void check() const {
    std::vector<const Item*> expected;
    for (const auto& [key, item] : items_) expected.push_back(item);
    demand(Walk<Combined>(tree).items() == expected, "the items, in the order of their keys");
  }

 private:
  std::deque<Item> storage_;  // an erased item stays here: its address is not used again
  std::map<std::uint64_t, Item*> items_;
};

struct Step {
  std::uint64_t key = 0;
  std::uint64_t weight = 0;
};

void showValue(const Step& step, std::ostream& os) { os << step.key << '*' << step.weight; }

/// Half of the keys are in the tree most of the time: a few, some dozens, or hundreds of items.
rc::Gen<std::vector<Step>> any_steps() {
  return rc::gen::mapcat(rc::gen::element<std::uint64_t>(12, 60, 400), [](std::uint64_t keys) {
    const auto step = rc::gen::map(rc::gen::pair(rc::gen::inRange<std::uint64_t>(0, keys), rc::gen::inRange(0, 9)),
                                   [](auto pair) { return Step{pair.first, static_cast<std::uint64_t>(pair.second)}; });
    return rc::gen::container<std::vector<Step>>(static_cast<std::size_t>(2 * keys), step);
  });
}

/// Rotations, and the erased items that had two children, as the tree counts its cases.
struct Moves {
  std::uint64_t rotations = 0;
  std::uint64_t replacements = 0;
};

Moves moves_of(const TreeCaseCounts& cases) {
  const auto both = [&](TreeCase left) {
    return cases[static_cast<std::size_t>(left)] + cases[static_cast<std::size_t>(left) + 1];
  };
  return {.rotations = 2 * both(TreeCase::link_inner_left) + both(TreeCase::link_outer_left) +
                       both(TreeCase::fix_red_sibling_left) + 2 * both(TreeCase::fix_inner_nephew_left) +
                       both(TreeCase::fix_outer_nephew_left),
          .replacements = both(TreeCase::erase_next_is_child)};
}

template <class Combined>
void everything_holds_after_each_step() {
  TreeCaseCounts reached{};
  const bool holds = rc::check([&] {
    Population<Combined> population;
    for (const Step step : *any_steps()) {
      population.toggle(step.key, step.weight);
      population.check();
    }
    for (std::size_t i = 0; i < tree_case_count; ++i) reached[i] += population.tree.cases()[i];
  });
  EXPECT_TRUE(holds);
  for (std::size_t i = 0; i < tree_case_count; ++i) EXPECT_GT(reached[i], 0u) << tree_case_names[i] << " not reached";
}

TEST(Tree, HoldsItsInvariantsInEveryCaseWithASum) { everything_holds_after_each_step<Sum>(); }
TEST(Tree, HoldsItsInvariantsInEveryCaseWithASmallestGap) { everything_holds_after_each_step<MinGap>(); }

RC_GTEST_PROP(Tree, RotatesAtMostTwiceToLinkAndThreeTimesToErase, ()) {
  Population<Sum> population;
  for (const Step step : *any_steps()) {
    const Moves before = moves_of(population.tree.cases());
    const std::uint64_t copies = Kept<Sum>::copies;
    const bool links = population.find(step.key) == nullptr;
    population.toggle(step.key, step.weight);
    const Moves after = moves_of(population.tree.cases());
    const std::uint64_t rotations = after.rotations - before.rotations;
    RC_ASSERT(rotations <= (links ? 2u : 3u));
    // The cases are not only counted: each rotation, and each successor that moves, takes over one value.
    RC_ASSERT(Kept<Sum>::copies - copies == rotations + after.replacements - before.replacements);
  }
}

bool is_red(const Item* item) { return item != nullptr && item->is_red(); }
Side side_of(const Item& item) { return item.parent()->child(Side::left) == &item ? Side::left : Side::right; }

/// What the names in tree_case.hpp say of a tree, before anything is done to it.
class CasesToCome {
 public:
  void of_link(const Item* parent, Side below) {
    while (is_red(parent)) {
      const Item& grandparent = *parent->parent();
      const Side side = side_of(*parent);
      if (!is_red(grandparent.child(opposite(side))))
        return add(below == side ? TreeCase::link_outer_left : TreeCase::link_inner_left, side);
      add(TreeCase::link_recolour_left, side);
      parent = grandparent.parent();
      if (parent != nullptr) below = side_of(grandparent);
    }
  }

  void of_erase(const Item& item) {
    const Item* left = item.child(Side::left);
    const Item* right = item.child(Side::right);
    const Item* gone = &item;  // whose place is empty afterwards, with its colour
    if (left != nullptr && right != nullptr) {
      for (gone = right; gone->child(Side::left) != nullptr;) gone = gone->child(Side::left);
      add(gone == right ? TreeCase::erase_next_is_child : TreeCase::erase_next_is_deeper);
    } else {
      add(left != nullptr || right != nullptr ? TreeCase::erase_one_child
          : item.is_red()                     ? TreeCase::erase_red_leaf
                                              : TreeCase::erase_black_leaf);
    }
    const bool leaf = gone->child(Side::left) == nullptr && gone->child(Side::right) == nullptr;
    if (leaf && !gone->is_red() && gone->parent() != nullptr) of_lack(gone->parent(), side_of(*gone));
  }

  TreeCaseCounts cases{};

 private:
  void of_lack(const Item* parent, Side side) {
    for (;; side = side_of(*parent), parent = parent->parent()) {
      const Side far = opposite(side);
      const Item* sibling = parent->child(far);
      bool ends = parent->is_red();
      if (sibling->is_red()) {  // its near child becomes the sibling, and the parent red
        add(TreeCase::fix_red_sibling_left, side);
        sibling = sibling->child(side);
        ends = true;
      }
      if (is_red(sibling->child(far))) return add(TreeCase::fix_outer_nephew_left, side);
      if (is_red(sibling->child(side))) return add(TreeCase::fix_inner_nephew_left, side);
      add(ends ? TreeCase::fix_recolour_end_left : TreeCase::fix_recolour_up_left, side);
      if (ends || parent->parent() == nullptr) return;
    }
  }

  void add(TreeCase left, Side side = Side::left) {
    ++cases[static_cast<std::size_t>(left) + (side == Side::left ? 0 : 1)];
  }
};

RC_GTEST_PROP(Tree, CountsTheCasesThatTheTreeWasIn, ()) {
  Population<Sum> population;
  CasesToCome expected;
  for (const Step step : *any_steps()) {
    if (const Item* const item = population.find(step.key)) {
      expected.of_erase(*item);
    } else {
      const auto [parent, side] = population.place_of(step.key);
      expected.of_link(parent, side);
    }
    population.toggle(step.key, step.weight);
    RC_ASSERT(population.tree.cases() == expected.cases);
  }
}

RC_GTEST_PROP(Tree, PropagationStopsWhereNothingChanges, ()) {
  Population<Heaviest> population;
  for (const Step step : *any_steps()) population.toggle(step.key, step.weight);
  for (const Step step : *any_steps()) {
    Item* const item = population.find(step.key);
    if (item == nullptr) continue;
    std::vector<std::pair<Item*, Value>> path;
    for (Item* above = item; above != nullptr; above = above->parent()) path.emplace_back(above, above->value);
    const std::uint64_t before = population.tree.propagated();
    item->weight = step.weight;
    population.tree.propagate(*item);
    population.check();
    const auto changed = std::ranges::count_if(path, [](const auto& old) { return old.first->value != old.second; });
    const auto expected = std::min<std::size_t>(static_cast<std::size_t>(changed) + 1, path.size());
    RC_ASSERT(population.tree.propagated() - before == expected);
  }
}

RC_GTEST_PROP(Tree, LinkingAndErasingLookAtOneItemForEachPlaceOfChangeIfNothingChanges, ()) {
  Population<Constant> population;
  for (const Step step : *any_steps()) {
    const std::uint64_t before = population.tree.propagated();
    const TreeCaseCounts cases = population.tree.cases();
    const auto happened = [&](TreeCase c) {
      return population.tree.cases()[static_cast<std::size_t>(c)] != cases[static_cast<std::size_t>(c)];
    };
    const Item* const item = population.find(step.key);
    const bool alone = item != nullptr ? item->parent() == nullptr : population.size() == 0;
    population.toggle(step.key, step.weight);
    const std::uint64_t places = happened(TreeCase::erase_next_is_deeper)  ? 2u
                                 : happened(TreeCase::erase_next_is_child) ? 1u
                                 : alone                                   ? 0u
                                                                           : 1u;
    RC_ASSERT(population.tree.propagated() - before == places);
  }
}

RC_GTEST_PROP(Tree, MovingTakesEverythingAlongAndLeavesAnEmptyTree, ()) {
  Population<Sum> population;
  Population<Sum> other;
  for (const Step step : *any_steps()) population.toggle(step.key, step.weight);
  for (std::uint64_t key = 0; key < 5; ++key) other.link(key, key);
  const TreeCaseCounts cases = population.tree.cases();
  const std::uint64_t propagated = population.tree.propagated();

  Tree<Sum> constructed = std::move(population.tree);
  Walk<Sum> nothing(population.tree);
  RC_ASSERT(nothing.items().empty());
  RC_ASSERT(population.tree.propagated() == 0u);
  RC_ASSERT(population.tree.cases() == TreeCaseCounts{});
  other.tree = std::move(constructed);
  RC_ASSERT(constructed.empty());
  RC_ASSERT(Tree<Sum>().propagated() == 0u);
  population.tree = std::move(other.tree);
  population.check();
  RC_ASSERT(population.tree.cases() == cases);
  RC_ASSERT(population.tree.propagated() == propagated);
  population.link(1000, 1);
  population.check();
}

TEST(Tree, AnItemMayBeLinkedAgainWithWhateverItsLinksHold) {
  Tree<Sum> tree;
  std::deque<Item> items(3);
  tree.link(nullptr, Side::left, items[0]);
  tree.link(&items[0], Side::right, items[1]);
  tree.link(&items[1], Side::right, items[2]);
  for (int round = 0; round < 10; ++round) {
    tree.erase(items[1]);
    Item* const last = tree.outermost(Side::right);
    if (last->child(Side::left) == nullptr)
      tree.link(last, Side::left, items[1]);
    else
      tree.link(tree.outermost(Side::left), Side::right, items[1]);
    EXPECT_EQ((Walk<Sum>(tree).items()), (std::vector<const Item*>{&items[0], &items[1], &items[2]}));
  }
}

}  // namespace
}  // namespace vmap
