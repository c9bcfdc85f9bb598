// SPDX-License-Identifier: Apache-2.0
//
// How far a campaign has come, in a line for logs and in a block for terminals.
#pragma once

#include <cstddef>
#include <string>

#include "tools/campaign/state.hpp"

namespace vmapcheck::tool {

[[nodiscard]] std::string progress_line(const State& state);

/// `minimizing` is how many findings wait to be minimized.
[[nodiscard]] std::string progress_block(const State& state, const std::string& directory, std::size_t minimizing);

}  // namespace vmapcheck::tool
