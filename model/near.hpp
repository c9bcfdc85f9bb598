// SPDX-License-Identifier: Apache-2.0
//
// Which name may have been meant by one that is unknown.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace vmapcheck {

/// ": did you mean NAME?" of the nearest that is spelled alike, or contains what was written; else nothing.
[[nodiscard]] std::string did_you_mean(std::string_view written, std::span<const std::string> names);

}  // namespace vmapcheck
