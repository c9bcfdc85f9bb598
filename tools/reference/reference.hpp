// SPDX-License-Identifier: Apache-2.0
//
// The command line, seen as a whole: what is made of all its commands and options, and what is said of those that are
// not there.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "tools/exit_status.hpp"

namespace vmapcheck::tool {

/// A command, and how it is called: "vmapcheck corpus import".
struct CommandAt {
  CLI::App* app = nullptr;
  std::string path;
};

/// The program itself, then each command before those below it.
[[nodiscard]] std::vector<CommandAt> all_commands(CLI::App& app);
/// The program itself, and the commands that were named, one below the other.
[[nodiscard]] std::vector<CommandAt> selected_commands(CLI::App& app);
/// The last of them.
[[nodiscard]] CommandAt selected_in(CLI::App& app);

/// Without those that the help does not name.
[[nodiscard]] std::vector<std::string> shown_commands(CLI::App& app);
[[nodiscard]] std::vector<CLI::Option*> shown_options(CLI::App& app);

/// "-j" and "--jobs"; "FILE" for what stands without a name.
[[nodiscard]] std::vector<std::string> names_of(const CLI::Option& option);
[[nodiscard]] inline bool is_flag(const CLI::Option& option) { return option.get_items_expected_max() == 0; }
/// What takes() has noted: the kind and the names that are taken, a tab, and what a message says.
[[nodiscard]] std::string noted_of(CLI::Option& option);
/// Those that it takes, if they are known; the first word of its kind (Values).
[[nodiscard]] std::vector<std::string> values_of(CLI::Option& option);
[[nodiscard]] std::string kind_of(CLI::Option& option);

/// Without a second empty line anywhere.
[[nodiscard]] std::string help_of(const CommandAt& command);

/// Says that the command has no such word, and which may have been meant. Exit::usage.
Exit refuse_word(const CommandAt& command, const std::string& word);

}  // namespace vmapcheck::tool
