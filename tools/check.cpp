// SPDX-License-Identifier: Apache-2.0
//
// `check`: random traces against a subject. What it finds is shortened, shown and saved; what it has exercised is
// counted.
#include "harness/check.hpp"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "model/trace.hpp"
#include "tools/commands.hpp"
#include "tools/files.hpp"
#include "tools/finding.hpp"
#include "tools/interruption.hpp"
#include "tools/progress.hpp"
#include "tools/report.hpp"

namespace vmapcheck::tool {
namespace {

using nlohmann::ordered_json;

struct Options {
  std::uint64_t cases = 0;  ///< 0: was not said
  std::uint64_t ops = 1000;
  std::optional<std::chrono::nanoseconds> time;
  std::optional<Checking> checking;
  std::string save_dir = "vmapcheck-failures";
  bool no_minimize = false;
};

/// One run, as it is reported.
struct Run {
  const SubjectEntry& subject;
  std::uint64_t seed;
  Checking checking;
  CheckReport report;
  std::optional<Finding> finding;
  std::string path;  ///< of the saved trace; empty if it could not be saved
};

Exit run_check(const Common& common, const Options& options);
CheckReport check_random(const SubjectEntry& subject, std::uint64_t seed, Checking checking, const Options& options);
Exit status_of(const Run& run);
std::string summary_of(const Run& run);
ordered_json json_of(const Run& run, const Common& common);

double seconds_of(const CheckReport& report) { return std::chrono::duration<double>(report.elapsed).count(); }
double ops_per_second(const CheckReport& report) {
  return report.ops == 0 ? 0.0 : static_cast<double>(report.ops) / std::max(seconds_of(report), 1e-9);
}

}  // namespace

void add_check(CLI::App& app, Session& session) {
  CLI::App& command =
      add_command(app, session, "check", "Random traces against a subject", uses_subject | uses_seed | uses_json,
                  "vmapcheck check                            1000 cases of 1000 ops, a fixed seed\n"
                  "vmapcheck check --subject seed_2019        finds, shortens and saves a violation\n"
                  "vmapcheck check --time 10m --seed random");
  const auto options = std::make_shared<Options>();
  add_count(command, "--cases", options->cases, "Cases (default: 1000; with --time: as many as there is time for)");
  add_count(command, "--ops", options->ops, "Ops of each case (default: 1000)", 1, 10'000'000);
  add_duration(command, "--time", options->time, "End when this has passed: 90s, 1.5m, 2h, 500ms");
  add_checking(command, options->checking,
               "amortized (default): check what a step touched, and the whole state now and then;\n"
               "every-step: check the whole state at every step");
  command
      .add_option("-o,--save-dir", options->save_dir,
                  "Where a trace that shows a violation is saved (default: vmapcheck-failures)")
      ->type_name("DIR")
      ->take_last();
  command.add_flag("--no-minimize", options->no_minimize, "Keep the trace as it was found, up to the violation");
  command.callback(
      [&session, options] { session.run = [&session, options] { return run_check(session.common, *options); }; });
}

namespace {

Exit run_check(const Common& common, const Options& options) {
  const SubjectEntry& subject = subject_named(common.subject);
  Run run{subject, seed_of(common, seed_default), options.checking.value_or(Checking::amortized), {}, {}, {}};
  run.report = check_random(subject, run.seed, run.checking, options);
  if (!common.json) out(summary_of(run));
  if (run.report.found) {
    const CheckReport::Found& found = *run.report.found;
    if (!common.json)
      out(fmt::format("\nfound: case {} breaks {} at step {}: {}\n{}", found.case_index,
                      name(found.failure.violation.invariant), found.failure.step,
                      one_line(found.failure.violation.detail),
                      found.reproduced ? "" : "flaky: run again by itself, this trace did not fail\n"));
    flush_out();
    const std::string found_by = fmt::format("vmapcheck check --subject {} --seed {} --cases {} --ops {}", subject.name,
                                             run.seed, found.case_index + 1, options.ops);
    run.finding = make_finding(subject, found.trace, found.failure, found.reproduced && !options.no_minimize, found_by);
    if (!common.json) out(run.finding->shortened + "\n" + text_of(*run.finding));
    std::optional<Stop> unsaved;
    try {
      run.path = save(*run.finding, options.save_dir);
    } catch (const Stop& stop) {
      unsaved = stop;
    }
    if (!common.json && !run.path.empty())
      out(fmt::format("  {:<10} {}\n", "replay", replay_command(*run.finding, common, run.path)));
    if (common.json) out(json_of(run, common).dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n");
    if (unsaved) throw *unsaved;
    return status_of(run);
  }
  if (common.json) out(json_of(run, common).dump() + "\n");
  if (run.report.interrupted) say("vmapcheck: interrupted");
  return status_of(run);
}

CheckReport check_random(const SubjectEntry& subject, std::uint64_t seed, Checking checking, const Options& options) {
  CheckOptions check_options{
      .seed = seed, .ops = options.ops, .time = options.time, .checking = checking, .on_progress = {}};
  if (options.cases != 0)
    check_options.cases = options.cases;
  else if (options.time)
    check_options.cases = std::numeric_limits<std::uint64_t>::max();
  Progress progress;
  check_options.on_progress = [&](const CheckReport& report) {
    progress.update([&] {
      const std::string budget =
          options.time ? fmt::format("/{:.0f}", std::chrono::duration<double>(*options.time).count()) : "";
      const std::string cases = check_options.cases == std::numeric_limits<std::uint64_t>::max()
                                    ? ""
                                    : fmt::format("/{}", check_options.cases);
      return fmt::format("checking {}: {:.0f}{} s, {}{} cases, {} ops, {:.0f} ops/s", subject.name, seconds_of(report),
                         budget, report.cases, cases, report.ops, ops_per_second(report));
    });
    return !interrupted();
  };
  auto report = check(subject.make, check_options);
  if (!report) throw Stop{Exit::subject, fmt::format("subject {}: {}", subject.name, one_line(report.error()))};
  return *std::move(report);
}

Exit status_of(const Run& run) {
  if (run.report.found) return run.report.found->reproduced ? Exit::violation : Exit::flaky;
  return run.report.interrupted ? Exit::interrupted : Exit::ok;
}

std::string_view verdict_of(const Run& run) {
  switch (status_of(run)) {
    case Exit::violation: return "violation";
    case Exit::flaky: return "flaky";
    case Exit::interrupted: return "interrupted";
    default: return "ok";
  }
}

std::string summary_of(const Run& run) {
  const CheckReport& report = run.report;
  std::string text = fmt::format(
      "subject {}, seed {}, {} checking\n{} cases, {} ops in {:.2f} s: {:.0f} ops per second\n\n", run.subject.name,
      run.seed, name(run.checking), report.cases, report.ops, seconds_of(report), ops_per_second(report));
  text += text_of(report.coverage);
  if (!report.found) text += fmt::format("\n{}: no violation\n", verdict_of(run));
  return text;
}

ordered_json json_of(const Run& run, const Common& common) {
  const CheckReport& report = run.report;
  ordered_json json;
  json["subject"] = run.subject.name;
  json["seed"] = run.seed;
  json["checking"] = name(run.checking);
  json["cases"] = report.cases;
  json["ops"] = report.ops;
  json["seconds"] = seconds_of(report);
  json["ops_per_second"] = ops_per_second(report);
  json["coverage"] = tool::json_of(report.coverage);
  json["verdict"] = verdict_of(run);
  if (!run.finding) return json;
  ordered_json found = tool::json_of(run.finding->failure);
  found["case"] = report.found->case_index;
  found["ops_found"] = report.found->trace.ops.size();
  found["ops"] = run.finding->trace.ops.size();
  found["trace"] = print(run.finding->trace);
  found["file"] = run.path.empty() ? ordered_json() : ordered_json(run.path);
  if (!run.path.empty()) found["replay"] = replay_command(*run.finding, common, run.path);
  json["found"] = std::move(found);
  return json;
}

}  // namespace
}  // namespace vmapcheck::tool
