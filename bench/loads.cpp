// SPDX-License-Identifier: Apache-2.0
#include "bench/loads.hpp"

namespace vmapcheck::bench {

tool::Exit run_loads(const tool::Common&, const tool::LoadsOptions&) {
  throw tool::Stop{tool::Exit::usage, "bench needs a command: kernel (see vmapcheck bench --help)"};
}

}  // namespace vmapcheck::bench
