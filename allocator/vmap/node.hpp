// SPDX-License-Identifier: Apache-2.0
//
// The metadata of one range, and trees of such nodes in order of address.
//
// A node is in turn a free block, a busy area or a lazily freed area: allocating turns a free block's node into an
// area's, freeing turns it back, so that freeing needs no memory. The functions count the nodes that they visit.
#pragma once

#include <algorithm>
#include <cstdint>

#include "vmap/augmented_rbtree.hpp"
#include "vmap/range.hpp"

namespace vmap {

/// One cache line, so that a visit to a node touches one: NodePool keeps the alignment.
struct alignas(64) Node : TreeLinks<Node> {
  Range range;
  Size subtree_max_size = 0;  ///< free blocks only: bytes in the largest block among this and those below
};
static_assert(sizeof(Node) == 64);

/// The largest block in each subtree of free blocks.
struct SubtreeMaxSize {
  static Size of(const Node* subtree) { return subtree != nullptr ? subtree->subtree_max_size : 0; }
  static bool recompute(Node& node) {
    const Size size_max = std::max({node.range.size(), of(node.child(Side::left)), of(node.child(Side::right))});
    if (size_max == node.subtree_max_size) return false;
    node.subtree_max_size = size_max;
    return true;
  }
  static void copy(const Node& from, Node& to) { to.subtree_max_size = from.subtree_max_size; }
};

using FreeTree = AugmentedRbTree<Node, SubtreeMaxSize>;
using AreaTree = AugmentedRbTree<Node, NoAugment>;

/// Where a range that is not in the tree belongs, and its neighbours there.
struct Place {
  Node* parent = nullptr;
  Side side = Side::left;
  Node* previous = nullptr;
  Node* next = nullptr;
};

/// The place of a range that begins at `begin`. O(log n), adds the nodes visited.
template <class Tree>
[[nodiscard]] Place place_of(const Tree& tree, Address begin, std::uint64_t& visited) {
  Place place;
  for (Node* node = tree.root(); node != nullptr; node = node->child(place.side)) {
    ++visited;
    place.parent = node;
    place.side = begin < node->range.begin ? Side::left : Side::right;
  }
  if (place.parent == nullptr) return place;
  const bool left = place.side == Side::left;
  place.previous = left ? place.parent->previous() : place.parent;
  place.next = left ? place.parent : place.parent->next();
  return place;
}

/// The last node that begins at or below `address`, or null. O(log n), adds the nodes visited.
template <class Tree>
[[nodiscard]] Node* last_at_or_below(const Tree& tree, Address address, std::uint64_t& visited) {
  Node* found = nullptr;
  for (Node* node = tree.root(); node != nullptr;) {
    ++visited;
    if (node->range.begin <= address) {
      found = node;
      node = node->child(Side::right);
    } else {
      node = node->child(Side::left);
    }
  }
  return found;
}

/// Links `node` at the place of its range. O(log n), adds the nodes visited.
template <class Tree>
void link_in_order(Tree& tree, Node& node, std::uint64_t& visited) {
  const Place place = place_of(tree, node.range.begin, visited);
  tree.link(place.parent, place.side, node);
}

}  // namespace vmap
