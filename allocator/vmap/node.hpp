// SPDX-License-Identifier: Apache-2.0
//
// The metadata of one range, and trees of such nodes in order of address.
//
// A node is in turn a free block, a busy area or a lazily freed area: allocating turns a free block's node into an
// area's, freeing turns it back, so that freeing needs no memory. The functions count the nodes that they visit.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "vmap/alignment_rows.hpp"
#include "vmap/augmented_rbtree.hpp"
#include "vmap/range.hpp"

namespace vmap {

/// One cache line, so that a visit to a node touches one: NodePool keeps the alignment.
struct alignas(64) Node : TreeLinks<Node> {
  Range range;
  Size subtree_max_size = 0;  ///< free blocks only: bytes in the largest block among this and those below
};
static_assert(sizeof(Node) == 64);

/// A node with a second cache line, for alignment rows. While there are rows, each node is one.
struct WideNode : Node {
  /// Free blocks only, by row: bytes in the largest aligned part of a block among this and those below.
  std::array<Size, alignment_rows_max> subtree_max_aligned{};
};
static_assert(sizeof(WideNode) == 128);

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

/// The bytes of `block` from its first multiple of `align` on.
[[nodiscard]] constexpr Size aligned_part(Range block, Size align) {
  const Size skipped = -block.begin & (align - 1);
  return skipped < block.size() ? block.size() - skipped : 0;
}

/// SubtreeMaxSize, and the same of aligned parts for each alignment that has a row. Requires wide nodes while there are
/// rows.
struct SubtreeMaxima {
  AlignmentRows rows;

  static Size of(const Node* subtree, std::size_t row) {
    return subtree != nullptr ? static_cast<const WideNode*>(subtree)->subtree_max_aligned[row] : 0;
  }
  bool recompute(Node& node) const {
    const bool changed = SubtreeMaxSize::recompute(node);
    return rows.empty() ? changed : recompute_rows(static_cast<WideNode&>(node)) || changed;
  }
  void copy(const Node& from, Node& to) const {
    SubtreeMaxSize::copy(from, to);
    if (rows.empty()) return;
    static_cast<WideNode&>(to).subtree_max_aligned = static_cast<const WideNode&>(from).subtree_max_aligned;
  }

 private:
  bool recompute_rows(WideNode& node) const {
    const auto before = node.subtree_max_aligned;
    for (std::size_t row = 0; row < alignment_rows_max; ++row)
      if (const Size align = rows.alignments()[row]; align != 0)
        node.subtree_max_aligned[row] = std::max(
            {aligned_part(node.range, align), of(node.child(Side::left), row), of(node.child(Side::right), row)});
    return node.subtree_max_aligned != before;
  }
};

using FreeTree = AugmentedRbTree<Node, SubtreeMaxima>;
using AreaTree = AugmentedRbTree<Node, NoAugment>;

/// Where a range that is not in the tree belongs, and its neighbours there.
struct Place {
  Node* parent = nullptr;
  Side side = Side::left;
  Node* previous = nullptr;
  Node* next = nullptr;
};

/// The nodes on both sides of an address: the last that begins at or below it, and the one after.
struct Neighbours {
  Node* previous = nullptr;
  Node* next = nullptr;
};

/// The neighbours of `address` if they lie where the tree was changed last; else nothing. O(1), one node visited.
template <class Tree>
[[nodiscard]] std::optional<Neighbours> neighbours_near(const Tree& tree, Address address, std::uint64_t& visited) {
  Node* const finger = tree.finger();
  if (finger == nullptr) return Neighbours{};
  ++visited;
  // Which side it is cannot be foreseen, and whether it is near can: one branch, on the latter.
  const bool is_below = address < finger->range.begin;
  Node* const beside = finger->neighbour(is_below ? Side::left : Side::right);
  const bool beside_is_after = beside == nullptr ? !is_below : address < beside->range.begin;
  if (is_below != beside_is_after) {
    if (is_below) return Neighbours{beside, finger};
    return Neighbours{finger, beside};
  }
  if (!is_below && address == beside->range.begin) return Neighbours{beside, beside->next()};
  return std::nullopt;
}

/// The place of a range that begins at `begin`. O(1) beside the last change, else O(log n); adds the nodes visited.
template <class Tree>
[[nodiscard]] Place place_of(const Tree& tree, Address begin, std::uint64_t& visited) {
  if (const auto near = neighbours_near(tree, begin, visited)) {
    // Of two neighbours one lies below the other: there a child is missing on the side of the other.
    if (near->previous != nullptr && near->previous->child(Side::right) == nullptr)
      return {near->previous, Side::right, near->previous, near->next};
    return {near->next, Side::left, near->previous, near->next};
  }
  Place place;
  for (Node* node = tree.root(); node != nullptr; node = node->child(place.side)) {
    ++visited;
    place.parent = node;
    place.side = begin < node->range.begin ? Side::left : Side::right;
  }
  const bool left = place.side == Side::left;
  place.previous = left ? place.parent->previous() : place.parent;
  place.next = left ? place.parent : place.parent->next();
  return place;
}

/// The last node that begins at or below `address`, or null. O(1) beside the last change, else O(log n); adds the nodes
/// visited.
template <class Tree>
[[nodiscard]] Node* last_at_or_below(const Tree& tree, Address address, std::uint64_t& visited) {
  if (const auto near = neighbours_near(tree, address, visited)) return near->previous;
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

/// Moves each node to a fresh one from `rehouse()`, in order of address. O(n).
template <class Tree, class Rehouse>
void move_nodes(Tree& tree, Rehouse rehouse) {
  for (Node* node = tree.outermost(Side::left); node != nullptr; node = node->next()) {
    Node& to = rehouse();
    to.range = node->range;
    to.subtree_max_size = node->subtree_max_size;
    tree.replace(*node, to);
    node = &to;
  }
}

/// Links `node` at the place of its range. O(log n), adds the nodes visited.
template <class Tree>
void link_in_order(Tree& tree, Node& node, std::uint64_t& visited) {
  const Place place = place_of(tree, node.range.begin, visited);
  tree.link(place.parent, place.side, node);
}

}  // namespace vmap
