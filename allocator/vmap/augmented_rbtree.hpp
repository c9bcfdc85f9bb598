// SPDX-License-Identifier: Apache-2.0
//
// An intrusive red-black tree whose augment is a parameter, threaded by a list in the same order.
//
// What it is. The nodes belong to the caller and derive from TreeLinks<Node>. The tree links and unlinks them and keeps
// itself balanced; it knows no keys, no addresses and no memory. The caller descends from root(), decides where a node
// belongs, and links it there. An Augment keeps in each node a value computed from the node and its two children (a
// maximum, a count, a sum): the tree calls it wherever the set of nodes below a node changes.
//
// The list. neighbour(side) is the next node in order on that side, in O(1): a freed area finds both free blocks that
// it may touch without a walk.
//
// Cost. link() and erase() are O(log n): at most 2 rotations to link, 3 to erase. The height of a tree of n nodes is at
// most 2 log2(n + 1). Propagation of the augment climbs from the place of change and stops at the first node whose
// value stays the same, since then nothing above it can change either.
//
// Source: Guibas and Sedgewick, "A dichromatic framework for balanced trees" (1978); the cases are those of Cormen,
// Leiserson, Rivest and Stein, "Introduction to Algorithms", chapter 13, with the direction as a parameter so that left
// and right are written once.
//
//     struct Item : vmap::TreeLinks<Item> { int key = 0; std::size_t count = 1; };
//     struct Count {
//       static bool recompute(Item& n) {                       // from n and its children; true if the value changed
//         auto of = [](const Item* c) { return c ? c->count : 0; };
//         return std::exchange(n.count, 1 + of(n.child(vmap::Side::left)) + of(n.child(vmap::Side::right))) != n.count;
//       }
//       static void copy(const Item& from, Item& to) { to.count = from.count; }
//     };
//     vmap::AugmentedRbTree<Item, Count> tree;
//     Item a, b;
//     tree.link(nullptr, vmap::Side::left, a);
//     tree.link(&a, vmap::Side::right, b);                     // b follows a
//     tree.root()->count;                                      // 2
#pragma once

#include <cassert>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "vmap/tree_case.hpp"

namespace vmap {

enum class Side : std::uint8_t { left, right };

[[nodiscard]] constexpr Side opposite(Side side) { return side == Side::left ? Side::right : Side::left; }

template <class Node, class Augment>
class AugmentedRbTree;

/// What a node brings: links to parent and children, its colour, and its neighbours in order. Readable by everybody,
/// changed by the tree alone. The colour lies in the low bit of the parent link.
template <class Node>
class TreeLinks {
 public:
  [[nodiscard]] Node* parent() const { return reinterpret_cast<Node*>(parent_and_colour_ & ~red_bit); }
  [[nodiscard]] Node* child(Side side) const { return child_[static_cast<std::size_t>(side)]; }
  [[nodiscard]] bool is_red() const { return (parent_and_colour_ & red_bit) != 0; }
  /// The next node in order on that side, or null.
  [[nodiscard]] Node* neighbour(Side side) const { return neighbour_[static_cast<std::size_t>(side)]; }
  [[nodiscard]] Node* next() const { return neighbour(Side::right); }
  [[nodiscard]] Node* previous() const { return neighbour(Side::left); }

 private:
  template <class, class>
  friend class AugmentedRbTree;

  static constexpr std::uintptr_t red_bit = 1;

  std::uintptr_t parent_and_colour_ = 0;
  Node* child_[2] = {nullptr, nullptr};
  Node* neighbour_[2] = {nullptr, nullptr};
};

/// A value kept in each node, computed from the node and its children.
template <class A, class Node>
concept AugmentOf = requires(const A& augment, Node& node, const Node& from, Node& to) {
  { augment.recompute(node) } -> std::same_as<bool>;  // from node and its children, which are right; true if it changed
  { augment.copy(from, to) } -> std::same_as<void>;   // `to` takes the place of `from`, above the same nodes
};

/// For a tree that keeps nothing.
struct NoAugment {
  template <class Node>
  static bool recompute(Node&) {
    return false;
  }
  template <class Node>
  static void copy(const Node&, Node&) {}
};

template <class Node, class Augment>
class AugmentedRbTree {
 public:
  AugmentedRbTree() = default;
  AugmentedRbTree(AugmentedRbTree&& other) noexcept { *this = std::move(other); }
  AugmentedRbTree& operator=(AugmentedRbTree&& other) noexcept {
    root_ = std::exchange(other.root_, nullptr);
    finger_ = std::exchange(other.finger_, nullptr);
    size_ = std::exchange(other.size_, 0);
    propagated_ = std::exchange(other.propagated_, 0);
    cases_ = std::exchange(other.cases_, {});
    augment_ = std::exchange(other.augment_, {});
    return *this;
  }

  [[nodiscard]] Node* root() const { return root_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return root_ == nullptr; }
  /// Where the tree was changed last: the node that was linked or propagated from, or a neighbour of the one that was
  /// erased. Null in an empty tree. What comes next often belongs beside it.
  [[nodiscard]] Node* finger() const { return finger_; }
  /// The lowest (left) or highest (right) node in order, or null. O(log n).
  [[nodiscard]] Node* outermost(Side side) const;

  /// Puts `node` where the `side` child of `parent` is missing; as the root when `parent` is null (the tree is empty).
  /// The node's links may hold anything; its augment is computed here. O(log n).
  void link(Node* parent, Side side, Node& node);

  /// Takes `node` out; its links are unspecified afterwards. O(log n).
  void erase(Node& node);

  /// To be called when what `node` itself contributes to its augment has changed: recomputes it and its ancestors, up
  /// to the first whose value stays the same. O(log n).
  void propagate(Node& node) {
    finger_ = &node;
    propagate(&node, nullptr);
  }

  /// `to`, whose links may hold anything, takes the place and the links of `from`. What else belongs to a node, the
  /// augment included, is the caller's to move. O(1).
  void replace(const Node& from, Node& to);

  /// What is computed. Who changes it calls recompute_all().
  [[nodiscard]] const Augment& augment() const { return augment_; }
  [[nodiscard]] Augment& augment() { return augment_; }
  /// Recomputes the augment of each node, from the leaves up. O(n).
  void recompute_all() { recompute_below(root_); }

  /// How often each case of linking and erasing happened.
  [[nodiscard]] const TreeCaseCounts& cases() const { return cases_; }
  /// Nodes at which an augment was recomputed by propagation.
  [[nodiscard]] std::uint64_t propagated() const { return propagated_; }
  /// Both count from zero again.
  void forget_counts() {
    propagated_ = 0;
    cases_ = {};
  }

 protected:  // for tests that break a tree on purpose
  static void set_parent(Node& node, Node* parent) {
    links(node).parent_and_colour_ = reinterpret_cast<std::uintptr_t>(parent) | (node.is_red() ? red_bit : 0);
  }
  static void set_red(Node& node, bool red) {
    links(node).parent_and_colour_ = (links(node).parent_and_colour_ & ~red_bit) | (red ? red_bit : 0);
  }
  static void set_child(Node& node, Side side, Node* child) {
    links(node).child_[static_cast<std::size_t>(side)] = child;
  }
  static void set_neighbour(Node& node, Side side, Node* neighbour) {
    links(node).neighbour_[static_cast<std::size_t>(side)] = neighbour;
  }

 private:
  static constexpr std::uintptr_t red_bit = TreeLinks<Node>::red_bit;

  static TreeLinks<Node>& links(Node& node) { return node; }
  static bool is_red(const Node* node) { return node != nullptr && node->is_red(); }
  static Side side_of(const Node& node) { return node.parent()->child(Side::left) == &node ? Side::left : Side::right; }

  /// A subtree that is one black node short, if any.
  struct Lack {
    bool exists = false;
    Node* parent = nullptr;
    Side side = Side::left;
  };

  void propagate(Node* node, const Node* stop);
  void recompute_below(Node* subtree);
  void rebalance_after_link(Node* node);
  void rebalance_after_erase(Node* parent, Side lacking);
  Lack splice_out(Node& node);
  Lack replace_by_successor(Node& node);
  void replace_child(Node* parent, const Node& old_child, Node* new_child);
  Node& rotate(Node& old_root, Side side);
  void thread(Node* parent, Side side, Node& node);
  void unthread(Node& node);
  void count(TreeCase c) { ++cases_[static_cast<std::size_t>(c)]; }
  void count(TreeCase left_case, Side side) {
    ++cases_[static_cast<std::size_t>(left_case) + static_cast<std::size_t>(side)];
  }

  Node* root_ = nullptr;
  Node* finger_ = nullptr;
  std::size_t size_ = 0;
  std::uint64_t propagated_ = 0;
  TreeCaseCounts cases_{};
  [[no_unique_address]] Augment augment_{};
};

template <class Node, class Augment>
Node* AugmentedRbTree<Node, Augment>::outermost(Side side) const {
  Node* node = root_;
  while (node != nullptr && node->child(side) != nullptr) node = node->child(side);
  return node;
}

template <class Node, class Augment>
void AugmentedRbTree<Node, Augment>::link(Node* parent, Side side, Node& node) {
  static_assert(AugmentOf<Augment, Node>);
  assert((parent == nullptr ? root_ == nullptr : parent->child(side) == nullptr) && "the place must be free");
  set_child(node, Side::left, nullptr);
  set_child(node, Side::right, nullptr);
  set_parent(node, parent);
  set_red(node, true);
  if (parent == nullptr)
    root_ = &node;
  else
    set_child(*parent, side, &node);
  thread(parent, side, node);
  finger_ = &node;
  ++size_;
  augment_.recompute(node);
  propagate(parent, nullptr);
  rebalance_after_link(&node);
}

/// Unlinks `node` and brings the augment up to date; the colours may then be wrong in one way:
///
///     no child          one child           two children: the successor takes the place and the colour
///
///       p                 p                      n                 s
///      n    ->  p        n      ->   p         a   b       ->    a   b
///                         c         c             s..               c..
///                                                  c
///
/// A red node leaves no trace. A black one with one child leaves that (red) child to be blackened. A black leaf leaves
/// its side of its parent one black node short.
template <class Node, class Augment>
void AugmentedRbTree<Node, Augment>::erase(Node& node) {
  Lack lack;
  if (node.child(Side::left) != nullptr && node.child(Side::right) != nullptr)
    lack = replace_by_successor(node);
  else
    lack = splice_out(node);
  finger_ = node.previous() != nullptr ? node.previous() : node.next();
  unthread(node);
  --size_;
  if (lack.exists) rebalance_after_erase(lack.parent, lack.side);
}

/// Takes out a node with at most one child, which takes its place.
template <class Node, class Augment>
auto AugmentedRbTree<Node, Augment>::splice_out(Node& node) -> Lack {
  Node* const parent = node.parent();
  const Side side = parent != nullptr ? side_of(node) : Side::left;
  Node* const child = node.child(node.child(Side::left) != nullptr ? Side::left : Side::right);
  replace_child(parent, node, child);
  propagate(parent, nullptr);
  if (child != nullptr) {
    // All paths through `node` have the same black height, so that an only child is red and its parent black.
    count(TreeCase::erase_one_child);
    set_red(*child, false);
    return {};
  }
  count(node.is_red() ? TreeCase::erase_red_leaf : TreeCase::erase_black_leaf);
  return {.exists = !node.is_red() && parent != nullptr, .parent = parent, .side = side};
}

/// Takes out a node with two children; the next node in order, which has no left child, takes its place and colour.
template <class Node, class Augment>
auto AugmentedRbTree<Node, Augment>::replace_by_successor(Node& node) -> Lack {
  Node& successor = *node.next();
  Node* const orphan = successor.child(Side::right);
  const bool lacking = !successor.is_red() && orphan == nullptr;
  const bool is_child = successor.parent() == &node;
  Node& parent = is_child ? successor : *successor.parent();
  const Side side = is_child ? Side::right : Side::left;
  count(is_child ? TreeCase::erase_next_is_child : TreeCase::erase_next_is_deeper);

  if (!is_child) {
    replace_child(&parent, successor, orphan);
    set_child(successor, Side::right, node.child(Side::right));
    set_parent(*successor.child(Side::right), &successor);
  }
  set_child(successor, Side::left, node.child(Side::left));
  set_parent(*successor.child(Side::left), &successor);
  replace_child(node.parent(), node, &successor);
  set_red(successor, node.is_red());
  if (orphan != nullptr) set_red(*orphan, false);

  // Below the successor's new place its block is missing; at that place the erased one's is. Each climb may stop early,
  // but the first says nothing of the second: the successor is always recomputed, against the value that its place had.
  augment_.copy(node, successor);
  if (!is_child) propagate(&parent, &successor);
  propagate(&successor, nullptr);
  return {.exists = lacking, .parent = &parent, .side = side};
}

/// Recomputes from `node` up to the root, or up to below `stop`, and stops where nothing changes.
template <class Node, class Augment>
void AugmentedRbTree<Node, Augment>::propagate(Node* node, const Node* stop) {
  for (; node != stop; node = node->parent()) {
    ++propagated_;
    if (!augment_.recompute(*node)) return;
  }
}

template <class Node, class Augment>
void AugmentedRbTree<Node, Augment>::recompute_below(Node* subtree) {
  if (subtree == nullptr) return;
  recompute_below(subtree->child(Side::left));
  recompute_below(subtree->child(Side::right));
  augment_.recompute(*subtree);
}

template <class Node, class Augment>
void AugmentedRbTree<Node, Augment>::replace(const Node& from, Node& to) {
  links(to) = from;
  if (finger_ == &from) finger_ = &to;
  replace_child(from.parent(), from, &to);
  for (const Side side : {Side::left, Side::right}) {
    if (Node* const child = from.child(side)) set_parent(*child, &to);
    if (Node* const neighbour = from.neighbour(side)) set_neighbour(*neighbour, opposite(side), &to);
  }
}

/// Restores "a red node has a black parent" after a red node was linked. With the parent on the left of the grandparent
/// (upper case is black, * marks the node):
///
///     recolour: uncle red          inner: rotate left at p      outer: rotate right at G, done
///
///          G            g*              G            G                  G             P
///        p   u   ->   P   U           p   U   ->   n   U              p   U   ->    n*  g
///       n*           n                  n*        p*                 n*                   U
///
/// The recolouring moves the question two levels up; the others end it.
template <class Node, class Augment>
void AugmentedRbTree<Node, Augment>::rebalance_after_link(Node* node) {
  while (is_red(node->parent())) {
    Node* parent = node->parent();
    Node& grandparent = *parent->parent();  // exists: the root is black
    const Side side = side_of(*parent);
    Node* const uncle = grandparent.child(opposite(side));
    if (is_red(uncle)) {
      count(TreeCase::link_recolour_left, side);
      set_red(*parent, false);
      set_red(*uncle, false);
      set_red(grandparent, true);
      node = &grandparent;
      continue;
    }
    if (side_of(*node) != side) {
      count(TreeCase::link_inner_left, side);
      parent = &rotate(*parent, side);
    } else {
      count(TreeCase::link_outer_left, side);
    }
    set_red(*parent, false);
    set_red(grandparent, true);
    rotate(grandparent, opposite(side));
    break;
  }
  set_red(*root_, false);
}

/// Restores "every path has the same number of black nodes" where the `side` of `parent` is one short. For the left
/// side (x is the short subtree, upper case is black, p may have either colour):
///
///     red sibling: make it black     nephews black            inner nephew red          outer nephew red
///
///        P             S                p           P           p            p             p             s
///      x   s    ->   p   D            x   S   ->  x   s       x   S    ->  x   c         x   S    ->   P   D
///         C D       x C                  C D         C D         c D            S           C d       x C
///                                                                                D
///                   go on below      red p: done.             then as on                 done: S takes p's colour,
///                   p                black p: go on above it  the right                  P and D are black
template <class Node, class Augment>
void AugmentedRbTree<Node, Augment>::rebalance_after_erase(Node* parent, Side side) {
  for (;;) {
    const Side far = opposite(side);
    Node* sibling = parent->child(far);  // exists: the short side had a black node, so this one has black height
    if (sibling->is_red()) {
      count(TreeCase::fix_red_sibling_left, side);
      set_red(*sibling, false);
      set_red(*parent, true);
      rotate(*parent, side);
      sibling = parent->child(far);
    }
    if (!is_red(sibling->child(side)) && !is_red(sibling->child(far))) {
      set_red(*sibling, true);
      if (parent->is_red()) {
        count(TreeCase::fix_recolour_end_left, side);
        set_red(*parent, false);
        return;
      }
      count(TreeCase::fix_recolour_up_left, side);
      if (parent->parent() == nullptr) return;  // every path is one shorter
      side = side_of(*parent);
      parent = parent->parent();
      continue;
    }
    if (!is_red(sibling->child(far))) {
      count(TreeCase::fix_inner_nephew_left, side);
      sibling = &rotate(*sibling, far);
    } else {
      count(TreeCase::fix_outer_nephew_left, side);
    }
    set_red(*sibling, parent->is_red());
    set_red(*parent, false);
    set_red(*sibling->child(far), false);
    rotate(*parent, side);
    return;
  }
}

/// Turns the subtree at `old_root` towards `side` and returns its new root; to the left:
///
///        o                 n
///      a   n      ->     o   c
///         b c           a b
///
/// The new root stands above the same nodes as the old one did, so it takes over its augment; only the old root's value
/// is computed anew, and nothing above can change.
template <class Node, class Augment>
Node& AugmentedRbTree<Node, Augment>::rotate(Node& old_root, Side side) {
  Node& new_root = *old_root.child(opposite(side));
  Node* const inner = new_root.child(side);
  set_child(old_root, opposite(side), inner);
  if (inner != nullptr) set_parent(*inner, &old_root);
  replace_child(old_root.parent(), old_root, &new_root);
  set_child(new_root, side, &old_root);
  set_parent(old_root, &new_root);
  augment_.copy(old_root, new_root);
  augment_.recompute(old_root);
  return new_root;
}

/// Puts `new_child` (may be null) where `old_child` hangs below `parent`, or at the root where `parent` is null.
template <class Node, class Augment>
void AugmentedRbTree<Node, Augment>::replace_child(Node* parent, const Node& old_child, Node* new_child) {
  if (parent == nullptr)
    root_ = new_child;
  else
    set_child(*parent, parent->child(Side::left) == &old_child ? Side::left : Side::right, new_child);
  if (new_child != nullptr) set_parent(*new_child, parent);
}

/// A new leaf on one side of its parent is the parent's neighbour on that side.
template <class Node, class Augment>
void AugmentedRbTree<Node, Augment>::thread(Node* parent, Side side, Node& node) {
  Node* const beyond = parent != nullptr ? parent->neighbour(side) : nullptr;
  set_neighbour(node, side, beyond);
  set_neighbour(node, opposite(side), parent);
  if (beyond != nullptr) set_neighbour(*beyond, opposite(side), &node);
  if (parent != nullptr) set_neighbour(*parent, side, &node);
}

template <class Node, class Augment>
void AugmentedRbTree<Node, Augment>::unthread(Node& node) {
  if (Node* const previous = node.previous()) set_neighbour(*previous, Side::right, node.next());
  if (Node* const next = node.next()) set_neighbour(*next, Side::left, node.previous());
}

}  // namespace vmap
