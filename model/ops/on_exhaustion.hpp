// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/ops/field.hpp"

namespace vmapcheck {

/// Registers a hook that frees `label`, if it is still busy, the one time that it is called.
struct OnExhaustion {
  static constexpr std::string_view word = "on-exhaustion";
  static constexpr Frees frees = Frees::nothing;
  Label label;

  static constexpr auto fields() { return std::tuple(Field<Meaning::label_used, &OnExhaustion::label>{}); }
  friend bool operator==(const OnExhaustion&, const OnExhaustion&) = default;
};

}  // namespace vmapcheck
