// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/ops/field.hpp"

namespace vmapcheck {

/// Areas at fixed offsets from one base. Binds one label per block, `label.0`, `label.1`, ..., in the order in which
/// the blocks are written.
struct Congruent {
  static constexpr std::string_view word = "congruent";
  static constexpr Frees frees = Frees::nothing;
  Label label;
  Size align = 1;
  Range within = vmap::everywhere;
  std::vector<vmap::Block> blocks;

  static constexpr auto fields() {
    return std::tuple(Field<Meaning::label_bound, &Congruent::label>{}, Field<Meaning::align, &Congruent::align>{},
                      Field<Meaning::window, &Congruent::within>{}, Field<Meaning::blocks, &Congruent::blocks>{});
  }
  friend bool operator==(const Congruent&, const Congruent&) = default;
};

}  // namespace vmapcheck
