// SPDX-License-Identifier: Apache-2.0
#include "tools/campaign/known.hpp"

#include <cstddef>
#include <string_view>

#include "tools/files.hpp"

namespace vmapcheck::tool {

std::vector<std::string> read_known_signatures(const std::string& path) {
  std::vector<std::string> signatures;
  if (path.empty()) return signatures;
  const std::string text = read_file(path, std::size_t{1} << 24);
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? "" : rest.substr(end + 1);
    while (!line.empty() && (line.back() == ' ' || line.back() == '\r' || line.back() == '\t')) line.remove_suffix(1);
    if (!line.empty() && line.front() != '#') signatures.emplace_back(line);
  }
  return signatures;
}

}  // namespace vmapcheck::tool
