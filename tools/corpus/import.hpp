// SPDX-License-Identifier: Apache-2.0
//
// `corpus import PATH...`: what fuzzers and people have kept, as readable traces.
#pragma once

#include <string>
#include <vector>

#include "tools/exit_status.hpp"
#include "tools/options.hpp"

namespace vmapcheck::tool {

/// Writes into `directory` each trace that is not there yet.
[[nodiscard]] Exit import_inputs(const Common& common, const std::vector<std::string>& paths,
                                 const std::string& directory);

}  // namespace vmapcheck::tool
