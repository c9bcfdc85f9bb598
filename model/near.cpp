// SPDX-License-Identifier: Apache-2.0
#include "model/near.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

namespace vmapcheck {
namespace {

/// Insertions, deletions and replacements of a character that lead from one text to the other.
/// Source: Wagner and Fischer, "The string-to-string correction problem" (1974).
std::size_t distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < to.size(); ++j) {
      const std::size_t replaced = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

}  // namespace

// tools/arguments.bash has the same rule.
std::string did_you_mean(std::string_view written, std::span<const std::string> names) {
  const std::size_t most = written.size() < 4 ? 1 : std::max<std::size_t>(2, written.size() / 4);
  std::vector<std::pair<std::size_t, std::string_view>> near;
  for (const std::string_view name : names) {
    const std::size_t apart = distance(written, name);
    const bool contains = written.size() >= 3 && name.find(written) != name.npos;
    if (apart <= most || contains) near.emplace_back(apart, name);
  }
  if (near.empty()) return {};
  return ": did you mean " + std::string(std::ranges::min(near).second) + "?";
}

}  // namespace vmapcheck
