// SPDX-License-Identifier: Apache-2.0
//
// How values appear in descriptions of violations.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "vmap/error.hpp"
#include "vmap/range.hpp"
#include "vmap/request.hpp"

namespace vmapcheck {

[[nodiscard]] std::string describe(std::uint64_t address_or_size);  // 0x1f000
[[nodiscard]] std::string describe(vmap::Range range);              // 0x1000..0x2000
[[nodiscard]] std::string describe(const vmap::Allocation& allocation);
[[nodiscard]] std::string describe(std::optional<vmap::Range> range);  // or "nothing"

template <class T>
[[nodiscard]] std::string describe(const vmap::Result<T>& result) {
  return result ? describe(*result) : std::string(vmap::name(result.error()));
}

}  // namespace vmapcheck
