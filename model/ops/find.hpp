// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/ops/field.hpp"

namespace vmapcheck {

/// The area that contains the address.
struct Find {
  static constexpr std::string_view word = "find";
  static constexpr Frees frees = Frees::nothing;
  Address address = 0;

  static constexpr auto fields() { return std::tuple(Field<Meaning::address, &Find::address>{}); }
  friend bool operator==(const Find&, const Find&) = default;
};

}  // namespace vmapcheck
