// SPDX-License-Identifier: Apache-2.0
//
// `man`: the manual page vmapcheck(1), which has the help of every command.
#include <fmt/format.h>

#include <string>
#include <string_view>

#include "tools/commands.hpp"
#include "tools/files.hpp"
#include "tools/reference/reference.hpp"

namespace vmapcheck::tool {
namespace {

/// As roff has to have it: no line begins with a control character, and no `-` becomes a hyphen.
std::string roff(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    if ((c == '.' || c == '\'') && (safe.empty() || safe.back() == '\n')) safe += "\\&";
    if (c == '\\')
      safe += "\\e";
    else if (c == '-')
      safe += "\\-";
    else
      safe += c;
  }
  return safe;
}

std::string synopsis(const CommandAt& command) {
  std::string text = fmt::format("\\fB{}\\fR [\\fIOPTION\\fR]...", roff(command.path));
  for (const CLI::Option* const option : shown_options(*command.app))
    if (option->get_positional()) {
      const std::string place =
          fmt::format("\\fI{}\\fR{}", option->get_name(), option->get_items_expected_max() == 1 ? "" : "...");
      text += option->get_required() ? " " + place : " [" + place + "]";
    }
  if (!shown_commands(*command.app).empty()) text += " \\fICOMMAND\\fR";
  return text;
}

std::string options_of(const CommandAt& command) {
  std::string text;
  for (const CLI::Option* const option : shown_options(*command.app)) {
    std::string names;
    for (const std::string& name : names_of(*option))
      names += (names.empty() ? "\\fB" : ", \\fB") + roff(name) + "\\fR";
    if (!option->get_positional() && !is_flag(*option)) names += fmt::format(" \\fI{}\\fR", option->get_type_name());
    text += fmt::format(".TP\n{}\n{}\n", names, roff(option->get_description()));
  }
  return text;
}

/// Examples and exit statuses, line by line as the help has them.
std::string end_of(const CommandAt& command) { return ".PP\n.nf\n" + roff(command.app->get_footer()) + "\n.fi\n"; }

std::string page(CLI::App& app) {
  std::string text =
      fmt::format(".TH VMAPCHECK 1 \"\" \"vmapcheck {}\" \"User Commands\"\n.SH NAME\nvmapcheck \\- {}\n.SH SYNOPSIS\n",
                  app.version(), "verifies allocators of address ranges against a reference model");
  text += synopsis({&app, app.get_name()}) + "\n";
  text +=
      ".SH DESCRIPTION\n"
      "Random traces, a fuzzer, recorded programs or every state of a small space are run on an allocator, the\n"
      "subject, and each answer is held against a naive model. What fails is minimized to the smallest trace that\n"
      "fails so. The commands, each with its options:\n";
  for (const CommandAt& command : all_commands(app)) {
    if (command.app->get_group().empty() && command.app != &app) continue;
    if (command.app == &app) {
      text += ".SH OPTIONS\n" + options_of(command) + end_of(command) + ".SH COMMANDS\n";
      continue;
    }
    text += fmt::format(".SS {}\n{}\n.PP\n{}\n{}{}", roff(command.path), synopsis(command),
                        roff(command.app->get_description()), options_of(command), end_of(command));
  }
  return text + ".SH SEE ALSO\n\\fBstrace\\fR(1)\n";
}

}  // namespace

void add_man(CLI::App& app, Session& session) {
  CLI::App& command = add_command(app, session, "man", "Print the manual page", uses_none,
                                  "vmapcheck man | man -l -\n"
                                  "vmapcheck man >~/.local/share/man/man1/vmapcheck.1",
                                  {Exit::ok, Exit::usage, Exit::io});
  command.callback([&app, &session] {
    session.run = [&app] {
      out_data(page(app));
      return Exit::ok;
    };
  });
}

}  // namespace vmapcheck::tool
