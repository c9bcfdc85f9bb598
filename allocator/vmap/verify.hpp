// SPDX-License-Identifier: Apache-2.0
//
// AddressSpace::verify(): every invariant that the layout must keep, checked by a walk over everything.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "vmap/node.hpp"
#include "vmap/range.hpp"
#include "vmap/request.hpp"
#include "vmap/violation.hpp"

namespace vmap {

/// All that an address space keeps.
struct Layout {
  Range range;
  Size granule = 1;
  const FreeTree& free;
  const AreaTree& busy;
  const AreaTree& lazy;
  Size busy_bytes = 0;
  Size lazy_bytes = 0;
  std::size_t nodes_alive = 0;
};

/// The first broken invariant in the order of the enumeration, or nullopt. O(n). Reads only; ends also on broken trees,
/// as long as their links point to nodes. Where there is no memory for the detail, it is empty: the invariant is named
/// all the same.
[[nodiscard]] std::optional<Violation> verify_layout(const Layout& layout) noexcept;

/// True if two of them overlap. O(n) if in ascending order, else O(n^2): needs no memory.
[[nodiscard]] bool overlap_within(std::span<const Range> ranges) noexcept;
/// The same for the blocks' ranges, whose ends do not wrap.
[[nodiscard]] bool overlap_within(std::span<const Block> blocks) noexcept;

}  // namespace vmap
