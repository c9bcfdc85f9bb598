// SPDX-License-Identifier: Apache-2.0
#include "tools/bench_options.hpp"

#include <fmt/format.h>

#include <memory>

namespace vmapcheck::tool {
namespace {

constexpr std::uint64_t live_least = 100, live_most = 10'000'000;

template <class Described>
std::vector<std::string> names_of(const Described& all) {
  std::vector<std::string> names;
  for (const auto& one : all) names.emplace_back(one.name);
  return names;
}

bool is_mask(const std::string& text) {
  const auto number = parse_count(text);
  return number && *number >= 1 && *number <= kernel_tests_all;
}

/// Names and masks, with commas between.
void add_tests(CLI::App& command, std::vector<std::string>& target) {
  CLI::Option* const option =
      command
          .add_option("--tests", target,
                      "Those that are run, by names or as a mask: fix_size,pcpu or 0x101 (default: all)")
          ->type_name("LIST")
          ->delimiter(',')
          ->allow_extra_args(false);
  takes(option, {fmt::format("mask {}", kernel_tests_all),
                 fmt::format("{}, or a mask from 1 to {:#x}", one_of(names_of(kernel_tests)), kernel_tests_all),
                 names_of(kernel_tests), is_mask});
}

CLI::Option* add_performers(CLI::App& command, std::vector<std::string>& target) {
  const std::string description = fmt::format("Who is measured (default: {})", fmt::join(default_performers, ","));
  std::vector<std::string> names{"null", "malloc"};
  for (const SubjectEntry& entry : subjects()) names.push_back(entry.name);
  CLI::Option* const option = command.add_option("--subject", target, description)->type_name("LIST")->delimiter(',');
  return takes(option->allow_extra_args(false),
               {"list", "null, malloc or a subject (`vmapcheck subjects` lists them)", names, {}});
}

std::string list_of_loads() {
  std::string text;
  for (const LoadName& load : load_names) text += fmt::format("{:<12} {}\n", load.name, load.meaning);
  return text;
}

std::string list_of_tests() {
  std::string text;
  for (std::size_t i = 0; i < kernel_tests.size(); ++i)
    text += fmt::format("  {:#6x}  {:<18} {}\n", std::uint64_t{1} << i, kernel_tests[i].name, kernel_tests[i].meaning);
  return text;
}

}  // namespace

std::vector<CLI::Option*> describe_loads(CLI::App& command, LoadsOptions& options) {
  command.remove_option(command.get_option("--subject"));  // here it is a list
  return {
      add_list(command, "--loads", options.loads, "Which loads (default: all, which are listed below)",
               names_of(load_names)),
      add_performers(command, options.subjects),
      add_count(command, "--live-min", options.live_min, "The fewest live areas (default: 1000)", live_least,
                live_most),
      add_count(command, "--live-max", options.live_max,
                "The most (default: 1000000); between them by factors of 10. Each million takes 0.5 GB", live_least,
                live_most),
      add_count(command, "--repetitions", options.repetitions, "How often each row is measured (default: 5)", 3, 1000),
      add_duration(command, "--time", options.time,
                   "How long each row is measured, in all repetitions (default: 400ms)"),
      add_text(command, "--compare", options.compare, "What `bench --json` said before: name what has changed since",
               "FILE"),
      add_text(command, "--html", options.html, "Write a page with the growth of all subjects under each load", "FILE"),
  };
}

void describe_kernel(CLI::App& command, KernelOptions& options) {
  CLI::Option* const mode = add_choice(command, "--mode", options.mode,
                                       "performance (default): one worker, 3 repeats; smoke: 10000 loops, 10 repeats;\n"
                                       "stress: a worker on each core, each with its own order, 20 repeats",
                                       "MODE", {"performance", "smoke", "stress"});
  add_tests(command, options.tests);
  add_count(command, "--loops", options.loops,
            "Loops of a test (default: 1000000; with --verify: 5000; with --against: as many as\n"
            "there is time for, and N at most)",
            1, 1'000'000'000);
  CLI::Option* const repeat =
      add_count(command, "--repeat", options.repeat, "How often each test is run", 1, 1'000'000);
  CLI::Option* const workers =
      add_count(command, "--workers", options.workers, "Threads that run the tests at once, on one subject", 1, 1024);
  CLI::Option* const verify =
      command.add_flag("--verify", options.verify, "Run the ops under the model, which judges each of them");
  add_save_dir(command, options.save_dir);
  CLI::Option* const against =
      add_subject(command, "--against", options.against, "Compare with this subject, test by test: linear_scan");
  for (CLI::Option* const other : {mode, repeat, workers, verify}) against->excludes(other);
  add_count(command, "--rounds", options.rounds, "Rounds of a comparison (default: 5)", 5, 1000)->needs(against);
}

std::uint64_t tests_chosen(const KernelOptions& options) {
  std::uint64_t mask = options.tests.empty() ? kernel_tests_all : 0;
  for (const std::string& text : options.tests) {
    for (std::size_t i = 0; i < kernel_tests.size(); ++i)
      if (text == kernel_tests[i].name) mask |= std::uint64_t{1} << i;
    mask |= parse_count(text).value_or(0);
  }
  return mask;
}

void add_bench(CLI::App& app, Session& session, const BenchCommands& run) {
  CLI::App& bench =
      add_command(app, session, "bench", "Measure subjects (./vmapcheck at the top of a checkout)",
                  uses_subject | uses_seed | uses_json,
                  "./vmapcheck bench\n"
                  "./vmapcheck bench --loads churn,find --subject vmap,null --live-max 100000\n"
                  "./vmapcheck bench --json >old.json              before a change; after it:\n"
                  "./vmapcheck bench --compare old.json --html bench.html\n"
                  "./vmapcheck bench kernel                        the driver that the algorithm was published with\n"
                  "\nLoads:\n" +
                      list_of_loads(),
                  {Exit::ok, Exit::usage, Exit::subject, Exit::io, Exit::interrupted});
  bench.require_subcommand(0, 1);
  const auto loads = std::make_shared<LoadsOptions>();
  const std::vector<CLI::Option*> of_loads = describe_loads(bench, *loads);
  bench.callback([&session, &bench, loads, of_loads, run = run.loads] {
    if (bench.get_subcommands().empty()) {
      session.run = [&session, loads, run] { return run(session.common, *loads); };
      return;
    }
    for (const CLI::Option* const option : of_loads)
      if (option->count() != 0)
        throw CLI::ValidationError(option->get_name(), "stands behind `kernel`, or is not for it");
  });

  CLI::App& kernel = add_command(bench, session, "kernel", "The test driver that the algorithm was published with",
                                 uses_subject | uses_seed | uses_json,
                                 "./vmapcheck bench kernel\n"
                                 "./vmapcheck bench kernel --mode stress --tests fix_size,random_size\n"
                                 "./vmapcheck bench kernel --verify                the model judges each op\n"
                                 "./vmapcheck bench kernel --against linear_scan   the ratios, test by test\n"
                                 "Status 10: an op broke an invariant (--verify), or a test failed that should not.",
                                 {Exit::ok, Exit::usage, Exit::subject, Exit::io, Exit::interrupted, Exit::violation});
  kernel.footer("Tests, with their bits in a mask, and what is allocated in a loop:\n" + list_of_tests() + "\n" +
                kernel.get_footer());
  const auto options = add_options<KernelOptions>(kernel, session, run.kernel);
  describe_kernel(kernel, *options);
}

}  // namespace vmapcheck::tool
