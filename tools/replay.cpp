// SPDX-License-Identifier: Apache-2.0
//
// `replay FILE...`: runs traces, says what was answered at each step, and which invariant broke where. Of a folder:
// each trace in it, with its verdict alone.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model/trace.hpp"
#include "tools/commands.hpp"
#include "tools/debugger.hpp"
#include "tools/files.hpp"
#include "tools/finding.hpp"
#include "tools/report.hpp"

namespace vmapcheck::tool {
namespace {

struct Options {
  std::vector<std::string> files;
  std::optional<Checking> checking;
  std::uint64_t times = 0;  ///< 0: was not said
  std::string format;
  bool gdb = false;
};

/// A trace that is to be run.
struct Replayed {
  std::string file;
  bool in_folder = false;
};

Exit replay_all(const Common& common, const Options& options);
std::vector<Replayed> traces_of(const std::vector<std::string>& places);
Exit replay_briefly(const std::string& file, const Trace& trace, const SubjectEntry& subject, const Common& common,
                    const Options& options);
Exit replay_file(const std::string& file, const SubjectEntry& subject, const Common& common, const Options& options);
Exit replay_times(const std::string& file, const Trace& trace, const SubjectEntry& subject, const Common& common,
                  const Options& options);
void print_test(const std::string& file, const SubjectEntry& subject, std::map<std::string, int>& tests);
int weight(Exit status);
std::optional<Failure> as_json(const Trace& trace, const SubjectEntry& subject, std::optional<Checking> checking);
std::optional<Failure> as_text(const Trace& trace, const SubjectEntry& subject, std::optional<Checking> checking);

}  // namespace

void add_replay(CLI::App& app, Session& session) {
  CLI::App& command = add_command(
      app, session, "replay", "Run traces; print each step with its answer, and which invariant broke where",
      uses_subject | uses_json,
      "vmapcheck replay corpus                   each trace in a folder: a line with its verdict\n"
      "vmapcheck replay --subject seed_2019 FILE.trace\n"
      "vmapcheck replay --json FILE.trace        one object for each op, and one with the verdict\n"
      "vmapcheck replay -n 10 FILE.trace         how often does it fail?\n"
      "vmapcheck replay --gdb FILE.trace         in gdb, stopped before the op that fails\n"
      "vmapcheck replay --format cpp FILE.trace  a GoogleTest case, not run\n"
      "vmapcheck replay -                        the trace on standard input\n"
      "Of a folder --json prints one object for each trace: its file, the verdict, and where it fails.\n"
      "All files are replayed. The status is 10 if one of them fails; else 12, 4, 3 or 2 if one ends so.",
      {Exit::ok, Exit::usage, Exit::subject, Exit::io, Exit::interrupted, Exit::violation, Exit::flaky,
       Exit::not_reproduced});
  const auto options = std::make_shared<Options>();
  add_place(command, "FILE", options->files, "Traces, or folders of them; - is standard input")->required();
  add_checking(command, options->checking,
               "every-step: check the whole state at every step; amortized: what the step touched,\n"
               "and the whole state now and then. Default: every-step where ops and areas are few enough,\n"
               "else amortized, and every-step around the failure");
  add_count(command, "-n,--times", options->times, "Run each so often, and say only how often it failed", 1, 1'000'000);
  add_choice(command, "--format", options->format,
             "text (default); json, as --json; cpp: a GoogleTest case of each trace", "FORMAT",
             {"text", "json", "cpp"});
  command.add_flag("--gdb", options->gdb, "Open the one trace in gdb, stopped before the op that fails");
  command.callback([&session, options] {
    if (options->format == "json") session.common.json = true;
    session.run = [&session, options] { return replay_all(session.common, *options); };
  });
}

namespace {

Exit replay_all(const Common& common, const Options& options) {
  const SubjectEntry& subject = subject_named(common.subject);
  if (options.gdb) return debug(options.files, subject);
  Exit worst = Exit::ok;
  std::map<std::string, int> tests;  // how many have that name
  std::size_t in_folders = 0, passed = 0;
  for (const Replayed& each : traces_of(options.files)) {
    Exit status = Exit::ok;
    try {
      if (options.format == "cpp") {
        print_test(each.file, subject, tests);
      } else if (each.in_folder && options.times == 0) {
        ++in_folders;
        status = replay_briefly(each.file, read_trace(each.file), subject, common, options);
        if (status == Exit::ok) ++passed;
      } else {
        status = replay_file(each.file, subject, common, options);
      }
    } catch (const Stop& stop) {
      if (stop.status == Exit::interrupted || out_is_broken()) throw;
      report(stop);
      status = stop.status;
    }
    worst = std::max(worst, status, [](Exit a, Exit b) { return weight(a) < weight(b); });
  }
  if (in_folders > 1 && !common.json)
    out(fmt::format("{} of {} traces in folders pass, subject {}\n", passed, in_folders, subject.name));
  return worst;
}

/// Each file, and each trace below a folder.
std::vector<Replayed> traces_of(const std::vector<std::string>& places) {
  std::vector<Replayed> all;
  for (const std::string& place : places) {
    std::error_code ignored;
    if (place == "-" || !fs::is_directory(place, ignored)) {
      all.push_back({place});
      continue;
    }
    const std::vector<std::string> names = traces_below(place);
    if (names.empty()) throw Stop{Exit::usage, fmt::format("no traces in {}", one_line(place))};
    for (const std::string& name : names) all.push_back({path_in(place, name), true});
  }
  return all;
}

Exit replay_briefly(const std::string& file, const Trace& trace, const SubjectEntry& subject, const Common& common,
                    const Options& options) {
  const auto failure = replay(trace, subject, options.checking, {});
  if (common.json) {
    ordered_json json{{"file", file}};
    json.update(ordered_json::parse(verdict_json(failure)));
    out_json(json);
  } else if (failure) {
    out(fmt::format("{}: fails at step {}: {}: {}\n", one_line(file), failure->step, signature(*failure),
                    one_line(failure->violation.detail)));
  } else {
    out(fmt::format("{}: ok, {}\n", one_line(file), count_of(trace.ops.size(), "step")));
  }
  return failure ? Exit::violation : Exit::ok;
}

/// A test has the name of its file, with a number if `tests` has that name already.
void print_test(const std::string& file, const SubjectEntry& subject, std::map<std::string, int>& tests) {
  const Trace trace = read_trace(file);
  const bool first = tests.empty();
  const std::string base = test_name(std::filesystem::path(file).stem().string());
  std::string name = base;
  while (tests.contains(name)) name = fmt::format("{}_{}", base, ++tests[base]);
  tests[name] = 1;
  out((first ? "" : "\n") + test_case(trace, subject.name, name, first));
}

/// Of two files, the status with more weight is the status of both together.
int weight(Exit status) {
  switch (status) {
    case Exit::ok: return 0;
    case Exit::usage: return 1;
    case Exit::subject: return 2;
    case Exit::io: return 3;
    case Exit::flaky: return 4;
    case Exit::oracle: return 6;
    default: return 5;
  }
}

Exit replay_file(const std::string& file, const SubjectEntry& subject, const Common& common, const Options& options) {
  const Trace trace = read_trace(file);
  if (options.times != 0) return replay_times(file, trace, subject, common, options);
  if (common.json) return as_json(trace, subject, options.checking) ? Exit::violation : Exit::ok;
  out(fmt::format("{}: {} in {}, subject {}\n", one_line(file), count_of(trace.ops.size(), "op"),
                  print(trace.space.range), subject.name));
  if (!as_text(trace, subject, options.checking)) return Exit::ok;
  out(fmt::format("  {:<10} {}{}\n", "replay", replay_command(common, subject.name, file),
                  options.checking ? fmt::format(" --checking {}", name(*options.checking)) : ""));
  if (options.checking == Checking::amortized)
    out("  It was checked in the amortized form: --checking every-step may name an earlier step.\n");
  return Exit::violation;
}

/// A violation if each run fails in the same way, ok if none fails, else flaky.
Exit replay_times(const std::string& file, const Trace& trace, const SubjectEntry& subject, const Common& common,
                  const Options& options) {
  std::map<std::string, std::uint64_t> failed;  // by signature
  std::uint64_t failures = 0;
  for (std::uint64_t n = 0; n < options.times; ++n)
    if (const auto failure = replay(trace, subject, options.checking, {})) ++failed[signature(*failure)], ++failures;
  const Exit status = failures == 0                                     ? Exit::ok
                      : failures == options.times && failed.size() == 1 ? Exit::violation
                                                                        : Exit::flaky;
  const std::string_view verdict = status == Exit::ok ? "ok" : status == Exit::flaky ? "flaky" : "violation";
  if (common.json) {
    nlohmann::ordered_json json{{"file", file}, {"runs", options.times}, {"failed", failures}, {"verdict", verdict}};
    json["signatures"] = nlohmann::ordered_json(failed);
    out_json(json);
    return status;
  }
  out(fmt::format("{}: failed {} of {} times, subject {}{}\n", one_line(file), failures, options.times, subject.name,
                  status == Exit::flaky ? ": flaky" : ""));
  for (const auto& [what, count] : failed) out(fmt::format("{:>6}  {}\n", count, what));
  return status;
}

std::optional<Failure> as_json(const Trace& trace, const SubjectEntry& subject, std::optional<Checking> checking) {
  std::string line;
  const auto failure = replay(trace, subject, checking, [&](std::size_t step, const Op& op, const Answer& answer) {
    line.clear();
    append_json(line, step, op, answer);
    out(line);
  });
  out(verdict_json(failure));
  return failure;
}

//   step  op                       answer
//      0  alloc a0 size=0x1000     0x1000..0x2000 left_edge
std::optional<Failure> as_text(const Trace& trace, const SubjectEntry& subject, std::optional<Checking> checking) {
  constexpr std::size_t width_max = 60;
  std::size_t width = 2;
  for (const Op& op : trace.ops) {
    if (width >= width_max) break;
    width = std::min(width_max, std::max(width, print(op).size()));
  }
  out(fmt::format("{:>6}  {:<{}}  {}\n", "step", "op", width, "answer"));
  const auto failure = replay(trace, subject, checking, [&](std::size_t step, const Op& op, const Answer& answer) {
    out(fmt::format("{:>6}  {:<{}}  {}\n", step, print(op), width, text_of(op, answer)));
  });
  if (!failure) {
    out(fmt::format("ok: {}, no violation\n", count_of(trace.ops.size(), "step")));
    return failure;
  }
  if (failure->kind != FailureKind::violation && failure->op)
    out(fmt::format("{:>6}  {:<{}}  none: {}\n", failure->step, print(*failure->op), width, signature(*failure)));
  out(text_of(*failure, trace, subject));
  return failure;
}

}  // namespace
}  // namespace vmapcheck::tool
