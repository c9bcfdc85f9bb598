// SPDX-License-Identifier: Apache-2.0
//
// And the command `help`.
#include "tools/reference/reference.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <string_view>

#include "model/near.hpp"
#include "tools/commands.hpp"
#include "tools/files.hpp"

namespace vmapcheck::tool {
namespace {

void append_commands(std::vector<CommandAt>& commands, const CommandAt& command) {
  commands.push_back(command);
  for (CLI::App* const below : command.app->get_subcommands({}))
    append_commands(commands, {below, command.path + " " + below->get_name()});
}

std::vector<std::string> words_of_kind(CLI::Option& option) {
  const std::string noted = noted_of(option);
  std::istringstream kind(noted.substr(0, noted.find('\t')));
  std::vector<std::string> words;
  for (std::string word; kind >> word;) words.push_back(word);
  return words;
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

std::string noted_of(CLI::Option& option) {
  try {
    return option.get_validator(0)->get_name();
  } catch (const CLI::OptionNotFound&) {
    return "any\t-";
  }
}

std::string kind_of(CLI::Option& option) { return words_of_kind(option).front(); }

std::vector<std::string> values_of(CLI::Option& option) {
  std::vector<std::string> words = words_of_kind(option);
  const std::string& kind = words.front();
  const std::size_t before = kind == "count"                                                       ? 3
                             : kind == "size" || kind == "mask" || kind == "flags" || kind == "or" ? 2
                                                                                                   : 1;
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

}  // namespace vmapcheck::tool
