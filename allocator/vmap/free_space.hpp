// SPDX-License-Identifier: Apache-2.0
//
// The free blocks of an address space: search, split, coalesce.
//
// FreeSpace is the free-space index that BasicAddressSpace takes as its type parameter: a red-black tree of free blocks
// in order of address, in which every node knows the size of the largest block below it (subtree_max_size), threaded by
// a list. It owns no memory: the caller brings the nodes, and is handed back those that are no longer needed.
//
// The search. lowest_fit() is exact: it returns the lowest aligned placement inside the window, and none only if there
// is none. It walks the blocks in order of address, skipping
//   - subtrees whose largest block is shorter than the request, and
//   - what lies below the window: the left subtree of a block that begins at or below the window's begin,
// and ends at the first block that holds the request, or from whose begin the request would leave the window. A block
// that is long enough and still does not hold the request is a *misfit*: it cannot be aligned, or the window cuts it.
// Between two candidates the walk climbs once and descends once; it enters no subtree twice, since it climbs past every
// node whose right subtree it comes from.
//
// The bound. With h <= 2 log2(n + 1) the height of the tree of n blocks and k the number of misfits before the answer,
// lowest_fit() visits at most (2k + 3) h nodes: one descent; then for each misfit one climb and one descent, once more
// where the window's begin ends a descent without a candidate. Without alignment above the granule only the block that
// the window's begin cuts can be a misfit, and the search is O(log n).
//
// With a row for the alignment (alignment_rows.hpp) "long enough" is said of a block's aligned part, and k is at
// most 2. A block that lies inside the window and whose aligned part is long enough holds the request: at its first
// aligned address. So only the block that the window's begin cuts, and one that the window's end cuts, can be misfits.
// Behind the latter nothing is looked at: every block there begins above its first aligned address, from where on the
// request leaves the window. The search is O(log n), whatever the alignment.
//
//     vmap::FreeSpace space;
//     vmap::Node whole;
//     whole.range = {0x1000, 0x9000};
//     space.add(whole);
//     const auto fit = space.lowest_fit(0x1000, 0x4000, vmap::everywhere);  // at 0x4000, inside `whole`
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "vmap/node.hpp"
#include "vmap/request.hpp"
#include "vmap/stats.hpp"

namespace vmap {

class FreeSpace {
 public:
  /// A placement: it begins at `begin` and lies inside `block`.
  struct Fit {
    Node* block = nullptr;
    Address begin = 0;
  };

  /// What add() made of a range.
  struct Merge {
    Range block;  ///< the free block that resulted
    Coalescing coalescing = Coalescing::none;
    Node* unneeded[2] = {nullptr, nullptr};  ///< nodes handed back
  };

  /// The lowest placement of `size` bytes at a multiple of `align` inside `window`. Requires size > 0, a power of two,
  /// and a well-formed window. Cost: the bounds above.
  [[nodiscard]] std::optional<Fit> lowest_fit(Size size, Size align, Range window) const;

  [[nodiscard]] const AlignmentRows& rows() const { return tree_.augment().rows; }
  /// Makes a row for `align`. Requires that it has none, that `row` is not in use, and that all nodes are wide. O(n).
  void make_row(std::size_t row, Size align) {
    tree_.augment().rows.set(row, align);
    tree_.recompute_all();
  }
  /// Requires a row that is in use. O(1).
  void drop_row(std::size_t row) { tree_.augment().rows.clear(row); }
  /// Moves each node to a fresh one from `rehouse()`, in order of address. Rows have to be made anew. O(n).
  template <class Rehouse>
  void move_nodes(Rehouse rehouse) {
    vmap::move_nodes(tree_, rehouse);
  }

  /// The last block that begins at or below `address`, or null. O(log n).
  [[nodiscard]] Node* last_at_or_below(Address address) const {
    return vmap::last_at_or_below(tree_, address, visited_);
  }

  /// The last block before `block` of at least `size` bytes, or null. O(log n).
  [[nodiscard]] Node* previous_at_least(Node& block, Size size) const;

  /// Takes `placement` out of `block`, which contains it. `remainder` becomes the first part of a no_edge split, and
  /// must be given for it. Returns the block's node where it is no longer needed (full), else null. O(log n).
  Node* carve(Node& block, Range placement, Node* remainder);

  /// Makes `area`'s range free and coalesces it with the blocks that it touches. Requires that none of it is free.
  /// Never needs memory: the area's node becomes the block's. O(log n).
  Merge add(Node& area);

  [[nodiscard]] const FreeTree& tree() const { return tree_; }
  [[nodiscard]] std::uint64_t visited() const { return visited_; }
  /// Blocks that searches met, and that were long enough and did not hold the request.
  [[nodiscard]] std::uint64_t misfits() const { return misfits_; }
  /// visited(), and what the tree counts, begin at zero again.
  void forget_counts() {
    visited_ = 0;
    misfits_ = 0;
    tree_.forget_counts();
  }

 protected:
  /// The same search; `holds_a_candidate(subtree)` says where to look. A subtree that holds a fit must hold a
  /// candidate.
  template <class HoldsACandidate>
  [[nodiscard]] std::optional<Fit> lowest_fit_where(HoldsACandidate holds_a_candidate, Size size, Size align,
                                                    Range window) const;

  FreeTree tree_;
  mutable std::uint64_t visited_ = 0;
  mutable std::uint64_t misfits_ = 0;

 private:
  [[nodiscard]] Node* last_at_least(Node* subtree, Size size) const;
};

inline std::optional<FreeSpace::Fit> FreeSpace::lowest_fit(Size size, Size align, Range window) const {
  if (const std::size_t row = rows().row_of(align); row != AlignmentRows::none)
    return lowest_fit_where([=](const Node* subtree) { return SubtreeMaxima::of(subtree, row) >= size; }, size, align,
                            window);
  return lowest_fit_where([=](const Node* subtree) { return SubtreeMaxSize::of(subtree) >= size; }, size, align,
                          window);
}

template <class HoldsACandidate>
std::optional<FreeSpace::Fit> FreeSpace::lowest_fit_where(HoldsACandidate holds_a_candidate, Size size, Size align,
                                                          Range window) const {
  Node* node = tree_.root();
  if (!holds_a_candidate(node)) return std::nullopt;
  for (;;) {
    // Here the subtree at `node` holds a candidate, and has not been entered before.
    ++visited_;
    Node* const left = node->child(Side::left);
    if (node->range.begin > window.begin && holds_a_candidate(left)) {
      node = left;
      continue;
    }
    for (;;) {
      // Here everything before `node` is passed.
      if (node->range.begin >= window.end || window.end - node->range.begin < size) return std::nullopt;
      if (const auto begin = lowest_placement(intersection(node->range, window), size, align)) return Fit{node, *begin};
      if (node->range.size() >= size) ++misfits_;
      if (Node* const right = node->child(Side::right); holds_a_candidate(right)) {
        node = right;
        break;
      }
      const Node* from = nullptr;
      do {
        from = std::exchange(node, node->parent());
        if (node == nullptr) return std::nullopt;
        ++visited_;
      } while (node->child(Side::right) == from);
    }
  }
}

inline Node* FreeSpace::previous_at_least(Node& block, Size size) const {
  for (Node* node = &block;;) {
    if (Node* const left = node->child(Side::left); SubtreeMaxSize::of(left) >= size) return last_at_least(left, size);
    const Node* from = nullptr;
    do {
      from = std::exchange(node, node->parent());
      if (node == nullptr) return nullptr;
      ++visited_;
    } while (node->child(Side::left) == from);
    if (node->range.size() >= size) return node;
  }
}

/// The last block of at least `size` bytes in a subtree that holds one.
inline Node* FreeSpace::last_at_least(Node* subtree, Size size) const {
  for (Node* node = subtree;;) {
    ++visited_;
    if (Node* const right = node->child(Side::right); SubtreeMaxSize::of(right) >= size)
      node = right;
    else if (node->range.size() >= size)
      return node;
    else
      node = node->child(Side::left);
  }
}

/// The pictures are at FitType.
inline Node* FreeSpace::carve(Node& block, Range placement, Node* remainder) {
  switch (classify(block.range, placement)) {
    case FitType::full: tree_.erase(block); return &block;
    case FitType::left_edge:
      block.range.begin = placement.end;  // still after its predecessor: the order stands
      tree_.propagate(block);
      return nullptr;
    case FitType::right_edge:
      block.range.end = placement.begin;
      tree_.propagate(block);
      return nullptr;
    case FitType::no_edge:
      remainder->range = {block.range.begin, placement.begin};
      block.range.begin = placement.end;
      tree_.propagate(block);
      // The remainder precedes its block at once: below it on the left, or below its predecessor on the right.
      if (block.child(Side::left) == nullptr)
        tree_.link(&block, Side::left, *remainder);
      else
        tree_.link(block.previous(), Side::right, *remainder);
      return nullptr;
  }
  std::unreachable();
}

/// ('#' is the area, '.' is free, '|' a boundary with something busy)
///
///     none      |###|          ->  |...|        the area's node becomes a block
///     previous  |....###|      ->  |.......|    the previous block grows upwards
///     next      |###....|      ->  |.......|    the next block grows downwards
///     both      |..###..|      ->  |.......|    the next block goes, the previous one takes it all
inline FreeSpace::Merge FreeSpace::add(Node& area) {
  const Range freed = area.range;
  const Place place = place_of(tree_, freed.begin, visited_);
  const bool previous = place.previous != nullptr && place.previous->range.end == freed.begin;
  const bool next = place.next != nullptr && place.next->range.begin == freed.end;
  if (previous && next) {
    // Erase first: each of the two propagations then sees one change.
    const Address end = place.next->range.end;
    tree_.erase(*place.next);
    place.previous->range.end = end;
    tree_.propagate(*place.previous);
    return {place.previous->range, Coalescing::both, {&area, place.next}};
  }
  if (previous) {
    place.previous->range.end = freed.end;
    tree_.propagate(*place.previous);
    return {place.previous->range, Coalescing::previous, {&area, nullptr}};
  }
  if (next) {
    place.next->range.begin = freed.begin;
    tree_.propagate(*place.next);
    return {place.next->range, Coalescing::next, {&area, nullptr}};
  }
  tree_.link(place.parent, place.side, area);
  return {freed, Coalescing::none, {nullptr, nullptr}};
}

}  // namespace vmap
