// SPDX-License-Identifier: Apache-2.0
#include "tools/coverage/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <nlohmann/json.hpp>
#include <tuple>

#include "model/op.hpp"
#include "tools/files.hpp"
#include "vmap/violation.hpp"

namespace vmapcheck::tool {
namespace {

using nlohmann::ordered_json;
using vmap::Error;
using vmap::Invariant;

bool places(std::size_t op) { return op <= 2; }
bool frees_an_address(std::size_t op) { return op == 4 || op == 6; }
bool needs_a_label(std::size_t op) { return op == 3 || op == 5 || op == 9; }
static_assert(op_names[2] == "congruent" && op_names[4] == "free-at" && op_names[6] == "free-lazily-at" &&
              op_names[3] == "free" && op_names[5] == "free-lazily" && op_names[9] == "on-exhaustion");
constexpr std::size_t on_exhaustion = 9;
constexpr std::size_t fail_metadata = 10;
static_assert(op_names[on_exhaustion] == "on-exhaustion" && op_names[fail_metadata] == "fail-metadata");
constexpr std::size_t no_op = op_kind_count;
constexpr std::string_view no_op_name = "begin and end";

std::string_view why_no_fit(std::size_t op) { return places(op) ? "" : "it places nothing"; }
std::string_view why_no_error(std::size_t op, Error error);
std::string_view why_never_skipped(std::size_t op) { return needs_a_label(op) ? "" : "it uses no label"; }
std::string_view why_unchecked(std::size_t row, Invariant invariant);

std::string percent(Ratio ratio) {
  // What is not all of it does not look like it.
  return fmt::format("{:.2f}", ratio.covered == ratio.total ? 100.0 : std::min(99.99, ratio.percent()));
}

/// A line or an outcome of a condition that was not executed.
struct Gap {
  const MeasuredFile* file = nullptr;
  unsigned line = 0;
  unsigned column = 0;  ///< 0 for a line
  std::string_view function;
  std::string_view what;  ///< "line", "true", "false"
  std::string_view text;
  std::optional<std::size_t> exclusion;
};
std::vector<Gap> gaps_in(const Measured& measured);

}  // namespace

// ---- The matrix

std::vector<std::vector<Cell>> outcome_matrix(const Coverage& coverage) {
  std::vector<std::vector<Cell>> rows;
  for (std::size_t op = 0; op < op_kind_count; ++op) {
    const std::string_view row = op_names[op];
    std::vector<Cell> cells{{row, "performed", coverage.ops[op] - coverage.skipped[op], ""},
                            {row, "skipped", coverage.skipped[op], why_never_skipped(op)}};
    for (std::size_t fit = 0; fit < vmap::fit_type_count; ++fit)
      cells.push_back({row, name(static_cast<vmap::FitType>(fit)), coverage.fits_of[op][fit], why_no_fit(op)});
    for (std::size_t error = 0; error < vmap::error_count; ++error)
      cells.push_back({row, name(static_cast<Error>(error)), coverage.errors[op][error],
                       why_no_error(op, static_cast<Error>(error))});
    rows.push_back(std::move(cells));
  }
  return rows;
}

std::vector<std::vector<Cell>> invariant_matrix(const Coverage& coverage) {
  std::vector<std::vector<Cell>> rows;
  for (std::size_t row = 0; row <= op_kind_count; ++row) {
    std::vector<Cell>& cells = rows.emplace_back();
    for (std::size_t i = 0; i < vmap::invariant_count; ++i)
      cells.push_back({row == no_op ? no_op_name : op_names[row], vmap::invariant_names[i], coverage.checks[row][i],
                       why_unchecked(row, static_cast<Invariant>(i))});
  }
  return rows;
}

std::vector<std::string> never_exercised(const Coverage& coverage) {
  std::vector<std::string> never;
  for (const auto& rows : {outcome_matrix(coverage), invariant_matrix(coverage)})
    for (const auto& row : rows)
      for (const Cell& cell : row)
        if (cell.count == 0 && cell.cannot.empty()) never.push_back(fmt::format("{}: {}", cell.row, cell.column));
  const auto unless = [&](std::uint64_t count, std::string_view what, std::string_view which = "") {
    if (count == 0) never.push_back(fmt::format("{}{}{}", what, which.empty() ? "" : " ", which));
  };
  for (std::size_t i = 0; i < vmap::coalescing_count; ++i)
    unless(coverage.coalescings[i], "coalescing", vmap::coalescing_names[i]);
  for (std::size_t i = 0; i < vmap::tree_case_count; ++i)
    unless(coverage.tree_cases[i], "tree case", vmap::tree_case_names[i]);
  unless(coverage.purges_on_limit, "purge on the limit");
  unless(coverage.purges_on_exhaustion, "purge on exhaustion");
  unless(coverage.hooks_called, "exhaustion hook");
  unless(coverage.rescued, "allocation after a purge or a hook");
  unless(coverage.faults_fired, "metadata failure");
  return never;
}

// ---- As text

namespace {

std::string text_of(const std::vector<std::vector<Cell>>& rows) {
  std::string text = fmt::format("  {:<15}", "op");
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < rows.front().size(); ++i) {
    std::size_t width = rows.front()[i].column.size();
    for (const auto& row : rows) width = std::max(width, fmt::formatted_size("{}", row[i].count));
    widths.push_back(width);
    text += fmt::format("{:>{}}", rows.front()[i].column, width + 2);
  }
  text += '\n';
  for (const auto& row : rows) {
    text += fmt::format("  {:<15}", row.front().row);
    for (std::size_t i = 0; i < row.size(); ++i)
      text += row[i].count == 0 && !row[i].cannot.empty() ? fmt::format("{:>{}}", "-", widths[i] + 2)
                                                          : fmt::format("{:>{}}", row[i].count, widths[i] + 2);
    text += '\n';
  }
  return text;
}

std::string table_line(std::string_view name, Ratio lines, std::size_t lines_not, Ratio branches,
                       std::size_t branches_not) {
  const auto excluded = [](std::size_t n) { return n == 0 ? std::string() : fmt::format("{}", n); };
  std::string line =
      fmt::format("  {:<24}{:>13}{:>9}{:>6}{:>13}{:>9}{:>6}", name, fmt::format("{}/{}", lines.covered, lines.total),
                  percent(lines), excluded(lines_not), fmt::format("{}/{}", branches.covered, branches.total),
                  percent(branches), excluded(branches_not));
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

struct Excluded {
  std::size_t lines = 0;
  std::size_t branches = 0;
};
Excluded excluded_in(const MeasuredFile& file) {
  Excluded excluded;
  for (const auto& [number, line] : file.lines) excluded.lines += line.exclusion ? 1u : 0u;
  for (const auto& [at, branch] : file.branches)
    for (const auto& outcome : branch.exclusion) excluded.branches += outcome ? 1u : 0u;
  return excluded;
}

std::string files_as_text(const Measured& measured) {
  std::string text = fmt::format("  {:<24}{:>13}{:>9}{:>6}{:>13}{:>9}{:>6}\n", "of what is reachable", "lines", "%",
                                 "not", "branches", "%", "not");
  Excluded all;
  for (const MeasuredFile& file : measured.files) {
    const Excluded excluded = excluded_in(file);
    all.lines += excluded.lines;
    all.branches += excluded.branches;
    text += table_line(file.name, file.line_ratio(), excluded.lines, file.branch_ratio(), excluded.branches);
  }
  return text + table_line("all", measured.line_ratio(), all.lines, measured.branch_ratio(), all.branches);
}

std::string gap_as_text(const Gap& gap) {
  const std::string what = gap.what == "line" ? "" : fmt::format("never {}: ", gap.what);
  return fmt::format("  {}:{}, {}: {}{}\n", gap.file->name, gap.line, gap.function, what, one_line(gap.text, 200));
}

std::string gaps_as_text(const CoverageReport& report) {
  std::string missed;
  std::string unreachable;
  const std::vector<Gap> gaps = gaps_in(report.measured);
  for (const Gap& gap : gaps)
    if (!gap.exclusion) missed += gap_as_text(gap);
  for (std::size_t i = 0; i < report.exclusions.size(); ++i) {
    for (const Gap& gap : gaps)
      if (gap.exclusion == i) unreachable += gap_as_text(gap);
    const bool last =
        i + 1 == report.exclusions.size() || report.exclusions[i + 1].because != report.exclusions[i].because;
    if (last) unreachable += fmt::format("      because {}\n", report.exclusions[i].because);
  }
  std::string text;
  if (!missed.empty()) text += "\nreachable, and not executed\n" + missed;
  if (!unreachable.empty()) text += fmt::format("\nunreachable, by {}\n{}", one_line(report.list), unreachable);
  return text;
}

}  // namespace

std::string text_of(const CoverageReport& report) {
  std::string text;
  for (const CoverageSource& source : report.sources)
    text += fmt::format("{:<12} {}: {} % of lines, {} % of branches alone\n", source.name, source.what,
                        percent(source.lines), percent(source.branches));
  text += '\n' + files_as_text(report.measured) + gaps_as_text(report);
  if (!report.exercised) return text;
  text += "\nops by outcome (- cannot be)\n" + text_of(outcome_matrix(*report.exercised));
  text += "\nops by invariant: how often it was checked (- cannot be)\n" + text_of(invariant_matrix(*report.exercised));
  const std::vector<std::string> never = never_exercised(*report.exercised);
  text += never.empty() ? "\nnever exercised: nothing\n" : "\nnever exercised\n";
  for (const std::string& what : never) text += fmt::format("  {}\n", what);
  return text;
}

// ---- As JSON

namespace {

ordered_json json_of(Ratio ratio) {
  return {{"covered", ratio.covered}, {"total", ratio.total}, {"percent", ratio.percent()}};
}

ordered_json json_of(const std::vector<std::vector<Cell>>& rows) {
  ordered_json json = ordered_json::object();
  for (const auto& row : rows)
    for (const Cell& cell : row)
      json[std::string(cell.row)][std::string(cell.column)] = cell.cannot.empty() ? ordered_json(cell.count)
                                                              : cell.count != 0   ? ordered_json(cell.count)
                                                                                : ordered_json{{"cannot", cell.cannot}};
  return json;
}

ordered_json json_of(const Gap& gap) {
  return {
      {"file", gap.file->name}, {"line", gap.line}, {"function", gap.function}, {"what", gap.what}, {"text", gap.text}};
}

}  // namespace

ordered_json json_of(const CoverageReport& report) {
  ordered_json json;
  json["lines"] = json_of(report.measured.line_ratio());
  json["branches"] = json_of(report.measured.branch_ratio());
  json["sources"] = ordered_json::array();
  for (const CoverageSource& source : report.sources)
    json["sources"].push_back({{"name", source.name},
                               {"what", source.what},
                               {"lines", json_of(source.lines)},
                               {"branches", json_of(source.branches)}});
  json["files"] = ordered_json::array();
  for (const MeasuredFile& file : report.measured.files) {
    const Excluded excluded = excluded_in(file);
    json["files"].push_back({{"name", file.name},
                             {"lines", json_of(file.line_ratio())},
                             {"branches", json_of(file.branch_ratio())},
                             {"unreachable", {{"lines", excluded.lines}, {"branches", excluded.branches}}}});
  }
  json["missed"] = ordered_json::array();
  json["unreachable"] = ordered_json::array();
  for (const Gap& gap : gaps_in(report.measured)) {
    ordered_json one = json_of(gap);
    if (gap.exclusion) one["because"] = report.exclusions[*gap.exclusion].because;
    json[gap.exclusion ? "unreachable" : "missed"].push_back(std::move(one));
  }
  json["defects"] = report.defects;
  json["instantiations_left_out"] = report.measured.left_out;
  if (!report.exercised) return json;
  json["outcomes"] = json_of(outcome_matrix(*report.exercised));
  json["invariants"] = json_of(invariant_matrix(*report.exercised));
  json["never_exercised"] = never_exercised(*report.exercised);
  return json;
}

// ---- As a page

namespace {

std::string escaped(std::string_view text) {
  std::string safe;
  for (const char c : text) switch (c) {
      case '&': safe += "&amp;"; break;
      case '<': safe += "&lt;"; break;
      case '>': safe += "&gt;"; break;
      case '"': safe += "&quot;"; break;
      default: safe += c;
    }
  return safe;
}

constexpr std::string_view page_style = R"(
:root { color-scheme: light dark; --line: #8884; --good: #2a7d2a; --bad: #b3261e; --soft: #8882; }
@media (prefers-color-scheme: dark) { :root { --good: #7ccf7c; --bad: #ff8a80; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
td.zero { color: var(--bad); font-weight: 600; } td.cannot { opacity: .45; } td.all { color: var(--good); }
code { font: 13px/1.4 ui-monospace, monospace; background: var(--soft); padding: .05rem .3rem; border-radius: 3px; }
li { margin: .3rem 0; } .because { opacity: .75; }
)";

std::string ratio_cells(Ratio ratio, std::size_t excluded) {
  const bool all = ratio.covered == ratio.total;
  return fmt::format("<td>{}/{}</td><td class=\"{}\">{} %</td><td>{}</td>", ratio.covered, ratio.total,
                     all ? "all" : "zero", percent(ratio), excluded);
}

std::string files_as_html(const Measured& measured) {
  std::string html =
      "<div class=\"scroll\"><table><thead><tr><th>file</th><th>lines</th><th></th><th>unreachable</th>"
      "<th>branches</th><th></th><th>unreachable</th></tr></thead><tbody>\n";
  Excluded all;
  for (const MeasuredFile& file : measured.files) {
    const Excluded excluded = excluded_in(file);
    all.lines += excluded.lines;
    all.branches += excluded.branches;
    html +=
        fmt::format("<tr><td>{}</td>{}{}</tr>\n", escaped(file.name), ratio_cells(file.line_ratio(), excluded.lines),
                    ratio_cells(file.branch_ratio(), excluded.branches));
  }
  return html + fmt::format("<tr><th>all</th>{}{}</tr>\n</tbody></table></div>\n",
                            ratio_cells(measured.line_ratio(), all.lines),
                            ratio_cells(measured.branch_ratio(), all.branches));
}

std::string matrix_as_html(const std::vector<std::vector<Cell>>& rows) {
  std::string html = "<div class=\"scroll\"><table><thead><tr><th>op</th>";
  for (const Cell& cell : rows.front()) html += fmt::format("<th>{}</th>", cell.column);
  html += "</tr></thead><tbody>\n";
  for (const auto& row : rows) {
    html += fmt::format("<tr><td>{}</td>", row.front().row);
    for (const Cell& cell : row) {
      if (cell.count != 0)
        html += fmt::format("<td>{}</td>", cell.count);
      else if (cell.cannot.empty())
        html += "<td class=\"zero\">0</td>";
      else
        html += fmt::format("<td class=\"cannot\" title=\"{}\">-</td>", escaped(cell.cannot));
    }
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::string gaps_as_html(const CoverageReport& report) {
  std::string missed;
  std::string unreachable;
  for (const Gap& gap : gaps_in(report.measured)) {
    const std::string item =
        fmt::format("<li>{}:{}, {}: {}<code>{}</code>", escaped(gap.file->name), gap.line, escaped(gap.function),
                    gap.what == "line" ? "" : fmt::format("never {}: ", gap.what), escaped(gap.text));
    if (gap.exclusion)
      unreachable += fmt::format("{}<br><span class=\"because\">{}</span></li>\n", item,
                                 escaped(report.exclusions[*gap.exclusion].because));
    else
      missed += item + "</li>\n";
  }
  std::string html = "<h2>Reachable, and not executed</h2>\n";
  html += missed.empty() ? "<p>Nothing.</p>\n" : "<ul>\n" + missed + "</ul>\n";
  if (!unreachable.empty()) html += "<h2>Unreachable</h2>\n<ul>\n" + unreachable + "</ul>\n";
  return html;
}

}  // namespace

std::string page_of(const CoverageReport& report, std::string_view lines) {
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n<title>vmapcheck coverage</title>\n"
      "<style>{}</style>\n</head>\n<body>\n<h1>Coverage of the allocator</h1>\n<ul>\n",
      page_style);
  for (const CoverageSource& source : report.sources)
    html += fmt::format("<li>{}: {}; alone {} % of lines, {} % of branches</li>\n", escaped(source.name),
                        escaped(source.what), percent(source.lines), percent(source.branches));
  html += "</ul>\n<h2>Lines and branches, of what is reachable</h2>\n" + files_as_html(report.measured);
  if (!lines.empty())
    html += fmt::format(
        "<p><a href=\"{}\">The source, each line with its count</a>, as llvm-cov shows it: with the "
        "instantiations that tests make of the templates, which are not counted here.</p>\n",
        escaped(lines));
  html += gaps_as_html(report);
  if (report.exercised) {
    html += "<h2>Ops by outcome</h2>\n<p>A dash cannot be anything else; its reason is in its tip.</p>\n" +
            matrix_as_html(outcome_matrix(*report.exercised));
    html +=
        "<h2>Ops by invariant: how often it was checked</h2>\n" + matrix_as_html(invariant_matrix(*report.exercised));
    html += "<h2>Never exercised</h2>\n";
    const std::vector<std::string> never = never_exercised(*report.exercised);
    html += never.empty() ? "<p>Nothing.</p>\n" : "<ul>\n";
    for (const std::string& what : never) html += fmt::format("<li>{}</li>\n", escaped(what));
    if (!never.empty()) html += "</ul>\n";
  }
  return html + "</body>\n</html>\n";
}

// ---- What cannot be

namespace {

std::string_view why_no_error(std::size_t op, Error error) {
  switch (error) {
    case Error::invalid_argument:
      if (places(op)) return "";
      return op == on_exhaustion ? "the hook of a trace is never empty" : "it has no argument that could be invalid";
    case Error::no_space: return places(op) ? "" : "it needs no space";
    case Error::not_busy:
      if (frees_an_address(op)) return "";
      return needs_a_label(op) ? "a label that is not live is skipped" : "it frees nothing";
    case Error::out_of_memory:
      if (places(op)) return "";
      return op == on_exhaustion ? "a trace cannot make operator new fail" : "it needs no memory";
  }
  return "";
}

std::string_view why_unchecked(std::size_t row, Invariant invariant) {
  const bool can_fail = places(row) || frees_an_address(row);
  if (invariant == Invariant::answer && row == fail_metadata) return "nothing is asked of the subject";
  if (invariant == Invariant::atomicity && !can_fail)
    return row == on_exhaustion ? "a trace cannot make it fail" : "it cannot fail";
  if (row != no_op) return "";
  switch (invariant) {
    case Invariant::answer: return "nothing was asked";
    case Invariant::cost: return "nothing was asked";
    default: return "";
  }
}

std::vector<Gap> gaps_in(const Measured& measured) {
  std::vector<Gap> gaps;
  for (const MeasuredFile& file : measured.files) {
    for (const auto& [number, line] : file.lines)
      if (line.count == 0) gaps.push_back({&file, number, 0, line.function, "line", line.text, line.exclusion});
    for (const auto& [at, branch] : file.branches)
      for (const std::size_t outcome : {0u, 1u})
        if (branch.taken[outcome] == 0)
          gaps.push_back({&file, at.line, at.column, branch.function, outcome == 0 ? "true" : "false", branch.text,
                          branch.exclusion[outcome]});
  }
  const auto place = [](const Gap& gap) { return std::tuple(gap.file, gap.line, gap.column, gap.what); };
  std::ranges::sort(gaps, {}, place);
  return gaps;
}

}  // namespace
}  // namespace vmapcheck::tool
