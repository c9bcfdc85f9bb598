// SPDX-License-Identifier: Apache-2.0
#include "tools/campaign/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "harness/isolate/death.hpp"
#include "model/trace.hpp"
#include "tools/files.hpp"
#include "tools/show_page.hpp"
#include "tools/show_record.hpp"
#include "tools/show_text.hpp"

namespace vmapcheck::tool {
namespace {

/// Findings that are run again and drawn, at most: nobody would read a page of more.
constexpr std::size_t findings_drawn_max = 200;
/// Steps of a page of `show`, at most: the last ones.
constexpr std::size_t page_steps_max = 5'000;

ReportedFinding read_finding(const FoundFailure& found, const State& state, const std::string& directory,
                             const std::string& program);
std::optional<Trace> trace_of(ReportedFinding& one);
void run_again(ReportedFinding& one, const Trace& trace, const State& state);
void add_page(ReportedFinding& one, const Standing& standing, bool is_wanted);
std::vector<Sample> ascending(std::vector<Sample> samples, const State& state);

}  // namespace

CampaignReport report_on(const std::string& directory, const std::string& program, bool pages) {
  CampaignReport report{standing_of(directory), {}, {}};
  report.samples = load_samples(directory, report.standing.state.losses);
  const State& state = report.standing.state;
  report.samples = ascending(std::move(report.samples), state);
  for (const FoundFailure& found : state.findings) {
    ReportedFinding& one = report.findings.emplace_back(read_finding(found, state, directory, program));
    if (const auto trace = trace_of(one)) {
      if (report.findings.size() <= findings_drawn_max)
        run_again(one, *trace, state);
      else
        one.notes.push_back(fmt::format("Only the first {} findings are run again and drawn.", findings_drawn_max));
    }
    add_page(one, report.standing, pages);
  }
  return report;
}

namespace {

ReportedFinding read_finding(const FoundFailure& found, const State& state, const std::string& directory,
                             const std::string& program) {
  ReportedFinding one{.found = found, .kind = kind_of(found.signature), .name = {}, .path = {}};
  const fs::path findings = fs::path(directory) / "findings";
  if (found.minimality.empty())
    one.notes.push_back(
        fmt::format("It is not minimized: what failed is {}.", one_line((findings / "bytes" / found.input).string())));
  if (found.trace.empty()) return one;
  // Only the last part of the path: a trace outside of the directory is not of this campaign.
  one.name = fs::path(found.trace).filename().stem().string();
  one.path = (findings / fs::path(found.trace).filename()).string();
  one.replay = fmt::format("{} replay{} --subject {} {}", shell_word(program), found.by_sanitizer ? " --sanitize" : "",
                           shell_word(state.subject), shell_word(one.path));
  return one;
}

/// Nothing if it cannot be read; a note says why.
std::optional<Trace> trace_of(ReportedFinding& one) {
  if (one.path.empty()) return std::nullopt;
  try {
    one.trace = read_file(one.path, trace_bytes_max);
    return read_trace(one.path);
  } catch (const Stop& stop) {
    if (stop.status == Exit::interrupted) throw;
    one.notes.push_back(fmt::format("There is no trace to show: {}.", stop.line));
    return std::nullopt;
  }
}

/// The line of the trace in which the op stands: those before it are the header, comments and what is busy.
std::size_t line_of(std::string_view text, std::size_t step) {
  std::size_t line = 0, ops = 0, last = 0;
  for (std::size_t at = 0; at < text.size(); ++line) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view words = text.substr(at, end - at);
    at = end + 1;
    words.remove_prefix(std::min(words.find_first_not_of(" \t\r"), words.size()));
    const std::string_view first = words.substr(0, words.find_first_of(" \t\r"));
    if (first.empty() || first.starts_with('#') || first == "vmapcheck-trace" || first == "space" || first == "busy")
      continue;
    last = line + 1;
    if (ops++ == step) return last;
  }
  return last;  // it failed at the end
}

/// The failing step, as `show --at` draws it in colour.
std::string drawing_of(const Shown& shown, const SubjectEntry& subject, const Verdict& verdict) {
  if (shown.trace.ops.empty()) return "";
  return drawn_step(shown, subject, std::min(verdict.step, shown.trace.ops.size() - 1),
                    {.columns = 100, .coloured = true, .always_draws = true, .tree_lines = 60});
}

void run_again(ReportedFinding& one, const Trace& trace, const State& state) {
  const SubjectEntry* const subject = find_subject(state.subject);
  if (subject == nullptr) {
    one.notes.push_back(fmt::format("It was not run again: this program has no subject {}.", one_line(state.subject)));
    return;
  }
  Shown shown{.file = one.path, .subject = subject->name, .replay = one.replay, .trace = trace};
  const std::size_t from = trace.ops.size() > page_steps_max ? trace.ops.size() - page_steps_max : 0;
  try {
    Lines lines = record_lines(shown, *subject, {.from = from});
    one.verdict = verdict_of(lines.ran);
    one.lines = std::move(lines.text);
    one.drawn_in_colour = drawing_of(shown, *subject, one.verdict);
    one.drawn = without_colours(one.drawn_in_colour);
    one.ran = true;
    if (!one.verdict.ok) one.line = line_of(one.trace, one.verdict.step);
    const std::string here = lines.ran.failure ? signature(*lines.ran.failure) : "";
    if (one.verdict.ok && one.found.by_sanitizer)
      one.notes.push_back("It fails only in a build with sanitizers, which this program is not: drawn is its end.");
    else if (one.verdict.ok && one.found.status != FindingStatus::fixed)
      one.notes.push_back("Run again for this report, it did not fail: drawn is its end.");
    else if (!one.verdict.ok && one.found.status == FindingStatus::fixed)
      one.notes.push_back(fmt::format("Run again for this report, it fails: {}.", one_line(here, 300)));
    else if (!one.verdict.ok && here != one.found.signature)
      one.notes.push_back(fmt::format("Run again for this report, it fails differently: {}.", one_line(here, 300)));
    if (here != one.found.signature && !one.found.places.empty())
      one.notes.push_back(fmt::format("When it was found it died in {}.",
                                      one_line(fmt::format("{}", fmt::join(one.found.places, ", called by ")))));
  } catch (const Stop& stop) {
    if (stop.status == Exit::interrupted) throw;
    one.notes.push_back(fmt::format("It was not run again: {}.", stop.line));
  }
  for (std::string& note : shown.notes) one.notes.push_back(std::move(note));
}

void add_page(ReportedFinding& one, const Standing& standing, bool is_wanted) {
  if (one.name.empty()) return;
  const std::string path = (fs::path(standing.directory) / "findings" / (one.name + ".html")).string();
  if (is_wanted && one.ran) {
    const auto trace = parse_trace(one.trace);
    write_file(path, page({.file = one.path,
                           .subject = standing.state.subject,
                           .replay = one.replay,
                           .trace = *trace,
                           .notes = one.notes},
                          one.lines, one.verdict));
  }
  std::error_code error;
  if (fs::is_regular_file(path, error)) one.page = path;
}

/// Makes the times ascend: a session that was killed may have sampled beyond the time at which the next one went on.
/// The last point is what is known now.
std::vector<Sample> ascending(std::vector<Sample> samples, const State& state) {
  std::erase_if(samples, [](const Sample& sample) { return !std::isfinite(sample.seconds) || sample.seconds < 0; });
  double before = 0;
  for (Sample& sample : samples) before = sample.seconds = std::max(before, sample.seconds);
  const Sample now = sample_of(state);
  if (state.now.executions > 0 && now.seconds >= before) samples.push_back(now);
  return samples;
}

}  // namespace

// ---- Forms

std::string written_as(ReportFormat format, const CampaignReport& report, const std::string& path) {
  const auto dumped = [](const ordered_json& json) {
    return json.dump(1, ' ', true, ordered_json::error_handler_t::replace) + "\n";
  };
  switch (format) {
    case ReportFormat::html: return html_of(report, path);
    case ReportFormat::json: return dumped(json_of(report));
    case ReportFormat::sarif: return dumped(sarif_of(report));
    case ReportFormat::junit: return junit_of(report);
    case ReportFormat::text: break;
  }
  return text_of(report);
}

ordered_json json_of(const CampaignReport& report) {
  ordered_json json = json_of(report.standing);
  for (std::size_t i = 0; i < report.findings.size(); ++i) {
    const ReportedFinding& one = report.findings[i];
    ordered_json& finding = json["findings"][i];
    finding["kind"] = one.kind;
    finding["path"] = one.path;
    finding["replay"] = one.replay;
    finding["trace_text"] = one.trace;
    finding["notes"] = one.notes;
    if (!one.ran) continue;
    ordered_json run{{"fails", !one.verdict.ok}, {"title", one.verdict.title}};
    if (!one.verdict.ok) run["step"] = one.verdict.step;
    run["rows"] = ordered_json::array();
    for (const Row& row : one.verdict.rows) run["rows"].push_back({{"title", row.title}, {"text", row.text}});
    run["drawn"] = one.drawn;
    finding["run_again"] = std::move(run);
  }
  json["sample_fields"] = {"seconds", "executions", "ops", "edges", "features", "corpus", "findings", "session"};
  json["samples"] = ordered_json::array();
  for (const Sample& sample : report.samples) json["samples"].push_back(json_of(sample));
  return json;
}

std::string text_of(const CampaignReport& report) {
  std::string text = text_of(report.standing);
  for (const ReportedFinding& one : report.findings) {
    text += fmt::format("\n---- {}: {}\n", name(one.found.status), one_line(one.found.signature, 400));
    text += text_of(one);
  }
  return visible(text);
}

std::string text_of(const ReportedFinding& one) {
  std::string text;
  for (const std::string& note : one.notes) text += fmt::format("{}\n", note);
  if (!one.trace.empty()) text += fmt::format("\n{}", one.trace);
  if (one.ran) text += fmt::format("\n{}\n{}", one_line(one.verdict.title, 2000), text_of(one.verdict.rows));
  if (!one.replay.empty()) text += text_of(Row{"replay", one.replay});
  return one.drawn.empty() ? text : fmt::format("{}\n{}", text, one.drawn);
}

std::string meaning_of(vmap::Invariant invariant) {
  Failure failure;
  failure.violation.invariant = invariant;
  return rows_of(failure).front().text;
}

// ---- Paths

namespace {

/// The path with all but plain characters as %XX; also colons, since one would make the first part a scheme.
std::string percent_encoded(std::string_view path) {
  constexpr std::string_view plain = "-._~/";
  std::string uri;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80 && (std::isalnum(byte) != 0 || plain.find(c) != std::string_view::npos))
      uri += c;
    else
      fmt::format_to(std::back_inserter(uri), "%{:02X}", byte);
  }
  return uri;
}

std::string absolute(const std::string& path) {
  std::error_code error;
  const fs::path whole = fs::absolute(path, error);
  return (error ? fs::path(path) : whole).lexically_normal().string();
}

}  // namespace

std::string relative_uri(const std::string& path, const std::string& from) {
  const fs::path whole = absolute(path);
  const fs::path relative = whole.lexically_relative(absolute(from.empty() ? "." : from));
  return percent_encoded(relative.empty() ? whole.string() : relative.string());
}

std::string absolute_uri(const std::string& path) { return "file://" + percent_encoded(absolute(path)); }

}  // namespace vmapcheck::tool
