// SPDX-License-Identifier: Apache-2.0
//
// What a subject says it holds, and the three invariants that can be seen on that alone.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/op.hpp"

namespace vmapcheck {

/// What a subject lists, each in the order in which it lists it.
struct Layout {
  std::vector<Range> busy;
  std::vector<Range> lazy;
  std::vector<Range> free;
  friend bool operator==(const Layout&, const Layout&) = default;
};

// The first place where an invariant is broken, in words; nothing where it holds. O(n log n).

/// Areas or free blocks that are empty, leave the space, are not on granules, overlap, or are not listed in order.
[[nodiscard]] std::optional<std::string> broken_overlap(const Layout& layout, const Space& space);
/// Bytes that are neither free nor an area. Requires that overlap holds.
[[nodiscard]] std::optional<std::string> broken_partition(const Layout& layout, const Space& space);
/// Free blocks that touch. Requires that overlap holds.
[[nodiscard]] std::optional<std::string> broken_coalescing(const Layout& layout);

/// The first difference, in words: "busy areas: expected ..., actual ...". Empty if there is none.
[[nodiscard]] std::string difference(const Layout& expected, const Layout& actual);

}  // namespace vmapcheck
