// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/ops/field.hpp"

namespace vmapcheck {

/// Makes all lazily freed ranges usable.
struct Purge {
  static constexpr std::string_view word = "purge";
  static constexpr Frees frees = Frees::nothing;

  static constexpr auto fields() { return std::tuple(); }
  friend bool operator==(const Purge&, const Purge&) = default;
};

}  // namespace vmapcheck
