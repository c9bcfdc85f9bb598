// SPDX-License-Identifier: Apache-2.0
//
// The subjects that every program has: ours, the model, and the search of 2019. All others are broken on purpose.
#pragma once

#include <vector>

#include "subjects/registry.hpp"

namespace vmapcheck {

[[nodiscard]] std::vector<SubjectEntry> basic_subjects();

}  // namespace vmapcheck
