// SPDX-License-Identifier: Apache-2.0
//
// A specimen with state that nothing shows: it counts allocations, and refuses all after the sixth. What an exploration
// may claim of a subject that does not say what its state is can be seen on it.
#pragma once

#include "subjects/registry.hpp"

namespace vmapcheck {

[[nodiscard]] SubjectEntry worn_out_subject();

}  // namespace vmapcheck
