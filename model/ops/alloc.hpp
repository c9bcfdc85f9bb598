// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/ops/field.hpp"

namespace vmapcheck {

/// The lowest placement for a request.
struct Alloc {
  static constexpr std::string_view word = "alloc";
  static constexpr Frees frees = Frees::nothing;
  Label label;
  vmap::Request request;

  static constexpr auto fields() {
    return std::tuple(Field<Meaning::label_bound, &Alloc::label>{},
                      Field<Meaning::size, &Alloc::request, &vmap::Request::size>{},
                      Field<Meaning::align, &Alloc::request, &vmap::Request::align>{},
                      Field<Meaning::window, &Alloc::request, &vmap::Request::within>{});
  }
  friend bool operator==(const Alloc&, const Alloc&) = default;
};

}  // namespace vmapcheck
