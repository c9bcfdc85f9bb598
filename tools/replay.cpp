// SPDX-License-Identifier: Apache-2.0
//
// `replay FILE...`: runs traces, says what was answered at each step, and which invariant broke where.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "model/trace.hpp"
#include "tools/commands.hpp"
#include "tools/files.hpp"
#include "tools/report.hpp"

namespace vmapcheck::tool {
namespace {

struct Options {
  std::vector<std::string> files;
  std::optional<Checking> checking;
};

/// Longer traces are checked in the amortized form, unless it is said how.
constexpr std::size_t every_step_ops_max = 100'000;

Exit replay_all(const Common& common, const Options& options);
Exit replay_file(const std::string& file, const SubjectEntry& subject, const Common& common, const Options& options);
int weight(Exit status);
std::optional<Failure> as_json(const Trace& trace, const SubjectEntry& subject, Checking checking);
std::optional<Failure> as_text(const Trace& trace, const SubjectEntry& subject, Checking checking);

}  // namespace

void add_replay(CLI::App& app, Session& session) {
  CLI::App& command = add_command(
      app, session, "replay", "Run traces; print each step with its answer, and which invariant broke where",
      uses_subject | uses_json,
      "vmapcheck replay corpus/*.trace\n"
      "vmapcheck replay --subject seed_2019 FILE.trace\n"
      "vmapcheck replay --json FILE.trace        one object for each op, and one with the verdict\n"
      "vmapcheck replay -                        the trace on standard input\n"
      "All files are replayed. The status is 10 if one of them shows a violation; else 4, 3 or 2 if one fails so.");
  const auto options = std::make_shared<Options>();
  command.add_option("FILE", options->files, "Traces; - is standard input")->required()->type_name("");
  add_checking(command, options->checking,
               "every-step: check the whole state at every step; amortized: what the step touched,\n"
               "and the whole state now and then. Default: every-step up to 100000 ops, amortized above");
  command.callback(
      [&session, options] { session.run = [&session, options] { return replay_all(session.common, *options); }; });
}

namespace {

Exit replay_all(const Common& common, const Options& options) {
  const SubjectEntry& subject = subject_named(common.subject);
  Exit worst = Exit::ok;
  for (const std::string& file : options.files) {
    Exit status = Exit::ok;
    try {
      status = replay_file(file, subject, common, options);
    } catch (const Stop& stop) {
      if (stop.status == Exit::interrupted || out_is_broken()) throw;
      report(stop);
      status = stop.status;
    }
    worst = std::max(worst, status, [](Exit a, Exit b) { return weight(a) < weight(b); });
  }
  return worst;
}

/// Of two statuses, the one with more weight is that of both together.
int weight(Exit status) {
  switch (status) {
    case Exit::ok: return 0;
    case Exit::usage: return 1;
    case Exit::subject: return 2;
    case Exit::io: return 3;
    default: return 4;
  }
}

Exit replay_file(const std::string& file, const SubjectEntry& subject, const Common& common, const Options& options) {
  const Trace trace = read_trace(file);
  const Checking checking =
      options.checking.value_or(trace.ops.size() <= every_step_ops_max ? Checking::every_step : Checking::amortized);
  if (common.json) return as_json(trace, subject, checking) ? Exit::violation : Exit::ok;
  out(fmt::format("{}: {} ops in {}, subject {}\n", one_line(file), trace.ops.size(), print(trace.space.range),
                  subject.name));
  if (!as_text(trace, subject, checking)) return Exit::ok;
  out(fmt::format("  {:<10} {} replay --subject {}{} {}\n", "replay", shell_word(common.program), subject.name,
                  options.checking ? fmt::format(" --checking {}", name(checking)) : "", shell_word(file)));
  if (checking == Checking::amortized)
    out("  It was checked in the amortized form: --checking every-step may name an earlier step.\n");
  return Exit::violation;
}

std::optional<Failure> as_json(const Trace& trace, const SubjectEntry& subject, Checking checking) {
  std::string line;
  const Replayed replayed = replay(trace, subject, checking, [&](std::size_t step, const Op& op, const Answer& answer) {
    line.clear();
    append_json(line, step, op, answer);
    out(line);
  });
  out(verdict_json(replayed.failure));
  return replayed.failure;
}

//   step  op                       answer
//      0  alloc a0 size=0x1000     0x1000..0x2000 left_edge
std::optional<Failure> as_text(const Trace& trace, const SubjectEntry& subject, Checking checking) {
  constexpr std::size_t width_max = 60;
  std::size_t width = 2;
  for (const Op& op : trace.ops) {
    if (width >= width_max) break;
    width = std::min(width_max, std::max(width, print(op).size()));
  }
  out(fmt::format("{:>6}  {:<{}}  {}\n", "step", "op", width, "answer"));
  const Replayed replayed = replay(trace, subject, checking, [&](std::size_t step, const Op& op, const Answer& answer) {
    out(fmt::format("{:>6}  {:<{}}  {}\n", step, print(op), width, text_of(op, answer)));
  });
  out(replayed.failure ? replayed.failure_text : fmt::format("ok: {} steps, no violation\n", trace.ops.size()));
  return replayed.failure;
}

}  // namespace
}  // namespace vmapcheck::tool
