// SPDX-License-Identifier: Apache-2.0
//
// The report as one page: written whole, with its plots and maps; the script in it only tells values where the
// pointer is.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/campaign/plot.hpp"
#include "tools/campaign/report.hpp"
#include "tools/files.hpp"
#include "tools/map_text.hpp"
#include "tools/page_source.hpp"
#include "tools/report.hpp"

namespace vmapcheck::tool {
namespace {

/// Characters of a signature in a heading, and bytes of a trace; the files have all of it.
constexpr std::size_t heading_max = 160;
constexpr std::size_t trace_bytes_shown_max = std::size_t{64} << 10;

std::string header_of(const Standing& standing);
std::string totals_of(const State& state);
std::string plots_of(const CampaignReport& report);
std::string coverage_of(const State& state);
std::string summary_of(const CampaignReport& report);
std::string article_of(const ReportedFinding& one, std::size_t number, const std::string& from);
std::string samples_of(const CampaignReport& report);

}  // namespace

std::string html_of(const CampaignReport& report, const std::string& path) {
  const std::string from = path == "-" ? "." : fs::path(path).parent_path().string();
  std::string body = header_of(report.standing) + "<main>\n";
  body += totals_of(report.standing.state);
  body += summary_of(report);
  body += plots_of(report);
  body += coverage_of(report.standing.state);
  if (!report.findings.empty()) body += "<section><h2>How each fails</h2></section>\n";
  for (std::size_t i = 0; i < report.findings.size(); ++i) body += article_of(report.findings[i], i + 1, from);
  body += "</main>\n";
  std::string text(campaign_html);
  // What comes from outside comes last, so that no mark is looked for in it.
  fill(text, "/*page.css*/", page_css);
  fill(text, "/*campaign.css*/", campaign_css);
  fill(text, "/*campaign.js*/", campaign_js);
  fill(text, "[/*samples*/]", samples_of(report));
  fill(text, "<!--title-->",
       escaped(fmt::format("{}: campaign on {}", name(report.standing.condition),
                           one_line(report.standing.state.subject, 60))));
  fill(text, "<!--body-->", body);
  return text;
}

namespace {

std::string header_of(const Standing& standing) {
  const State& state = standing.state;
  std::string_view style = "ok", sign = "✓";
  switch (verdict_of(state)) {
    case Exit::violation: style = "bad", sign = "✗"; break;
    case Exit::flaky:
    case Exit::known: style = "some", sign = "!"; break;
    default: break;
  }
  std::string text = fmt::format("<header>\n<h1>Campaign on {}</h1>\n", escaped(one_line(state.subject, 200)));
  text += fmt::format("<p id=\"about\">{}; directory {}; target {} with {}, {}, seed {}</p>\n",
                      escaped(condition_of(standing)), escaped(one_line(standing.directory)),
                      escaped(one_line(state.target)), escaped(one_line(state.engine)),
                      count_of(state.workers, "worker"), state.seed);
  text += fmt::format("<p id=\"verdict\" class=\"{}\">{} {}</p>\n", style, sign,
                      state.findings.empty() ? "nothing found" : "findings: " + findings_text(state));
  for (const std::string& loss : state.losses) text += fmt::format("<p class=\"warn\">{}</p>\n", escaped(loss));
  return text + fmt::format("<p class=\"note\">began {}; this is how it stood at {}</p>\n</header>\n",
                            time_text(state.began), time_text(state.written));
}

std::string totals_of(const State& state) {
  std::string text = "<section aria-label=\"Totals\"><dl class=\"totals\">\n";
  const auto add = [&](std::string_view title, const std::string& value, const std::string& remark) {
    text += fmt::format("<div><dt>{}</dt><dd><b>{}</b><span>{}</span></dd></div>\n", title, value, remark);
  };
  const double seconds = std::max(state.now.seconds, 1e-3);
  add("time", duration_text(state.now.seconds),
      fmt::format("{} session{}", grouped(std::max<std::uint64_t>(state.session, 1)), state.session > 1 ? "s" : ""));
  add("executions", grouped(state.now.executions),
      fmt::format("{:.0f} per second", static_cast<double>(state.now.executions) / seconds));
  if (is_counted(state))
    add("ops verified", grouped(state.now.ops),
        fmt::format("{:.0f} per second", static_cast<double>(state.now.ops) / seconds));
  else
    add("ops verified", "?", "not counted by this target");
  add("edges", grouped(state.edges), grouped(state.features) + " features");
  add("last new coverage", duration_text(state.last_new_coverage),
      fmt::format("{} before the end", duration_text(std::max(0.0, state.now.seconds - state.last_new_coverage))));
  add("corpus", grouped(state.corpus), "inputs, " + bytes_text(state.corpus_bytes));
  add("known failures", grouped(state.now.skipped), "executions ended by one");
  add("restarts", grouped(state.now.restarts), "of workers");
  return text + "</dl></section>\n";
}

// ---- Findings

std::string badge_of(FindingStatus status) { return fmt::format("<span class=\"badge {0}\">{0}</span>", name(status)); }

std::string summary_of(const CampaignReport& report) {
  std::string text = "<section aria-labelledby=\"findings-title\"><h2 id=\"findings-title\">Findings</h2>\n";
  if (report.findings.empty()) return text + "<p class=\"note\">None.</p></section>\n";
  text +=
      "<div class=\"scroll\"><table class=\"list\"><thead><tr><th>#</th><th>status</th><th>signature</th>"
      "<th class=\"n\">found at</th><th class=\"n\">execution</th><th class=\"n\">met</th><th "
      "class=\"n\">ops</th></tr></thead>"
      "<tbody>\n";
  for (std::size_t i = 0; i < report.findings.size(); ++i) {
    const FoundFailure& found = report.findings[i].found;
    text += fmt::format(
        "<tr><td>{0}</td><td>{1}</td><td class=\"signature\"><a href=\"#finding-{0}\">{2}</a></td><td "
        "class=\"n\">{3}</td>"
        "<td class=\"n\">{4}</td><td class=\"n\">{5}</td><td class=\"n\">{6}</td></tr>\n",
        i + 1, badge_of(found.status), escaped(one_line(found.signature, heading_max)), duration_text(found.seconds),
        grouped(found.executions), grouped(found.times), found.minimality.empty() ? "–" : grouped(found.ops));
  }
  return text + "</tbody></table></div></section>\n";
}

std::string link_to(const std::string& path, const std::string& from, std::string_view what) {
  return fmt::format("<a href=\"{}\">{}</a>", escaped(relative_uri(path, from)), escaped(what));
}

/// Links to the trace and to those files beside it that exist.
std::string links_of(const ReportedFinding& one, const std::string& from) {
  if (one.path.empty()) return "";
  std::string text;
  std::error_code error;
  const auto add = [&](const std::string& path, std::string_view what) {
    if (!path.empty() && fs::is_regular_file(path, error))
      text += (text.empty() ? "" : ", ") + link_to(path, from, what);
  };
  const fs::path beside = fs::path(one.path).parent_path();
  add(one.path, fs::path(one.path).filename().string());
  add((beside / (one.name + ".md")).string(), "report");
  add((beside / "originals" / (one.name + ".trace")).string(), "as it was found");
  add(one.page, "step by step");
  return text;
}

std::string row_of(std::string_view title, std::string_view html, std::string_view style = "") {
  return fmt::format("<dt>{}</dt><dd{}>{}</dd>\n", escaped(title),
                     style.empty() ? "" : fmt::format(" class=\"{}\"", style), html);
}

std::string trace_of(const ReportedFinding& one) {
  if (one.trace.empty()) return "";
  const bool is_long = std::ranges::count(one.trace, '\n') > 40;
  const bool is_cut = one.trace.size() > trace_bytes_shown_max;
  return fmt::format("<details{}><summary>The trace</summary><pre>{}</pre>{}</details>\n", is_long ? "" : " open",
                     escaped(std::string_view(one.trace).substr(0, trace_bytes_shown_max)),
                     is_cut ? "<p class=\"note\">The rest is in the file.</p>" : "");
}

std::string article_of(const ReportedFinding& one, std::size_t number, const std::string& from) {
  const FoundFailure& found = one.found;
  std::string text =
      fmt::format("<article id=\"finding-{}\" class=\"{}\">\n<h3>{} {}. {}</h3>\n", number, name(found.status),
                  badge_of(found.status), number, escaped(one_line(found.signature, heading_max)));
  text += "<dl class=\"rows\">\n";
  if (found.signature.size() > heading_max) text += row_of("signature", escaped(found.signature));
  for (const std::string& alias : found.aliases) text += row_of("target’s name", escaped(alias));
  text += row_of("met", escaped(met_text(found)), "words");
  text += row_of("length", escaped(minimality_text(found)), "words");
  if (const std::string links = links_of(one, from); !links.empty()) text += row_of("files", links, "words");
  if (!one.replay.empty()) text += row_of("replay", fmt::format("<code>{}</code>", escaped(one.replay)));
  text += "</dl>\n";
  for (const std::string& note : one.notes) text += fmt::format("<p class=\"warn\">{}</p>\n", escaped(note));
  if (one.ran) {
    text += fmt::format("<h4 class=\"{}\">{}</h4>\n<dl class=\"rows\">\n", one.verdict.ok ? "ok" : "bad",
                        escaped(one_line(one.verdict.title, 1000)));
    for (const Row& row : one.verdict.rows)
      text += row_of(row.title, escaped(row.text), row.title == "expected" || row.title == "actual" ? "strong" : "");
    text += "</dl>\n";
    if (!one.drawn.empty())
      text += fmt::format("<pre class=\"drawn\">{}</pre>\n", html_of_coloured(one.drawn_in_colour));
  }
  return text + trace_of(one) + "</article>\n";
}

// ---- Curves

std::string plots_of(const CampaignReport& report) {
  std::string text = "<section aria-labelledby=\"plots-title\"><h2 id=\"plots-title\">Over time</h2>\n";
  if (report.samples.size() < 2) return text + "<p class=\"note\">Too little was sampled for curves.</p></section>\n";
  std::vector<Mark> marks;
  for (std::size_t i = 0; i < report.findings.size(); ++i) {
    const FoundFailure& found = report.findings[i].found;
    marks.push_back({found.seconds,
                     fmt::format("{}: {}, {}", duration_text(found.seconds), name(found.status),
                                 one_line(found.signature, heading_max)),
                     fmt::format("finding-{}", i + 1), std::string(name(found.status))});
  }
  const auto curve = [&](std::string_view title, std::string_view style, std::uint64_t Sample::* value,
                         bool stepped = false) {
    Curve made{title, style, {}, stepped};
    for (const Sample& sample : report.samples)
      made.points.emplace_back(sample.seconds, static_cast<double>(sample.*value));
    return made;
  };
  const double end = report.standing.state.now.seconds;
  text += "<div class=\"plots\">\n";
  text += svg_of({"coverage",
                  "edges and features",
                  {curve("features", "two", &Sample::features), curve("edges", "one", &Sample::edges)},
                  marks,
                  end});
  text += svg_of({"corpus", "inputs in the corpus", {curve("corpus", "one", &Sample::corpus)}, marks, end});
  text += svg_of({"executions", "executions", {curve("executions", "one", &Sample::executions)}, marks, end});
  text += svg_of({"findings", "findings", {curve("findings", "one", &Sample::findings, true)}, marks, end});
  return text +
         fmt::format("</div>\n<p class=\"note\">Over the time of the campaign, all its sessions.{}</p></section>\n",
                     marks.empty() ? "" : " An upright line is a finding, a link to it.");
}

/// The points for the script: numbers, nothing else.
std::string samples_of(const CampaignReport& report) {
  ordered_json json = ordered_json::array();
  for (const Sample& sample : thinned(report.samples)) json.push_back(json_of(sample));
  return json.dump();
}

// ---- Coverage

std::string count_cell(std::uint64_t number, bool matters = true) {
  if (number != 0) return fmt::format("<td class=\"n\">{}</td>", grouped(number));
  return matters ? "<td class=\"n never\">✗ never</td>" : "<td class=\"n none\">·</td>";
}

std::string ops_table(const Coverage& coverage) {
  std::vector<OpColumn> columns{{"performed", performed_of(coverage)}, {"skipped", coverage.skipped}};
  add_columns(columns, error_names, coverage.errors);
  std::string text =
      "<div class=\"scroll\"><table class=\"list\" id=\"ops\"><caption>Ops by outcome</caption><thead><tr><th>op</th>";
  for (const OpColumn& column : columns) text += fmt::format("<th class=\"n\">{}</th>", column.name);
  text += "</tr></thead><tbody>\n";
  for (std::size_t op = 0; op < op_kind_count; ++op) {
    text += fmt::format("<tr><th scope=\"row\">{}</th>", op_names[op]);
    for (const OpColumn& column : columns) text += count_cell(column.counters[op], column.name == "performed");
    text += "</tr>\n";
  }
  text += "<tr class=\"sum\"><th scope=\"row\">all</th><td></td><td></td>";
  for (const std::uint64_t number : errors_of(coverage)) text += count_cell(number);
  return text + "</tr>\n</tbody></table></div>\n";
}

std::string coverage_of(const State& state) {
  std::string text = "<section aria-labelledby=\"coverage-title\"><h2 id=\"coverage-title\">What was exercised</h2>\n";
  if (!is_counted(state))
    return text + "<p class=\"note\">This target does not count what it exercises.</p></section>\n";
  text += "<div class=\"tables\">\n" + ops_table(state.now.coverage);
  for (const auto& [kind, names, counters] : exercised(state.now.coverage)) {
    if (kind == "ops" || kind == "errors") continue;  // those are in the table above
    const bool are_invariants = kind == "invariants";
    text += fmt::format("<table class=\"list\"><caption>{}</caption><tbody>\n",
                        are_invariants ? "invariants, times checked" : kind);
    for (std::size_t i = 0; i < names.size(); ++i)
      text += fmt::format(
          "<tr><th scope=\"row\"{}>{}</th>{}</tr>\n",
          are_invariants ? fmt::format(" title=\"{}\"", escaped(meaning_of(static_cast<vmap::Invariant>(i)))) : "",
          names[i], count_cell(counters[i]));
    text += "</tbody></table>\n";
  }
  return text + "</div></section>\n";
}

}  // namespace
}  // namespace vmapcheck::tool
