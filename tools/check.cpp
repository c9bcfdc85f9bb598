// SPDX-License-Identifier: Apache-2.0
//
// `check`: random traces against a subject, after the failing ones that earlier runs have saved. What it finds is
// minimized, explained, shown and saved; what it has exercised is counted.
#include "harness/random/check.hpp"

#include <fmt/format.h>

#include <chrono>
#include <ctime>
#include <exception>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "harness/random/demands.hpp"
#include "harness/random/health.hpp"
#include "harness/random/soak.hpp"
#include "model/trace.hpp"
#include "tools/amounts.hpp"
#include "tools/check_text.hpp"
#include "tools/commands.hpp"
#include "tools/files.hpp"
#include "tools/finding.hpp"
#include "tools/interruption.hpp"
#include "tools/junit.hpp"
#include "tools/progress.hpp"
#include "tools/report.hpp"

namespace vmapcheck::tool {
namespace {

struct Options {
  std::uint64_t cases = 0;  ///< 0: was not said
  std::uint64_t ops = 0;    ///< the same
  std::uint64_t live = 0;   ///< the same: no soak
  std::optional<std::chrono::nanoseconds> time;
  std::optional<Checking> checking;
  std::string save_dir = "vmapcheck-failures";
  bool no_minimize = false;
  std::optional<std::chrono::nanoseconds> minimize_time;
  bool no_saved = false;
  bool all_saved = false;
  bool stats = false;
  std::vector<Demand> demands;
  bool lists_metrics = false;
  std::uint64_t jobs = 1;
  std::string output_junit;  ///< empty: none
};

/// What earlier runs have saved.
struct Saved {
  std::size_t replayed = 0;   ///< and did not fail
  std::size_t of_others = 0;  ///< passed by: of another subject
  std::size_t left = 0;       ///< when --time was up
  std::optional<JUnitCase> failing;
};

/// One run, as it is reported.
struct Run {
  const SubjectEntry& subject;
  const Options& options;
  std::uint64_t seed;
  Checking checking;
  Saved saved;
  std::optional<std::chrono::nanoseconds> time;  ///< that is left when the saved traces were replayed
  CheckReport report;
  std::optional<Finding> finding;
  std::string path;  ///< of the saved trace; empty if it could not be saved
};

Exit run_check(const Common& common, const Options& options);
Exit run_with_junit(const Common& common, const Options& options, Run& run);
Exit perform(const Common& common, const Options& options, Run& run);
void refuse_what_contradicts(const Options& options);
std::optional<Exit> replay_saved(const Common& common, const Options& options, const SubjectEntry& subject,
                                 Saved& saved);
std::optional<Exit> replay_one_saved(const Common& common, const Options& options, const SubjectEntry& subject,
                                     const std::string& path, Saved& saved);
Exit report_found(const Common& common, const Options& options, Run& run);
CheckReport check_random(const Run& run, bool observe);
CheckReport soak_at_random(const Run& run);
std::string found_by(const Run& run);
Exit status_of(const Run& run);
std::string summary_of(const Run& run);
ordered_json json_of(const Run& run, const Common& common);
JUnitSuite junit_of(const Run& run, const Common& common);
std::string run_title(const Run& run);
JUnitCase finding_case(const Failure& failure, bool is_reproduced, const std::string& text, const std::string& command);
JUnitCase failed_case(const std::string& group, const std::string& title, const std::string& type,
                      const std::string& message);

constexpr std::uint64_t ops_usual = 1000;

double seconds_of(const CheckReport& report) { return std::chrono::duration<double>(report.elapsed).count(); }
double ops_per_second(const CheckReport& report) {
  return report.ops == 0 ? 0.0 : static_cast<double>(report.ops) / std::max(seconds_of(report), 1e-9);
}

}  // namespace

void add_check(CLI::App& app, Session& session) {
  CLI::App& command =
      add_command(app, session, "check", "Random traces against a subject", uses_subject | uses_seed | uses_json,
                  "vmapcheck check                            1000 cases of 1000 ops, a fixed seed\n"
                  "vmapcheck check --subject seed_2019        finds, minimizes and saves a violation\n"
                  "vmapcheck check --time 10m --seed random\n"
                  "vmapcheck check --require 'fit.no_edge>=1%' --require 'free_blocks.max>=300'\n"
                  "vmapcheck check --stats                    histograms, and a hash of all states\n"
                  "vmapcheck check --live 1000000 --time 1h   a soak: one case among a million areas\n"
                  "vmapcheck check --output-junit check.xml   the result for a CI server, too",
                  {Exit::ok, Exit::usage, Exit::subject, Exit::io, Exit::interrupted, Exit::violation, Exit::flaky,
                   Exit::coverage});
  const auto options = add_options<Options>(command, session, run_check);
  add_count(command, "--cases", options->cases, "Cases (default: 1000; with --time: as many as there is time for)");
  add_count(command, "--ops", options->ops, "Ops of each case (default: 1000; with --live: 8 for each area)");
  add_count(command, "--live", options->live,
            "Soak: one case that keeps about N areas live, such as 1000000, where --time is its end", 64, 16'000'000);
  add_duration(command, "--time", options->time, "End when this has passed");
  add_jobs(command, options->jobs, "Processes, which change nothing but the time; a soak has one");
  add_checking(command, options->checking,
               "amortized (default): check what a step touched, and the whole state now and then;\n"
               "every-step: check the whole state at every step");
  add_save_dir(command, options->save_dir);
  command.add_flag("--no-minimize", options->no_minimize, "Keep the trace as it was found, up to the op that failed");
  add_duration(command, "--minimize-time", options->minimize_time,
               "End minimizing when this has passed (default: 30s)");
  command
      .add_flag("--no-saved", options->no_saved,
                "Do not first replay the failing traces that are kept in the directory")
      ->excludes(
          command.add_flag("--all-saved", options->all_saved, "Replay also those that were saved of other subjects"));
  command.add_flag("--stats", options->stats,
                   "Show histograms of ops, sizes, alignments, outcomes and states, and a hash of all states");
  add_text(command, "--output-junit", options->output_junit,
           "Also write JUnit XML: a test case for the run, for each demand, for what was found", "FILE");
  const auto require = [options](const std::string& text) {
    if (text == "help") {
      options->lists_metrics = true;
      return;
    }
    auto demand = parse_demand(text);
    if (!demand) throw CLI::ValidationError("--require", one_line(demand.error(), 400));
    options->demands.push_back(*std::move(demand));
  };
  takes(command
            .add_option_function<std::vector<std::string>>(
                "--require",
                [require](const std::vector<std::string>& texts) {
                  for (const std::string& text : texts) require(text);
                },
                "End with status 14 unless this was reached, such as fit.no_edge>=1%; may be said again;\n"
                "'help' lists all names")
            ->type_name("DEMAND")
            ->expected(1)
            ->allow_extra_args(false)
            ->take_all(),
        {"demand", "-", {}, [](const std::string&) { return true; }});  // what is wrong is said by parse_demand()
}

namespace {

Exit run_check(const Common& common, const Options& options) {
  if (options.lists_metrics) {
    out(metrics_text(window_of(1).columns));
    return Exit::ok;
  }
  const SubjectEntry& subject = subject_named(common.subject);
  refuse_what_contradicts(options);
  Run run{subject, options, seed_of(common, seed_default), options.checking.value_or(Checking::amortized), {}, {}, {},
          {},      {}};
  return options.output_junit.empty() ? perform(common, options, run) : run_with_junit(common, options, run);
}

/// However the command ends, the file says so. That it cannot be written takes no finding's place.
Exit run_with_junit(const Common& common, const Options& options, Run& run) {
  check_writable(options.output_junit);
  const std::time_t begin = std::time(nullptr);
  const auto write_suite = [&](const std::string* stopped) {
    JUnitSuite suite = junit_of(run, common);
    suite.timestamp = iso_time(begin);
    if (stopped != nullptr) suite.cases = {failed_case("check", run_title(run), "stopped", one_line(*stopped))};
    write_file(options.output_junit, text_of(suite));
  };
  const auto write_or_say = [&](const std::string* stopped) {
    try {
      write_suite(stopped);
    } catch (const Stop& unwritten) {
      report(unwritten);
    }
  };
  Exit status = Exit::ok;
  try {
    status = perform(common, options, run);
  } catch (const Stop& stop) {
    write_or_say(&stop.line);
    throw;
  } catch (const std::exception& error) {
    const std::string what = error.what();
    write_or_say(&what);
    throw;
  }
  try {
    write_suite(nullptr);
  } catch (const Stop& stop) {
    if (status == Exit::ok) throw;
    report(stop);
  }
  return status;
}

Exit perform(const Common& common, const Options& options, Run& run) {
  const auto begin = std::chrono::steady_clock::now();
  if (!options.no_saved)
    if (const auto status = replay_saved(common, options, run.subject, run.saved)) return *status;
  if (options.time)
    run.time = std::max(*options.time - (std::chrono::steady_clock::now() - begin), std::chrono::nanoseconds(1));
  const bool needed =
      std::ranges::any_of(options.demands, [](const Demand& demand) { return demand.metric->observed; });
  run.report = options.live != 0 ? soak_at_random(run) : check_random(run, options.stats || common.json || needed);
  if (!common.json) out(summary_of(run));
  if (run.report.found) return report_found(common, options, run);
  if (common.json) out_json(json_of(run, common));
  for (const std::string& warning : health_warnings(run.report)) say("vmapcheck: warning: " + warning);
  if (run.report.interrupted) say("vmapcheck: interrupted");
  return status_of(run);
}

void refuse_what_contradicts(const Options& options) {
  constexpr std::uint64_t ops_of_case_max = 10'000'000;
  if (options.live == 0 && options.ops > ops_of_case_max)
    throw Stop{Exit::usage, fmt::format("--ops: a case has at most {} ops; --live is for more", ops_of_case_max)};
  if (options.live != 0 && options.cases != 0) throw Stop{Exit::usage, "--live and --cases: a soak is one case"};
  if (options.live != 0 && options.checking == Checking::every_step)
    throw Stop{Exit::usage, "--live and --checking every-step: a large state is not checked in full at every step"};
  if (options.output_junit == "-")
    throw Stop{Exit::usage, "--output-junit: a file, for standard output has the report"};
}

/// Replays what earlier runs have saved. Returns the status of the first that still fails, or nothing if none does.
std::optional<Exit> replay_saved(const Common& common, const Options& options, const SubjectEntry& subject,
                                 Saved& saved) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(options.save_dir, ignored)) return std::nullopt;
  const auto begin = std::chrono::steady_clock::now();
  for (const std::string& name : traces_in(options.save_dir)) {
    if (options.time && std::chrono::steady_clock::now() - begin >= *options.time) {
      ++saved.left;
      continue;
    }
    const std::string path = path_in(options.save_dir, name);
    try {
      if (const auto status = replay_one_saved(common, options, subject, path, saved)) return status;
    } catch (const Stop& stop) {  // that one cannot be read, or run on this subject, is no reason not to check
      if (stop.status == Exit::interrupted || out_is_broken()) throw;
      report(stop);
    }
  }
  if (common.json) return std::nullopt;
  if (saved.replayed != 0)
    out(fmt::format("{} saved in {} replayed: none fails\n", count_of(saved.replayed, "trace"),
                    one_line(options.save_dir)));
  if (saved.left != 0)
    out(fmt::format("{} in {} not replayed: time was up\n", count_of(saved.left, "saved trace"),
                    one_line(options.save_dir)));
  if (saved.of_others != 0)
    out(fmt::format("{} of other subjects in {} not replayed; --all-saved replays them, too\n",
                    count_of(saved.of_others, "saved trace"), one_line(options.save_dir)));
  return std::nullopt;
}

/// Returns nothing if it does not fail. A trace that does not name its subject may be of this one.
std::optional<Exit> replay_one_saved(const Common& common, const Options& options, const SubjectEntry& subject,
                                     const std::string& path, Saved& saved) {
  const Trace trace = read_trace(path);
  const SavedFor was = saved_for(trace);
  if (!was.subject.empty() && !is_same_subject(was.subject, subject.name) && !options.all_saved) {
    ++saved.of_others;
    return std::nullopt;
  }
  const auto failure = replay(trace, subject, {}, {});
  if (!failure) {
    ++saved.replayed;
    return std::nullopt;
  }
  const bool again = replay(trace, subject, checking_of(trace), {}).has_value();
  const std::string command = replay_command(common, subject.name, path);
  if (!options.output_junit.empty())
    saved.failing = finding_case(*failure, again, text_of(*failure, trace, subject), command);
  if (common.json) {
    ordered_json found = tool::json_of(*failure);
    if (!was.signature.empty()) found["signature_saved"] = was.signature;
    found["file"] = path;
    found["replay"] = command;
    const ordered_json json{
        {"subject", subject.name}, {"verdict", again ? "violation" : "flaky"}, {"saved", true}, {"found", found}};
    out_json(json);
    return again ? Exit::violation : Exit::flaky;
  }
  const std::string is = signature_in_comment(*failure);
  std::string how = "still fails";
  if (!again)
    how = "is flaky: it failed in one of two runs";
  else if (!was.signature.empty() && !is_same_subject(was.subject, subject.name))
    how = fmt::format("fails here, too: with {}; it was saved with {} of subject {}", is, was.signature, was.subject);
  else if (!was.signature.empty() && was.signature != is)
    how = fmt::format("fails differently now: with {}; it was saved with {}", is, was.signature);
  out(fmt::format("{}, which was saved by an earlier run, {}:\n{}  {:<10} {}\n", one_line(path), how,
                  text_of(*failure, trace, subject), "replay", command));
  out("Nothing else was run; --no-saved passes it by.\n");
  return again ? Exit::violation : Exit::flaky;
}

Exit report_found(const Common& common, const Options& options, Run& run) {
  const CheckReport::Found& found = *run.report.found;
  stop_if_oracle(found.failure, found_by(run));
  if (!common.json)
    out(fmt::format("\nfound: case {} fails at step {}: {}{}\n{}", found.case_index, found.failure.step,
                    signature(found.failure), what_broke(found.failure),
                    found.reproduced ? "" : "flaky: run again by itself, this trace did not fail\n"));
  flush_out();
  Minimizing minimizing{.wanted = found.reproduced && !options.no_minimize};
  minimizing.options.seed = run.seed;
  if (options.minimize_time) minimizing.options.time = options.minimize_time;
  SavedFinding kept =
      keep_finding(run.subject, found.trace, found.failure, minimizing, found_by(run), common, options.save_dir);
  run.finding = std::move(kept.finding);
  run.path = std::move(kept.path);
  if (common.json) out_json(json_of(run, common));
  return status_of(run);
}

CheckReport check_random(const Run& run, bool observe) {
  const SubjectEntry& subject = run.subject;
  const Options& options = run.options;
  CheckOptions check_options{.seed = run.seed,
                             .ops = options.ops != 0 ? options.ops : ops_usual,
                             .time = run.time,
                             .checking = run.checking,
                             .observe = observe,
                             .jobs = static_cast<unsigned>(options.jobs),
                             .on_progress = {}};
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
      return Fields{fmt::format("checking {}: {:.0f}{} s", subject.name, seconds_of(report), budget),
                    fmt::format("{}{} cases", report.cases, cases), fmt::format("{} ops", report.ops),
                    fmt::format("{:.0f} ops/s", ops_per_second(report))};
    });
    return !interrupted();
  };
  auto report = check(subject.make, check_options);
  if (!report) throw Stop{Exit::subject, fmt::format("subject {}: {}", subject.name, one_line(report.error()))};
  return *std::move(report);
}

CheckReport soak_at_random(const Run& run) {
  const Options& options = run.options;
  SoakOptions soak_options{
      .seed = run.seed, .live = static_cast<std::uint32_t>(options.live), .ops = {}, .time = run.time};
  if (options.ops != 0) soak_options.ops = options.ops;
  Progress progress;
  soak_options.on_progress = [&](const CheckReport& report) {
    progress.update([&] {
      const std::string budget =
          options.time ? fmt::format("/{:.0f}", std::chrono::duration<double>(*options.time).count()) : "";
      return Fields{fmt::format("soaking {}: {:.0f}{} s", run.subject.name, seconds_of(report), budget),
                    fmt::format("{} ops", report.ops), fmt::format("{} areas", report.live),
                    fmt::format("{:.0f} ops/s", ops_per_second(report)),
                    fmt::format("{} free blocks at most", report.coverage.free_blocks_max)};
    });
    return !interrupted();
  };
  auto report = soak(run.subject.make, soak_options);
  if (!report) throw Stop{Exit::subject, fmt::format("subject {}: {}", run.subject.name, one_line(report.error()))};
  return *std::move(report);
}

/// The command that finds it again.
std::string found_by(const Run& run) {
  const Options& options = run.options;
  const std::string command =
      fmt::format("vmapcheck check --subject {} --seed {}", shell_word(run.subject.name), run.seed);
  if (options.live != 0) return command + fmt::format(" --live {} --ops {}", options.live, run.report.ops);
  return command + fmt::format(" --cases {} --ops {}", run.report.found->case_index + 1,
                               options.ops != 0 ? options.ops : ops_usual);
}

Exit status_of(const Run& run) {
  if (run.report.found) return run.report.found->reproduced ? Exit::violation : Exit::flaky;
  if (run.report.interrupted) return Exit::interrupted;
  return demands_missed(run.options.demands, run.report) == 0 ? Exit::ok : Exit::coverage;
}

std::string_view verdict_of(const Run& run) {
  switch (status_of(run)) {
    case Exit::violation: return "violation";
    case Exit::flaky: return "flaky";
    case Exit::interrupted: return "interrupted";
    case Exit::coverage: return "coverage_missed";
    default: return "ok";
  }
}

std::string summary_of(const Run& run) {
  const CheckReport& report = run.report;
  std::string text = fmt::format(
      "subject {}, seed {}, {} checking\n{} cases, {} ops in {:.2f} s: {:.0f} ops per second\n\n", run.subject.name,
      run.seed, name(run.checking), report.cases, report.ops, seconds_of(report), ops_per_second(report));
  const std::size_t columns = window_of(1).columns;
  text += text_of(report.coverage, columns);
  if (report.cases_skipped != 0)
    text += fmt::format("skipped         {}: the subject cannot be made in their space: {}\n",
                        count_of(report.cases_skipped, "case"), one_line(report.skipped_because));
  if (run.options.live != 0) text += soak_text(report);
  if (run.options.stats) text += "\n" + histograms_text(report, columns);
  if (!run.options.demands.empty()) text += "\n" + demands_text(run.options.demands, report, columns);
  if (report.found) return text;
  text += fmt::format("\n{}: no violation", status_of(run) == Exit::coverage ? "coverage missed" : verdict_of(run));
  if (status_of(run) == Exit::coverage)
    text += fmt::format(", but {} of {} not met", demands_missed(run.options.demands, report),
                        count_of(run.options.demands.size(), "demand"));
  text += '\n';
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
  json["cases_skipped"] = report.cases_skipped;
  if (report.cases_skipped != 0) json["skipped_because"] = report.skipped_because;
  json["coverage"] = tool::json_of(report.coverage);
  if (run.options.live != 0) json["soak"] = soak_json(report);
  if (run.options.stats) json["histograms"] = histograms_json(report);
  json["states_hash"] = states_hash_json(report);
  if (!run.options.demands.empty()) json["demands"] = demands_json(run.options.demands, report);
  json["saved"] = {
      {"replayed", run.saved.replayed}, {"of_other_subjects", run.saved.of_others}, {"left", run.saved.left}};
  json["warnings"] = report.found ? std::vector<std::string>{} : health_warnings(report);
  json["verdict"] = verdict_of(run);
  if (!run.finding) return json;
  ordered_json found = tool::json_of(*run.finding);
  found["case"] = report.found->case_index;
  found["file"] = run.path.empty() ? ordered_json() : ordered_json(run.path);
  if (!run.path.empty()) found["replay"] = replay_command(common, run.subject.name, run.path);
  json["found"] = std::move(found);
  return json;
}

// ---- As JUnit

/// The run passes where it came to an end, also at a finding, which fails: no failure is counted twice.
JUnitSuite junit_of(const Run& run, const Common& common) {
  const CheckReport& report = run.report;
  JUnitSuite suite{.tool = "vmapcheck check", .subject = run.subject.name, .timestamp = {}};
  suite.seconds = seconds_of(report);
  const auto add = [&](const char* name, const auto& value) {
    suite.properties.emplace_back(name, fmt::format("{}", value));
  };
  add("seed", run.seed);
  add("checking", name(run.checking));
  add("cases", report.cases);
  add("cases_skipped", report.cases_skipped);
  add("ops", report.ops);
  add("saved_replayed", run.saved.replayed);
  JUnitCase whole{.group = "check", .title = run_title(run), .seconds = seconds_of(report)};
  if (run.saved.failing) {
    whole.outcome = Outcome::skipped;
    whole.message = "a trace that was saved by an earlier run fails";
    suite.cases = {whole, *run.saved.failing};
    return suite;
  }
  if (report.interrupted) {
    whole.outcome = Outcome::skipped;
    whole.message = "interrupted";
  }
  whole.text = summary_of(run);
  suite.cases.push_back(whole);
  for (const Demand& demand : run.options.demands) {
    if (report.found || report.interrupted) break;  // what was not run could have met it
    const auto [amount, met] = reached(demand, report);
    const auto percent = percent_of(amount);
    const std::string is = !amount.measured ? "not measured"
                           : demand.percent ? fmt::format("{:.2f}%", percent.value_or(0))
                                            : fmt::format("{}", amount.number);
    suite.cases.push_back(met ? JUnitCase{.group = "demands", .title = demand.text, .text = is}
                              : failed_case("demands", demand.text, "missed", "reached: " + is));
  }
  if (run.finding)
    suite.cases.push_back(finding_case(run.finding->failure, report.found->reproduced, text_of(*run.finding),
                                       run.path.empty() ? "" : replay_command(common, run.subject.name, run.path)));
  return suite;
}

std::string run_title(const Run& run) { return run.options.live != 0 ? "soak" : "random traces"; }

JUnitCase finding_case(const Failure& failure, bool is_reproduced, const std::string& text,
                       const std::string& command) {
  JUnitCase one = failed_case("findings", signature(failure), is_reproduced ? "violation" : "flaky", title_of(failure));
  one.text = command.empty() ? text + "\n" : fmt::format("{}\nreplay: {}\n", text, command);
  return one;
}

JUnitCase failed_case(const std::string& group, const std::string& title, const std::string& type,
                      const std::string& message) {
  return {.group = group, .title = title, .outcome = Outcome::failed, .type = type, .message = message};
}

}  // namespace
}  // namespace vmapcheck::tool
