// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/ops/field.hpp"

namespace vmapcheck {

/// Makes all lazily freed ranges usable.
struct Purge {
  static constexpr std::string_view word = "purge";
  static constexpr Freeing freeing = Freeing::none;

  static constexpr auto fields() { return std::tuple(); }
  friend bool operator==(const Purge&, const Purge&) = default;
};

}  // namespace vmapcheck
