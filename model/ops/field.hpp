// SPDX-License-Identifier: Apache-2.0
//
// What an op is made of. An op is a struct that names its word, says what it frees, and lists its fields in the order
// in which they are written; everything that only needs to know what a field means reads the list: text, records,
// mutation, the canonical numbers of labels, simplification, explanation, statistics. free.hpp is a short example. What
// every op needs is included from here.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
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

/// What a field means. The type that it has stands behind it.
enum class Meaning : std::uint8_t {
  label_bound,  ///< Label: what the op allocates is called so; without a part
  label_used,   ///< Label: what an earlier op allocated; it may be gone, or never have been
  size,         ///< Size, in bytes
  align,        ///< Size: a power of two, if it is valid
  address,      ///< Address
  range,        ///< Range: exactly this one
  window,       ///< Range: anywhere inside; vmap::everywhere if it is not given
  count,        ///< std::uint64_t of at least 1
  blocks,       ///< std::vector<vmap::Block>
};

template <Meaning M>
constexpr auto value_of_meaning() {
  using enum Meaning;
  if constexpr (M == label_bound || M == label_used) {
    return Label{};
  } else if constexpr (M == range || M == window) {
    return Range{};
  } else if constexpr (M == blocks) {
    return std::vector<vmap::Block>{};
  } else {
    static_assert(M == size || M == align || M == address || M == count, "a meaning without a type");
    return std::uint64_t{};
  }
}

/// The type of a field of that meaning.
template <Meaning M>
using ValueOf = decltype(value_of_meaning<M>());

/// What an op does to an area that its label or address names.
enum class Frees : std::uint8_t { nothing, at_once, lazily };

/// A field of an op: what it means, and the pointers to members that lead to it, the outermost first.
template <Meaning M, auto... Path>
struct Field {
  static constexpr Meaning meaning = M;
  template <class Op>
  [[nodiscard]] static constexpr auto& of(Op& op) {
    auto& value = (op.*....*Path);
    static_assert(std::is_same_v<std::remove_cvref_t<decltype(value)>, ValueOf<M>>,
                  "another type than the meaning has");
    return value;
  }
};

/// Calls `visit(field, value)` for each field of an op of one kind, in the order in which they are written.
template <class T, class Visitor>
constexpr void for_each_field_of(T& op, Visitor&& visit) {
  std::apply([&](auto... field) { (visit(field, field.of(op)), ...); }, T::fields());
}

/// Whether ops of the kind T have a field of that meaning.
template <class T>
[[nodiscard]] consteval bool has_field(Meaning meaning) {
  return std::apply([&](auto... field) { return ((field.meaning == meaning) || ...); }, T::fields());
}

}  // namespace vmapcheck
