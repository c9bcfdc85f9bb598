// SPDX-License-Identifier: Apache-2.0
//
// The report as one page: written whole, with its plots and maps; the script in it only tells values where the
// pointer is.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/amounts.hpp"
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
std::string totals_of(const CampaignReport& report);
std::string plots_of(const CampaignReport& report);
std::string coverage_of(const State& state);
std::string summary_of(const CampaignReport& report);
std::string article_of(const ReportedFinding& one, std::size_t number, const std::string& from);
std::string samples_of(const CampaignReport& report);

}  // namespace

std::string html_of(const CampaignReport& report, const std::string& path) {
  const std::string from = path == "-" ? "." : fs::path(path).parent_path().string();
  std::string body = header_of(report.standing) + "<main>\n";
  body += totals_of(report);
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

/// What libFuzzer calls `cov` and `ft`. afl-fuzz shows no features: what it keeps stands in their place.
struct Curves {
  std::string_view features = "features";
  std::string_view of_edges =
      "An edge leads from one piece of straight code to the next. Counted are those of the code under test that some "
      "input has taken.";
  std::string_view of_features =
      "A feature is an edge with how often one input took it (once, twice, 3, 4 to 7, 8 to 15 times, ...), or what the "
      "harness saw: an op with its error, a fit type, a case of the tree. Counted are those that some input has shown.";
  std::string_view of_corpus = "Kept is an input that shows a new feature, or fewer bytes that show the same ones.";
};

Curves curves_of(const State& state) {
  if (state.engine != "afl") return {};
  return {.features = "inputs in the queue",
          .of_edges =
              "Places of the map in which afl-fuzz counts edges, from one piece of straight code to the next, "
              "that some input has reached.",
          .of_features = "Those of the instance that has the most. afl-fuzz counts no features.",
          .of_corpus = "Kept is an input that reaches a new edge, or takes one more often."};
}

/// "median 3456 per second": between half of the samples it was less. A machine that is busy for a while does not
/// change it, nor does a start.
std::string rate_of(const std::vector<Sample>& samples, std::uint64_t Sample::* value) {
  std::vector<double> rates;
  for (std::size_t i = 1; i < samples.size(); ++i) {
    const double seconds = samples[i].seconds - samples[i - 1].seconds;
    if (seconds > 0 && samples[i].*value >= samples[i - 1].*value)
      rates.push_back(static_cast<double>(samples[i].*value - samples[i - 1].*value) / seconds);
  }
  if (rates.empty()) return "";
  const auto middle = rates.begin() + static_cast<std::ptrdiff_t>(rates.size() / 2);
  std::ranges::nth_element(rates, middle);
  return fmt::format("median {} per second", grouped(static_cast<std::uint64_t>(std::round(*middle))));
}

std::string totals_of(const CampaignReport& report) {
  const State& state = report.standing.state;
  std::string text = "<section aria-label=\"Totals\"><dl class=\"totals\">\n";
  const auto add = [&](std::string_view title, const std::string& value, const std::string& remark) {
    text += fmt::format("<div><dt>{}</dt><dd><b>{}</b><span>{}</span></dd></div>\n", title, value, remark);
  };
  add("time", duration_text(state.now.seconds),
      fmt::format("{} session{}", grouped(std::max<std::uint64_t>(state.session, 1)), state.session > 1 ? "s" : ""));
  add("executions", grouped(state.now.executions), rate_of(report.samples, &Sample::executions));
  if (is_counted(state))
    add("ops verified", grouped(state.now.ops), rate_of(report.samples, &Sample::ops));
  else
    add("ops verified", "?", "not counted by this target");
  add("edges", grouped(state.edges), "taken");
  add(curves_of(state).features, grouped(state.features), "seen");
  add("last new coverage", duration_text(state.last_new_coverage),
      fmt::format("{} before the end", duration_text(std::max(0.0, state.now.seconds - state.last_new_coverage))));
  add("corpus", grouped(state.corpus), "inputs, " + bytes_text(state.corpus_bytes));
  add("repeats", grouped(repeats_of(state)), "of what was found before");
  if (known_met(state) != 0) add("known", grouped(known_met(state)), "times one of --known was met");
  add("restarts", grouped(state.now.restarts), "of workers");
  return text + "</dl></section>\n";
}

// ---- Findings

std::string badge_of(FindingStatus status) { return fmt::format("<span class=\"badge {0}\">{0}</span>", name(status)); }

std::string summary_of(const CampaignReport& report) {
  std::string text = "<section aria-labelledby=\"findings-title\"><h2 id=\"findings-title\">Findings</h2>\n";
  if (report.findings.empty()) return text + "<p class=\"note\">None.</p></section>\n";
  text +=
      "<table class=\"list wide\"><thead><tr><th>#</th><th>status</th><th>signature</th>"
      "<th class=\"n\">found at</th><th class=\"n\">execution</th><th class=\"n\">met</th><th "
      "class=\"n\">ops</th></tr></thead>"
      "<tbody>\n";
  for (std::size_t i = 0; i < report.findings.size(); ++i) {
    const FoundFailure& found = report.findings[i].found;
    text += fmt::format(
        "<tr><td>{0}</td><td>{1}</td><td class=\"signature\"><a href=\"#finding-{0}\">{2}</a></td>"
        "<td class=\"n\" data-of=\"found at\">{3}</td><td class=\"n\" data-of=\"execution\">{4}</td>"
        "<td class=\"n\" data-of=\"met\">{5}</td><td class=\"n\" data-of=\"ops\">{6}</td></tr>\n",
        i + 1, badge_of(found.status), escaped(one_line(found.signature, heading_max)), duration_text(found.seconds),
        grouped(found.executions), grouped(found.times), found.minimality.empty() ? "–" : grouped(found.ops));
  }
  return text + "</tbody></table></section>\n";
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

/// Where the campaign went on after a stop.
std::vector<Mark> sessions_of(const std::vector<Sample>& samples) {
  std::vector<Mark> marks;
  for (std::size_t i = 1; i < samples.size(); ++i) {
    const std::uint64_t session = samples[i].session;
    if (samples[i - 1].session == 0 || session == samples[i - 1].session) continue;
    marks.push_back({samples[i].seconds,
                     fmt::format("{}: session {} begins", duration_text(samples[i].seconds), session), "", "session",
                     std::to_string(session)});
  }
  return marks;
}

std::string plots_of(const CampaignReport& report) {
  std::string text = "<section aria-labelledby=\"plots-title\"><h2 id=\"plots-title\">Over time</h2>\n";
  if (report.samples.size() < 2) return text + "<p class=\"note\">Too little was sampled for curves.</p></section>\n";
  std::vector<Mark> marks = sessions_of(report.samples);
  const bool resumed = !marks.empty();
  for (std::size_t i = 0; i < report.findings.size(); ++i) {
    const FoundFailure& found = report.findings[i].found;
    marks.push_back({found.seconds,
                     fmt::format("{}: {}, {}", duration_text(found.seconds), name(found.status),
                                 one_line(found.signature, heading_max)),
                     fmt::format("finding-{}", i + 1), std::string(name(found.status))});
  }
  const auto add = [&](std::string_view id, std::string_view title, std::string_view meaning, std::size_t field,
                       std::uint64_t Sample::* value) {
    Plot plot{.id = id, .title = title, .meaning = meaning, .field = field, .points = {}};
    for (const Sample& sample : report.samples)
      plot.points.emplace_back(sample.seconds, static_cast<double>(sample.*value));
    plot.stepped = id == "findings";
    plot.marks = marks;
    plot.seconds = report.standing.state.now.seconds;
    text += svg_of(plot);
  };
  const Curves curves = curves_of(report.standing.state);
  text += "<div class=\"plots\">\n";
  add("edges", "edges", curves.of_edges, 3, &Sample::edges);
  add("features", curves.features, curves.of_features, 4, &Sample::features);
  add("corpus", "inputs in the corpus", curves.of_corpus, 5, &Sample::corpus);
  add("executions", "executions", "Inputs that were run.", 1, &Sample::executions);
  add("findings", "findings", "Failures that differ in their signature.", 6, &Sample::findings);
  return text + fmt::format(
                    "</div>\n<p class=\"note\">Over the time that the campaign ran, all its sessions.{}{}</p>"
                    "</section>\n",
                    resumed ? " A dashed upright line with a number is where that session began, after a stop." : "",
                    report.findings.empty() ? "" : " An upright line without a number is a finding, a link to it.");
}

/// The points for the script: numbers, nothing else.
std::string samples_of(const CampaignReport& report) {
  ordered_json json = ordered_json::array();
  for (const Sample& sample : thinned(report.samples)) json.push_back(json_of(sample));
  return json.dump();
}

// ---- Coverage

/// `column` is what a narrow window says beside it, where there is no line of titles.
std::string count_cell(std::uint64_t number, std::string_view column = "", bool matters = true) {
  const std::string of = column.empty() ? "" : fmt::format(" data-of=\"{}\"", column);
  if (number != 0) return fmt::format("<td class=\"n\"{}>{}</td>", of, grouped(number));
  return matters ? fmt::format("<td class=\"n never\"{}>✗ never</td>", of)
                 : fmt::format("<td class=\"n none\"{}>·</td>", of);
}

std::string ops_table(const Coverage& coverage) {
  std::vector<OpColumn> columns{{"performed", performed_of(coverage)}, {"skipped", coverage.skipped}};
  add_columns(columns, error_names, coverage.errors);
  std::string text = "<table class=\"list wide\" id=\"ops\"><caption>ops by outcome</caption><thead><tr><th>op</th>";
  for (const OpColumn& column : columns) text += fmt::format("<th class=\"n\">{}</th>", column.name);
  text += "</tr></thead><tbody>\n";
  for (std::size_t op = 0; op < op_kind_count; ++op) {
    text += fmt::format("<tr><th scope=\"row\">{}</th>", op_names[op]);
    for (const OpColumn& column : columns)
      text += count_cell(column.counters[op], column.name, column.name == "performed");
    text += "</tr>\n";
  }
  text += "<tr class=\"sum\"><th scope=\"row\">all</th><td></td><td></td>";
  const auto errors = errors_of(coverage);
  for (std::size_t i = 0; i < errors.size(); ++i) text += count_cell(errors[i], error_names[i]);
  return text + "</tr>\n</tbody></table>\n";
}

/// A table for each of link, erase and fix, which are side by side where there is room. Mirror images are columns.
std::string tree_tables(Names names, const std::vector<std::uint64_t>& counters) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> families{
      {{"link_", "tree: a node is linked"},
       {"erase_", "tree: a node is taken out"},
       {"fix_", "tree: a side lacks a black node"}}};
  std::string text;
  for (const auto& [family, title] : families) {
    std::string rows;
    bool has_sides = false;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (!names[i].starts_with(family)) continue;
      constexpr std::string_view left = "_left";
      const bool is_pair = names[i].ends_with(left);
      const std::string_view name = names[i].substr(0, names[i].size() - (is_pair ? left.size() : 0));
      rows += fmt::format("<tr><th scope=\"row\">{}</th>{}", name, count_cell(counters[i]));
      if (is_pair) rows += count_cell(counters[++i]);
      rows += "</tr>\n";
      has_sides = has_sides || is_pair;
    }
    text += fmt::format(
        "<table class=\"list\"><caption>{}</caption>{}<tbody>\n{}</tbody></table>\n", title,
        has_sides ? "<thead><tr><th></th><th class=\"n\">left</th><th class=\"n\">right</th></tr></thead>" : "", rows);
  }
  return text;
}

std::string coverage_of(const State& state) {
  std::string text = "<section aria-labelledby=\"coverage-title\"><h2 id=\"coverage-title\">What was exercised</h2>\n";
  if (!is_counted(state))
    return text + "<p class=\"note\">This target does not count what it exercises.</p></section>\n";
  text += "<div class=\"tables\">\n" + ops_table(state.now.coverage);
  for (const auto& [kind, names, counters] : exercised(state.now.coverage)) {
    if (kind == "ops" || kind == "errors") continue;  // those are in the table above
    if (kind == "tree cases") {
      text += tree_tables(names, counters);
      continue;
    }
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
