// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/ops/field.hpp"

namespace vmapcheck {

/// The same for the area that begins at the address.
struct FreeLazilyAt {
  static constexpr std::string_view word = "free-lazily-at";
  static constexpr Frees frees = Frees::lazily;
  Address address = 0;

  static constexpr auto fields() { return std::tuple(Field<Meaning::address, &FreeLazilyAt::address>{}); }
  friend bool operator==(const FreeLazilyAt&, const FreeLazilyAt&) = default;
};

}  // namespace vmapcheck
