// SPDX-License-Identifier: Apache-2.0
//
// A program that speaks the command line: reads it, runs the command, and turns whatever ends it into an exit status
// and at most one line.
#pragma once

#include "tools/options.hpp"

namespace vmapcheck::tool {

/// Adds the commands that a program has; those without a group stay hidden.
using AddCommands = void (*)(CLI::App& app, Session& session);

/// All of main(); returns the exit status.
[[nodiscard]] int run_program(int argc, char** argv, AddCommands add_commands);

}  // namespace vmapcheck::tool
