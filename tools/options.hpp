// SPDX-License-Identifier: Apache-2.0
//
// What the commands have in common on the command line: the options that all accept, how numbers and durations are
// written, the end of each help page.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/verify/executor.hpp"
#include "subjects/registry.hpp"
#include "tools/exit_status.hpp"

namespace vmapcheck::tool {

/// What was said before the command, or among its own options.
struct Common {
  std::string program;  ///< how this program was called, for commands that are printed
  std::string subject = "vmap";
  std::optional<std::uint64_t> seed;
  bool json = false;
  bool sanitize = false;  ///< with a build of this program that has sanitizers, which this is
};

/// The command line while it is being read: a command that is recognized stores here what is to be run.
struct Session {
  Common common;
  std::function<Exit()> run;
};

enum Uses : unsigned { uses_none = 0, uses_subject = 1, uses_seed = 2, uses_json = 4 };

/// A command of `app`, which accepts the common options and shows those that it uses. `examples` are lines. `statuses`
/// are those with which it can end; none stands for all.
CLI::App& add_command(CLI::App& app, Session& session, const std::string& name, const std::string& description,
                      unsigned uses, const std::string& examples, std::initializer_list<Exit> statuses = {});

/// The options of one command, which are given to `run` with the common ones when the command line has been read.
template <class Options, class Run>
std::shared_ptr<Options> add_options(CLI::App& command, Session& session, Run run) {
  auto options = std::make_shared<Options>();
  command.callback(
      [&session, options, run] { session.run = [&session, options, run] { return run(session.common, *options); }; });
  return options;
}

/// The common options of the program itself.
void add_common_options(CLI::App& app, Common& common, unsigned uses);

/// What stands at the end of a help page: examples, and the exit statuses; all of them where none is named.
[[nodiscard]] std::string help_footer(const std::string& examples, std::initializer_list<Exit> statuses = {});

/// What an option takes: one of the names, or what fits. It is checked while the command line is read, and is in the
/// table of arguments (reference/reference.hpp), by which the launcher checks it before it builds anything.
struct Values {
  std::string kind;      ///< how tools/arguments.bash checks it, such as "count 1 1024" or "choice"
  std::string expected;  ///< as a message says it
  std::vector<std::string> names{};
  std::function<bool(const std::string&)> fits{};
};
CLI::Option* takes(CLI::Option* option, Values values);

/// "a, b or c"
[[nodiscard]] std::string one_of(const std::vector<std::string>& names);

/// The name of a subject, or a file that is there.
CLI::Option* add_subject(CLI::App& app, const std::string& name, std::string& target, const std::string& description);
/// --seed
CLI::Option* add_seed(CLI::App& app, std::optional<std::uint64_t>& target);
/// -j,--jobs: how many of `what` work at once; by default one for each core.
void add_jobs(CLI::App& app, std::uint64_t& target, const std::string& what);
/// A number from `least` to `most`, decimal or hexadecimal.
CLI::Option* add_count(CLI::App& app, const std::string& name, std::uint64_t& target, const std::string& description,
                       std::uint64_t least = 1, std::uint64_t most = std::numeric_limits<std::uint64_t>::max());
/// The same; nothing if the option is absent.
CLI::Option* add_count(CLI::App& app, const std::string& name, std::optional<std::uint64_t>& target,
                       const std::string& description, std::uint64_t least = 1,
                       std::uint64_t most = std::numeric_limits<std::uint64_t>::max());
/// The number of a step; nothing if the option is absent.
void add_step(CLI::App& app, const std::string& name, std::optional<std::uint64_t>& target,
              const std::string& description);
/// "90", "90s", "1.5m", "2h", "500ms"; above zero, and a year at most. The help says so.
CLI::Option* add_duration(CLI::App& app, const std::string& name, std::optional<std::chrono::nanoseconds>& target,
                          const std::string& description);
/// A text; where it is said several times, the last one counts. `type` is how the help calls it: "DIR".
CLI::Option* add_text(CLI::App& app, const std::string& name, std::string& target, const std::string& description,
                      const std::string& type);
/// One of the names.
CLI::Option* add_choice(CLI::App& app, const std::string& name, std::string& target, const std::string& description,
                        const std::string& type, const std::vector<std::string>& names);
/// Several of the names, with commas between.
CLI::Option* add_list(CLI::App& app, const std::string& name, std::vector<std::string>& target,
                      const std::string& description, const std::vector<std::string>& names);
/// What stands without a name: FILE, DIR.
template <class Target>
CLI::Option* add_place(CLI::App& app, const std::string& name, Target& target, const std::string& description) {
  return app.add_option(name, target, description)->type_name("");
}
/// What stands behind `--` for another program: flags, or what begins with one.
CLI::Option* add_flags(CLI::App& app, const std::string& name, std::vector<std::string>& target,
                       const std::string& description, bool first_only = false);
/// Thrown where one of them is no flag: it was not behind `--`, and is to be refused like any other word.
struct UnexpectedWord {
  std::string word;
};
/// -o,--save-dir: where failing traces are kept.
void add_save_dir(CLI::App& app, std::string& target);
/// DIR: a corpus; by default corpus_of_the_checkout().
void add_corpus_place(CLI::App& app, std::string& target);
void add_checking(CLI::App& app, std::optional<Checking>& target, const std::string& description);

[[nodiscard]] std::optional<std::uint64_t> parse_count(std::string_view text);
[[nodiscard]] std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);
[[nodiscard]] std::string_view name(Checking checking);

/// A Stop with Exit::subject if the file of that name cannot be loaded; other names were checked by --subject.
[[nodiscard]] const SubjectEntry& subject_named(const std::string& name);

/// corpus/ of the checkout from which this was called, else of the working directory.
[[nodiscard]] std::string corpus_of_the_checkout();

/// The seed that was given, or `otherwise`.
[[nodiscard]] std::uint64_t seed_of(const Common& common, std::uint64_t otherwise);
[[nodiscard]] std::uint64_t random_seed();

/// The value of an environment variable; nothing if it is unset or empty.
[[nodiscard]] std::optional<std::string> environment(const char* name);

}  // namespace vmapcheck::tool
