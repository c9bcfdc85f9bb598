// SPDX-License-Identifier: Apache-2.0
//
// Invariants 6 and 7 (tree, augment), checked on a subject's real tree from outside: read node by node through a view,
// and recomputed here. Nothing that the subject says of itself (its counters, its own verify()) is believed.
//
// TreeChecker has two forms. check_all() visits every node. check_near() visits the path to one address and the two
// levels beside it. Both invariants are local, and an operation changes only nodes on the path to where it works, their
// children (recolouring, rotation) and grandchildren (a rotation's inner subtree). So at a cost of O(log n) it sees
// nearly all that one operation can break; who uses it calls check_all() every so often.
//
// Only read_node() is compiled together with the subject, and so with the subject's counters and sanitizers. It reads
// each node once; what is read is judged by code without them.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "harness/verify/describe.hpp"
#include "vmap/range.hpp"
#include "vmap/stats.hpp"
#include "vmap/violation.hpp"

namespace vmapcheck {

using vmap::Invariant;
using vmap::Range;
using vmap::Size;
using vmap::Violation;

/// What a node holds for each alignment that has a row.
using RowValues = std::array<Size, vmap::alignment_rows_max>;

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

struct TreeHashes {
  std::uint64_t nodes = 0;  ///< equal where the same nodes in memory have the same ranges, places and colours
  std::uint64_t tree = 0;   ///< equal where the ranges, places, colours and maxima are, in whatever nodes
};

/// With a second value in each node for each of a few alignments: the largest part of a block in the subtree, from the
/// first multiple of that alignment on.
template <class V>
concept TreeViewWithRows = TreeView<V> && requires(const V& view, typename V::Node node) {
  { view.rows() } -> std::convertible_to<vmap::RowAlignments>;
  { V::subtree_max_aligned(node) } -> std::convertible_to<RowValues>;  // asked for only where there are rows
};

/// What a check found. `tree` comes before `augment`; both are looked for in one walk.
struct TreeFinding {
  std::optional<std::string> tree;
  std::optional<std::string> augment;

  // Of check_all() alone:
  TreeHashes hashes;
  /// No hash: equal where nodes have the same places and colours, whatever blocks they hold. In the order root, left,
  /// right, three bits a node: has a left child, has a right child, is red. Exact up to 21 nodes.
  std::uint64_t structure = 0;
  std::size_t depth = 0;  ///< nodes on the longest path from the root
};

/// The free blocks around an address, as check_near() met them.
struct Near {
  std::optional<Range> at_or_before;  ///< the last that begins at or below it
  std::optional<Range> after;         ///< the first that begins above it
};

/// What a node of a tree says of itself. Without initializers, so that an array of them costs nothing until it is
/// filled.
struct SeenNode {
  const void* at;  ///< null: there is none, and nothing else is said
  const void* left;
  const void* right;
  const void* parent;
  const void* next;
  const void* previous;
  vmap::Address begin;
  vmap::Address end;
  Size subtree_max_size;
  RowValues subtree_max_aligned;  ///< where the tree has rows
  bool red;

  [[nodiscard]] Range range() const { return {begin, end}; }
};
static_assert(std::is_trivially_default_constructible_v<SeenNode>);

/// Reads the node at `seen.at`, which is one of View.
template <TreeView View>
void read_node(SeenNode& seen) {
  const auto node = static_cast<typename View::Node>(seen.at);
  seen.left = View::left(node);
  seen.right = View::right(node);
  seen.parent = View::parent(node);
  seen.next = View::next(node);
  seen.previous = View::previous(node);
  const Range range = View::range(node);
  seen.begin = range.begin;
  seen.end = range.end;
  seen.subtree_max_size = View::subtree_max_size(node);
  seen.red = View::is_red(node);
}

/// The same where there are rows.
template <TreeViewWithRows View>
void read_node_with_rows(SeenNode& seen) {
  read_node<View>(seen);
  seen.subtree_max_aligned = View::subtree_max_aligned(static_cast<typename View::Node>(seen.at));
}

/// A tree of any view.
struct AnyTree {
  template <TreeView View>
  explicit AnyTree(const View& view) : root(static_cast<typename View::Node>(view.root())), read(read_node<View>) {
    if constexpr (TreeViewWithRows<View>) {
      rows = view.rows();
      if (rows != vmap::RowAlignments{}) read = read_node_with_rows<View>;
    }
  }

  const void* root;
  void (*read)(SeenNode& seen);
  vmap::RowAlignments rows{};
};

class TreeChecker {
 public:
  /// Visits every node; puts the blocks in order into `blocks`. `blocks_max` bounds the walk of a broken tree.
  TreeFinding check_all(const AnyTree& tree, std::size_t blocks_max, std::vector<Range>& blocks);
  template <TreeView View>
  TreeFinding check_all(const View& view, std::size_t blocks_max, std::vector<Range>& blocks) {
    return check_all(AnyTree(view), blocks_max, blocks);
  }

  /// Visits what lies near the path to `address`.
  TreeFinding check_near(const AnyTree& tree, vmap::Address address, Near& near);
  template <TreeView View>
  TreeFinding check_near(const View& view, vmap::Address address, Near& near) {
    return check_near(AnyTree(view), address, near);
  }

 private:
  static constexpr std::size_t path_max = 2 * 65;  ///< no red-black tree of 2^64 nodes is deeper

  struct Subtree {
    int black_height = 0;
    Size size_max = 0;
    RowValues aligned_max{};
  };

  void begin(const AnyTree& tree) {
    read_ = tree.read;
    rows_ = tree.rows;
    has_rows_ = rows_ != vmap::RowAlignments{};
    finding_ = {};
  }
  /// The node at that place in the tree; nothing if there is none.
  [[nodiscard]] SeenNode seen(const void* at) const {
    SeenNode node{};
    node.at = at;
    if (at != nullptr) read_(node);
    return node;
  }
  Subtree walk(const SeenNode& node, const SeenNode& parent, int depth);
  void check_links(const SeenNode& node, const SeenNode& left, const SeenNode& right);
  int check_beside(const SeenNode& node);
  int black_height_below(SeenNode node) const;

  template <class... Args>
  void broken(std::optional<std::string>& where, const SeenNode& node, Args&&... what) {
    if (where) return;
    where = "node " + describe(node.range()) + ": " + (std::string() + ... + std::forward<Args>(what));
  }
  void broken_augment(const SeenNode& node, Size expected);
  /// What the node's rows should hold, with those values on its left and right.
  RowValues check_rows(const SeenNode& node, const RowValues& left, const RowValues& right);

  void (*read_)(SeenNode& seen) = nullptr;
  vmap::RowAlignments rows_{};
  bool has_rows_ = false;
  TreeFinding finding_;
  std::vector<Range>* blocks_ = nullptr;
  std::size_t blocks_max_ = 0;
  int depth_max_ = 0;
  SeenNode last_{};
  std::vector<std::pair<const void*, Size>> values_;         ///< of this walk, in order
  std::vector<std::pair<const void*, Size>> values_before_;  ///< of the last complete walk
};

}  // namespace vmapcheck
