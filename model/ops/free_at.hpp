// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/ops/field.hpp"

namespace vmapcheck {

/// Ends the area that begins at the address.
struct FreeAt {
  static constexpr std::string_view word = "free-at";
  static constexpr Frees frees = Frees::at_once;
  Address address = 0;

  static constexpr auto fields() { return std::tuple(Field<Meaning::address, &FreeAt::address>{}); }
  friend bool operator==(const FreeAt&, const FreeAt&) = default;
};

}  // namespace vmapcheck
