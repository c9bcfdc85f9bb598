// SPDX-License-Identifier: Apache-2.0
//
// `completion`: the script by which a shell completes commands, options and values.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tools/commands.hpp"
#include "tools/files.hpp"
#include "tools/reference/reference.hpp"

namespace vmapcheck::tool {
namespace {

using Words = std::vector<std::string>;

/// The first line of a description.
std::string brief(const std::string& description) { return description.substr(0, description.find('\n')); }

/// In single quotes; a quote in it is written as `quote`.
std::string quoted(std::string_view text, std::string_view quote) {
  std::string all = "'";
  for (const char c : text) c == '\'' ? all += quote : all += c;
  return all + "'";
}

/// The words that an option takes, if they are known. What `help` takes are the commands.
Words words_of(CLI::App& app, const CommandAt& command, CLI::Option& option) {
  return command.path == "vmapcheck help" && option.get_positional() ? shown_commands(app) : values_of(option);
}

/// What a value names, where its words are not known.
enum class Names : std::uint8_t { nothing, files, directories };
Names names_what(CLI::Option& option) {
  const std::string type = option.get_positional() ? option.get_name() : option.get_type_name();
  if (kind_of(option) == "subject" || type == "FILE" || type == "PATH" || type == "LOG" || type == "OUT")
    return Names::files;
  return type == "DIR" || type == "NEW" ? Names::directories : Names::nothing;
}

std::vector<CommandAt> shown(CLI::App& app) {
  std::vector<CommandAt> commands = all_commands(app);
  std::erase_if(commands, [&app](const CommandAt& each) { return each.app != &app && each.app->get_group().empty(); });
  return commands;
}

/// The paths of the commands, in which a shell goes down word by word, as alternatives of a pattern.
std::string paths(CLI::App& app) {
  Words all;
  for (const CommandAt& command : shown(app))
    if (command.app != &app) all.push_back("'" + command.path + "'");
  return fmt::format("{}", fmt::join(all, " | "));
}

Words option_names(CLI::App& app) {
  Words all;
  for (const CLI::Option* const option : shown_options(app))
    if (!option->get_positional())
      for (std::string& name : names_of(*option)) all.push_back(std::move(name));
  return all;
}

// ---- bash

std::string bash_value(CLI::Option& option) {
  const Words words = values_of(option);
  std::string text;
  if (!words.empty()) text += fmt::format("words='{}' ", fmt::join(words, " "));
  switch (names_what(option)) {
    case Names::files: return text + "files=-f";
    case Names::directories: return text + "files=-d";
    case Names::nothing: return text.empty() ? ":" : text;
  }
  return text;
}

std::string for_bash(CLI::App& app) {
  std::string values, commands;
  for (const CommandAt& command : shown(app)) {
    Words words = shown_commands(*command.app);
    std::string files;
    for (CLI::Option* const option : shown_options(*command.app)) {
      if (option->get_positional() && names_what(*option) != Names::nothing)
        files = names_what(*option) == Names::files ? " files=-f" : " files=-d";
      if (option->get_positional())
        for (std::string& word : words_of(app, command, *option)) words.push_back(std::move(word));
      if (option->get_positional() || is_flag(*option)) continue;
      Words patterns;
      for (const std::string& name : names_of(*option)) patterns.push_back(fmt::format("'{} {}'", command.path, name));
      values += fmt::format("    {}) {} ;;\n", fmt::join(patterns, " | "), bash_value(*option));
    }
    for (std::string& name : option_names(*command.app)) words.push_back(std::move(name));
    commands += fmt::format("    '{}') words='{}'{} ;;\n", command.path, fmt::join(words, " "), files);
  }
  return fmt::format(R"(# bash completion of vmapcheck: source <(vmapcheck completion bash)
_vmapcheck() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD - 1]}}" at=vmapcheck words= files= i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case "$at ${{COMP_WORDS[i]}}" in
      {}) at+=" ${{COMP_WORDS[i]}}" ;;
    esac
  done
  # --option=value is three words
  if [[ $previous == = ]]; then previous="${{COMP_WORDS[COMP_CWORD - 2]}}"; fi
  if [[ $current == = ]]; then current=; fi
  case "$at $previous" in
{}    *) _vmapcheck_words ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [[ -n $files ]]; then
    local IFS=$'\n'
    COMPREPLY+=($(compgen "$files" -- "$current"))
    compopt -o filenames 2>/dev/null
  fi
}}
_vmapcheck_words() {{
  case "$at" in
{}  esac
}}
complete -F _vmapcheck vmapcheck
)",
                     paths(app), values, commands);
}

// ---- zsh

std::string zsh_value(CLI::Option& option, const Words& words) {
  const std::string type = option.get_positional() ? option.get_name() : option.get_type_name();
  if (!words.empty()) return fmt::format("{}:({})", type, fmt::join(words, " "));
  switch (names_what(option)) {
    case Names::files: return type + ":_files";
    case Names::directories: return type + ":_files -/";
    case Names::nothing: return type + ":( )";
  }
  return type;
}

std::string for_zsh(CLI::App& app) {
  std::string commands;
  for (const CommandAt& command : shown(app)) {
    std::string arguments;
    for (CLI::Option* const option : shown_options(*command.app)) {
      std::string text = brief(option->get_description());
      for (const std::string_view special : {"\\", "[", "]", ":"})
        for (std::size_t at = 0; (at = text.find(special, at)) != text.npos; at += 2) text.insert(at, 1, '\\');
      if (option->get_positional()) {
        arguments += " " + quoted((option->get_items_expected_max() == 1 ? ":" : "*:") +
                                      zsh_value(*option, words_of(app, command, *option)),
                                  "'\\''");
        continue;
      }
      for (const std::string& name : names_of(*option))
        arguments +=
            " " +
            quoted(fmt::format("*{}{}[{}]{}", name,
                               is_flag(*option)         ? ""
                               : name.starts_with("--") ? "="
                                                        : "+",
                               text, is_flag(*option) ? "" : ":" + zsh_value(*option, words_of(app, command, *option))),
                   "'\\''");
    }
    std::string below;
    for (CLI::App* const each : command.app->get_subcommands({}))
      if (!each->get_group().empty())
        below += " " + quoted(each->get_name() + ":" + brief(each->get_description()), "'\\''");
    if (!below.empty()) {
      commands +=
          fmt::format("    '{}') below=({}); arguments=({} '1:COMMAND:->below') ;;\n", command.path, below, arguments);
      continue;
    }
    commands += fmt::format("    '{}') arguments=({}) ;;\n", command.path, arguments);
  }
  return fmt::format(R"(#compdef vmapcheck
# zsh completion of vmapcheck: source <(vmapcheck completion zsh), or as _vmapcheck in a folder of $fpath
_vmapcheck() {{
  local at=vmapcheck state
  local -i i last=1
  local -a below arguments
  for ((i = 2; i < CURRENT; ++i)); do
    case "$at ${{words[i]}}" in
      {}) at+=" ${{words[i]}}"; last=i ;;
    esac
  done
  case "$at" in
{}  esac
  words=("${{(@)words[last,-1]}}")
  ((CURRENT -= last - 1))
  _arguments -s -S : "${{arguments[@]}}"
  if [[ $state == below ]]; then _describe COMMAND below; fi
}}
if [[ ${{funcstack[1]-}} == _vmapcheck ]]; then _vmapcheck "$@"; else compdef _vmapcheck vmapcheck; fi
)",
                     paths(app), commands);
}

// ---- fish

std::string fish_value(CLI::Option& option) {
  const Words words = values_of(option);
  const Names names = names_what(option);
  std::string text = names == Names::nothing ? " -x" : " -r -F";
  if (names == Names::directories) text = " -x -a '(__fish_complete_directories)'";
  if (!words.empty()) text += fmt::format(" -a '{}'", fmt::join(words, " "));
  return text;
}

std::string for_fish(CLI::App& app) {
  const auto described = [](const std::string& text) { return " -d " + quoted(brief(text), "\\'"); };
  std::string lines;
  for (const CommandAt& command : shown(app)) {
    const std::string begin = fmt::format("complete -c vmapcheck -n '__vmapcheck_at {}'", command.path);
    for (CLI::App* const below : command.app->get_subcommands({}))
      if (!below->get_group().empty())
        lines += begin + " -f -a " + below->get_name() + described(below->get_description()) + "\n";
    for (CLI::Option* const option : shown_options(*command.app)) {
      if (option->get_positional()) {
        if (names_what(*option) != Names::nothing) lines += begin + " -F\n";
        if (const Words words = words_of(app, command, *option); !words.empty())
          lines += fmt::format("{} -a '{}'\n", begin, fmt::join(words, " "));
        continue;
      }
      std::string names;
      for (const std::string& name : names_of(*option))
        names += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      lines +=
          begin + names + (is_flag(*option) ? "" : fish_value(*option)) + described(option->get_description()) + "\n";
    }
  }
  std::string patterns = paths(app);
  for (std::size_t at; (at = patterns.find(" | ")) != patterns.npos;) patterns.replace(at, 3, " ");
  return fmt::format(R"(# fish completion of vmapcheck: vmapcheck completion fish | source
function __vmapcheck_at
    set -l at vmapcheck
    for word in (commandline -opc)[2..-1]
        if contains -- "$at $word" {}
            set at "$at $word"
        end
    end
    test "$at" = "$argv"
end
complete -c vmapcheck -f
{})",
                     patterns, lines);
}

}  // namespace

void add_completion(CLI::App& app, Session& session) {
  CLI::App& command =
      add_command(app, session, "completion", "Print the script by which a shell completes", uses_none,
                  "source <(vmapcheck completion bash)           for this shell; in ~/.bashrc: for all\n"
                  "source <(vmapcheck completion zsh)            the same, behind compinit in ~/.zshrc\n"
                  "vmapcheck completion fish | source",
                  {Exit::ok, Exit::usage, Exit::io});
  const auto shell = std::make_shared<std::string>();
  takes(add_place(command, "SHELL", *shell, "bash, zsh or fish"),
        {"choice", "bash, zsh or fish", {"bash", "zsh", "fish"}, {}})
      ->required();
  command.callback([&app, &session, shell] {
    session.run = [&app, shell] {
      out_data(*shell == "bash" ? for_bash(app) : *shell == "zsh" ? for_zsh(app) : for_fish(app));
      return Exit::ok;
    };
  });
}

}  // namespace vmapcheck::tool
