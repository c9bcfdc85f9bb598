// SPDX-License-Identifier: Apache-2.0
//
// `table`: all arguments, as the launcher reads them.
#include <fmt/format.h>

#include <cstddef>
#include <limits>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

#include "harness/random/demands.hpp"
#include "subjects/registry.hpp"
#include "tools/commands.hpp"
#include "tools/files.hpp"
#include "tools/reference/reference.hpp"

namespace vmapcheck::tool {
namespace {

/// The names of those, in the order in which they are defined.
std::string names_in(CLI::App& app, const std::set<CLI::Option*>& options) {
  std::string text;
  for (CLI::Option* const option : app.get_options({}))
    if (options.contains(option)) text += (text.empty() ? "" : ",") + option->get_name();
  return text.empty() ? "-" : text;
}

/// A line of the table: what tools/arguments.bash reads, which says what each field is. The subjects have their own.
std::string line_of(const CommandAt& command, CLI::Option& option) {
  const std::string_view takes = is_flag(option)                                                   ? "flag"
                                 : option.get_positional() && option.get_items_expected_max() == 1 ? "one"
                                 : option.get_positional()                                         ? "many"
                                                                                                   : "value";
  const std::string noted = noted_of(option);
  const std::string kind = kind_of(option) == "subject" ? "subject" : noted.substr(0, noted.find('\t'));
  return fmt::format("option\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\n", command.path, fmt::join(names_of(option), ","), takes,
                     option.get_required()        ? "required"
                     : option.get_group().empty() ? "hidden"
                                                  : "shown",
                     names_in(*command.app, option.get_needs()), names_in(*command.app, option.get_excludes()), kind,
                     noted.substr(noted.find('\t') + 1));
}

Exit print_table(CLI::App& app) {
  std::string text = fmt::format("version\t{}\nsubjects", app.version()), help;
  for (const SubjectEntry& entry : subjects()) text += "\t" + entry.name;
  text += "\nmetrics";
  for (const Metric& metric : metrics()) text += "\t" + metric.name + (metric.whole.empty() ? "" : "%");
  text += "\n";
  for (const CommandAt& command : all_commands(app)) {
    text += fmt::format("command\t{}\t{}\t{}\n", command.path, command.app->get_group().empty() ? "hidden" : "shown",
                        command.app->get_require_subcommand_min());
    for (CLI::Option* const option : command.app->get_options({})) text += line_of(command, *option);
    std::istringstream lines(help_of(command));
    for (std::string line; std::getline(lines, line);) help += fmt::format("help\t{}\t{}\n", command.path, line);
  }
  std::istringstream listing(listing_of_subjects(std::numeric_limits<std::size_t>::max()));
  for (std::string line; std::getline(listing, line);) text += fmt::format("listing\t{}\n", line);
  out_data("# The arguments of vmapcheck, for ./vmapcheck. `vmapcheck table` prints this file.\n" + text + help);
  return Exit::ok;
}

}  // namespace

void add_table(CLI::App& app, Session& session) {
  CLI::App& command = add_command(app, session, "table", "The table of all arguments, tools/arguments.table", uses_none,
                                  "vmapcheck table", {Exit::ok, Exit::usage, Exit::io});
  command.group("");
  command.callback([&app, &session] { session.run = [&app] { return print_table(app); }; });
}

}  // namespace vmapcheck::tool
