// SPDX-License-Identifier: Apache-2.0
#include "tools/program.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <exception>
#include <new>
#include <string>

#include "harness/isolate/isolation.hpp"
#include "tools/exit_status.hpp"
#include "tools/files.hpp"
#include "tools/interruption.hpp"
#include "tools/reference/reference.hpp"

#ifndef VMAPCHECK_VERSION
#define VMAPCHECK_VERSION "unknown"
#endif

namespace vmapcheck::tool {
namespace {

void describe(CLI::App& app, Session& session, AddCommands add_commands);
std::string program_name(const char* called);
Exit refused(CLI::App& app, const CLI::ParseError& error);
std::string refusal(CLI::App& app, const CLI::ParseError& error);

Exit run(int argc, char** argv, AddCommands add_commands) {
  Session session;
  session.common.program = program_name(argc > 0 ? argv[0] : nullptr);
  CLI::App app;
  describe(app, session, add_commands);
  try {
    app.parse(argc, argv);
  } catch (const UnexpectedWord& unexpected) {
    return refuse_word(selected_in(app), unexpected.word);
  } catch (const CLI::ParseError& error) {
    return refused(app, error);
  }
  if (session.run) return session.run();
  say(help_of({&app, "vmapcheck"}));
  return Exit::usage;
}

void describe(CLI::App& app, Session& session, AddCommands add_commands) {
  app.name("vmapcheck");
  app.description("Verifies allocators of address ranges against a reference model.");
  app.set_help_flag("-h,--help", "Print this help");
  app.set_version_flag("--version", VMAPCHECK_VERSION, "Print the version");
  app.get_formatter()->column_width(26);
  app.get_formatter()->label("SUBCOMMAND", "COMMAND");
  app.get_formatter()->label("SUBCOMMANDS", "COMMAND");
  app.get_formatter()->label("Subcommands", "Commands");
  app.require_subcommand(0, 1);
  add_common_options(app, session.common, uses_subject | uses_seed | uses_json);
  app.footer(
      help_footer("vmapcheck check --subject seed_2019\n"
                  "vmapcheck replay --json FILE.trace\n"
                  "vmapcheck campaign --time 10m\n"
                  "vmapcheck COMMAND --help"));

  add_commands(app, session);
  for (CLI::App* const command : app.get_subcommands({}))
    if (!command->get_group().empty()) command->group("Commands");
  for (const CommandAt& command : all_commands(app))
    for (CLI::Option* const option : command.app->get_options({}))
      if (option->get_items_expected_max() == 0) option->disable_flag_override();  // no --json=false
}

/// What a user types to run this again: the launcher says so, if it was one.
std::string program_name(const char* called) {
  if (const auto launcher = environment("VMAPCHECK_COMMAND")) return *launcher;
  if (environment("VMAPCHECK_SOURCE_DIR")) return "./vmapcheck";
  return called != nullptr && *called != '\0' ? called : "vmapcheck";
}

/// Says the help, the version or what is wrong. A word that is unknown comes before all else: the help would be that of
/// another command. tools/arguments.bash looks in the same order.
Exit refused(CLI::App& app, const CLI::ParseError& error) {
  for (const CommandAt& command : selected_commands(app))
    for (const std::string& word : command.app->remaining())
      if (word != "--") return refuse_word(command, word);
  const CommandAt selected = selected_in(app);
  if (dynamic_cast<const CLI::CallForVersion*>(&error) != nullptr) {
    out("vmapcheck " VMAPCHECK_VERSION "\n");
    return Exit::ok;
  }
  if (dynamic_cast<const CLI::CallForHelp*>(&error) != nullptr) {
    out(help_of(selected) + "\n");
    return Exit::ok;
  }
  say(fmt::format("vmapcheck: {} (see {} --help)", one_line(refusal(*selected.app, error)), selected.path));
  return Exit::usage;
}

std::string refusal(CLI::App& app, const CLI::ParseError& error) {
  const std::string text = error.what();
  if (const auto end = text.find(" was given a disallowed flag override"); end != text.npos) {
    const std::string name = text.substr(0, end);
    return fmt::format("{}{} takes no value", name.size() == 1 ? "-" : "--", name);
  }
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr)
    return text.substr(0, text.find(": ")) + " needs a value";
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr && text == "A subcommand is required")
    return fmt::format("{} needs a command: {}", app.get_name(), one_of(shown_commands(app)));
  return text;
}

Exit run_guarded(int argc, char** argv, AddCommands add_commands) {
  try {
    const Exit status = run(argc, argv, add_commands);
    flush_out();
    return status;
  } catch (const Stop& stop) {
    report(stop);
    return stop.status;
  } catch (const ChildrenKilled& killed) {
    say("vmapcheck: " + one_line(killed.what()));
    return Exit::subject;
  } catch (const std::bad_alloc&) {
    say("vmapcheck: out of memory");
    return Exit::io;
  } catch (const std::exception& error) {
    say("vmapcheck: " + one_line(error.what()));
    return Exit::io;
  }
}

}  // namespace

int run_program(int argc, char** argv, AddCommands add_commands) {
  prepare_standard_files();
  watch_for_interrupts();
  try {
    return static_cast<int>(run_guarded(argc, argv, add_commands));
  } catch (const Stop& stop) {  // standard output failed while something else was being reported
    return static_cast<int>(stop.status);
  }
}

}  // namespace vmapcheck::tool
