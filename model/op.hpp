// SPDX-License-Identifier: Apache-2.0
//
// The one op type that every driver produces and the executor runs.
//
// Ops name allocations by label and are total: `Free{a7}` where a7 is not live does nothing, and is counted. Every
// subsequence of a sequence of ops therefore is a sequence of ops in which each kept op means what it meant before, and
// shrinking is deletion.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "model/ops/alloc.hpp"
#include "model/ops/alloc_at.hpp"
#include "model/ops/congruent.hpp"
#include "model/ops/fail_metadata.hpp"
#include "model/ops/field.hpp"
#include "model/ops/find.hpp"
#include "model/ops/free.hpp"
#include "model/ops/free_at.hpp"
#include "model/ops/free_lazily.hpp"
#include "model/ops/free_lazily_at.hpp"
#include "model/ops/on_exhaustion.hpp"
#include "model/ops/purge.hpp"
#include "vmap/range.hpp"

namespace vmapcheck {

/// Adding to it is the first step of docs/adding-an-op.md.
using Op = std::variant<Alloc, AllocAt, Congruent, Free, FreeAt, FreeLazily, FreeLazilyAt, Purge, Find, OnExhaustion,
                        FailMetadata>;

inline constexpr std::size_t op_kind_count = std::variant_size_v<Op>;

/// `Op(T{}).index()`.
template <class T>
inline constexpr std::size_t op_kind = [] {
  return []<class... Ops>(std::variant<Ops...>*) {
    static_assert((std::is_same_v<T, Ops> || ...), "no op of the variant");
    std::size_t kind = 0;
    (void)((std::is_same_v<T, Ops> || (++kind, false)) || ...);
    return kind;
  }(static_cast<Op*>(nullptr));
}();

/// The word that begins the op's line in a trace, by `Op::index()`.
inline constexpr std::array<std::string_view, op_kind_count> op_names = []<class... Ops>(std::variant<Ops...>*) {
  return std::array{Ops::word...};
}(static_cast<Op*>(nullptr));

[[nodiscard]] constexpr std::string_view name(const Op& op) { return op_names[op.index()]; }

/// By `Op::index()`.
inline constexpr std::array<Frees, op_kind_count> kind_frees = []<class... Ops>(std::variant<Ops...>*) {
  return std::array{Ops::frees...};
}(static_cast<Op*>(nullptr));

/// By `Op::index()`: whether ops of that kind have a field of that meaning.
template <Meaning meaning>
inline constexpr std::array<bool, op_kind_count> kinds_with = []<class... Ops>(std::variant<Ops...>*) {
  return std::array{has_field<Ops>(meaning)...};
}(static_cast<Op*>(nullptr));

/// The op of a kind (Op::index()) with its default arguments.
[[nodiscard]] Op op_of_kind(std::size_t kind);

/// Cases of std::visit, one lambda for each kind of op. There is none for "all others": a new op must be thought of.
template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

/// Calls `visit(field, value)` for each field of the op, in the order in which they are written.
template <class Visitor>
constexpr void for_each_field(const Op& op, Visitor&& visit) {
  std::visit([&](const auto& one) { for_each_field_of(one, visit); }, op);
}
template <class Visitor>
constexpr void for_each_field(Op& op, Visitor&& visit) {
  std::visit([&](auto& one) { for_each_field_of(one, visit); }, op);
}

/// The first field of the op that has that meaning, or null. Compiled once, for each meaning.
template <Meaning meaning>
[[nodiscard]] const ValueOf<meaning>* find_field(const Op& op);
template <Meaning meaning>
[[nodiscard]] ValueOf<meaning>* find_field(Op& op) {
  return const_cast<ValueOf<meaning>*>(find_field<meaning>(std::as_const(op)));
}

/// The label that the op binds, or null.
[[nodiscard]] inline const Label* bound_label(const Op& op) { return find_field<Meaning::label_bound>(op); }
[[nodiscard]] inline Label* bound_label(Op& op) { return find_field<Meaning::label_bound>(op); }

/// The label that the op uses, or null.
[[nodiscard]] inline const Label* used_label(const Op& op) { return find_field<Meaning::label_used>(op); }
[[nodiscard]] inline Label* used_label(Op& op) { return find_field<Meaning::label_used>(op); }

/// Calls `visit(label)` for each label that the op binds or uses.
template <class AnyOp, class Visitor>
constexpr void for_each_label(AnyOp& op, Visitor&& visit) {
  for_each_field(op, [&](auto, auto& value) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(value)>, Label>) visit(value);
  });
}

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
