// SPDX-License-Identifier: Apache-2.0
//
// `corpus list` and `corpus import`: the named traces, and new ones: from what real programs did, and what fuzzers
// kept.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "import/strace_import.hpp"
#include "model/trace.hpp"
#include "tools/commands.hpp"
#include "tools/corpus/import.hpp"
#include "tools/files.hpp"
#include "tools/interruption.hpp"
#include "tools/progress.hpp"
#include "tools/report.hpp"

namespace vmapcheck::tool {
namespace {

constexpr std::initializer_list<Exit> corpus_statuses{Exit::ok, Exit::usage, Exit::io, Exit::interrupted};
constexpr std::initializer_list<Exit> all_corpus_statuses{Exit::ok,          Exit::usage,     Exit::subject, Exit::io,
                                                          Exit::interrupted, Exit::violation, Exit::flaky};

struct ImportOptions {
  std::string log;
  std::vector<std::string> paths;
  std::string output;
  std::uint64_t pid = 0;
  bool pid_given = false;
  std::string placement = "recorded";
  std::uint64_t page = 0x1000;
  std::string program;
};

void add_list(CLI::App& corpus, Session& session);
void add_import(CLI::App& corpus, Session& session);
Exit list_traces(const Common& common, const std::string& directory);
Exit import_any(const Common& common, const ImportOptions& options);
Exit import_log(const Common& common, const ImportOptions& options);
std::string text_of(const StraceImport& imported, const ImportedProcess& process);
ordered_json json_of(const StraceImport& imported, const ImportedProcess& process);
bool keep_importing(const ImportProgress& at, Progress& progress, bool& cut_reading);
std::size_t chosen(const std::vector<ImportedProcess>& processes, const ImportOptions& options);

}  // namespace

void add_corpus(CLI::App& app, Session& session) {
  CLI::App& corpus =
      add_command(app, session, "corpus", "Keep traces: list, add, import, minimize, export, count", uses_json,
                  "vmapcheck corpus list\n"
                  "vmapcheck corpus add FILE.trace --because \"what it is about\"\n"
                  "vmapcheck corpus import --strace LOG -o FILE.trace\n"
                  "vmapcheck corpus import afl-out artifacts.zip -o DIR\n"
                  "vmapcheck corpus stats DIR\n"
                  "vmapcheck corpus minimize DIR\n"
                  "vmapcheck corpus export --oss-fuzz",
                  all_corpus_statuses);
  corpus.require_subcommand(1);
  add_list(corpus, session);
  add_corpus_add(corpus, session);
  add_import(corpus, session);
  add_corpus_minimize(corpus, session);
  add_corpus_export(corpus, session);
  add_corpus_stats(corpus, session);
}

namespace {

void add_list(CLI::App& corpus, Session& session) {
  CLI::App& command =
      add_command(corpus, session, "list", "Each trace with its number of ops and its first comment", uses_json,
                  "vmapcheck corpus list\nvmapcheck corpus list DIR --json", corpus_statuses);
  const auto directory = add_options<std::string>(command, session, list_traces);
  *directory = corpus_of_the_checkout();
  add_place(command, "DIR", *directory, "Where the traces are (default: the corpus of the checkout)");
}

/// Names each file that is no trace, and lists all others.
Exit list_traces(const Common& common, const std::string& directory) {
  Exit status = Exit::ok;
  ordered_json list = ordered_json::array();
  const std::vector<std::string> names = traces_below(directory);
  const std::size_t columns = window_of(1).columns;
  std::size_t width = 0;
  for (const std::string& name : names) width = std::max(width, std::min<std::size_t>(name.size(), 50));
  for (const std::string& name : names) {
    try {
      const Trace trace = read_trace(path_in(directory, name));
      const std::string comment = trace.comments.empty() ? "" : trace.comments.front();
      if (common.json)
        list.push_back(ordered_json{{"name", name}, {"ops", trace.ops.size()}, {"comment", comment}});
      else
        out(cut(fmt::format("{:<{}} {:>7}  {}", one_line(name), width, trace.ops.size(), one_line(comment)), columns) +
            "\n");
    } catch (const Stop& stop) {
      if (stop.status == Exit::interrupted || out_is_broken()) throw;
      report(stop);
      status = std::max(status, stop.status);
    }
  }
  if (common.json) out_json(list);
  return status;
}

void add_import(CLI::App& corpus, Session& session) {
  CLI::App& command = add_command(
      corpus, session, "import", "What a real program did, or what fuzzers kept, as readable traces", uses_json,
      "strace -f -o LOG -e trace=memory,process sort words\n"
      "vmapcheck corpus import --strace LOG --program 'sort words' -o sort.trace\n"
      "What was translated, approximated or has no meaning is counted on standard error; with --json for each "
      "process.\n"
      "vmapcheck corpus import afl-out -o DIR           queue, crashes and hangs of AFL++\n"
      "vmapcheck corpus import crash-0123 fuzz.zip -o DIR   what libFuzzer, ClusterFuzzLite and OSS-Fuzz write\n"
      "A trace that is there already is not written again; no file is overwritten.",
      corpus_statuses);
  const auto options = std::make_shared<ImportOptions>();
  takes(add_place(command, "PATH", options->paths,
                  "Inputs of fuzzers and traces: files, archives, folders (of libFuzzer, AFL++, `campaign`)"),
        {"or --strace", "-", {}, [](const std::string&) { return true; }});
  add_text(command, "--strace", options->log, "The log of strace; - is standard input", "LOG");
  add_text(command, "-o,--output", options->output,
           "Where to: the file for a log (default: standard output), the folder for PATH", "OUT");
  add_count(command, "--pid", options->pid, "Which address space (default: the one with the most ops)", 0, 0xffff'ffff);
  auto* const log = command.get_option("--strace")->excludes("PATH");
  add_choice(command, "--placement", options->placement,
             "recorded (default): where the kernel put it; first-fit: where the allocator will", "HOW",
             {"recorded", "first-fit"});
  add_count(command, "--page", options->page, "Bytes of a page of the machine that was traced (default: 4096)", 1,
            std::uint64_t{1} << 40);
  add_text(command, "--program", options->program, "What was traced, for the first comment", "TEXT");
  for (const char* const option : {"--pid", "--placement", "--page", "--program"})
    command.get_option(option)->needs(log);
  command.callback([&session, &command, options] {
    options->pid_given = command.count("--pid") != 0;
    if (command.count("--strace") == 0 && options->paths.empty()) throw CLI::RequiredError("PATH, or --strace,");
    session.run = [&session, options] { return import_any(session.common, *options); };
  });
}

Exit import_any(const Common& common, const ImportOptions& options) {
  if (options.paths.empty()) return import_log(common, options);
  if (options.output.empty() || options.output == "-")
    throw Stop{Exit::usage, "there may be many traces: name a folder with -o"};
  return import_inputs(common, options.paths, options.output);
}

/// Ends the import soon after an interrupt. The trace of what was read is kept.
Exit import_log(const Common& common, const ImportOptions& options) {
  if (common.json && (options.output.empty() || options.output == "-"))
    throw Stop{Exit::usage, "standard output is for --json: name a file for the trace with -o"};
  if (!vmap::is_power_of_two(options.page))
    throw Stop{Exit::usage, fmt::format("--page is a power of two, not {}", options.page)};
  const std::string log = read_file(options.log, log_bytes_max, when_interrupted::keep);
  Progress progress;
  bool cut_reading = false;
  const StraceOptions how{
      .placement = *placement_named(options.placement),
      .page = options.page,
      .program = options.program,
      .choose = [&](const std::vector<ImportedProcess>& processes) { return chosen(processes, options); },
      .keep_going = [&](const ImportProgress& at) { return keep_importing(at, progress, cut_reading); }};
  const auto imported = import_strace(log, how);
  progress.clear();
  const std::string shown = options.log == "-" ? "standard input" : one_line(options.log);
  if (!imported) {
    const ParseError& error = imported.error();
    if (interrupted()) throw Stop{Exit::interrupted, fmt::format("interrupted before {} gave a memory call", shown)};
    throw Stop{Exit::usage, fmt::format("{}:{}:{}: {}", shown, error.line, error.column, one_line(error.expected))};
  }
  const ImportedProcess& process = imported->processes[chosen(imported->processes, options)];
  write_file(options.output.empty() ? "-" : options.output, print(process.trace));
  std::string text = text_of(*imported, process);
  text.pop_back();
  common.json ? out_json(json_of(*imported, process)) : say(text);
  if (interrupted())
    throw Stop{Exit::interrupted, fmt::format("interrupted: the trace says what was done up to line {} of {}",
                                              imported->last_line, shown)};
  return Exit::ok;
}

/// The largest processes in a table, the others in a line, then what became of the calls of the one that is written.
std::string text_of(const StraceImport& imported, const ImportedProcess& process) {
  constexpr std::size_t listed_max = 5;
  const std::size_t columns = window_of(2).columns;
  std::string text = describe(imported);
  if (imported.processes.size() == 1) return text + describe(process);

  const auto pid_of = [](const ImportedProcess& one) { return one.pid == 0 ? "?" : std::to_string(one.pid); };
  const std::span all(imported.processes);
  const auto listed = all.first(std::min(all.size(), listed_max)), others = all.subspan(listed.size());
  std::vector<Fields> rows{{"pid", "ops", "calls", "changed nothing", "failed", "approximated", "threads", "programs"}};
  for (const ImportedProcess& one : listed) {
    const ImportReport& report = one.report;
    Fields& row = rows.emplace_back(Fields{pid_of(one)});
    for (const std::size_t count : {one.op_count, report.calls, report.unchanged + sum(report.no_meaning),
                                    sum(report.failed), sum(report.approximated), report.threads, report.programs})
      row.push_back(std::to_string(count));
  }
  text += "\n" + table(rows, columns);
  if (!others.empty()) {
    std::size_t ops = 0, calls = 0, approximated = 0;
    for (const ImportedProcess& one : others)
      ops += one.op_count, calls += one.report.calls, approximated += sum(one.report.approximated);
    text += fitted({fmt::format("{}: {}", count_of(others.size(), "other address space"), count_of(ops, "op")),
                    count_of(calls, "call"), fmt::format("{} approximated", approximated)},
                   columns) +
            "\n";
  }
  return text + fmt::format("\nthe trace is that of pid {}; --pid chooses another, --json tells of all\n{}",
                            pid_of(process), describe(process));
}

ordered_json json_of(const StraceImport& imported, const ImportedProcess& process) {
  const LogReport& log = imported.log;
  ordered_json json{{"lines", log.lines},     {"call_lines", log.call_lines}, {"signals", log.signals},
                    {"exits", log.exits},     {"notes", log.notes},           {"unparsable", log.unparsable},
                    {"cut_off", log.cut_off}, {"calls", log.calls},           {"interleaved", log.interleaved}};
  json["pid_guessed"] = log.pid_guessed;
  json["pid"] = process.pid;
  json["processes"] = ordered_json::array();
  for (const ImportedProcess& one : imported.processes) {
    const ImportReport& report = one.report;
    json["processes"].push_back({{"pid", one.pid},
                                 {"ops", one.op_count},
                                 {"calls", report.calls},
                                 {"threads", report.threads},
                                 {"programs", report.programs},
                                 {"translated", report.translated},
                                 {"unchanged", report.unchanged},
                                 {"no_meaning", report.no_meaning},
                                 {"failed", report.failed},
                                 {"unfinished", report.unfinished},
                                 {"process_calls", report.process_calls},
                                 {"exact", report.exact},
                                 {"approximated", report.approximated}});
  }
  return json;
}

/// After an interrupt that cut the reading, the translation may still go on for a little while.
bool keep_importing(const ImportProgress& at, Progress& progress, bool& cut_reading) {
  const bool reading = at.stage == ImportProgress::reading;
  progress.update([&] {
    return reading ? fmt::format("import: {} of {} MiB read", at.done >> 20, at.all >> 20)
                   : fmt::format("import: {} of {} calls translated", at.done, at.all);
  });
  if (reading) cut_reading = interrupted();
  return !interrupted() || (cut_reading && seconds_since_interrupt() < (reading ? 0.2 : 0.4));
}

std::size_t chosen(const std::vector<ImportedProcess>& processes, const ImportOptions& options) {
  if (!options.pid_given) return 0;
  const auto process = std::ranges::find(processes, options.pid, &ImportedProcess::pid);
  if (process != processes.end()) return static_cast<std::size_t>(process - processes.begin());
  std::string pids;
  for (const ImportedProcess& other : processes) {
    if (pids.size() > 200) break;
    pids += fmt::format("{}{}", pids.empty() ? "" : ", ", other.pid);
  }
  throw Stop{Exit::usage, fmt::format("no address space in {} began with pid {}, but with {}", one_line(options.log),
                                      options.pid, pids)};
}

}  // namespace
}  // namespace vmapcheck::tool
