// SPDX-License-Identifier: Apache-2.0
//
// The command line: reads it, runs the command, and turns whatever ends it into an exit status and at most one line.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <exception>
#include <new>
#include <string>

#include "harness/isolate/isolation.hpp"
#include "tools/commands.hpp"
#include "tools/debugger.hpp"
#include "tools/exit_status.hpp"
#include "tools/files.hpp"
#include "tools/interruption.hpp"
#include "tools/options.hpp"

#ifndef VMAPCHECK_VERSION
#define VMAPCHECK_VERSION "unknown"
#endif

namespace vmapcheck::tool {
namespace {

/// Scripts that build a checkout, and are run by ./vmapcheck at its top. Here they are only listed.
struct CheckoutCommand {
  const char* name;
  const char* description;
};
constexpr CheckoutCommand commands_of_the_checkout[] = {
    {"test", "Run everything that CI runs"},
    {"mutants", "Which driver finds which fault of a catalogue"},
    {"mutation", "Which small changes of the allocator are noticed"},
    {"coverage", "How much of the allocator corpus and properties execute"},
};

void describe(CLI::App& app, Session& session);
void add_command_of_the_checkout(CLI::App& app, Session& session, const CheckoutCommand& command);
std::string program_name(const char* called);
std::string help_of(const CLI::App& app);
Exit said_or_refused(const CLI::App& app, const std::string& text);
Exit parse_failed(const CLI::App& app, const CLI::ParseError& error);

Exit run(int argc, char** argv) {
  Session session;
  session.common.program = program_name(argc > 0 ? argv[0] : nullptr);
  CLI::App app;
  describe(app, session);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForVersion&) {
    return said_or_refused(app, "vmapcheck " VMAPCHECK_VERSION "\n");
  } catch (const CLI::CallForHelp&) {
    return said_or_refused(app, help_of(app) + "\n");
  } catch (const CLI::ParseError& error) {
    return parse_failed(app, error);
  }
  if (session.run) return session.run();
  say(help_of(app));
  return Exit::usage;
}

void describe(CLI::App& app, Session& session) {
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

  if constexpr (VMAPCHECK_ONLY_CAMPAIGN) {  // what it does not name, it is not linked with
    add_campaign(app, session);
  } else {
    for (const CheckoutCommand& command : commands_of_the_checkout) add_command_of_the_checkout(app, session, command);
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
  }
  for (CLI::App* const command : app.get_subcommands({})) command->group("Commands");
  if constexpr (!VMAPCHECK_ONLY_CAMPAIGN) add_step_to(app, session);
}

void add_command_of_the_checkout(CLI::App& app, Session& session, const CheckoutCommand& command) {
  CLI::App& listed =
      *app.add_subcommand(command.name, fmt::format("{} (./vmapcheck at the top of a checkout)", command.description));
  listed.prefix_command();
  listed.callback([&session, &command] {
    session.run = [&command] {
      say(fmt::format("vmapcheck: `{0}` builds a checkout: ./vmapcheck {0}, at its top", command.name));
      return Exit::usage;
    };
  });
}

/// What a user types to run this again: the launcher says so, if it was one.
std::string program_name(const char* called) {
  if (const auto launcher = environment("VMAPCHECK_COMMAND")) return *launcher;
  if (environment("VMAPCHECK_SOURCE_DIR")) return "./vmapcheck";
  return called != nullptr && *called != '\0' ? called : "vmapcheck";
}

/// The help of the command that was named, without a second empty line anywhere.
std::string help_of(const CLI::App& app) {
  std::string text = app.help();
  for (std::size_t at; (at = text.find("\n\n\n")) != std::string::npos;) text.erase(at, 1);
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

/// Refuses --help behind a command that does not exist: it would print the help of another.
Exit said_or_refused(const CLI::App& app, const std::string& text) {
  if (const auto extra = app.remaining(true); !extra.empty()) return parse_failed(app, CLI::ExtrasError(extra));
  out(text);
  return Exit::ok;
}

Exit parse_failed(const CLI::App& app, const CLI::ParseError& error) {
  const auto commands = app.get_subcommands();
  std::string command = "vmapcheck";
  const CLI::App* selected = &app;
  for (auto below = commands; !below.empty(); below = selected->get_subcommands()) {
    selected = below.back();
    command += " " + selected->get_name();
  }
  std::string what = one_line(error.what(), 300);
  if (const auto extra = app.remaining(true);
      !extra.empty() && dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    const std::string word = one_line(extra.front(), 100);
    const bool takes_command = !selected->get_subcommands([](const CLI::App*) { return true; }).empty();
    const std::string_view kind = word.starts_with('-') ? "unknown option"
                                  : takes_command       ? "unknown command"
                                                        : "unexpected argument";
    what = fmt::format("{} '{}'", kind, word);
  }
  say(fmt::format("vmapcheck: {} (see {} --help)", what, command));
  return Exit::usage;
}

Exit run_guarded(int argc, char** argv) {
  try {
    const Exit status = run(argc, argv);
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
}  // namespace vmapcheck::tool

int main(int argc, char** argv) {
  using namespace vmapcheck::tool;
  prepare_standard_files();
  watch_for_interrupts();
  try {
    return static_cast<int>(run_guarded(argc, argv));
  } catch (const Stop& stop) {  // standard output failed while something else was being reported
    return static_cast<int>(stop.status);
  }
}
