// SPDX-License-Identifier: Apache-2.0
//
// A broken invariant, described. The order of the enumerators is the order in which they are reported: where one fault
// breaks several, the first decides the name of the failure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vmap {

enum class Invariant : std::uint8_t {
  answer,          ///< every result or error is the one that the contract demands
  overlap,         ///< busy areas, lazily freed areas and free blocks are disjoint, inside the space, on granules
  partition,       ///< together they tile the space without a gap
  coalescing,      ///< no two free blocks touch
  classification,  ///< the fit type, and the change in the number of free blocks, are those of the placement
  tree,            ///< addresses ascend, parent links agree, red-black rules hold, the list threads the same order
  augment,         ///< every subtree_max_size equals the value recomputed from the block and its children
  atomicity,       ///< a call that failed changed nothing
  memory,          ///< one node for each free block, busy and lazily freed area; nothing leaks; free never allocates
  cost,            ///< nodes visited by an operation stay under its bound
};

inline constexpr std::size_t invariant_count = 10;

inline constexpr std::array<std::string_view, invariant_count> invariant_names{
    "answer", "overlap", "partition", "coalescing", "classification", "tree", "augment", "atomicity", "memory", "cost"};

[[nodiscard]] constexpr std::string_view name(Invariant invariant) {
  return invariant_names[static_cast<std::size_t>(invariant)];
}

[[nodiscard]] constexpr std::optional<Invariant> invariant_named(std::string_view text) {
  for (std::size_t i = 0; i < invariant_count; ++i)
    if (invariant_names[i] == text) return static_cast<Invariant>(i);
  return std::nullopt;
}

/// Which invariant is broken, and where, with the expected and the actual value.
struct Violation {
  Invariant invariant = Invariant::answer;
  std::string detail;
  friend bool operator==(const Violation&, const Violation&) = default;
};

}  // namespace vmap
