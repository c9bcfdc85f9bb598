// SPDX-License-Identifier: Apache-2.0
#include "vmap/verify.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <string>

namespace vmap {
namespace {

std::string text(Address address) {
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), address, 16).ptr;
  return "0x" + std::string(digits.data(), end);
}

std::string text(Range range) { return "[" + text(range.begin) + ", " + text(range.end) + ")"; }

/// The detail is what describe() returns. Where there is no memory for it, the invariant is still named.
template <class Describe>
Violation broken(Invariant invariant, Describe describe) noexcept {
  Violation violation{invariant, {}};
  try {
    violation.detail = describe();
  } catch (...) {  // the detail stays empty
  }
  return violation;
}

/// One of the three ordered lists, walked by address.
struct Cursor {
  const char* kind;
  const Node* node;
  std::size_t left;  ///< nodes that the list may still have: ends a walk that goes in circles

  void advance() {
    node = left > 1 ? node->next() : nullptr;
    --left;
  }
};

/// The longest path that a red-black tree of so many nodes can have.
int depth_max(std::size_t nodes) { return 2 * static_cast<int>(std::bit_width(nodes + 1)); }

/// The first in order; null where the links on the way go in circles.
template <class Tree>
const Node* first_of(const Tree& tree) {
  const Node* node = tree.root();
  for (std::size_t links = 0; node != nullptr && node->child(Side::left) != nullptr; ++links) {
    if (links > tree.size()) return nullptr;
    node = node->child(Side::left);
  }
  return node;
}

/// Invariants overlap, partition, coalescing: the three lists together tile the space.
std::optional<Violation> verify_tiling(const Layout& layout) {
  std::array<Cursor, 3> cursors{{{"free block", first_of(layout.free), layout.free.size()},
                                 {"busy area", first_of(layout.busy), layout.busy.size()},
                                 {"lazily freed area", first_of(layout.lazy), layout.lazy.size()}}};
  const auto gap = [](Range range) {
    return broken(Invariant::partition, [&] { return text(range) + " is neither free nor an area"; });
  };
  std::optional<Violation> partition;
  std::optional<Violation> coalescing;
  Address covered = layout.range.begin;
  bool after_free = false;
  for (;;) {
    Cursor* lowest = nullptr;
    for (Cursor& cursor : cursors)
      if (cursor.node != nullptr && (lowest == nullptr || cursor.node->range.begin < lowest->node->range.begin))
        lowest = &cursor;
    if (lowest == nullptr) break;
    const Range range = lowest->node->range;
    const auto what = [&] { return lowest->kind + (" " + text(range)); };
    if (range.begin >= range.end || !layout.range.contains(range))
      return broken(Invariant::overlap, [&] { return what() + " is empty or leaves the space " + text(layout.range); });
    if (!is_aligned(range.begin, layout.granule) || !is_aligned(range.end, layout.granule))
      return broken(Invariant::overlap, [&] { return what() + " is not on granules of " + text(layout.granule); });
    if (range.begin < covered)
      return broken(Invariant::overlap, [&] { return what() + " begins below " + text(covered); });
    if (range.begin > covered && !partition) partition = gap({covered, range.begin});
    const bool is_free = lowest == cursors.data();
    if (is_free && after_free && range.begin == covered && !coalescing)
      coalescing = broken(Invariant::coalescing, [&] { return what() + " touches the free block before it"; });
    after_free = is_free;
    covered = range.end;
    lowest->advance();
  }
  if (covered != layout.range.end && !partition) partition = gap({covered, layout.range.end});
  return partition ? std::move(partition) : std::move(coalescing);
}

/// Invariant tree: order, links, colours, black height and list of one subtree.
template <class Tree>
class TreeWalk {
 public:
  explicit TreeWalk(const Tree& tree) : tree_(tree), depth_max_(depth_max(tree.size())) {}

  std::optional<Violation> verify() {
    if (tree_.root() != nullptr && tree_.root()->is_red()) return at(*tree_.root(), "the root is red");
    visit(tree_.root(), nullptr, 0);
    if (!found_ && last_ != nullptr && last_->next() != nullptr) found_ = at(*last_, "the list goes on after the last");
    if (!found_ && count_ != tree_.size())
      found_ = broken(Invariant::tree,
                      [&] { return std::to_string(count_) + " nodes, counted as " + std::to_string(tree_.size()); });
    return std::move(found_);
  }

 private:
  static Violation at(const Node& node, const char* what) {
    return broken(Invariant::tree, [&] { return "node " + text(node.range) + ": " + what; });
  }

  /// Returns the black height. Stops at the first violation.
  int visit(const Node* node, const Node* parent, int depth) {
    if (node == nullptr) return 0;
    if (depth > depth_max_) return fail(*node, "is deeper than a red-black tree can be");
    if (node->parent() != parent) return fail(*node, "its parent link is wrong");
    // A red node has a parent: the root is black.
    if (node->is_red() && parent->is_red()) return fail(*node, "red below a red parent");
    const int left = visit(node->child(Side::left), node, depth + 1);
    if (found_) return 0;
    if (last_ != nullptr && last_->range.begin >= node->range.begin) return fail(*node, "is out of order");
    if (node->previous() != last_ || (last_ != nullptr && last_->next() != node))
      return fail(*node, "the list does not thread the order of the tree");
    last_ = node;
    ++count_;
    const int right = visit(node->child(Side::right), node, depth + 1);
    if (found_) return 0;
    if (left != right) return fail(*node, "black heights differ");
    return left + (node->is_red() ? 0 : 1);
  }

  int fail(const Node& node, const char* what) {
    found_ = at(node, what);
    return 0;
  }

  const Tree& tree_;
  int depth_max_;
  const Node* last_ = nullptr;
  std::size_t count_ = 0;
  std::optional<Violation> found_;
};

/// Invariant augment, from the leaves up: recomputes each value from the true ones below it, not from those that the
/// children hold. Returns the true one.
Size verify_augment(const Node* node, std::optional<Violation>& found) {
  if (node == nullptr) return 0;
  const Size left = verify_augment(node->child(Side::left), found);
  const Size right = verify_augment(node->child(Side::right), found);
  const Size expected = std::max({node->range.size(), left, right});
  if (!found && node->subtree_max_size != expected)
    found = broken(Invariant::augment, [&] {
      return "node " + text(node->range) + ": subtree_max_size is " + text(node->subtree_max_size) + ", expected " +
             text(expected);
    });
  return expected;
}

/// The same of one alignment row.
Size verify_row(const Node* node, std::size_t row, Size align, std::optional<Violation>& found) {
  if (node == nullptr) return 0;
  const Size left = verify_row(node->child(Side::left), row, align, found);
  const Size right = verify_row(node->child(Side::right), row, align, found);
  const auto begin = lowest_placement(node->range, 1, align);
  const Size expected = std::max({begin ? node->range.end - *begin : 0, left, right});
  if (!found && SubtreeMaxima::of(node, row) != expected)
    found = broken(Invariant::augment, [&] {
      return "node " + text(node->range) + ": the largest part aligned to " + text(align) + " is " +
             text(SubtreeMaxima::of(node, row)) + ", expected " + text(expected);
    });
  return expected;
}

std::optional<Violation> verify_counts(const Layout& layout) {
  const std::size_t nodes = layout.free.size() + layout.busy.size() + layout.lazy.size();
  if (layout.nodes_alive != nodes)
    return broken(Invariant::memory, [&] {
      return std::to_string(layout.nodes_alive) + " nodes alive, " + std::to_string(nodes) + " free blocks and areas";
    });
  const auto bytes = [](const AreaTree& areas) {
    Size sum = 0;
    for (const Node* area = areas.outermost(Side::left); area != nullptr; area = area->next())
      sum += area->range.size();
    return sum;
  };
  if (bytes(layout.busy) != layout.busy_bytes || bytes(layout.lazy) != layout.lazy_bytes)
    return broken(Invariant::memory,
                  [] { return "the bytes counted as busy or lazily freed are not those of the areas"; });
  return std::nullopt;
}

/// True if two of the ranges range_of(0) to range_of(count - 1) overlap.
template <class RangeOf>
bool any_overlap(std::size_t count, RangeOf range_of) {
  bool ascending = true;
  for (std::size_t i = 1; i < count; ++i) {
    if (range_of(i - 1).overlaps(range_of(i))) return true;
    ascending = ascending && range_of(i - 1).begin < range_of(i).begin;
  }
  if (ascending) return false;
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (range_of(i).overlaps(range_of(j))) return true;
  return false;
}

}  // namespace

std::optional<Violation> verify_layout(const Layout& layout) noexcept {
  if (auto violation = verify_tiling(layout)) return violation;
  if (auto violation = TreeWalk(layout.free).verify()) return violation;
  if (auto violation = TreeWalk(layout.busy).verify()) return violation;
  if (auto violation = TreeWalk(layout.lazy).verify()) return violation;
  std::optional<Violation> found;
  verify_augment(layout.free.root(), found);
  if (found) return found;
  for (std::size_t row = 0; row < alignment_rows_max; ++row)
    if (const Size align = layout.free.augment().rows.alignments()[row]; align != 0 && !found)
      verify_row(layout.free.root(), row, align, found);
  if (found) return found;
  return verify_counts(layout);
}

bool overlap_within(std::span<const Range> ranges) noexcept {
  return any_overlap(ranges.size(), [&](std::size_t i) { return ranges[i]; });
}

bool overlap_within(std::span<const Block> blocks) noexcept {
  return any_overlap(blocks.size(),
                     [&](std::size_t i) { return Range{blocks[i].offset, blocks[i].offset + blocks[i].size}; });
}

}  // namespace vmap
