// SPDX-License-Identifier: Apache-2.0
//
// `test`, `mutants`, `mutation`, `coverage` and `bench`, as ./vmapcheck and what is behind it take them. Here they are
// only described: for the help, for the table by which ./vmapcheck checks their arguments, for completions.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "tools/bench_options.hpp"
#include "tools/commands.hpp"
#include "tools/files.hpp"

namespace vmapcheck::tool {
namespace {

Exit builds_a_checkout(const std::string& command) {
  say(fmt::format("vmapcheck: `{0}` builds a checkout: ./vmapcheck {0}, at its top", command));
  return Exit::usage;
}

/// The options of one command. What is given is only checked.
class Described {
 public:
  Described(CLI::App& app, Session& session, const std::string& name, const std::string& description,
            const std::string& examples, std::initializer_list<Exit> statuses)
      : command_(*app.add_subcommand(name, description + " (./vmapcheck at the top of a checkout)")) {
    command_.set_help_flag("-h,--help", "Print this help");
    command_.footer(help_footer(examples, statuses));
    command_.callback([&session, name, kept = std::tuple(given_, all_given_, number_)] {
      session.run = [name] { return builds_a_checkout(name); };
    });
  }

  void flag(const char* name, const std::string& description) { command_.add_flag(name, description); }
  void text(const char* name, const char* description, const char* type) {
    add_text(command_, name, *given_, description, type);
  }
  void texts(const char* name, const char* description, const char* type) {
    command_.add_option(name, *all_given_, description)->type_name(type)->allow_extra_args(false);
  }
  void choice(const char* name, const char* description, const char* type, const std::vector<std::string>& names) {
    add_choice(command_, name, *given_, description, type, names);
  }
  void list(const char* name, const char* description, const std::vector<std::string>& names) {
    add_list(command_, name, *all_given_, description, names);
  }
  void count(const char* name, const char* description, std::uint64_t least = 1,
             std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) {
    add_count(command_, name, *number_, description, least, most);
  }
  void seed() { add_seed(command_, *number_); }
  void flags(const char* name, const char* description) { add_flags(command_, name, *all_given_, description, true); }
  void fitting(const char* name, const char* description, const char* type, Values values) {
    takes(add_text(command_, name, *given_, description, type), std::move(values));
  }
  /// For tests of these commands themselves.
  void hidden(const char* name) { add_text(command_, name, *given_, "", "FILE")->group(""); }

 private:
  CLI::App& command_;
  std::shared_ptr<std::string> given_ = std::make_shared<std::string>();
  std::shared_ptr<std::vector<std::string>> all_given_ = std::make_shared<std::vector<std::string>>();
  std::shared_ptr<std::optional<std::uint64_t>> number_ = std::make_shared<std::optional<std::uint64_t>>();
};

const std::vector<std::string> drivers{"random", "corpus", "explore", "properties", "fuzz"};

/// "random=90,corpus=80"
bool are_shares(const std::string& text) {
  for (std::string_view rest = text;;) {
    const std::string_view part = rest.substr(0, rest.find(','));
    const std::string_view name = part.substr(0, part.find('=')),
                           share = part.substr(std::min(name.size() + 1, part.size()));
    if (std::ranges::find(drivers, name) == drivers.end() || share.empty() || share.size() > 3 ||
        share.find_first_not_of("0123456789") != share.npos)
      return false;
    if (part.size() == rest.size()) return true;
    rest.remove_prefix(part.size() + 1);
  }
}

/// From 0 to 100, as "99.5".
bool is_percentage(const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  return error == std::errc() && end == text.data() + text.size() && text.front() != '-' && number <= 100;
}

Values percentage() { return {"percent", "a percentage from 0 to 100", {}, is_percentage}; }

void describe_test(CLI::App& app, Session& session) {
  Described test(
      app, session, "test", "Run everything that CI runs",
      "./vmapcheck test\n"
      "./vmapcheck test --compiler gcc -- -R corpus -j1\n"
      "Builds and runs the properties, the corpus, the command line, the checks of the sources: with g++ as it\n"
      "is; with clang under AddressSanitizer and UndefinedBehaviorSanitizer, and the fuzz targets for a moment.\n"
      "docs/testing.md says what each test costs, and how to run one. Status 10: a test failed.",
      {Exit::ok, Exit::usage, Exit::subject, Exit::io, Exit::interrupted});
  test.flag("--all",
            "Also the tests with the label `weekly`, which repeat on more what others do on less: all four\n"
            "builds for services, all mutants, a million ops, each exploration under sanitizers");
  test.choice("--compiler", "gcc, clang or both (default)", "WHICH", {"gcc", "clang", "both"});
  test.seed();
  test.text("--output-junit", "Also write the results as JUnit XML", "FILE");
  test.flags("CTEST-OPTION", "Behind `--`: options of ctest, as they are");
}

void describe_mutants(CLI::App& app, Session& session) {
  Described mutants(
      app, session, "mutants", "Which driver finds which fault of a catalogue",
      "./vmapcheck mutants\n"
      "./vmapcheck mutants --driver all --only lazy_twice\n"
      "Status 10: no driver found a fault of the catalogue, or it does not apply, or a driver found too few.",
      {Exit::ok, Exit::usage, Exit::subject, Exit::io, Exit::interrupted});
  std::vector<std::string> drivers_and_all = drivers;
  drivers_and_all.emplace_back("all");
  mutants.list("--driver",
               "random, corpus, explore, properties, fuzz, with commas between; or all\n"
               "(default: random,corpus,explore)",
               drivers_and_all);
  mutants.flag("--until-found", "Leave out the drivers after the first that finds it");
  mutants.fitting("--least", "What each driver must find, in percent: random=90,corpus=80", "LIST",
                  {"shares", "a list such as random=90,corpus=80", drivers, are_shares});
  mutants.count("--ops", "Ops of each driver (default: 1000000)");
  mutants.count("--seed", "Of random and properties", 0);
  mutants.count("-j,--jobs", "At once (default: one for each core)", 1, 1024);
  mutants.count("--sample", "Systematic mutants beside the catalogue (default: 60)", 0);
  mutants.texts("--only", "This mutant; may be said again", "NAME");
  mutants.choice("--third", "The first, second or third third of them: 1, 2 or 3", "K", {"1", "2", "3"});
  mutants.fitting("--minimize-time", "For each finding (default: 2s; 0: not at all)", "TIME",
                  {"duration", "0, or a duration such as 90s, 1.5m, 2h or 500ms", {"0"}, [](const std::string& text) {
                     return parse_duration(text).has_value();
                   }});
  mutants.flag("--list", "Only list them, and what each breaks");
  mutants.text("--keep", "Keep each as a shared object there, for --subject", "DIR");
  mutants.flag("--json", "Answer in JSON");
  mutants.text("--catalogue", "The catalogue (default: properties/mutation/catalogue.txt)", "FILE");
  for (const char* const name : {"--allocator", "--compiler", "--tool", "--fuzz-target"}) mutants.hidden(name);
}

void describe_mutation(CLI::App& app, Session& session) {
  Described mutation(
      app, session, "mutation", "Which small changes of the allocator are noticed",
      "./vmapcheck mutation                            everything, or what is left of it\n"
      "./vmapcheck mutation --list --operator side     what would be changed\n"
      "./vmapcheck mutation --file free_space.hpp --ops 100000\n"
      "./vmapcheck mutation --only ID                  one mutant, as --list names it\n"
      "A mutant that random traces, the tests of the allocator and the corpus all leave alive must be equivalent: in\n"
      "equivalent.txt, with the reason; else the status is 10. Results are kept: a run that was cut off goes on where\n"
      "it was. docs/mutation.md says more.",
      {Exit::ok, Exit::usage, Exit::subject, Exit::io, Exit::interrupted});
  mutation.flag("--list", "Print the mutants, and judge none");
  mutation.texts("--file", "Only of this file, such as free_space.hpp; may be said again", "NAME");
  mutation.texts("--function", "Only of this function; may be said again", "NAME");
  mutation.choice("--operator",
                  "Only of this kind: compare, arithmetic, logical, unary, step, constant, condition, delete,\n"
                  "order, argument, side, minmax, enum, member or return; may be said again",
                  "NAME",
                  {"compare", "arithmetic", "logical", "unary", "step", "constant", "condition", "delete", "order",
                   "argument", "side", "minmax", "enum", "member", "return"});
  mutation.texts("--only", "Only this mutant; may be said again", "ID");
  mutation.count("-j,--jobs", "Jobs (default: one for each core)", 1, 1024);
  mutation.count("--ops", "Random ops, at most (default: 2000000)");
  mutation.choice("--until", "The last stage: quick, tests, code, random or corpus (default)", "STAGE",
                  {"quick", "tests", "code", "random", "corpus"});
  mutation.count("--seed", "Of the random traces (default: 20240229)");
  mutation.text("--json", "Write everything as one object; - is standard output", "FILE");
  mutation.flag("--fresh", "Believe nothing of what earlier runs found out");
  mutation.text("--work", "Where things are made and results kept (default: build/mutation)", "DIR");
  mutation.text("--equivalent", "Mutants that are equivalent, with the reasons", "FILE");
  for (const char* const name : {"--allocator", "--compiler", "--tool", "--fuzz-target"}) mutation.hidden(name);
}

void describe_coverage(CLI::App& app, Session& session) {
  Described coverage(
      app, session, "coverage", "How much of the allocator corpus and properties execute",
      "vmapcheck coverage\n"
      "vmapcheck coverage --with corpus --dir vmapcheck-campaign\n"
      "vmapcheck coverage --html coverage --fail-under-lines 100 --fail-under-branches 100\n"
      "Percentages are of what is reachable: allocator/unreachable.txt names what is not, with reasons. Status 10: a\n"
      "trace or a property fails.",
      {Exit::ok, Exit::usage, Exit::subject, Exit::io, Exit::interrupted, Exit::coverage});
  coverage.choice("--with", "What is run: corpus, properties or both (default)", "WHAT",
                  {"corpus", "properties", "both"});
  coverage.text("--dir", "Also the corpus of the campaign in this directory", "DIR");
  coverage.text("--html", "Also as pages: DIR/index.html", "DIR");
  coverage.fitting("--fail-under-lines", "Status 14 if fewer percent of the lines are covered", "P", percentage());
  coverage.fitting("--fail-under-branches", "Status 14 if fewer percent of the branches are covered", "P",
                   percentage());
  coverage.text("--unreachable", "List of what cannot be reached (default: allocator/unreachable.txt of the checkout)",
                "FILE");
  coverage.text("--from", "Run nothing: report on what llvm-cov export wrote to this file", "FILE");
  coverage.seed();
  coverage.flag("--json", "Answer in JSON");
}

}  // namespace

void add_commands_of_the_checkout(CLI::App& app, Session& session) {
  describe_test(app, session);
  describe_mutants(app, session);
  describe_mutation(app, session);
  describe_coverage(app, session);
  add_bench(app, session,
            {.loads = [](const Common&, const LoadsOptions&) { return builds_a_checkout("bench"); },
             .kernel = [](const Common&, const KernelOptions&) { return builds_a_checkout("bench kernel"); }});
}

}  // namespace vmapcheck::tool
