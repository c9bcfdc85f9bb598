// SPDX-License-Identifier: Apache-2.0
//
// The report of an import as text: for people, and as the comments of each trace.
#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "import/strace_import.hpp"

namespace vmapcheck {
namespace {

/// "mprotect 12, madvise 3": the most frequent first.
std::string list(const Counts& counts) {
  std::vector<std::pair<std::string_view, std::size_t>> sorted(counts.begin(), counts.end());
  std::ranges::sort(
      sorted, [](const auto& a, const auto& b) { return std::pair{b.second, a.first} < std::pair{a.second, b.first}; });
  std::string text;
  for (const auto& [what, count] : sorted) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", what, count);
  return text.empty() ? "nothing" : text;
}

/// `text` on one line: no byte that a comment could not hold.
std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text.substr(0, 200)) {
    const bool printable = ' ' < c && c <= '~';
    if (printable || (!line.empty() && line.back() != ' ')) line.push_back(printable ? c : ' ');
  }
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

/// Appends `text`, broken after commas and full stops.
void wrap(std::vector<std::string>& lines, std::string_view text) {
  constexpr std::size_t width = 110;
  for (std::string_view indent; !text.empty(); indent = "  ") {
    std::size_t length = text.size();
    if (length > width) {
      const std::size_t comma = text.rfind(", ", width);
      length = comma != std::string_view::npos ? comma + 1 : std::min(text.find(' ', width), text.size());
    }
    lines.push_back(fmt::format("{}{}", indent, text.substr(0, length)));
    text.remove_prefix(std::min(length + 1, text.size()));
  }
}

}  // namespace

std::size_t sum(const Counts& counts) {
  std::size_t total = 0;
  for (const auto& [what, count] : counts) total += count;
  return total;
}

std::vector<std::string> describe(const ImportReport& report, const StraceOptions& options) {
  const auto counted = [](std::size_t n, std::string_view noun) {
    return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
  };
  std::vector<std::string> lines;
  const std::string program = one_line(options.program);
  wrap(lines, fmt::format("{}: what it did with its address space, from {} of {}{}.",
                          program.empty() ? "A recorded program" : program, counted(report.calls, "system call"),
                          counted(report.threads, "thread"),
                          report.programs > 1 ? fmt::format(" running {}", counted(report.programs, "program")) : ""));
  wrap(lines,
       fmt::format("Placement {}. {} became ops, {} changed nothing, {} failed, {} have no result, {} concern "
                   "processes, {} have no meaning for ranges ({}).",
                   name(options.placement), report.translated, report.unchanged, sum(report.failed),
                   sum(report.unfinished), sum(report.process_calls), sum(report.no_meaning), list(report.no_meaning)));
  wrap(lines, fmt::format("Exact: {}.", list(report.exact)));
  wrap(lines, fmt::format("Approximated: {}.", list(report.approximated)));
  return lines;
}

std::string describe(const StraceImport& imported) {
  const LogReport& log = imported.log;
  std::string text = fmt::format("{} lines: {} of calls, {} signals, {} exits, {} notes, {} unparsable{}\n", log.lines,
                                 log.call_lines, log.signals, log.exits, log.notes, log.unparsable,
                                 log.cut_off ? ", the last is cut off and was not interpreted" : "");
  if (!log.unparsable_lines.empty()) {
    text += "unparsable:";
    for (const std::size_t line : log.unparsable_lines) text += fmt::format(" {}", line);
    text += log.unparsable > log.unparsable_lines.size() ? " ...\n" : "\n";
  }
  text += fmt::format("{} calls in {} address space{}; {} interleaved with other lines\n", log.calls,
                      imported.processes.size(), imported.processes.size() == 1 ? "" : "s", log.interleaved);
  if (log.pid_guessed != 0)
    text += fmt::format("{} lines without a pid while several processes ran\n", log.pid_guessed);
  return text;
}

std::string describe(const ImportedProcess& process) {
  const ImportReport& report = process.report;
  std::string text =
      fmt::format("pid {}: {} ops from {} calls, {} thread{}, {} program{}\n",
                  process.pid == 0 ? "unknown" : std::to_string(process.pid), process.op_count, report.calls,
                  report.threads, report.threads == 1 ? "" : "s", report.programs, report.programs == 1 ? "" : "s");
  text += fmt::format("  became ops         {}\n  changed nothing    {}\n", report.translated, report.unchanged);
  const auto row = [&](std::string_view title, const Counts& counts) {
    if (!counts.empty()) text += fmt::format("  {:<18} {}\n", title, list(counts));
  };
  row("no meaning", report.no_meaning);
  row("failed", report.failed);
  row("no result", report.unfinished);
  row("process calls", report.process_calls);
  row("exact", report.exact);
  row("approximated", report.approximated);
  return text;
}

}  // namespace vmapcheck
