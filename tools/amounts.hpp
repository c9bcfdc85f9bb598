// SPDX-License-Identifier: Apache-2.0
//
// How long, how many, how large and when, as people read it.
#pragma once

#include <cstdint>
#include <string>

namespace vmapcheck::tool {

/// "0.4 s", "12 s", "3m 02s", "1h 02m 03s", "3d 01h 02m"
[[nodiscard]] std::string duration_text(double seconds);
/// "1,234,567"
[[nodiscard]] std::string grouped(std::uint64_t number);
/// "0", "1.5k", "20M"
[[nodiscard]] std::string short_number(double number);
/// "812 B", "1.2 MiB"
[[nodiscard]] std::string bytes_text(std::uint64_t bytes);
/// "2024-02-29 13:05:09 UTC", of seconds since 1970
[[nodiscard]] std::string time_text(std::int64_t seconds);
/// "2024-02-29T13:05:09"
[[nodiscard]] std::string iso_time(std::int64_t seconds);

}  // namespace vmapcheck::tool
