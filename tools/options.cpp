// SPDX-License-Identifier: Apache-2.0
#include "tools/options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <system_error>
#include <thread>
#include <utility>

#include "harness/isolate/isolation.hpp"
#include "model/near.hpp"
#include "subjects/loaded.hpp"
#include "tools/files.hpp"

namespace vmapcheck::tool {
namespace {

constexpr std::uint64_t count_max = std::numeric_limits<std::uint64_t>::max();

Values counts(std::uint64_t least, std::uint64_t most) {
  const auto fits = [least, most](const std::string& text) {
    const auto number = parse_count(text);
    return number && *number >= least && *number <= most;
  };
  return {fmt::format("count {} {}", least, most),
          fmt::format("a number from {} {}", least, most == count_max ? "up" : fmt::format("to {}", most)),
          {},
          fits};
}

/// What is checked by default, and all else that `vmapcheck subjects` lists, or a file that is there.
Values subject_names() {
  Values values{.kind = "subject", .expected = {}, .names = {}, .fits = [](const std::string& text) {
                  std::error_code ignored;
                  return names_shared_object(text) && std::filesystem::exists(text, ignored);
                }};
  for (const SubjectEntry& entry : subjects()) {
    values.names.push_back(entry.name);
    if (entry.kind != SubjectKind::canary && entry.kind != SubjectKind::faulty) values.expected += entry.name + ", ";
  }
  values.expected += "a canary, a faulty one (`vmapcheck subjects` lists them) or a file that is there";
  return values;
}

template <class Target, class Parse>
CLI::Option* add_parsed(CLI::App& app, const std::string& name, Target& target, const std::string& description,
                        const char* type, Values values, Parse parse) {
  const auto read = [&target, parse](const std::string& text) { target = *parse(text); };
  return takes(app.add_option_function<std::string>(name, read, description)->type_name(type)->take_last(),
               std::move(values));
}

/// A common option: the help of a command hides those that it does not use.
CLI::Option* shared(CLI::Option* option, bool shown) { return option->group(shown ? "Common options" : ""); }

}  // namespace

CLI::Option* takes(CLI::Option* option, Values values) {
  std::string in_table = values.kind;
  for (const std::string& name : values.names) in_table += " " + name;
  in_table += "\t" + values.expected;
  const auto check = [values = std::move(values)](const std::string& text) -> std::string {
    if (std::ranges::find(values.names, text) != values.names.end() || (values.fits && values.fits(text))) return {};
    return fmt::format("expected {}, found '{}'{}", values.expected, one_line(text, 60),
                       did_you_mean(text, values.names));
  };
  return option->check(check, "", in_table);
}

std::string one_of(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i)
    text += (i == 0 ? "" : i + 1 == names.size() ? " or " : ", ") + names[i];
  return text;
}

CLI::App& add_command(CLI::App& app, Session& session, const std::string& name, const std::string& description,
                      unsigned uses, const std::string& examples, std::initializer_list<Exit> statuses) {
  CLI::App& command = *app.add_subcommand(name, description);
  command.set_help_flag("-h,--help", "Print this help");
  add_common_options(command, session.common, uses);
  command.footer(help_footer(examples, statuses));
  return command;
}

void add_common_options(CLI::App& app, Common& common, unsigned uses) {
  shared(add_subject(app, "--subject", common.subject,
                     "What is checked; `vmapcheck subjects` lists them (default: vmap); or a file with\n"
                     "one, FILE.so: a mutant built by `vmapcheck mutants`"),
         (uses & uses_subject) != 0);
  shared(add_seed(app, common.seed), (uses & uses_seed) != 0);
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

CLI::Option* add_subject(CLI::App& app, const std::string& name, std::string& target, const std::string& description) {
  return takes(add_text(app, name, target, description, "NAME"), subject_names());
}

CLI::Option* add_seed(CLI::App& app, std::optional<std::uint64_t>& target) {
  const auto parse = [](const std::string& text) { return text == "random" ? random_seed() : parse_count(text); };
  Values values = counts(0, count_max);
  values.expected = "a number of 64 bits or 'random'";
  values.names = {"random"};
  return add_parsed(app, "--seed", target, "Seed of all random choices; 'random' draws one", "N", std::move(values),
                    parse);
}

CLI::Option* add_count(CLI::App& app, const std::string& name, std::uint64_t& target, const std::string& description,
                       std::uint64_t least, std::uint64_t most) {
  return add_parsed(app, name, target, description, "N", counts(least, most), parse_count);
}

CLI::Option* add_count(CLI::App& app, const std::string& name, std::optional<std::uint64_t>& target,
                       const std::string& description, std::uint64_t least, std::uint64_t most) {
  return add_parsed(app, name, target, description, "N", counts(least, most), parse_count);
}

void add_jobs(CLI::App& app, std::uint64_t& target, const std::string& what) {
  target = std::max(1u, std::thread::hardware_concurrency());
  add_count(app, "-j,--jobs", target, what + " (default: one for each core)", 1, 1024);
}

void add_step(CLI::App& app, const std::string& name, std::optional<std::uint64_t>& target,
              const std::string& description) {
  add_count(app, name, target, description, 0);
}

CLI::Option* add_duration(CLI::App& app, const std::string& name, std::optional<std::chrono::nanoseconds>& target,
                          const std::string& description) {
  return add_parsed(app, name, target, description + "\n(TIME: 500ms, 90s, 1.5m or 2h; without a unit it is seconds)",
                    "TIME",
                    {"duration",
                     "a duration such as 90s, 1.5m, 2h or 500ms",
                     {},
                     [](const std::string& text) { return parse_duration(text).has_value(); }},
                    parse_duration);
}

CLI::Option* add_choice(CLI::App& app, const std::string& name, std::string& target, const std::string& description,
                        const std::string& type, const std::vector<std::string>& names) {
  return takes(add_text(app, name, target, description, type), {"choice", one_of(names), names, {}});
}

CLI::Option* add_list(CLI::App& app, const std::string& name, std::vector<std::string>& target,
                      const std::string& description, const std::vector<std::string>& names) {
  CLI::Option* const option = app.add_option(name, target, description)->type_name("LIST")->delimiter(',');
  return takes(option->allow_extra_args(false), {"list", one_of(names), names, {}});
}

CLI::Option* add_text(CLI::App& app, const std::string& name, std::string& target, const std::string& description,
                      const std::string& type) {
  return app.add_option(name, target, description)->type_name(type)->take_last();
}

CLI::Option* add_flags(CLI::App& app, const std::string& name, std::vector<std::string>& target,
                       const std::string& description, bool first_only) {
  const auto check = [](const std::string& text) -> std::string {
    if (!text.starts_with('-')) throw UnexpectedWord{text};
    return {};
  };
  CLI::Validator flag(check, "", first_only ? "flags first\t-" : "flags\t-");
  return add_place(app, name, target, description)->check(first_only ? flag.application_index(0) : flag);
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
  const auto parse = [](const std::string& text) {
    return std::optional(text == name(Checking::amortized) ? Checking::amortized : Checking::every_step);
  };
  add_parsed(app, "--checking", target, description, "HOW",
             {"choice", "every-step or amortized", {"every-step", "amortized"}, {}}, parse);
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
  const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, number, std::chars_format::fixed);
  if (error != std::errc() || end != text.data() + digits) return std::nullopt;
  const std::string_view unit = text.substr(digits);
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
  throw Stop{Exit::usage, fmt::format("there is no subject '{}' (see vmapcheck subjects)", one_line(name))};
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
