// SPDX-License-Identifier: Apache-2.0
#include "tools/coverage/run_traces.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "fuzz/records.hpp"
#include "harness/isolate/isolation.hpp"
#include "harness/random/check.hpp"
#include "harness/verify/executor.hpp"
#include "tools/commands.hpp"
#include "tools/files.hpp"
#include "tools/interruption.hpp"
#include "tools/report.hpp"

namespace vmapcheck::tool {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

struct RunOptions {
  std::vector<std::string> traces;  ///< directories
  std::vector<std::string> inputs;  ///< directories of what a fuzzer has kept
  bool random = false;
};

/// As many as `check` runs, and the property of random checking.
constexpr std::uint64_t random_cases = 1000;

Exit run_traces(const Common& common, const RunOptions& options);

}  // namespace

void add_coverage_run(CLI::App& app, Session& session) {
  CLI::App& command = *app.add_subcommand("coverage-run", "Run traces, for `coverage`");
  command.group("");
  const auto options = std::make_shared<RunOptions>();
  add_common_options(command, session.common, uses_none);
  command.add_option("--traces", options->traces, "The traces below a directory");
  command.add_option("--inputs", options->inputs,
                     "Every file below a directory, as a trace or as the bytes of a fuzzer");
  command.add_flag("--random", options->random, "Random traces instead");
  command.callback(
      [&session, options] { session.run = [&session, options] { return run_traces(session.common, *options); }; });
}

ordered_json json_of(const Exercised& exercised) {
  const Coverage& c = exercised.coverage;
  return {{"traces", exercised.traces},
          {"failed", exercised.failed},
          {"ops", c.ops},
          {"skipped", c.skipped},
          {"errors", c.errors},
          {"fits", c.fits},
          {"fits_of", c.fits_of},
          {"checks", c.checks},
          {"coalescings", c.coalescings},
          {"tree_cases", c.tree_cases},
          {"purges", {c.purges_on_limit, c.purges_on_exhaustion}},
          {"others", {c.hooks_called, c.rescued, c.faults_fired}}};
}

Exercised exercised_of(const ordered_json& json) {
  Exercised exercised;
  Coverage& c = exercised.coverage;
  json.at("traces").get_to(exercised.traces);
  json.at("failed").get_to(exercised.failed);
  json.at("ops").get_to(c.ops);
  json.at("skipped").get_to(c.skipped);
  json.at("errors").get_to(c.errors);
  json.at("fits").get_to(c.fits);
  json.at("fits_of").get_to(c.fits_of);
  json.at("checks").get_to(c.checks);
  json.at("coalescings").get_to(c.coalescings);
  json.at("tree_cases").get_to(c.tree_cases);
  json.at("purges").at(0).get_to(c.purges_on_limit);
  json.at("purges").at(1).get_to(c.purges_on_exhaustion);
  json.at("others").at(0).get_to(c.hooks_called);
  json.at("others").at(1).get_to(c.rescued);
  json.at("others").at(2).get_to(c.faults_fired);
  return exercised;
}

namespace {

std::vector<std::string> files_in(const RunOptions& options) {
  std::vector<std::string> files;
  for (const std::string& directory : options.traces)
    for (const std::string& name : traces_below(directory)) files.push_back((fs::path(directory) / name).string());
  for (const std::string& directory : options.inputs) {
    std::error_code error;
    fs::recursive_directory_iterator entry(directory, error);
    for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error))
      if (entry->is_regular_file(error)) files.push_back(entry->path().string());
    if (error) throw Stop{Exit::io, fmt::format("cannot read {}: {}", one_line(directory), error.message())};
  }
  std::ranges::sort(files);
  return files;
}

/// Any bytes are a trace.
Trace trace_of(const std::string& input) {
  if (input.ends_with(".trace")) return read_trace(input);
  const std::string text = read_file(input, trace_bytes_max);
  return decode(std::vector<std::uint8_t>(text.begin(), text.end()));
}

/// One child after the other runs them: whatever a trace does to it, the next goes on behind it.
Exercised run_files(const std::vector<std::string>& files) {
  const SubjectEntry& subject = subject_named("vmap");
  const SharedArray<Coverage> coverage(1);
  const SharedArray<Exit> stopped(1);
  const SharedArray<char> wrong(files.size() + 1);
  const auto work = [&](std::uint64_t item, Beacon& beacon) -> std::optional<std::string> {
    beacon.aside(true);
    std::optional<Trace> trace;
    try {
      trace = trace_of(files[item]);
    } catch (const Stop& stop) {
      stopped[0] = stop.status;
      return stop.line;
    }
    beacon.aside(false);
    const auto failure = vmapcheck::run(*trace, subject.make, checking_of(*trace), &coverage[0], beacon);
    wrong[item] = !failure || *failure ? 1 : 0;
    return std::nullopt;
  };
  WalkOptions options;
  options.on_death = [&](std::uint64_t item, const Death&) {
    wrong[item] = 1;
    return false;
  };
  options.keep_going = [] { return !interrupted(); };
  const Walked walked = walk(files.size(), work, options);
  if (walked.interrupted) throw Stop{Exit::interrupted, "interrupted"};
  if (walked.answer) throw Stop{stopped[0], *walked.answer};
  Exercised exercised{.coverage = coverage[0], .traces = files.size()};
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (wrong[i] == 0) continue;
    ++exercised.failed;
    say(fmt::format("vmapcheck: {} fails: vmapcheck replay says how", one_line(files[i])));
  }
  return exercised;
}

Exercised run_random_traces(std::uint64_t seed) {
  CheckOptions options{.seed = seed, .cases = random_cases, .time = {}, .on_progress = {}};
  options.on_progress = [](const CheckReport&) { return !interrupted(); };
  const auto report = check(subject_named("vmap").make, options);
  if (!report) throw Stop{Exit::subject, one_line(report.error())};
  if (report->interrupted) throw Stop{Exit::interrupted, "interrupted"};
  if (report->found) say(fmt::format("vmapcheck: random checking fails: vmapcheck check --seed {} says how", seed));
  return {.coverage = report->coverage, .traces = report->cases, .failed = report->found ? 1u : 0u};
}

Exit run_traces(const Common& common, const RunOptions& options) {
  const Exercised exercised =
      options.random ? run_random_traces(seed_of(common, seed_default)) : run_files(files_in(options));
  out(json_of(exercised).dump(-1, ' ', true) + "\n");
  return exercised.failed == 0 ? Exit::ok : Exit::violation;
}

}  // namespace
}  // namespace vmapcheck::tool
