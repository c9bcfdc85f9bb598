// SPDX-License-Identifier: Apache-2.0
//
// A specimen that answers wrongly in every second process that makes one, and not in the others: what a driver says of
// a failure that does not come again is seen on it.
#pragma once

#include "subjects/registry.hpp"

namespace vmapcheck {

[[nodiscard]] SubjectEntry flaky_subject();

}  // namespace vmapcheck
