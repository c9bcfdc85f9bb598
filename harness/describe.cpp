// SPDX-License-Identifier: Apache-2.0
#include "harness/describe.hpp"

#include <fmt/format.h>

namespace vmapcheck {

std::string describe(std::uint64_t address_or_size) { return fmt::format("{:#x}", address_or_size); }

std::string describe(vmap::Range range) { return fmt::format("{:#x}..{:#x}", range.begin, range.end); }

std::string describe(const vmap::Allocation& allocation) {
  return fmt::format("{} {}", describe(allocation.range), vmap::name(allocation.fit));
}

std::string describe(std::optional<vmap::Range> range) { return range ? describe(*range) : "nothing"; }

}  // namespace vmapcheck
