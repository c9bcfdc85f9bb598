// SPDX-License-Identifier: Apache-2.0
#include "harness/verify/tree_view.hpp"

#include <algorithm>
#include <bit>

namespace vmapcheck {

TreeFinding TreeChecker::check_all(const AnyTree& tree, std::size_t blocks_max, std::vector<Range>& blocks) {
  begin(tree);
  blocks.clear();
  blocks_ = &blocks;
  blocks_max_ = blocks_max;
  depth_max_ = 2 * static_cast<int>(std::bit_width(blocks_max + 1));
  last_ = {};
  values_.clear();
  values_.reserve(32);
  const SeenNode root = seen(tree.root);
  if (root.red) broken(finding_.tree, root, "the root is red");
  walk(root, {}, 0);
  if (!finding_.tree && last_.at != nullptr && last_.next != nullptr)
    broken(finding_.tree, last_, "is the last in order, but the list goes on");
  if (!finding_.tree) values_.swap(values_before_);
  return std::move(finding_);
}

auto TreeChecker::walk(const SeenNode& node, const SeenNode& parent, int depth) -> Subtree {
  if (node.at == nullptr) return {};
  if (depth > depth_max_ || blocks_->size() > blocks_max_) {
    broken(finding_.tree, node, "lies deeper, or among more nodes, than a red-black tree of these blocks can have");
    return {};
  }
  if (node.parent != parent.at) broken(finding_.tree, node, "its parent link does not lead to its parent");
  if (node.red && parent.red) broken(finding_.tree, node, "is red, and so is its parent");

  finding_.structure =
      finding_.structure << 3 | (node.left != nullptr ? 4 : 0) | (node.right != nullptr ? 2 : 0) | (node.red ? 1 : 0);
  finding_.depth = std::max(finding_.depth, static_cast<std::size_t>(depth) + 1);
  const Subtree left = walk(seen(node.left), node, depth + 1);
  const Range range = node.range();
  if (last_.at != nullptr && last_.begin >= range.begin)
    broken(finding_.tree, node, "follows ", describe(last_.range()), " in the tree: addresses must ascend");
  if (node.previous != last_.at || (last_.at != nullptr && last_.next != node.at))
    broken(finding_.tree, node, "the list does not thread the order of the tree here");
  last_ = node;
  blocks_->push_back(range);
  values_.emplace_back(node.at, node.subtree_max_size);
  const auto mix = [](std::uint64_t& hash, std::uint64_t n) { hash = (hash ^ n) * 0x9e3779b97f4a7c15u + (n >> 29); };
  TreeHashes& hashes = finding_.hashes;
  for (std::uint64_t* const hash : {&hashes.nodes, &hashes.tree}) {
    mix(*hash, hash == &hashes.nodes ? reinterpret_cast<std::uintptr_t>(node.at) : node.subtree_max_size);
    mix(*hash, range.begin);
    mix(*hash, range.end);
    mix(*hash, static_cast<std::uint64_t>(depth) * 2 + (node.red ? 1 : 0));
  }
  const Subtree right = walk(seen(node.right), node, depth + 1);

  if (left.black_height != right.black_height)
    broken(finding_.tree, node, std::to_string(left.black_height), " black nodes on paths to the left, ",
           std::to_string(right.black_height), " to the right");
  const Size size_max = std::max({range.size(), left.size_max, right.size_max});
  if (node.subtree_max_size != size_max) broken_augment(node, size_max);
  Subtree subtree{left.black_height + (node.red ? 0 : 1), size_max, {}};
  if (has_rows_) subtree.aligned_max = check_rows(node, left.aligned_max, right.aligned_max);
  return subtree;
}

RowValues TreeChecker::check_rows(const SeenNode& node, const RowValues& left, const RowValues& right) {
  RowValues expected{};
  for (std::size_t row = 0; row < rows_.size(); ++row) {
    const Size align = rows_[row];
    if (align == 0) continue;
    const Size beyond = node.begin % align;
    const Size skipped = beyond == 0 ? 0 : align - beyond;
    const Size own = node.range().size() > skipped ? node.range().size() - skipped : 0;
    expected[row] = std::max({own, left[row], right[row]});
    if (const Size actual = node.subtree_max_aligned[row]; actual != expected[row])
      broken(finding_.augment, node, "the largest part aligned to ", describe(align), " is ", describe(actual),
             ", expected ", describe(expected[row]));
  }
  return expected;
}

/// A node that still has its value from before the operation was missed by propagation; a changed value is wrong in
/// itself.
void TreeChecker::broken_augment(const SeenNode& node, Size expected) {
  if (finding_.augment) return;
  const Size actual = node.subtree_max_size;
  const bool stale = std::ranges::find(values_before_, std::pair{node.at, actual}) != values_before_.end();
  broken(finding_.augment, node, stale ? "missed propagation: " : "wrong value: ", "subtree_max_size is ",
         describe(actual), stale ? ", as when everything was last checked, expected " : ", expected ",
         describe(expected));
}

TreeFinding TreeChecker::check_near(const AnyTree& tree, vmap::Address address, Near& near) {
  begin(tree);
  near = {};
  const SeenNode* below = nullptr;
  const SeenNode* above = nullptr;
  std::array<SeenNode, path_max> path;  // filled up to length: clearing it would be a good part of the cost
  std::size_t length = 0;
  for (const void* at = tree.root; at != nullptr;) {
    const SeenNode node = seen(at);
    if (length == 0 && node.red) broken(finding_.tree, node, "the root is red");
    if (length == 0 && node.parent != nullptr) broken(finding_.tree, node, "the root has a parent");
    if (length == path.size()) {
      broken(finding_.tree, node, "lies deeper than a red-black tree can have it");
      return std::move(finding_);
    }
    path[length] = node;
    if ((below != nullptr && node.begin <= below->begin) || (above != nullptr && node.begin >= above->begin))
      broken(finding_.tree, node, "addresses must ascend");
    const bool goes_right = node.begin <= address;
    (goes_right ? below : above) = &path[length++];
    at = goes_right ? node.right : node.left;
  }
  const void* const at_below = below != nullptr ? below->at : nullptr;
  const void* const at_above = above != nullptr ? above->at : nullptr;
  if ((below != nullptr && below->next != at_above) || (above != nullptr && above->previous != at_below))
    broken(finding_.tree, below != nullptr ? *below : *above, "the list does not thread the order of the tree here");

  // Upwards: each node on the path, and its other child with the children of that.
  int black_height = 0;
  static constexpr SeenNode nothing{};
  const SeenNode* on_path = &nothing;
  while (length > 0) {
    const SeenNode& node = path[--length];
    const bool from_left = node.left == on_path->at;
    const SeenNode beside = seen(from_left ? node.right : node.left);
    check_links(node, from_left ? *on_path : beside, from_left ? beside : *on_path);
    if (check_beside(beside) != black_height) broken(finding_.tree, node, "black heights differ below it");
    black_height += node.red ? 0 : 1;
    on_path = &node;
  }
  if (below != nullptr) near.at_or_before = below->range();
  if (above != nullptr) near.after = above->range();
  return std::move(finding_);
}

/// What concerns a node and its children.
void TreeChecker::check_links(const SeenNode& node, const SeenNode& left, const SeenNode& right) {
  if ((left.at != nullptr && left.parent != node.at) || (right.at != nullptr && right.parent != node.at))
    broken(finding_.tree, node, "a child's parent link does not lead to it");
  if (node.red && (left.red || right.red)) broken(finding_.tree, node, "is red, and so is a child");
  if ((left.at != nullptr && left.begin >= node.begin) || (right.at != nullptr && right.begin <= node.begin))
    broken(finding_.tree, node, "addresses must ascend");
  const Size size_max = std::max({node.range().size(), left.subtree_max_size, right.subtree_max_size});
  if (node.subtree_max_size != size_max) broken_augment(node, size_max);
  if (has_rows_) check_rows(node, left.subtree_max_aligned, right.subtree_max_aligned);
}

/// The links of a node and of its children; returns the number of black nodes on one path down from it.
int TreeChecker::check_beside(const SeenNode& node) {
  if (node.at == nullptr) return 0;
  const SeenNode left = seen(node.left);
  const SeenNode right = seen(node.right);
  check_links(node, left, right);
  int height = node.red ? 0 : 1;
  if (left.at != nullptr) {
    const SeenNode inner = seen(left.left);
    check_links(left, inner, seen(left.right));
    height += (left.red ? 0 : 1) + black_height_below(inner);
  }
  if (right.at != nullptr) check_links(right, seen(right.left), seen(right.right));
  return height;
}

/// Black nodes on one path down from `node`, with it.
int TreeChecker::black_height_below(SeenNode node) const {
  int height = 0;
  for (std::size_t depth = 0; node.at != nullptr && depth < path_max; ++depth, node = seen(node.left))
    height += node.red ? 0 : 1;
  return height;
}

}  // namespace vmapcheck
