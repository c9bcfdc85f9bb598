// SPDX-License-Identifier: Apache-2.0
//
// A specimen with five faults at once, each with a signature of its own, one of which kills: what a campaign must tell
// apart and get past.
#pragma once

#include "subjects/registry.hpp"

namespace vmapcheck {

[[nodiscard]] SubjectEntry five_faults_subject();

}  // namespace vmapcheck
