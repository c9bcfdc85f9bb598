// SPDX-License-Identifier: Apache-2.0
//
// Which names may have been meant by one that is unknown.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace vmapcheck {

/// Those that are spelled alike, or contain what was written, the nearest first.
[[nodiscard]] std::vector<std::string_view> names_near(std::string_view written,
                                                       std::span<const std::string_view> names);

}  // namespace vmapcheck
