// SPDX-License-Identifier: Apache-2.0
#include "harness/verify/holding.hpp"

namespace vmapcheck::detail {

void judge(TreeListing& tree) {
  std::vector<ListedNode>& nodes = tree.nodes;
  const auto at = [&](std::int32_t index) -> ListedNode* {
    return index == ListedNode::none ? nullptr : &nodes[static_cast<std::size_t>(index)];
  };
  if (!nodes.empty() && nodes.front().red) add_defect(nodes.front(), "the root is red");

  // Children stand after their parent: backwards, each node's children are done before it.
  std::vector<int> black_height(nodes.size());
  for (std::size_t i = nodes.size(); i-- > 0;) {
    ListedNode& node = nodes[i];
    node.size_max_expected = node.range.size();
    int height_of[2] = {};
    for (int side = 0; side < 2; ++side) {
      const std::int32_t index = side == 0 ? node.left : node.right;
      ListedNode* const child = at(index);
      if (child == nullptr) continue;
      node.size_max_expected = std::max(node.size_max_expected, child->size_max_expected);
      height_of[side] = black_height[static_cast<std::size_t>(index)];
      if (node.red && child->red) add_defect(*child, "is red, and so is its parent");
    }
    black_height[i] = std::max(height_of[0], height_of[1]) + (node.red ? 0 : 1);
    // Below where the listing was cut off nothing is known.
    if (tree.complete && height_of[0] != height_of[1])
      add_defect(node, std::to_string(height_of[0]) + " black nodes on paths to the left, " +
                           std::to_string(height_of[1]) + " to the right");
    if (!tree.complete) node.size_max_expected = node.subtree_max_size;
  }

  const ListedNode* last = nullptr;
  for (const std::size_t index : in_order(tree)) {
    if (last != nullptr && last->range.begin >= nodes[index].range.begin)
      add_defect(nodes[index], "follows " + describe(last->range) + " in the tree: addresses must ascend");
    last = &nodes[index];
  }
}

std::vector<std::size_t> in_order(const TreeListing& tree) {
  std::vector<std::size_t> order;
  std::vector<std::size_t> above;
  std::int32_t next = tree.nodes.empty() ? ListedNode::none : 0;
  while (next != ListedNode::none || !above.empty()) {
    for (; next != ListedNode::none; next = tree.nodes[static_cast<std::size_t>(next)].left)
      above.push_back(static_cast<std::size_t>(next));
    order.push_back(above.back());
    next = tree.nodes[above.back()].right;
    above.pop_back();
  }
  return order;
}

}  // namespace vmapcheck::detail
