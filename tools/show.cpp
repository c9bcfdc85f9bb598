// SPDX-License-Identifier: Apache-2.0
//
// `show FILE`: the address map step by step, in the terminal or as a page.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "harness/picture/recording.hpp"
#include "harness/verify/isolated.hpp"
#include "model/trace.hpp"
#include "tools/commands.hpp"
#include "tools/files.hpp"
#include "tools/finding.hpp"
#include "tools/interruption.hpp"
#include "tools/progress.hpp"
#include "tools/show.hpp"
#include "tools/show_page.hpp"
#include "tools/show_record.hpp"
#include "tools/show_text.hpp"

namespace vmapcheck::tool {
namespace {

struct Options {
  std::string file;
  std::optional<std::string> html;
  std::optional<std::uint64_t> at;
  std::optional<std::uint64_t> from;
  std::optional<std::uint64_t> to;
  std::optional<Checking> checking;
};

/// The steps that are to be shown, both included.
struct Steps {
  std::size_t from = 0;
  std::size_t to = std::numeric_limits<std::size_t>::max();
};

/// Steps of a page: how many of the last ones if none are named, and how many at most.
constexpr std::size_t page_steps_usual = 5'000;
constexpr std::size_t page_steps_max = 20'000;

Exit show(const Common& common, const Options& options);
Steps selected(const Trace& trace, const Options& options);
Exit as_text(Shown& shown, const SubjectEntry& subject, const RecordOptions& recording, const Options& options);
Exit as_page(Shown& shown, const SubjectEntry& subject, RecordOptions recording, const Options& options);
void narrow(const Trace& trace, const SubjectEntry& subject, RecordOptions& recording, const Options& options);
std::size_t columns();

}  // namespace

void add_show(CLI::App& app, Session& session) {
  CLI::App& command = add_command(
      app, session, "show", "Draw the address map step by step, in the terminal or as a page", uses_subject,
      "vmapcheck show FILE.trace | less\n"
      "vmapcheck show --at 7 FILE.trace                  one step, with the tree of free blocks\n"
      "vmapcheck show --from 10 --to 20 FILE.trace\n"
      "vmapcheck show --html OUT.html FILE.trace         one page, to be opened in a browser\n"
      "vmapcheck show --subject seed_2019 --html - corpus/faults/not-lowest.trace >page.html\n"
      "Steps are counted from 0. Colours are used on a terminal, unless NO_COLOR is set.\n"
      "A page of a long trace holds its last 5000 steps, or those that --from and --to say: at most 20000.");
  const auto options = add_options<Options>(command, session, show);
  add_place(command, "FILE", options->file, "A trace; - is standard input")->required();
  command.add_option("--html", options->html, "Write one self-contained page; - is standard output")
      ->type_name("OUT")
      ->take_last();
  add_step(command, "--at", options->at, "Only this step, with the tree of free blocks");
  add_step(command, "--from", options->from, "The first step that is shown");
  add_step(command, "--to", options->to, "The last one: the run ends there");
  command.get_option("--at")->excludes("--from")->excludes("--to");
  add_checking(command, options->checking,
               "every-step: check the whole state at every step; amortized: what the step touched,\n"
               "and the whole state now and then. Default: every-step where ops and areas are few enough");
}

namespace {

Exit show(const Common& common, const Options& options) {
  const SubjectEntry& subject = subject_named(common.subject);
  const Trace trace = read_trace(options.file);
  const Steps steps = selected(trace, options);
  Shown shown{.file = options.file,
              .subject = subject.name,
              .replay = replay_command(common, subject.name, options.file) +
                        (options.checking ? fmt::format(" --checking {}", name(*options.checking)) : ""),
              .trace = trace};
  const RecordOptions recording{.from = steps.from,
                                .to = steps.to,
                                .run_to = steps.to,
                                .checking = options.checking.value_or(checking_of(trace))};
  if (recording.checking == Checking::amortized)
    shown.notes.push_back("Checked in the amortized form: what is found may have been broken by an earlier step.");
  return options.html ? as_page(shown, subject, recording, options) : as_text(shown, subject, recording, options);
}

/// A usage error where a step is not in the trace.
Steps selected(const Trace& trace, const Options& options) {
  const auto in_trace = [&](std::string_view option, std::uint64_t step) {
    if (step < trace.ops.size()) return;
    throw Stop{Exit::usage, trace.ops.empty() ? fmt::format("{} {}: the trace has no steps", option, step)
                                              : fmt::format("{} {}: the trace has the steps 0 to {}", option, step,
                                                            trace.ops.size() - 1)};
  };
  Steps steps;
  if (options.at) {
    in_trace("--at", *options.at);
    return {*options.at, *options.at};
  }
  if (options.from) in_trace("--from", steps.from = *options.from);
  if (options.to) in_trace("--to", steps.to = *options.to);
  if (steps.from > steps.to) throw Stop{Exit::usage, fmt::format("--from {} is after --to {}", steps.from, steps.to)};
  if (options.html && options.from && options.to && steps.to - steps.from >= page_steps_max)
    throw Stop{Exit::usage,
               fmt::format("--from {} --to {}: a page holds at most {} steps", steps.from, steps.to, page_steps_max)};
  return steps;
}

// ---- In the terminal

Exit as_text(Shown& shown, const SubjectEntry& subject, const RecordOptions& recording, const Options& options) {
  TextStyle style{.columns = columns(), .coloured = out_is_terminal() && !environment("NO_COLOR")};
  if (options.at) style.always_draws = true, style.tree_lines = 4000;
  TextShow text(shown, style, [&](std::string_view lines) { style.coloured ? out_data(lines) : out(lines); });
  text.begin();
  const Ran ran = record_with(shown.trace, subject, recording, [&](const RunEvent& event, Beacon&) { text(event); });
  if (ran.steps <= recording.from && ran.steps > 0)
    out(fmt::format("\nThe run ends at step {}, before the first that was to be shown.\n", ran.steps - 1));
  text.end(verdict_of(ran));
  return ran.failure ? Exit::violation : Exit::ok;
}

/// As COLUMNS says, or the terminal; 100 where there is none.
std::size_t columns() {
  std::uint64_t wanted = out_is_terminal() ? window_of(1).columns : 100;
  if (const auto text = environment("COLUMNS"); text && parse_count(*text)) wanted = *parse_count(*text);
  return static_cast<std::size_t>(std::clamp<std::uint64_t>(wanted, 40, 1000));
}

// ---- As a page

Exit as_page(Shown& shown, const SubjectEntry& subject, RecordOptions recording, const Options& options) {
  const Trace& trace = shown.trace;
  const std::size_t last = trace.ops.empty() ? 0 : trace.ops.size() - 1;
  if (std::min(recording.to, last) - recording.from >= page_steps_usual && !(options.from && options.to))
    narrow(trace, subject, recording, options);
  Lines lines = record_lines(shown, subject, recording);
  if (lines.text.empty() && lines.ran.steps > 0) {
    // The run ended, with a violation, before the first step that was wanted: show that.
    recording.to = lines.ran.steps - 1;
    recording.from = recording.to < page_steps_usual ? 0 : recording.to - page_steps_usual + 1;
    lines = record_lines(shown, subject, recording);
  }
  const std::size_t to = std::min({recording.to, last, std::max<std::size_t>(lines.ran.steps, 1) - 1});
  if (recording.from > 0 || to < last)
    shown.notes.push_back(fmt::format(
        "Of {} ops this page holds the steps {} to {}{}.", trace.ops.size(), recording.from, to,
        to + 1 == lines.ran.steps && lines.ran.failure ? ", where the run ends" : "; --from and --to select others"));

  const Verdict verdict = verdict_of(lines.ran);
  const std::string text = page(shown, lines.text, verdict);
  write_file(*options.html, text);
  if (*options.html != "-") {
    out(fmt::format("{}\n", one_line(verdict.title, 2000)));
    for (const std::string& note : shown.notes) out(fmt::format("{}\n", note));
    out(fmt::format("wrote {}: {} KiB\n", one_line(*options.html), (text.size() + 1023) >> 10));
  }
  return verdict.ok ? Exit::ok : Exit::violation;
}

/// The steps of a page: from --from up to --to. Without them the last ones, which a first run finds out.
void narrow(const Trace& trace, const SubjectEntry& subject, RecordOptions& recording, const Options& options) {
  if (options.from) {
    recording.to = recording.from + page_steps_usual - 1;
    return;
  }
  if (!options.to) {
    // This run is checked in the fast form. Should it end later than the run that is recorded, that one is done again.
    const Ran ran = record_with(trace, subject, {.from = trace.ops.size(), .checking = Checking::amortized},
                                [](const RunEvent&, Beacon&) {});
    recording.to = std::max<std::size_t>(ran.steps, 1) - 1;
  }
  recording.from = recording.to < page_steps_usual ? 0 : recording.to - page_steps_usual + 1;
}

}  // namespace
}  // namespace vmapcheck::tool
