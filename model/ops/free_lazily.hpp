// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/ops/field.hpp"

namespace vmapcheck {

/// Ends the area that the label names; its range stays unusable until a purge.
struct FreeLazily {
  static constexpr std::string_view word = "free-lazily";
  static constexpr Frees frees = Frees::lazily;
  Label label;

  static constexpr auto fields() { return std::tuple(Field<Meaning::label_used, &FreeLazily::label>{}); }
  friend bool operator==(const FreeLazily&, const FreeLazily&) = default;
};

}  // namespace vmapcheck
