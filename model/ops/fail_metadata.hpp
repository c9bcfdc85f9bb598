// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/ops/field.hpp"

namespace vmapcheck {

/// The `countdown`-th request for metadata memory from here fails, once. At least 1.
struct FailMetadata {
  static constexpr std::string_view word = "fail-metadata";
  static constexpr Frees frees = Frees::nothing;
  std::uint64_t countdown = 1;

  static constexpr auto fields() { return std::tuple(Field<Meaning::count, &FailMetadata::countdown>{}); }
  friend bool operator==(const FailMetadata&, const FailMetadata&) = default;
};

}  // namespace vmapcheck
