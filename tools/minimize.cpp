// SPDX-License-Identifier: Apache-2.0
//
// `minimize FILE -o OUT`: the smallest trace that fails in the same way.
#include "harness/reduce/minimize.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "harness/random/check.hpp"
#include "harness/verify/isolated.hpp"
#include "model/trace.hpp"
#include "tools/commands.hpp"
#include "tools/files.hpp"
#include "tools/finding.hpp"
#include "tools/interruption.hpp"
#include "tools/progress.hpp"
#include "tools/report.hpp"

namespace vmapcheck::tool {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string file;
  std::string output;
  std::optional<std::chrono::nanoseconds> time;
  bool any = false;
  bool same = false;
};

/// How a trace fails, and how much of that its runs have in common.
struct Reproduced {
  Failure failure;
  Kept kept = Kept::signature;
};

Exit minimize_file(const Common& common, const Options& options);
std::vector<std::string> comments_of(const Finding& finding, const Trace& trace);
Reproduced reproduce(const Trace& trace, const SubjectEntry& subject, const Options& options, Clock::time_point end);

}  // namespace

void add_minimize(CLI::App& app, Session& session) {
  CLI::App& command = add_command(
      app, session, "minimize", "Find the smallest trace that fails in the same way",
      uses_subject | uses_seed | uses_json,
      "vmapcheck minimize FILE.trace -o SMALL.trace\n"
      "vmapcheck minimize --subject seed_2019 --time 5m FILE.trace -o SMALL.trace\n"
      "The file itself is kept. Of several failures the first counts: the run ends there. Ctrl-C writes the best so\n"
      "far (status 5). A trace that does not fail ends with 13, one that fails differently from run to run with 12;\n"
      "then nothing is written.",
      {Exit::ok, Exit::usage, Exit::subject, Exit::io, Exit::interrupted, Exit::flaky, Exit::not_reproduced});
  const auto options = add_options<Options>(command, session, minimize_file);
  add_place(command, "FILE", options->file, "Trace that fails; - is standard input")->required();
  add_text(command, "-o,--output", options->output, "Where to; - is standard output", "OUT")->required();
  add_duration(command, "--time", options->time,
               "Look until nothing shorter can be, or this has passed since the command began.\n"
               "Without it: as far as `check` does, for 30s at most");
  auto* const same = command.add_flag("--same-invariant", options->same,
                                      "Keep the signature (the invariant, or how it died), even where it moves");
  command.add_flag("--any", options->any, "Take whatever fails")->excludes(same);
}

namespace {

Exit minimize_file(const Common& common, const Options& options) {
  const Clock::time_point begin = Clock::now();
  const SubjectEntry& subject = subject_named(common.subject);
  std::error_code ignored;
  if (options.file != "-" && options.output != "-" &&
      std::filesystem::equivalent(options.file, options.output, ignored))
    throw Stop{Exit::usage,
               fmt::format("{} would be overwritten: name another file with -o", one_line(options.output))};
  const Trace trace = read_trace(options.file);
  Minimizing minimizing;
  if (options.time) minimizing.options.time = options.time;
  const Clock::time_point end = begin + *minimizing.options.time;
  const auto [failure, kept] = reproduce(trace, subject, options, end);
  if (options.output != "-") check_writable(options.output);  // before the work is done

  minimizing.options.seed = seed_of(common, seed_default);
  minimizing.options.keep = kept;
  minimizing.options.fall_back = !options.same;
  if (options.time) {  // until it is proved, or time is up; else no further than `check`, so that both claim the same
    minimizing.options.sequences_max = std::numeric_limits<std::uint64_t>::max();
    minimizing.options.exhaustive_max = 2'000'000;
  }
  minimizing.options.time = std::max(end - Clock::now(), Clock::duration::zero());
  Trace up_to_failure = trace;
  cut_behind(up_to_failure, failure);
  Finding finding =
      make_finding(subject, up_to_failure, failure, minimizing,
                   fmt::format("vmapcheck minimize --subject {} {}", shell_word(subject.name), one_line(options.file)));
  finding.trace.comments = comments_of(finding, trace);
  // The work may have taken hours: what cannot be written is shown all the same.
  std::optional<Stop> unwritten;
  try {
    write_file(options.output, print(finding.trace));
  } catch (const Stop& stop) {
    if (options.output == "-") throw;
    unwritten = stop;
  }
  if (options.output == "-") {
    flush_out();
    say(how_minimal(finding));
  } else if (common.json) {
    ordered_json json = json_of(finding);
    json["file"] = unwritten ? ordered_json() : ordered_json(options.output);
    out_json(json);
  } else {
    out(text_of(finding));
    if (!unwritten) out(fmt::format("\n  {:<10} {}\n", "replay", replay_command(common, subject.name, options.output)));
  }
  if (unwritten) throw *unwritten;
  if (interrupted()) {
    say("vmapcheck: interrupted; the best so far was written");
    return Exit::interrupted;
  }
  return Exit::ok;
}

/// Comments of the result: what it shows, then those of the file. "Found by" stays only if it fails as it did then.
/// What was said of its length is left out if the length has changed.
std::vector<std::string> comments_of(const Finding& finding, const Trace& trace) {
  const SavedFor was = saved_for(trace), is = saved_for(finding.trace);
  const bool same = is_same_subject(was.subject, is.subject) && was.signature == is.signature;
  std::vector<std::string> comments{finding.trace.comments.front()};
  const bool shorter = finding.trace.ops.size() != trace.ops.size();  // else what was said of its length stands
  if (shorter || finding.minimized->kept != Kept::signature)
    comments.push_back(fmt::format("Minimized from {} to {}{}.", trace.ops.size(),
                                   count_of(finding.trace.ops.size(), "op"), what_was_kept(finding)));
  for (const std::string& comment : trace.comments) {
    if (comment.starts_with("Breaks ") || comment.starts_with("Dies of ")) continue;
    if (shorter && comment.starts_with("Minimized from ")) continue;
    if (!comment.starts_with("Found by vmapcheck ")) {
      comments.push_back(comment);
    } else if (same) {
      const std::size_t length = std::min(comment.rfind("; minimized from "), comment.rfind("; not minimized."));
      const bool tells_length = shorter && length != std::string::npos;
      comments.push_back(tells_length ? comment.substr(0, length) + "." : comment);
    }
  }
  return comments;
}

/// Runs the trace twice, for what does not fail again cannot be minimized. Two deaths of one kind count as the same
/// unless --same-invariant is given. Where the second run is checked in the amortized form, it need only break
/// something: the first names the step. Nothing is begun after `end`.
Reproduced reproduce(const Trace& trace, const SubjectEntry& subject, const Options& options, Clock::time_point end) {
  Progress progress;
  const auto time_is_left = [end] { return Clock::now() < end; };
  const IsolatedOptions isolated{
      .keep_going = [&] { return time_is_left() && !interrupted(); },
      .on_progress =
          [&](std::uint64_t step) {
            progress.update([&] {
              return Fields{fmt::format("reproducing: step {} of {}", step, trace.ops.size()), one_line(options.file)};
            });
          }};
  const auto run = [&](const IsolatedOptions& how) {
    auto outcome = run_isolated(trace, subject.make, how);
    if (!outcome) throw Stop{Exit::subject, fmt::format("subject {}: {}", subject.name, one_line(outcome.error()))};
    if (interrupted()) throw Stop{Exit::interrupted, "interrupted"};
    stop_if_oracle(*outcome);
    return *std::move(outcome);
  };
  const auto first = run(isolated);
  if (!first && !time_is_left())
    throw Stop{Exit::not_reproduced, fmt::format("{} did not fail on {} before time was up: --time gives it more",
                                                 one_line(options.file), subject.name)};
  IsolatedOptions shallow = isolated;
  shallow.checking = checking_of(trace);
  const auto second = run(shallow);
  if (!first && !second)
    throw Stop{Exit::not_reproduced, fmt::format("{} does not fail on {}", one_line(options.file), subject.name)};
  if (first && !second && !time_is_left()) return {*first, options.any ? Kept::anything : Kept::signature};
  if (!first || !second)
    throw Stop{Exit::flaky, fmt::format("{} fails on {} in one of two runs, with {}", one_line(options.file),
                                        subject.name, signature(first ? *first : *second))};
  if (options.any) return {*first, Kept::anything};
  const bool both_break = first->kind == FailureKind::violation && second->kind == FailureKind::violation;
  if (alike(*first, *second, Kept::signature) || (both_break && shallow.checking == Checking::amortized))
    return {*first, Kept::signature};
  if (!options.same && first->kind != FailureKind::violation && alike(*first, *second, Kept::kind))
    return {*first, Kept::kind};
  throw Stop{Exit::flaky, fmt::format("{} fails on {} with {}, then with {}: --any takes whatever fails",
                                      one_line(options.file), subject.name, signature(*first), signature(*second))};
}

}  // namespace
}  // namespace vmapcheck::tool
