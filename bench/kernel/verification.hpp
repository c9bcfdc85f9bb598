// SPDX-License-Identifier: Apache-2.0
//
// The same ops under the executor: the model judges each of them.
#pragma once

#include "bench/kernel/settings.hpp"

namespace vmapcheck::bench {

/// Runs the tests of one worker, each on a space of its own, in a child. What breaks an invariant is minimized and
/// saved.
[[nodiscard]] tool::Exit verify(const tool::Common& common, const tool::KernelOptions& options,
                                const Settings& settings);

}  // namespace vmapcheck::bench
