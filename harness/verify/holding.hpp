// SPDX-License-Identifier: Apache-2.0
//
// What a subject holds at one moment, listed so that it can be drawn: its areas and free blocks, and every node of its
// tree with what is wrong with it.
//
// A picture is wanted most of all when something is broken, so nothing that is listed here is believed: a list that has
// no end is cut off, a link that leads back into the tree is not followed, and each node's subtree_max_size stands
// beside the value that was recomputed from the blocks below it. Where TreeChecker names the first fault, this marks
// all.
//
//     std::vector<Range> ranges;
//     const bool all = list_ranges(ranges, 2, [](auto visit) { for (Size i = 0; i < 9; ++i) visit(Range{i, i + 1}); });
//     // all is false, ranges holds the first two; list_tree(view, 1000) does the same for the nodes of a tree
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "harness/verify/layout.hpp"
#include "harness/verify/tree_view.hpp"

namespace vmapcheck {

/// A node of the tree of free blocks.
struct ListedNode {
  static constexpr std::int32_t none = -1;

  Range range;
  Size subtree_max_size = 0;
  Size size_max_expected = 0;  ///< the largest block in its subtree, recomputed
  std::int32_t left = none;    ///< index of the child
  std::int32_t right = none;
  bool red = false;
  std::string defect;        ///< what is wrong with colours, links or order here; mostly empty
  const void* at = nullptr;  ///< where the subject keeps it: says which node of another moment it was

  [[nodiscard]] bool is_augment_wrong() const { return subtree_max_size != size_max_expected; }
  [[nodiscard]] bool is_wrong() const { return is_augment_wrong() || !defect.empty(); }
};

/// The root first, each node before its children.
struct TreeListing {
  std::vector<ListedNode> nodes;
  bool complete = true;  ///< false: there were more nodes than wanted
};

struct Holding {
  Layout layout;         ///< as the subject lists it
  bool complete = true;  ///< false: some list was longer than wanted
  TreeListing tree;
};

/// Every node, but at most `nodes_max`. O(n).
template <TreeView View>
[[nodiscard]] TreeListing list_tree(const View& view, std::size_t nodes_max);

/// Puts what `for_each` visits into `ranges`, and stops it by an exception after `ranges_max` unless it is noexcept.
/// False if there was more.
template <class ForEach>
bool list_ranges(std::vector<Range>& ranges, std::size_t ranges_max, ForEach for_each) {
  struct Enough {};
  bool complete = true;
  ranges.clear();
  const auto visit = [&](Range range) {
    if (ranges.size() < ranges_max) return ranges.push_back(range);
    complete = false;
    if constexpr (!noexcept(for_each([](Range) {}))) throw Enough{};
  };
  try {
    for_each(visit);
  } catch (const Enough&) {}
  return complete;
}

namespace detail {

/// The defects that show only on the nodes together: order, colours, and the recomputed maxima.
void judge(TreeListing& tree);
/// The indices of the nodes from the lowest address to the highest, as the links have it.
[[nodiscard]] std::vector<std::size_t> in_order(const TreeListing& tree);
inline void add_defect(ListedNode& node, const std::string& what) {
  node.defect += (node.defect.empty() ? "" : "; ") + what;
}

}  // namespace detail

template <TreeView View>
TreeListing list_tree(const View& view, std::size_t nodes_max) {
  using Node = typename View::Node;
  struct Link {
    Node node;
    std::int32_t parent;
    bool is_left;
  };
  TreeListing tree;
  std::vector<Node> listed;
  std::unordered_set<Node> met;
  std::vector<Link> open;
  if (view.root() != nullptr) open.push_back({view.root(), ListedNode::none, false});
  while (!open.empty()) {
    const Link link = open.back();
    open.pop_back();
    ListedNode* const parent = link.parent < 0 ? nullptr : &tree.nodes[static_cast<std::size_t>(link.parent)];
    if (!met.insert(link.node).second) {
      detail::add_defect(
          *parent, std::string("its ") + (link.is_left ? "left" : "right") + " child is a node above it or beside it");
      continue;
    }
    if (tree.nodes.size() == nodes_max) {
      tree.complete = false;
      break;
    }
    const auto index = static_cast<std::int32_t>(tree.nodes.size());
    if (parent != nullptr) (link.is_left ? parent->left : parent->right) = index;
    const Node above = parent != nullptr ? listed[static_cast<std::size_t>(link.parent)] : nullptr;
    ListedNode node{.range = View::range(link.node),
                    .subtree_max_size = View::subtree_max_size(link.node),
                    .red = View::is_red(link.node),
                    .defect = {},
                    .at = link.node};
    if (View::parent(link.node) != above) detail::add_defect(node, "its parent link does not lead to its parent");
    tree.nodes.push_back(std::move(node));
    listed.push_back(link.node);
    if (View::right(link.node) != nullptr) open.push_back({View::right(link.node), index, false});
    if (View::left(link.node) != nullptr) open.push_back({View::left(link.node), index, true});
  }
  detail::judge(tree);
  if (!tree.complete) return tree;
  Node last = nullptr;
  for (const std::size_t index : detail::in_order(tree)) {
    const Node node = listed[index];
    if (View::previous(node) != last || (last != nullptr && View::next(last) != node))
      detail::add_defect(tree.nodes[index], "the list does not thread the order of the tree here");
    last = node;
  }
  return tree;
}

}  // namespace vmapcheck
