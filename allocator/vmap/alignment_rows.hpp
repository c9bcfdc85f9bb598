// SPDX-License-Identifier: Apache-2.0
//
// Which alignments have a row: a second value in each node of the tree of free blocks.
//
// subtree_max_size tells a search which subtrees are long enough. It does not tell whether what is long enough can be
// aligned: among n blocks that are long enough and cannot be, a search looks at all n. A row for alignment a holds in
// each node the largest aligned part of a block among this and those below, where the aligned part of [begin, end) is
// what remains from the first multiple of a on. A search with a row enters only subtrees that hold an aligned fit.
//
// A row costs a second cache line for each node and work at each change, so that only few alignments have one, and
// only while they are asked for: RowPolicy says when. FreeSpace searches with rows, BasicAddressSpace brings them the
// memory.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "vmap/range.hpp"
#include "vmap/stats.hpp"

namespace vmap {

/// The rows of a tree.
class AlignmentRows {
 public:
  static constexpr std::size_t none = alignment_rows_max;

  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] const RowAlignments& alignments() const { return alignments_; }
  /// The row of that alignment, or none.
  [[nodiscard]] std::size_t row_of(Size align) const {
    if (empty()) return none;
    return static_cast<std::size_t>(std::ranges::find(alignments_, align) - alignments_.begin());
  }

  /// A row that is not in use, or none.
  [[nodiscard]] std::size_t unused() const {
    return static_cast<std::size_t>(std::ranges::find(alignments_, 0) - alignments_.begin());
  }

  /// Requires a row that is not in use.
  void set(std::size_t row, Size align) {
    alignments_[row] = align;
    ++count_;
  }
  /// Requires a row that is in use.
  void clear(std::size_t row) {
    alignments_[row] = 0;
    --count_;
  }

 private:
  RowAlignments alignments_{};
  std::size_t count_ = 0;
};

/// When an alignment gets its row, and when it loses it.
///
/// A row is due once searches of its alignment have passed `patience` blocks in vain for each node: by then they have
/// cost as much as the row's making does. It is idle after `idle_factor` changes for each node that no search with it
/// came between: by then they have cost more. A few nodes more than there are count on both sides, so that small
/// address spaces, in which a row is worth little, seldom switch.
class RowPolicy {
 public:
  explicit RowPolicy(std::size_t patience) : patience_(patience) {}

  /// A search of that alignment has passed so many blocks that were long enough. Requires a power of two.
  void passed(Size align, std::uint64_t blocks) { passed_[exponent(align)] += blocks; }
  /// An area was placed, or a range became free.
  void changed() { ++changes_; }
  /// A search uses the row.
  void used(std::size_t row) { used_at_[row] = changes_; }
  /// What was passed is forgotten: the row is made now, or cannot be.
  void begins_anew(Size align) { passed_[exponent(align)] = 0; }

  [[nodiscard]] bool is_due(Size align, std::size_t nodes) const {
    return patience_ != never && passed_[exponent(align)] >= patience_ * (nodes + few);
  }
  [[nodiscard]] bool is_idle(std::size_t row, std::size_t nodes) const {
    return changes_ - used_at_[row] > idle_factor * (nodes + few);
  }

  static constexpr std::size_t never = std::numeric_limits<std::size_t>::max();

 private:
  static constexpr std::size_t few = 64;
  static constexpr std::uint64_t idle_factor = 16;
  static std::size_t exponent(Size align) { return static_cast<std::size_t>(std::countr_zero(align)); }

  std::size_t patience_;
  std::uint64_t changes_ = 0;
  std::array<std::uint64_t, alignment_rows_max> used_at_{};
  std::array<std::uint64_t, std::numeric_limits<Size>::digits> passed_{};  ///< by exponent of the alignment
};

}  // namespace vmap
