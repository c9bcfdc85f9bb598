// SPDX-License-Identifier: Apache-2.0
//
// What is said once for each kind of op. A kind that has to be thought of and was forgotten does not compile.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "model/op.hpp"
#include "vmap/error.hpp"
#include "vmap/request.hpp"

namespace vmapcheck {

/// Stands for a kind of op where there is no op.
template <class T>
struct OpKind {};

/// By Op::index(): what `of(OpKind<T>{})` says of each kind, where `of` has a case for each:
///     kind_table<int>(Overloaded{[](OpKind<Alloc>) { return 40; }, ...})
template <class Value, class Of>
[[nodiscard]] constexpr std::array<Value, op_kind_count> kind_table(const Of& of) {
  return [&]<class... Ops>(std::variant<Ops...>*) {
    return std::array<Value, op_kind_count>{static_cast<Value>(of(OpKind<Ops>{}))...};
  }(static_cast<Op*>(nullptr));
}

/// Whether an op of that kind, Op::index(), can end with that error. What allocates can be refused. What frees at an
/// address can find nothing there; where it frees by a label that is not live, it is skipped.
[[nodiscard]] constexpr bool can_end_with(std::size_t kind, vmap::Error error) {
  if (error == vmap::Error::not_busy) return kind_frees[kind] != Frees::nothing && kinds_with<Meaning::address>[kind];
  return kinds_with<Meaning::label_bound>[kind];
}

using Blocks = std::vector<vmap::Block>;

/// The blocks of an op that binds a label for each of them, or null.
[[nodiscard]] inline const Blocks* blocks_of(const Op& op) { return find_field<Meaning::blocks>(op); }
[[nodiscard]] inline Blocks* blocks_of(Op& op) { return find_field<Meaning::blocks>(op); }

/// The label of the one area that the op places, or null.
[[nodiscard]] inline const Label* area_label(const Op& op) {
  return blocks_of(op) == nullptr ? bound_label(op) : nullptr;
}

/// What does to the area that begins there what the op does to the one that its label names; nothing if no op does.
[[nodiscard]] inline std::optional<Op> by_address(const Op& op, Address begin) {
  using Named = std::optional<Op>;
  return std::visit(Overloaded{[&](const Free&) -> Named { return FreeAt{begin}; },
                               [&](const FreeLazily&) -> Named { return FreeLazilyAt{begin}; },
                               [](const OnExhaustion&) -> Named { return std::nullopt; },
                               []<class T>(const T&) -> Named
                                 requires(!has_field<T>(Meaning::label_used))
                               { return std::nullopt; }},
                               op);
}

/// The reverse: what does to the area of that label what the op does to the one at its address.
[[nodiscard]] inline std::optional<Op> by_label(const Op& op, Label label) {
  using Named = std::optional<Op>;
  return std::visit(Overloaded{[&](const FreeAt&) -> Named { return Free{label}; },
                               [&](const FreeLazilyAt&) -> Named { return FreeLazily{label}; },
                               [](const Find&) -> Named { return std::nullopt; },
                               []<class T>(const T&) -> Named
                                 requires(!has_field<T>(Meaning::address))
                               { return std::nullopt; }},
                               op);
}

}  // namespace vmapcheck
