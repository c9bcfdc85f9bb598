// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/ops/field.hpp"

namespace vmapcheck {

/// Ends the area that the label names.
struct Free {
  static constexpr std::string_view word = "free";
  static constexpr Frees frees = Frees::at_once;
  Label label;

  static constexpr auto fields() { return std::tuple(Field<Meaning::label_used, &Free::label>{}); }
  friend bool operator==(const Free&, const Free&) = default;
};

}  // namespace vmapcheck
