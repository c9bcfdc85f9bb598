// SPDX-License-Identifier: Apache-2.0
//
// The program behind `./vmapcheck bench`. Its command line is that of vmapcheck, with the one command `bench`.
#include "bench/kernel/kernel.hpp"
#include "bench/loads.hpp"
#include "tools/bench_options.hpp"
#include "tools/program.hpp"

namespace {

void add_commands(CLI::App& app, vmapcheck::tool::Session& session) {
  vmapcheck::tool::add_bench(app, session,
                             {.loads = vmapcheck::bench::run_loads, .kernel = vmapcheck::bench::run_kernel});
}

}  // namespace

int main(int argc, char** argv) { return vmapcheck::tool::run_program(argc, argv, add_commands); }
