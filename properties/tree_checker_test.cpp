// SPDX-License-Identifier: Apache-2.0
//
// The checker of the invariants tree and augment: it finds nothing in sound trees, and names each kind of damage.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "properties/plain_tree.hpp"

namespace vmapcheck {
namespace {

constexpr std::size_t node_count = 31;

/// A full tree of 31 blocks [0x100 i, 0x100 i + 16 + i), numbered in order; every second level is red:
///
///                               15
///                7                             23          red
///         3              11             19             27
///      1     5         9    13       17    21       25    29     red
///     0 2   4 6       8 10 12 14    ...
struct HandMade {
  std::array<PlainNode, node_count> node{};
  PlainView view;
  TreeChecker checker;

  HandMade() {
    view.top = build(0, node_count, nullptr, 0);
    for (std::size_t i = 0; i + 1 < node_count; ++i) {
      node[i].next = &node[i + 1];
      node[i + 1].previous = &node[i];
    }
  }
  HandMade(const HandMade&) = delete;
  HandMade& operator=(const HandMade&) = delete;

  static vmap::Address begin_of(std::size_t i) { return 0x100 * i; }

  TreeFinding check_all() {
    std::vector<Range> blocks;
    return checker.check_all(view, node_count, blocks);
  }
  TreeFinding check_near(std::size_t i) {
    Near near;
    return checker.check_near(view, begin_of(i), near);
  }

 private:
  PlainNode* build(std::size_t begin, std::size_t end, PlainNode* parent, int level) {
    if (begin == end) return nullptr;
    const std::size_t middle = begin + (end - begin) / 2;
    PlainNode& root = node[middle];
    root.parent = parent;
    root.red = level % 2 == 1;
    root.range = {begin_of(middle), begin_of(middle) + 16 + middle};
    root.left = build(begin, middle, &root, level + 1);
    root.right = build(middle + 1, end, &root, level + 1);
    root.size_max = 16 + end - 1;  // the last block is the longest
    return &root;
  }
};

enum class Kind { tree, augment };

/// One way to break a tree, and what the checkers say of it.
struct Damage {
  std::string name;
  Kind kind = Kind::tree;
  std::function<void(HandMade&)> inflict;
  std::string seen_by_all;   ///< what check_all() says
  std::string seen_by_near;  ///< what check_near() says of the path to block `at`
  std::size_t at = 9;
};

void PrintTo(const Damage& damage, std::ostream* os) { *os << damage.name; }

const std::vector<Damage> damages{
    {"RedRoot", Kind::tree, [](HandMade& t) { t.node[15].red = true; }, "node 0xf00..0xf1f: the root is red",
     "node 0xf00..0xf1f: the root is red"},
    {"RedBelowRed", Kind::tree, [](HandMade& t) { t.node[11].red = true; },
     "node 0xb00..0xb1b: is red, and so is its parent", "node 0xb00..0xb1b: is red, and so is a child"},
    {"RedBelowRedOnTheRight", Kind::tree, [](HandMade& t) { t.node[10].red = true; },
     "node 0xa00..0xa1a: is red, and so is its parent", "node 0x900..0x919: is red, and so is a child"},
    {"BlackHeight", Kind::tree, [](HandMade& t) { t.node[9].red = false; },
     "node 0xb00..0xb1b: 2 black nodes on paths to the left, 1 to the right",
     "node 0xb00..0xb1b: black heights differ below it"},
    {"ParentLink", Kind::tree, [](HandMade& t) { t.node[9].parent = &t.node[13]; },
     "node 0x900..0x919: its parent link does not lead to its parent",
     "node 0xb00..0xb1b: a child's parent link does not lead to it"},
    {"RootWithAParent", Kind::tree, [](HandMade& t) { t.node[15].parent = &t.node[7]; },
     "node 0xf00..0xf1f: its parent link does not lead to its parent", "node 0xf00..0xf1f: the root has a parent"},
    {"Order", Kind::tree, [](HandMade& t) { t.node[9].range = {0xb01, 0xb02}; },
     "node 0xa00..0xa1a: follows 0xb01..0xb02 in the tree: addresses must ascend",
     "node 0xb01..0xb02: addresses must ascend"},
    {"OrderBetweenLevels", Kind::tree, [](HandMade& t) { t.node[8].range = {0x6ff, 0x701}; },
     "node 0x6ff..0x701: follows 0x700..0x717 in the tree: addresses must ascend",
     "node 0x6ff..0x701: addresses must ascend", 8},
    {"EqualAddresses", Kind::tree, [](HandMade& t) { t.node[8].range = t.node[9].range; },
     "node 0x900..0x919: follows 0x900..0x919 in the tree: addresses must ascend",
     "node 0x900..0x919: addresses must ascend"},
    {"ListForwards", Kind::tree, [](HandMade& t) { t.node[9].next = &t.node[11]; },
     "node 0xa00..0xa1a: the list does not thread the order of the tree here",
     "node 0x900..0x919: the list does not thread the order of the tree here"},
    {"ListBackwards", Kind::tree, [](HandMade& t) { t.node[10].previous = &t.node[8]; },
     "node 0xa00..0xa1a: the list does not thread the order of the tree here",
     "node 0x900..0x919: the list does not thread the order of the tree here"},
    {"ListBeforeTheFirst", Kind::tree, [](HandMade& t) { t.node[0].previous = &t.node[1]; },
     "node 0x0..0x10: the list does not thread the order of the tree here", "", 0},
    {"ListBeyondTheLast", Kind::tree, [](HandMade& t) { t.node[30].next = &t.node[0]; },
     "node 0x1e00..0x1e2e: is the last in order, but the list goes on",
     "node 0x1e00..0x1e2e: the list does not thread the order of the tree here", 30},
    {"Cycle", Kind::tree, [](HandMade& t) { t.node[9].right = &t.node[9]; },
     "node 0x900..0x919: its parent link does not lead to its parent", "node 0x900..0x919: addresses must ascend"},
    {"WrongValue", Kind::augment, [](HandMade& t) { t.node[9].size_max = 3; },
     "node 0x900..0x919: wrong value: subtree_max_size is 0x3, expected 0x1a",
     "node 0x900..0x919: wrong value: subtree_max_size is 0x3, expected 0x1a"},
    {"ValueTooLarge", Kind::augment, [](HandMade& t) { t.node[9].size_max = 0x1000; },
     "node 0x900..0x919: wrong value: subtree_max_size is 0x1000, expected 0x1a",
     "node 0x900..0x919: wrong value: subtree_max_size is 0x1000, expected 0x1a"},
    {"MissedPropagation", Kind::augment,
     [](HandMade& t) {
       t.node[10].range.end += 0x10;
       t.node[10].size_max += 0x10;
     },
     "node 0x900..0x919: missed propagation: subtree_max_size is 0x1a, as when everything was last checked, expected "
     "0x2a",
     "node 0x900..0x919: missed propagation: subtree_max_size is 0x1a, as when everything was last checked, expected "
     "0x2a"},
    {"MissedPropagationHalfWayUp", Kind::augment,
     [](HandMade& t) {
       t.node[10].range.end += 0x40;
       for (const std::size_t i : {10u, 9u, 11u}) t.node[i].size_max = 0x5a;
     },
     "node 0x700..0x717: missed propagation: subtree_max_size is 0x1e, as when everything was last checked, expected "
     "0x5a",
     "node 0x700..0x717: missed propagation: subtree_max_size is 0x1e, as when everything was last checked, expected "
     "0x5a"},
};

std::string text_of(const Damage& damage, const TreeFinding& finding) {
  return (damage.kind == Kind::tree ? finding.tree : finding.augment).value_or("");
}

class TreeDamage : public testing::TestWithParam<Damage> {};

TEST_P(TreeDamage, IsNamedByTheCheckOfAll) {
  HandMade tree;
  const TreeFinding sound = tree.check_all();
  GetParam().inflict(tree);
  const TreeFinding finding = tree.check_all();
  EXPECT_EQ(text_of(GetParam(), finding), GetParam().seen_by_all);
  EXPECT_TRUE(GetParam().kind == Kind::tree || !finding.tree) << "a wrong value is no damage to the tree";
  EXPECT_FALSE(sound.tree || sound.augment);
}

TEST_P(TreeDamage, IsNamedByTheCheckOfThePathOnWhichItLies) {
  HandMade tree;
  tree.check_all();
  GetParam().inflict(tree);
  const TreeFinding finding = tree.check_near(GetParam().at);
  EXPECT_EQ(text_of(GetParam(), finding), GetParam().seen_by_near);
  EXPECT_TRUE(GetParam().kind == Kind::tree || !finding.tree) << "a wrong value is no damage to the tree";
}

INSTANTIATE_TEST_SUITE_P(Each, TreeDamage, testing::ValuesIn(damages),
                         [](const testing::TestParamInfo<Damage>& damage) { return damage.param.name; });

TEST(TreeCheck, FindsNothingInSoundTrees) {
  HandMade tree;
  std::vector<Range> blocks{{1, 2}};
  const TreeFinding finding = tree.checker.check_all(tree.view, node_count, blocks);
  EXPECT_EQ(finding.tree, std::nullopt);
  EXPECT_EQ(finding.augment, std::nullopt);
  ASSERT_EQ(blocks.size(), node_count);
  for (std::size_t i = 0; i < node_count; ++i) {
    EXPECT_EQ(blocks[i], tree.node[i].range);
    const TreeFinding near = tree.check_near(i);
    EXPECT_FALSE(near.tree || near.augment) << near.tree.value_or("") << near.augment.value_or("");
  }
}

TEST(TreeCheck, FindsNothingInAnEmptyTree) {
  TreeChecker checker;
  std::vector<Range> blocks{{1, 2}};
  const TreeFinding all = checker.check_all(PlainView{}, 0, blocks);
  Near around{.at_or_before = Range{1, 2}, .after = Range{1, 2}};
  const TreeFinding near = checker.check_near(PlainView{}, 5, around);
  EXPECT_FALSE(all.tree || all.augment || near.tree || near.augment);
  EXPECT_TRUE(blocks.empty());
  EXPECT_FALSE(around.at_or_before || around.after);
}

TEST(TreeCheck, TellsTheBlocksAroundAnAddress) {
  HandMade tree;
  const auto around = [&](vmap::Address address) {
    Near near;
    tree.checker.check_near(tree.view, address, near);
    return near;
  };
  for (std::size_t i = 0; i < node_count; ++i) {
    const Range range = tree.node[i].range;
    const std::optional<Range> next = i + 1 < node_count ? std::optional(tree.node[i + 1].range) : std::nullopt;
    for (const vmap::Address address : {range.begin, range.begin + 1, range.begin + 0xff}) {
      EXPECT_EQ(around(address).at_or_before, range);
      EXPECT_EQ(around(address).after, next);
    }
  }
  for (PlainNode& node : tree.node) node.range = {node.range.begin + 5, node.range.end + 5};
  EXPECT_EQ(around(4).at_or_before, std::nullopt);
  EXPECT_EQ(around(4).after, tree.node[0].range);
}

/// Every node is damaged in turn; `reaches(i)` says whether the path to block 9 must show it.
template <class Break>
void expect_seen_near_nine(Break break_node, const std::vector<std::size_t>& reached) {
  for (std::size_t i = 0; i < node_count; ++i) {
    HandMade tree;
    break_node(tree.node[i]);
    const TreeFinding finding = tree.check_near(9);
    const bool must_be_seen = std::ranges::count(reached, i) != 0;
    EXPECT_TRUE(finding.tree || finding.augment || !must_be_seen) << "at block " << i;
    const TreeFinding all = tree.check_all();
    EXPECT_TRUE(all.tree || all.augment) << "at block " << i;
  }
}

// The path to block 9 is 15 7 11 9 10; beside it hang 23, 3, 13 and 8, and below those 19 and 27, 1 and 5, 12 and 14.
const std::vector<std::size_t> path_children_and_grandchildren{15, 7, 11, 9, 10, 23, 3, 13, 8, 19, 27, 1, 5, 12, 14};

TEST(TreeCheckNear, SeesWrongValuesOnThePathAndAtItsChildrenAndGrandchildren) {
  expect_seen_near_nine([](PlainNode& node) { node.size_max += 0x1000; }, path_children_and_grandchildren);
  expect_seen_near_nine([](PlainNode& node) { node.size_max = 1; }, path_children_and_grandchildren);
}

TEST(TreeCheckNear, SeesWrongParentLinksOnThePathAndAtItsChildrenAndGrandchildren) {
  expect_seen_near_nine([](PlainNode& node) { node.parent = &node; }, path_children_and_grandchildren);
}

TEST(TreeCheckNear, SeesWrongOrderOnThePathAndAtItsChildrenAndGrandchildren) {
  expect_seen_near_nine(
      [](PlainNode& node) {
        // Beyond the parent, on the wrong side of it.
        const Range beyond = node.parent == nullptr ? Range{0x1f00, 0x1f01} : node.parent->range;
        const bool is_left = node.parent != nullptr && node.parent->left == &node;
        node.range = is_left ? Range{beyond.begin + 1, beyond.begin + 2} : Range{beyond.begin - 1, beyond.begin};
        if (node.parent == nullptr) node.range = beyond;
      },
      path_children_and_grandchildren);
}

TEST(TreeCheckNear, SeesWrongColoursOnThePathAndAtItsChildren) {
  // The children of block 3 are red: black they make its side one higher, but only on one of its paths.
  expect_seen_near_nine([](PlainNode& node) { node.red = !node.red; }, {15, 7, 11, 9, 10, 23, 3, 13, 8, 19, 27});
}

TEST(TreeCheckNear, IsNotDisturbedByWhatLiesFarAway) {
  HandMade tree;
  tree.node[30].size_max = 1;
  tree.node[20].red = true;
  tree.node[28].parent = nullptr;
  const TreeFinding finding = tree.check_near(0);
  EXPECT_FALSE(finding.tree || finding.augment);
}

TEST(TreeCheckNear, EndsInACycle) {
  HandMade tree;
  tree.node[9].right = &tree.node[7];
  const TreeFinding finding = tree.check_near(9);
  EXPECT_TRUE(finding.tree.has_value());
}

TEST(TreeCheck, EndsWhereThereAreMoreNodesThanBlocks) {
  HandMade tree;
  std::vector<Range> blocks;
  const TreeFinding finding = tree.checker.check_all(tree.view, 5, blocks);
  EXPECT_NE(finding.tree.value_or("").find("lies deeper, or among more nodes"), std::string::npos);
}

TEST(TreeCheck, EndsWhereEveryChildIsTheRoot) {
  HandMade tree;
  for (PlainNode& node : tree.node) node.left = node.right = &tree.node[15];
  EXPECT_TRUE(tree.check_all().tree.has_value());
  EXPECT_TRUE(tree.check_near(9).tree.has_value());
}

TEST(TreeCheck, ReportsTheTreeAndTheAugmentSideBySide) {
  HandMade tree;
  tree.node[15].red = true;
  tree.node[0].size_max = 1;
  EXPECT_TRUE(tree.check_all().tree && tree.check_all().augment);
  EXPECT_TRUE(tree.check_near(0).tree && tree.check_near(0).augment);
}

TEST(TreeCheck, AValueIsMissedOnlyIfItWasTheNodesOwn) {
  HandMade tree;
  tree.check_all();
  tree.node[9].size_max = tree.node[8].size_max;  // the value of another node
  EXPECT_NE(tree.check_all().augment.value_or("").find("wrong value"), std::string::npos);
}

// A hash of the shape tells that a failed call changed nothing.
TEST(TreeCheck, TheShapeChangesWithEveryBlockAndColourAndLink) {
  const auto hash_after = [](const std::function<void(HandMade&)>& change, HandMade& tree) {
    const std::uint64_t before = tree.check_all().hashes.nodes;
    change(tree);
    return std::pair{before, tree.check_all().hashes.nodes};
  };
  const auto expect_change = [&](const std::function<void(HandMade&)>& change) {
    HandMade tree;
    const auto [before, after] = hash_after(change, tree);
    EXPECT_NE(before, after);
  };
  for (std::size_t i = 0; i < node_count; ++i) {
    expect_change([&](HandMade& t) { t.node[i].red = !t.node[i].red; });
    expect_change([&](HandMade& t) { ++t.node[i].range.begin; });
    expect_change([&](HandMade& t) { ++t.node[i].range.end; });
  }
  expect_change([](HandMade& t) { std::swap(t.node[9].left, t.node[9].right); });
  expect_change([](HandMade& t) {  // the same blocks in order, another root
    t.node[9].left = nullptr;
    t.node[8].right = &t.node[9];
    t.node[11].left = &t.node[8];
  });
  HandMade tree;
  const auto [before, after] = hash_after([](HandMade&) {}, tree);
  EXPECT_EQ(before, after);
}

}  // namespace
}  // namespace vmapcheck
