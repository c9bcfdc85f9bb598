// SPDX-License-Identifier: Apache-2.0
//
// `bench` itself.
#pragma once

#include "tools/bench_options.hpp"

namespace vmapcheck::bench {

tool::Exit run_loads(const tool::Common& common, const tool::LoadsOptions& options);

}  // namespace vmapcheck::bench
