// SPDX-License-Identifier: Apache-2.0
//
// How the fields of ops stand in a line of a trace, said once for each meaning: behind the op's word come those that
// have a place, in the order of the list of fields, then the others as `key=value`.
#pragma once

#include <string_view>
#include <utility>

#include "model/ops/field.hpp"

namespace vmapcheck {

struct FieldText {
  std::string_view key;       ///< what stands before '='; empty if the field has a place
  std::string_view expected;  ///< what an error says was expected in its stead
  bool required = true;       ///< if not, it is left out where it has its default in the op's struct
};

[[nodiscard]] consteval FieldText text_of(Meaning meaning) {
  using enum Meaning;
  switch (meaning) {
    case label_bound:
    case label_used: return {"", "a label such as a0"};
    case size: return {"size", "a size"};
    case align: return {"align", "an alignment", false};
    case address: return {"", "an address"};
    case range: return {"", "a range BEGIN..END"};
    case window: return {"within", "a window BEGIN..END", false};
    case count: return {"", "a count"};
    case blocks: return {"blocks", "a block OFFSET+SIZE"};
  }
  std::unreachable();  // a meaning without a text does not compile
}

}  // namespace vmapcheck
