// SPDX-License-Identifier: Apache-2.0
//
// The program `vmapcheck`: which commands it has.
#include "tools/commands.hpp"
#include "tools/debugger.hpp"
#include "tools/program.hpp"

namespace vmapcheck::tool {
namespace {

void add_commands(CLI::App& app, Session& session) {
  if constexpr (VMAPCHECK_ONLY_CAMPAIGN) {  // what it does not name, it is not linked with
    add_campaign(app, session);
  } else {
    add_commands_of_the_checkout(app, session);
    add_check(app, session);
    add_campaign(app, session);
    add_replay(app, session);
    add_explore(app, session);
    add_minimize(app, session);
    add_show(app, session);
    add_corpus(app, session);
    add_encode(app, session);
    add_decode(app, session);
    add_subjects(app, session);
    add_help(app, session);
    add_completion(app, session);
    add_man(app, session);
    add_step_to(app, session);
    add_table(app, session);
  }
}

}  // namespace
}  // namespace vmapcheck::tool

int main(int argc, char** argv) { return vmapcheck::tool::run_program(argc, argv, vmapcheck::tool::add_commands); }
