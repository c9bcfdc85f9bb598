// SPDX-License-Identifier: Apache-2.0
//
// What a run has exercised, as features for libFuzzer: inputs that meet an op, an error, a fit type, a case of the tree
// more often than others did are worth keeping, too. Engines without extra counters do not notice.
#pragma once

#include "harness/verify/coverage.hpp"

namespace vmapcheck {

/// Of the input that was just run. The engine has set all counters to zero before it.
void publish_features(const Coverage& coverage);

}  // namespace vmapcheck
