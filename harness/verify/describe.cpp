// SPDX-License-Identifier: Apache-2.0
#include "harness/verify/describe.hpp"

#include <array>
#include <charconv>

namespace vmapcheck {

std::string describe(std::uint64_t address_or_size) {
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), address_or_size, 16).ptr;
  return "0x" + std::string(digits.data(), end);
}

std::string describe(vmap::Range range) { return describe(range.begin) + ".." + describe(range.end); }

std::string describe(const vmap::Allocation& allocation) {
  return describe(allocation.range) + " " + std::string(vmap::name(allocation.fit));
}

std::string describe(std::optional<vmap::Range> range) { return range ? describe(*range) : "nothing"; }

}  // namespace vmapcheck
