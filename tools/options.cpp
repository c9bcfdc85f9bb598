// SPDX-License-Identifier: Apache-2.0
#include "tools/options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <random>
#include <system_error>
#include <thread>

#include "harness/isolate/isolation.hpp"
#include "subjects/loaded.hpp"
#include "tools/files.hpp"

namespace vmapcheck::tool {
namespace {

[[noreturn]] void invalid(const std::string& option, std::string_view expected, std::string_view text) {
  throw CLI::ValidationError(option, fmt::format("expected {}, found '{}'", expected, one_line(text, 60)));
}

/// An option whose text `parse` turns into the target; where it gives nothing, the text is not what was `expected`.
template <class Target, class Parse>
CLI::Option* add_parsed(CLI::App& app, const std::string& name, std::optional<Target>& target,
                        const std::string& description, const char* type, std::string_view expected, Parse parse) {
  const auto read = [&target, name, expected, parse](const std::string& text) {
    target = parse(text);
    if (!target) invalid(name, expected, text);
  };
  return app.add_option_function<std::string>(name, read, description)->type_name(type)->take_last();
}

/// A common option: the help of a command hides those that it does not use.
CLI::Option* shared(CLI::Option* option, bool shown) { return option->group(shown ? "Common options" : ""); }

}  // namespace

CLI::App& add_command(CLI::App& app, Session& session, const std::string& name, const std::string& description,
                      unsigned uses, const std::string& examples, std::initializer_list<Exit> statuses) {
  CLI::App& command = *app.add_subcommand(name, description);
  command.set_help_flag("-h,--help", "Print this help");
  add_common_options(command, session.common, uses);
  command.footer(help_footer(examples, statuses));
  return command;
}

void add_common_options(CLI::App& app, Common& common, unsigned uses) {
  shared(app.add_option("--subject", common.subject,
                        "What is checked; `vmapcheck subjects` lists them (default: vmap); or a file with\n"
                        "one, FILE.so: a mutant built by `vmapcheck mutants`")
             ->type_name("NAME")
             ->take_last(),
         (uses & uses_subject) != 0);
  const auto parse_seed = [](const std::string& text) { return text == "random" ? random_seed() : parse_count(text); };
  shared(add_parsed(app, "--seed", common.seed, "Seed of all random choices; 'random' draws one", "N",
                    "a number of 64 bits or 'random'", parse_seed),
         (uses & uses_seed) != 0);
  const auto sanitize = [&common] {
    common.sanitize = true;
    if (!is_sanitized())
      throw CLI::ValidationError("--sanitize",
                                 "this program was built without sanitizers; ./vmapcheck at the top of a "
                                 "checkout builds one with them");
  };
  shared(app.add_flag_callback("--sanitize", sanitize, "With AddressSanitizer and UndefinedBehaviorSanitizer"),
         (uses & uses_subject) != 0);
  shared(app.add_flag_callback("--json", [&common] { common.json = true; }, "Answer in JSON"), (uses & uses_json) != 0);
}

std::string help_footer(const std::string& examples, std::initializer_list<Exit> statuses) {
  std::string text = "Examples:\n";
  for (std::string_view rest = examples; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    text += fmt::format("  {}\n", rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  text += "\nExit status:\n";
  for (const auto& [status, meaning] : exit_meanings)
    if (statuses.size() == 0 ||
        std::ranges::find(statuses, status == Exit::oracle ? Exit::violation : status) != statuses.end())
      text += fmt::format("  {:>2}  {}\n", static_cast<int>(status), meaning);
  text.pop_back();
  return text;
}

void add_count(CLI::App& app, const std::string& name, std::uint64_t& target, const std::string& description,
               std::uint64_t least, std::uint64_t most) {
  const std::string option = name.substr(name.find("--") == std::string::npos ? 0 : name.find("--"));
  const auto read = [&target, option, least, most](const std::string& text) {
    const auto number = parse_count(text);
    if (!number || *number < least || *number > most) {
      if (most == std::numeric_limits<std::uint64_t>::max())
        invalid(option, fmt::format("a number from {} up", least), text);
      invalid(option, fmt::format("a number from {} to {}", least, most), text);
    }
    target = *number;
  };
  app.add_option_function<std::string>(name, read, description)->type_name("N")->take_last();
}

void add_jobs(CLI::App& app, std::uint64_t& target, const std::string& what) {
  target = std::max(1u, std::thread::hardware_concurrency());
  add_count(app, "-j,--jobs", target, what + " (default: one for each core)", 1, 1024);
}

void add_step(CLI::App& app, const std::string& name, std::optional<std::uint64_t>& target,
              const std::string& description) {
  add_parsed(app, name, target, description, "N", "the number of a step", parse_count);
}

void add_duration(CLI::App& app, const std::string& name, std::optional<std::chrono::nanoseconds>& target,
                  const std::string& description) {
  add_parsed(app, name, target, description, "TIME", "a duration such as 90s, 1.5m, 2h or 500ms", parse_duration);
}

CLI::Option* add_text(CLI::App& app, const std::string& name, std::string& target, const std::string& description,
                      const std::string& type) {
  return app.add_option(name, target, description)->type_name(type)->take_last();
}

void add_save_dir(CLI::App& app, std::string& target) {
  target = "vmapcheck-failures";
  add_text(app, "-o,--save-dir", target, "Where a trace that shows a violation is saved (default: vmapcheck-failures)",
           "DIR");
}

void add_corpus_place(CLI::App& app, std::string& target) {
  target = corpus_of_the_checkout();
  add_place(app, "DIR", target,
            "The corpus: any folder of traces, or that of a campaign (default: corpus/ of the checkout)");
}

void add_checking(CLI::App& app, std::optional<Checking>& target, const std::string& description) {
  const auto parse = [](const std::string& text) -> std::optional<Checking> {
    for (const Checking checking : {Checking::every_step, Checking::amortized})
      if (text == name(checking)) return checking;
    return std::nullopt;
  };
  add_parsed(app, "--checking", target, description, "HOW", "every-step or amortized", parse);
}

std::string_view name(Checking checking) { return checking == Checking::every_step ? "every-step" : "amortized"; }

std::optional<std::uint64_t> parse_count(std::string_view text) {
  const bool hexadecimal = text.starts_with("0x");
  if (hexadecimal) text.remove_prefix(2);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, hexadecimal ? 16 : 10);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  double seconds = number;
  if (unit == "ms")
    seconds *= 1e-3;
  else if (unit == "m")
    seconds *= 60;
  else if (unit == "h")
    seconds *= 3600;
  else if (!unit.empty() && unit != "s")
    return std::nullopt;
  constexpr double year = 366.0 * 24 * 3600;
  if (!(seconds >= 1e-3 && seconds <= year)) return std::nullopt;
  return std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
}

const SubjectEntry& subject_named(const std::string& name) {
  if (const SubjectEntry* const entry = find_subject(name)) return *entry;
  if (names_shared_object(name)) {
    const auto loaded = load_subject(name);
    if (!loaded) throw Stop{Exit::subject, one_line(loaded.error(), 300)};
    return **loaded;
  }
  std::string known;
  for (const SubjectEntry& entry : subjects())
    if (entry.kind != SubjectKind::canary && entry.kind != SubjectKind::faulty)
      known += (known.empty() ? "" : ", ") + entry.name;
  throw Stop{Exit::subject,
             fmt::format("there is no subject '{}', but {}, canaries and faulty ones (see vmapcheck subjects)",
                         one_line(name), known)};
}

std::string corpus_of_the_checkout() {
  const auto checkout = environment("VMAPCHECK_SOURCE_DIR");
  return checkout ? *checkout + "/corpus" : "corpus";
}

std::uint64_t seed_of(const Common& common, std::uint64_t otherwise) { return common.seed.value_or(otherwise); }

std::uint64_t random_seed() { return std::random_device()(); }

std::optional<std::string> environment(const char* name) {
  const char* const value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

}  // namespace vmapcheck::tool
