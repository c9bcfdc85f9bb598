// SPDX-License-Identifier: Apache-2.0
#include "model/op.hpp"

namespace vmapcheck {

Op op_of_kind(std::size_t kind) {
  constexpr auto makers = []<class... Ops>(std::variant<Ops...>*) {
    return std::array{+[]() -> Op { return Ops{}; }...};
  }(static_cast<Op*>(nullptr));
  return makers[kind]();
}

template <Meaning meaning>
const ValueOf<meaning>* find_field(const Op& op) {
  const ValueOf<meaning>* found = nullptr;
  for_each_field(op, [&](auto field, const auto& value) {
    if constexpr (field.meaning == meaning)
      if (found == nullptr) found = &value;
  });
  return found;
}

template const ValueOf<Meaning::label_bound>* find_field<Meaning::label_bound>(const Op& op);
template const ValueOf<Meaning::label_used>* find_field<Meaning::label_used>(const Op& op);
template const ValueOf<Meaning::size>* find_field<Meaning::size>(const Op& op);
template const ValueOf<Meaning::align>* find_field<Meaning::align>(const Op& op);
template const ValueOf<Meaning::address>* find_field<Meaning::address>(const Op& op);
template const ValueOf<Meaning::range>* find_field<Meaning::range>(const Op& op);
template const ValueOf<Meaning::window>* find_field<Meaning::window>(const Op& op);
template const ValueOf<Meaning::count>* find_field<Meaning::count>(const Op& op);
template const ValueOf<Meaning::blocks>* find_field<Meaning::blocks>(const Op& op);

}  // namespace vmapcheck
