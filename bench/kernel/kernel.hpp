// SPDX-License-Identifier: Apache-2.0
//
// `bench kernel`: the test driver that the algorithm was published with, on addresses alone.
#pragma once

#include "tools/bench_options.hpp"

namespace vmapcheck::bench {

tool::Exit run_kernel(const tool::Common& common, const tool::KernelOptions& options);

}  // namespace vmapcheck::bench
