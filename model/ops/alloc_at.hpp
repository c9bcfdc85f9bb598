// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/ops/field.hpp"

namespace vmapcheck {

/// Exactly this range.
struct AllocAt {
  static constexpr std::string_view word = "alloc-at";
  static constexpr Frees frees = Frees::nothing;
  Label label;
  Range range;

  static constexpr auto fields() {
    return std::tuple(Field<Meaning::label_bound, &AllocAt::label>{}, Field<Meaning::range, &AllocAt::range>{});
  }
  friend bool operator==(const AllocAt&, const AllocAt&) = default;
};

}  // namespace vmapcheck
