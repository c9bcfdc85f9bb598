// SPDX-License-Identifier: Apache-2.0
//
// And the commands `help` and `table`.
#include "tools/reference/reference.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <string_view>

#include "harness/random/demands.hpp"
#include "harness/random/near.hpp"
#include "subjects/registry.hpp"
#include "tools/commands.hpp"
#include "tools/files.hpp"

namespace vmapcheck::tool {
namespace {

void append_commands(std::vector<CommandAt>& commands, const CommandAt& command) {
  commands.push_back(command);
  for (CLI::App* const below : command.app->get_subcommands({}))
    append_commands(commands, {below, command.path + " " + below->get_name()});
}

/// What takes() has noted: the kind and the names that are taken, a tab, and what a message says.
std::string noted_of(CLI::Option& option) {
  try {
    return option.get_validator(0)->get_name();
  } catch (const CLI::OptionNotFound&) {
    return "any\t-";
  }
}

std::vector<std::string> words_of_kind(CLI::Option& option) {
  const std::string noted = noted_of(option);
  std::istringstream kind(noted.substr(0, noted.find('\t')));
  std::vector<std::string> words;
  for (std::string word; kind >> word;) words.push_back(word);
  return words;
}

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
  out_data("# The arguments of vmapcheck, for ./vmapcheck. `vmapcheck table` prints this file.\n" + text + help);
  return Exit::ok;
}

}  // namespace

std::vector<CommandAt> all_commands(CLI::App& app) {
  std::vector<CommandAt> commands;
  append_commands(commands, {&app, app.get_name()});
  return commands;
}

std::vector<CommandAt> selected_commands(CLI::App& app) {
  std::vector<CommandAt> commands{{&app, app.get_name()}};
  for (auto below = app.get_subcommands(); !below.empty(); below = below.back()->get_subcommands())
    commands.push_back({below.back(), commands.back().path + " " + below.back()->get_name()});
  return commands;
}

CommandAt selected_in(CLI::App& app) { return selected_commands(app).back(); }

std::vector<std::string> shown_commands(CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* const command : app.get_subcommands({}))
    if (!command->get_group().empty()) names.push_back(command->get_name());
  return names;
}

std::vector<CLI::Option*> shown_options(CLI::App& app) {
  return app.get_options([](const CLI::Option* option) { return !option->get_group().empty(); });
}

std::vector<std::string> names_of(const CLI::Option& option) {
  if (option.get_positional()) return {option.get_name()};
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

std::string kind_of(CLI::Option& option) { return words_of_kind(option).front(); }

std::vector<std::string> values_of(CLI::Option& option) {
  std::vector<std::string> words = words_of_kind(option);
  const std::string& kind = words.front();
  const std::size_t before = kind == "count" ? 3 : kind == "size" || kind == "flags" || kind == "or" ? 2 : 1;
  words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(std::min(before, words.size())));
  return words;
}

std::string help_of(const CommandAt& command) {
  std::string text = command.app->get_formatter()->make_help(command.app, command.path, CLI::AppFormatMode::Normal);
  for (std::size_t at; (at = text.find("\n\n\n")) != std::string::npos;) text.erase(at, 1);
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

Exit refuse_word(const CommandAt& command, const std::string& word) {
  const bool is_option = word.starts_with('-');
  std::vector<std::string> names = shown_commands(*command.app);
  const std::string_view kind = is_option       ? "unknown option"
                                : names.empty() ? "unexpected argument"
                                                : "unknown command";
  if (is_option) {
    names.clear();
    for (const CLI::Option* const option : shown_options(*command.app))
      for (const std::string& name : names_of(*option))
        if (name.starts_with("--")) names.push_back(name);
  }
  say(fmt::format("vmapcheck: {} '{}'{} (see {} --help)", kind, one_line(word, 100),
                  did_you_mean(is_option ? word.substr(0, word.find('=')) : word, names), command.path));
  return Exit::usage;
}

void add_help(CLI::App& app, Session& session) {
  CLI::App& command = add_command(app, session, "help", "Print the help of a command", uses_none,
                                  "vmapcheck help corpus import", {Exit::ok, Exit::usage, Exit::io});
  const auto words = std::make_shared<std::vector<std::string>>();
  add_place(command, "COMMAND", *words, "Which; as it is called");
  command.callback([&app, &session, words] {
    session.run = [&app, words] {
      CommandAt at{&app, app.get_name()};
      for (const std::string& word : *words) {
        const auto below = at.app->get_subcommands([&word](const CLI::App* each) { return each->get_name() == word; });
        if (below.empty()) return refuse_word(at, word);
        at = {below.front(), at.path + " " + word};
      }
      out(help_of(at) + "\n");
      return Exit::ok;
    };
  });
}

void add_table(CLI::App& app, Session& session) {
  CLI::App& command = add_command(app, session, "table", "The table of all arguments, tools/arguments.table", uses_none,
                                  "vmapcheck table", {Exit::ok, Exit::usage, Exit::io});
  command.group("");
  command.callback([&app, &session] { session.run = [&app] { return print_table(app); }; });
}

}  // namespace vmapcheck::tool
