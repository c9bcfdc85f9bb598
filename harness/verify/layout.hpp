// SPDX-License-Identifier: Apache-2.0
//
// Invariants 2 to 4 (overlap, partition, coalescing), checked on what a subject says it holds.
#pragma once

#include <optional>
#include <vector>

#include "model/op.hpp"
#include "vmap/violation.hpp"

namespace vmapcheck {

/// What a subject lists, each in the order in which it lists it.
struct Layout {
  std::vector<Range> busy;
  std::vector<Range> lazy;
  std::vector<Range> free;
  friend bool operator==(const Layout&, const Layout&) = default;
};

/// The first broken one of overlap, partition and coalescing, or nullopt. A list out of order is an overlap. O(n log
/// n).
[[nodiscard]] std::optional<vmap::Violation> check_layout(const Layout& layout, const Space& space);

/// The first difference, in words: "busy areas: expected ..., actual ...". Empty if there is none.
[[nodiscard]] std::string difference(const Layout& expected, const Layout& actual);

}  // namespace vmapcheck
