// SPDX-License-Identifier: Apache-2.0
//
// Canaries: our allocator with one fault each, so that each invariant can be seen to break. A driver that lets one live
// does not check what it says it checks.
#pragma once

#include <vector>

#include "subjects/registry.hpp"

namespace vmapcheck {

/// One for each invariant, in their order; named canary_<invariant>.
[[nodiscard]] std::vector<SubjectEntry> canaries();

}  // namespace vmapcheck
