// SPDX-License-Identifier: Apache-2.0
//
// A free-space index alone: it keeps the free blocks, without areas, retries and memory around it. The explorer makes
// every change that there can be to one.
//
// AnyFreeIndex is an index with its nodes, behind virtual functions. subjects/index_subject.hpp makes one of ours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "harness/verify/tree_view.hpp"
#include "vmap/range.hpp"
#include "vmap/stats.hpp"
#include "vmap/tree_case.hpp"

namespace vmapcheck {

class AnyFreeIndex {
 public:
  struct Carved {
    std::optional<Range> block;  ///< the free block found around the range
    bool handed_back = false;    ///< the block's node is no longer needed
  };
  struct Merged {
    Range block;  ///< the free block that resulted
    vmap::Coalescing coalescing = vmap::Coalescing::none;
    std::size_t handed_back = 0;  ///< nodes that are no longer needed
  };
  struct Fit {
    vmap::Address begin = 0;
    Range block;
    friend bool operator==(const Fit&, const Fit&) = default;
  };

  virtual ~AnyFreeIndex() = default;

  /// Takes a range out of the free block around it. Does nothing if the index finds none.
  virtual Carved carve(Range placement) = 0;
  /// Makes a range free. Requires that none of it is.
  virtual Merged add(Range range) = 0;

  [[nodiscard]] virtual std::optional<Fit> lowest_fit(Size size, Size align, Range window) const = 0;
  /// The last block that begins at or below `address`.
  [[nodiscard]] virtual std::optional<Range> last_at_or_below(vmap::Address address) const = 0;
  /// The last block before the one at `begin` that has at least `size` bytes.
  [[nodiscard]] virtual std::optional<Range> previous_at_least(vmap::Address begin, Size size) const = 0;

  /// Nodes in use. More than there are, if a node was handed back that was not in use.
  [[nodiscard]] virtual std::size_t nodes() const = 0;
  /// Nodes visited so far.
  [[nodiscard]] virtual std::uint64_t visited() const = 0;
  /// How many of them a carve or an add among so many blocks may be, at most.
  [[nodiscard]] virtual std::uint64_t change_visits_max(std::size_t blocks) const = 0;
  /// The same of lowest_fit(), where `misfits` blocks before the answer are long enough and do not hold it.
  [[nodiscard]] virtual std::uint64_t search_visits_max(std::size_t blocks, std::uint64_t misfits) const = 0;
  [[nodiscard]] virtual const vmap::TreeCaseCounts& cases() const = 0;
  /// True if it says that its blocks and its tree are all that decides what it does.
  [[nodiscard]] virtual bool transparent() const = 0;
  virtual TreeFinding check_tree(std::size_t blocks_max, std::vector<Range>& blocks) = 0;

  /// The bytes of its whole state, which may be copied away and back.
  [[nodiscard]] virtual std::span<std::byte> memory() = 0;
};

/// Makes an index in which `space` is one free block, with nodes for `blocks_max` blocks.
using FreeIndexFactory = std::function<std::unique_ptr<AnyFreeIndex>(Range space, std::size_t blocks_max)>;

}  // namespace vmapcheck
