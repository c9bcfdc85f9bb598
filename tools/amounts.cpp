// SPDX-License-Identifier: Apache-2.0
#include "tools/amounts.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <ctime>
#include <string_view>

namespace vmapcheck::tool {

std::string duration_text(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  if (seconds < 10 && seconds != std::floor(seconds)) return fmt::format("{:.1f} s", seconds);
  if (seconds < 59.5) return fmt::format("{:.0f} s", seconds);
  if (seconds > 1e14) return fmt::format("{:g} s", seconds);
  const auto whole = static_cast<std::uint64_t>(seconds + 0.5);
  const std::uint64_t s = whole % 60, m = whole / 60 % 60, h = whole / 3600 % 24, d = whole / 86'400;
  if (d > 0) return fmt::format("{}d {:02}h {:02}m", d, h, m);
  if (h > 0) return fmt::format("{}h {:02}m {:02}s", h, m, s);
  return fmt::format("{}m {:02}s", m, s);
}

std::string grouped(std::uint64_t number) {
  std::string text = fmt::format("{}", number);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string short_number(double number) {
  constexpr std::array<std::string_view, 7> units{"", "k", "M", "G", "T", "P", "E"};
  std::size_t unit = 0;
  for (; number >= 1000 && unit + 1 < units.size(); ++unit) number /= 1000;
  return fmt::format("{:g}{}", std::round(number * 100) / 100, units[unit]);
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 4> units{"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double number = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (; number >= 1024 && unit + 1 < units.size(); ++unit) number /= 1024;
  return fmt::format("{:.1f} {}", number, units[unit]);
}

std::string time_text(std::int64_t seconds) {
  constexpr std::int64_t most = 253'402'300'799;  // the end of the year 9999
  if (seconds <= 0 || seconds > most) return "?";
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

std::string iso_time(std::int64_t seconds) {
  const std::string text = time_text(seconds);
  return text.size() < 19 ? "1970-01-01T00:00:00" : text.substr(0, 10) + "T" + text.substr(11, 8);
}

}  // namespace vmapcheck::tool
