// SPDX-License-Identifier: Apache-2.0
//
// The one op type that every driver produces and the executor runs.
//
// Ops name allocations by label and are total: `Free{a7}` where a7 is not live does nothing, and is counted. Every
// subsequence of a sequence of ops therefore is a sequence of ops in which each kept op means what it meant before, and
// shrinking is deletion.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "vmap/range.hpp"
#include "vmap/request.hpp"

namespace vmapcheck {

using vmap::Address;
using vmap::Range;
using vmap::Size;

/// Names what one op allocated: `a3`, or `a3.1` for the second block of the congruent op that bound a3.
struct Label {
  static constexpr std::uint32_t whole = std::numeric_limits<std::uint32_t>::max();
  std::uint32_t id = 0;
  std::uint32_t part = whole;  ///< index of a congruent block; `whole` for an op that binds one area
  friend constexpr auto operator<=>(const Label&, const Label&) = default;
};

struct Alloc {
  Label label;
  vmap::Request request;
  friend bool operator==(const Alloc&, const Alloc&) = default;
};
struct AllocAt {
  Label label;
  Range range;
  friend bool operator==(const AllocAt&, const AllocAt&) = default;
};
/// Binds one label per block, `label.0`, `label.1`, ..., in the order in which the blocks are written.
struct Congruent {
  Label label;
  Size align = 1;
  Range within = vmap::everywhere;
  std::vector<vmap::Block> blocks;
  friend bool operator==(const Congruent&, const Congruent&) = default;
};
struct Free {
  Label label;
  friend bool operator==(const Free&, const Free&) = default;
};
struct FreeAt {
  Address address = 0;
  friend bool operator==(const FreeAt&, const FreeAt&) = default;
};
struct FreeLazily {
  Label label;
  friend bool operator==(const FreeLazily&, const FreeLazily&) = default;
};
struct FreeLazilyAt {
  Address address = 0;
  friend bool operator==(const FreeLazilyAt&, const FreeLazilyAt&) = default;
};
struct Purge {
  friend bool operator==(const Purge&, const Purge&) = default;
};
struct Find {
  Address address = 0;
  friend bool operator==(const Find&, const Find&) = default;
};
/// Registers a hook that frees `label`, if it is still busy, the one time that it is called.
struct OnExhaustion {
  Label label;
  friend bool operator==(const OnExhaustion&, const OnExhaustion&) = default;
};
/// The `countdown`-th request for metadata memory from here fails, once. At least 1.
struct FailMetadata {
  std::uint64_t countdown = 1;
  friend bool operator==(const FailMetadata&, const FailMetadata&) = default;
};

using Op = std::variant<Alloc, AllocAt, Congruent, Free, FreeAt, FreeLazily, FreeLazilyAt, Purge, Find, OnExhaustion,
                        FailMetadata>;

inline constexpr std::size_t op_kind_count = std::variant_size_v<Op>;

/// The word that begins the op's line in a trace, by `Op::index()`.
inline constexpr std::string_view op_names[op_kind_count] = {"alloc",   "alloc-at",      "congruent",      "free",
                                                             "free-at", "free-lazily",   "free-lazily-at", "purge",
                                                             "find",    "on-exhaustion", "fail-metadata"};

/// What is managed: the first lines of a trace.
struct Space {
  Range range;
  Size granule = 1;                ///< a power of two
  std::optional<Size> lazy_limit;  ///< bytes; without it nothing is purged until it must be
  std::vector<Range> busy;         ///< already busy: disjoint, non-empty, inside `range`, on granules; any order
  friend bool operator==(const Space&, const Space&) = default;
};

/// A reproducible run: a space, and the ops performed on it.
struct Trace {
  std::vector<std::string> comments;  ///< what stands before the space line, without '#': why this trace is kept
  Space space;
  std::vector<Op> ops;
  friend bool operator==(const Trace&, const Trace&) = default;
};

}  // namespace vmapcheck
