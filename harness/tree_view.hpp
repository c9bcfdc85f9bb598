// SPDX-License-Identifier: Apache-2.0
//
// Invariants 6 and 7 (tree, augment), checked on a subject's real tree from outside: read node by node through a view,
// and recomputed here. Nothing that the subject says of itself (its counters, its own verify()) is believed.
//
// TreeChecker has two forms. check_all() visits every node. check_near() visits the path to one address and the two
// levels beside it: invariants 6 and 7 are local, and an operation changes nodes only along the path to where it works,
// their children (recolouring, rotation) and grandchildren (a rotation's inner subtree); so it sees at O(log n) cost
// nearly all that one operation can break, and the driver that uses it calls check_all() every so often.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/describe.hpp"
#include "vmap/range.hpp"
#include "vmap/violation.hpp"

namespace vmapcheck {

using vmap::Invariant;
using vmap::Range;
using vmap::Size;
using vmap::Violation;

/// A read-only view of a red-black tree of free blocks, threaded by a list, with the largest size in each subtree.
template <class V>
concept TreeView = requires(const V& view, typename V::Node node) {
  { view.root() } -> std::convertible_to<typename V::Node>;  // a pointer to const; null if empty
  { V::left(node) } -> std::convertible_to<typename V::Node>;
  { V::right(node) } -> std::convertible_to<typename V::Node>;
  { V::parent(node) } -> std::convertible_to<typename V::Node>;
  { V::next(node) } -> std::convertible_to<typename V::Node>;
  { V::previous(node) } -> std::convertible_to<typename V::Node>;
  { V::is_red(node) } -> std::convertible_to<bool>;
  { V::range(node) } -> std::convertible_to<Range>;
  { V::subtree_max_size(node) } -> std::convertible_to<Size>;
};

/// What a check found. `tree` comes before `augment`; both are looked for in one walk.
struct TreeFinding {
  std::optional<std::string> tree;
  std::optional<std::string> augment;
  std::uint64_t shape = 0;  ///< check_all(): a hash of nodes, ranges, colours and links: equal if nothing changed
  std::uint64_t form = 0;   ///< check_all(): a hash of ranges, colours, depths and maxima: equal for equal trees
};

/// The free blocks around an address, as check_near() met them.
struct Near {
  std::optional<Range> at_or_before;  ///< the last that begins at or below it
  std::optional<Range> after;         ///< the first that begins above it
};

template <TreeView View>
class TreeChecker {
 public:
  using Node = typename View::Node;

  /// Visits every node; puts the blocks in order into `blocks`. `blocks_max` bounds the walk of a broken tree.
  TreeFinding check_all(const View& view, std::size_t blocks_max, std::vector<Range>& blocks);

  /// Visits what lies near the path to `address`.
  TreeFinding check_near(const View& view, vmap::Address address, Near& near);

 private:
  static constexpr std::size_t path_max = 2 * 65;  ///< no red-black tree of 2^64 nodes is deeper

  struct Subtree {
    int black_height = 0;
    Size size_max = 0;
  };

  Subtree walk(Node node, Node parent, int depth);
  void check_links(Node node, int levels);
  int black_height_along(Node node) const;

  template <class... Args>
  void broken(std::optional<std::string>& where, Node node, Args&&... what) {
    if (where) return;
    where = "node " + describe(View::range(node)) + ": " + (std::string() + ... + std::forward<Args>(what));
  }
  void broken_augment(Node node, Size expected);
  static Size value_of(Node node) { return node != nullptr ? View::subtree_max_size(node) : 0; }
  static bool red(Node node) { return node != nullptr && View::is_red(node); }

  TreeFinding finding_;
  std::vector<Range>* blocks_ = nullptr;
  std::size_t blocks_max_ = 0;
  int depth_max_ = 0;
  Node last_ = nullptr;
  std::vector<std::pair<Node, Size>> values_;         ///< of this walk, in order
  std::vector<std::pair<Node, Size>> values_before_;  ///< of the last complete walk
};

template <TreeView View>
TreeFinding TreeChecker<View>::check_all(const View& view, std::size_t blocks_max, std::vector<Range>& blocks) {
  finding_ = {};
  blocks.clear();
  blocks_ = &blocks;
  blocks_max_ = blocks_max;
  depth_max_ = 2 * static_cast<int>(std::bit_width(blocks_max + 1));
  last_ = nullptr;
  values_.clear();
  if (red(view.root())) broken(finding_.tree, view.root(), "the root is red");
  walk(view.root(), nullptr, 0);
  if (!finding_.tree && last_ != nullptr && View::next(last_) != nullptr)
    broken(finding_.tree, last_, "is the last in order, but the list goes on");
  if (!finding_.tree) values_.swap(values_before_);
  return std::move(finding_);
}

template <TreeView View>
auto TreeChecker<View>::walk(Node node, Node parent, int depth) -> Subtree {
  if (node == nullptr) return {};
  if (depth > depth_max_ || blocks_->size() > blocks_max_) {
    broken(finding_.tree, node, "lies deeper, or among more nodes, than a red-black tree of these blocks can have");
    return {};
  }
  if (View::parent(node) != parent) broken(finding_.tree, node, "its parent link does not lead to its parent");
  if (red(node) && red(parent)) broken(finding_.tree, node, "is red, and so is its parent");

  const Subtree left = walk(View::left(node), node, depth + 1);
  const Range range = View::range(node);
  if (last_ != nullptr && View::range(last_).begin >= range.begin)
    broken(finding_.tree, node, "follows ", describe(View::range(last_)), " in the tree: addresses must ascend");
  if (View::previous(node) != last_ || (last_ != nullptr && View::next(last_) != node))
    broken(finding_.tree, node, "the list does not thread the order of the tree here");
  last_ = node;
  blocks_->push_back(range);
  values_.emplace_back(node, View::subtree_max_size(node));
  const auto mix = [](std::uint64_t& hash, std::uint64_t n) { hash = (hash ^ n) * 0x9e3779b97f4a7c15u + (n >> 29); };
  for (std::uint64_t* const hash : {&finding_.shape, &finding_.form}) {
    mix(*hash, hash == &finding_.shape ? reinterpret_cast<std::uintptr_t>(node) : View::subtree_max_size(node));
    mix(*hash, range.begin);
    mix(*hash, range.end);
    mix(*hash, static_cast<std::uint64_t>(depth) * 2 + (red(node) ? 1 : 0));
  }
  const Subtree right = walk(View::right(node), node, depth + 1);

  if (left.black_height != right.black_height)
    broken(finding_.tree, node, std::to_string(left.black_height), " black nodes on paths to the left, ",
           std::to_string(right.black_height), " to the right");
  const Size size_max = std::max({range.size(), left.size_max, right.size_max});
  if (View::subtree_max_size(node) != size_max) broken_augment(node, size_max);
  return {left.black_height + (red(node) ? 0 : 1), size_max};
}

/// A value that was the node's before the operation, too, was missed by propagation; a changed one is wrong in itself.
template <TreeView View>
void TreeChecker<View>::broken_augment(Node node, Size expected) {
  if (finding_.augment) return;
  const Size actual = View::subtree_max_size(node);
  const bool stale = std::ranges::find(values_before_, std::pair{node, actual}) != values_before_.end();
  broken(finding_.augment, node, stale ? "missed propagation: " : "wrong value: ", "subtree_max_size is ",
         describe(actual), stale ? ", as when everything was last checked, expected " : ", expected ",
         describe(expected));
}

template <TreeView View>
TreeFinding TreeChecker<View>::check_near(const View& view, vmap::Address address, Near& near) {
  finding_ = {};
  near = {};
  Node below = nullptr;
  Node above = nullptr;
  std::array<Node, path_max> path;  // filled up to length: clearing it would be a good part of the cost
  std::size_t length = 0;
  if (red(view.root())) broken(finding_.tree, view.root(), "the root is red");
  if (view.root() != nullptr && View::parent(view.root()) != nullptr)
    broken(finding_.tree, view.root(), "the root has a parent");
  for (Node node = view.root(); node != nullptr;) {
    if (length == path.size()) {
      broken(finding_.tree, node, "lies deeper than a red-black tree can have it");
      return std::move(finding_);
    }
    path[length++] = node;
    const Range range = View::range(node);
    if ((below != nullptr && range.begin <= View::range(below).begin) ||
        (above != nullptr && range.begin >= View::range(above).begin))
      broken(finding_.tree, node, "addresses must ascend");
    const bool goes_right = range.begin <= address;
    (goes_right ? below : above) = node;
    node = goes_right ? View::right(node) : View::left(node);
  }
  if ((below != nullptr && View::next(below) != above) || (above != nullptr && View::previous(above) != below))
    broken(finding_.tree, below != nullptr ? below : above, "the list does not thread the order of the tree here");

  // Upwards: each node, and beside the path its other child with children.
  int black_height = 0;
  Node on_path = nullptr;
  while (length > 0) {
    const Node node = path[--length];
    const Node beside = View::left(node) == on_path ? View::right(node) : View::left(node);
    check_links(node, 1);
    check_links(beside, 2);
    if (black_height_along(beside) != black_height) broken(finding_.tree, node, "black heights differ below it");
    black_height += red(node) ? 0 : 1;
    on_path = node;
  }
  if (below != nullptr) near.at_or_before = View::range(below);
  if (above != nullptr) near.after = View::range(above);
  return std::move(finding_);
}

/// What concerns a node and its children, here and `levels - 1` levels below.
template <TreeView View>
void TreeChecker<View>::check_links(Node node, int levels) {
  if (node == nullptr || levels == 0) return;
  const Node left = View::left(node);
  const Node right = View::right(node);
  if ((left != nullptr && View::parent(left) != node) || (right != nullptr && View::parent(right) != node))
    broken(finding_.tree, node, "a child's parent link does not lead to it");
  if (red(node) && (red(left) || red(right))) broken(finding_.tree, node, "is red, and so is a child");
  if ((left != nullptr && View::range(left).begin >= View::range(node).begin) ||
      (right != nullptr && View::range(right).begin <= View::range(node).begin))
    broken(finding_.tree, node, "addresses must ascend");
  const Size size_max = std::max({View::range(node).size(), value_of(left), value_of(right)});
  if (View::subtree_max_size(node) != size_max) broken_augment(node, size_max);
  check_links(left, levels - 1);
  check_links(right, levels - 1);
}

/// Black nodes on one path down from `node`.
template <TreeView View>
int TreeChecker<View>::black_height_along(Node node) const {
  int height = 0;
  for (std::size_t depth = 0; node != nullptr && depth < path_max; ++depth, node = View::left(node))
    height += red(node) ? 0 : 1;
  return height;
}

}  // namespace vmapcheck
