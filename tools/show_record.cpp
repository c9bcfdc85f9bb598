// SPDX-License-Identifier: Apache-2.0
#include "tools/show_record.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <variant>

#include "harness/verify/isolated.hpp"
#include "tools/files.hpp"
#include "tools/show_page.hpp"

namespace vmapcheck::tool {
namespace {

/// Of a page; the steps that come later are left out.
constexpr std::size_t page_bytes_max = std::size_t{48} << 20;

}  // namespace

Ran record_with(const Trace& trace, const SubjectEntry& subject, RecordOptions options,
                const std::function<void(const RunEvent& event, Beacon& beacon)>& sink) {
  Ran ran = run_in_child(trace, [&](Beacon& beacon) {
    options.beacon = beacon;
    std::optional<Failure> failure;
    const auto recorded = record(trace, subject.make, options, [&](const RunEvent& event) {
      beacon.aside(true);  // who reads what is shown may take his time
      if (const auto* ended = std::get_if<Ended>(&event)) {
        if (ended->violation) failure = failure_of(*ended->violation, ended->step, trace);
      } else {
        sink(event, beacon);
      }
      beacon.aside(false);
    });
    if (!recorded) throw Stop{Exit::subject, fmt::format("subject {}: {}", subject.name, one_line(recorded.error()))};
    return failure;
  });
  if (options.run_to < ran.steps) ran.steps = options.run_to + 1;
  return ran;
}

Lines record_lines(Shown& shown, const SubjectEntry& subject, const RecordOptions& recording) {
  std::size_t bytes = 0;
  std::string written;
  PageLines to_lines(shown.trace, [&](const std::string& line) { written += line + "\n"; });
  Lines lines;
  lines.ran = record_with(shown.trace, subject, recording, [&](const RunEvent& event, Beacon& beacon) {
    if (bytes > page_bytes_max) return;
    to_lines(event);
    bytes += written.size();
    beacon.tell(written);
    written.clear();
  });
  // A line that was cut off by a death has no end.
  std::string_view rest = lines.ran.told;
  for (std::size_t end; (end = rest.find('\n')) != std::string_view::npos; rest.remove_prefix(end + 1))
    lines.text.emplace_back(rest.substr(0, end));
  if (lines.ran.told.size() > page_bytes_max) {
    const auto steps =
        std::ranges::count_if(lines.text, [](const std::string& line) { return line.starts_with("{\"step\":"); });
    shown.notes.push_back(fmt::format("The page would become too large: step {} and what follows is left out.",
                                      recording.from + static_cast<std::size_t>(steps)));
  }
  lines.ran.told.clear();
  return lines;
}

}  // namespace vmapcheck::tool
