// SPDX-License-Identifier: Apache-2.0
//
// Signatures that are no news: a file with one on each line, for `campaign --known`.
#pragma once

#include <string>
#include <vector>

namespace vmapcheck::tool {

/// Those in the file at `path`, none for an empty path. Empty lines and what begins with # are left out. Stops if the
/// file cannot be read.
[[nodiscard]] std::vector<std::string> read_known_signatures(const std::string& path);

}  // namespace vmapcheck::tool
