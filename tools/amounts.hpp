// SPDX-License-Identifier: Apache-2.0
//
// How long, how many and how large, as people read it.
#pragma once

#include <cstdint>
#include <string>

namespace vmapcheck::tool {

/// "0.4 s", "12 s", "3m 02s", "1h 02m 03s", "3d 01h 02m"
[[nodiscard]] std::string duration_text(double seconds);
/// "1,234,567"
[[nodiscard]] std::string grouped(std::uint64_t number);
/// "812 B", "1.2 MiB"
[[nodiscard]] std::string bytes_text(std::uint64_t bytes);

}  // namespace vmapcheck::tool
