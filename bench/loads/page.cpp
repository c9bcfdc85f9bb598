// SPDX-License-Identifier: Apache-2.0
//
// The results as one page: a chart for each load, then all figures as tables.
#include <fmt/format.h>

#include <algorithm>

#include "bench/loads/chart.hpp"
#include "bench/loads/page_source.hpp"
#include "bench/loads/report.hpp"
#include "tools/amounts.hpp"
#include "tools/files.hpp"
#include "tools/page_source.hpp"
#include "tools/report.hpp"

namespace vmapcheck::bench {

using tool::escaped;
using tool::grouped;

namespace {

using Rows = std::span<const Row>;

std::string header_of(const Context& context, std::span<const std::string> notes) {
  std::string text = fmt::format(
      "<header>\n<h1>Benchmarks</h1>\n<p id=\"about\">{}; {}, {}; {}, {}; {:.2f} processes ran or wanted to as it "
      "began; loads of seed {}, {:g} s of each row</p>\n",
      escaped(context.began), escaped(context.cpu), tool::count_of(context.cpus, "core"), escaped(context.compiler),
      escaped(context.build), context.load_average, context.seed, context.seconds);
  for (const std::string& note : notes) text += fmt::format("<p class=\"warn\">{}</p>\n", escaped(note));
  return text + "</header>\n";
}

std::string skips_note(Rows rows) {
  std::string text;
  for (const std::string& skip : skips_of(rows)) text += fmt::format("<p class=\"note\">{}</p>\n", escaped(skip));
  return text;
}

std::string figure_of(Rows rows, const std::vector<std::string>& subjects) {
  return fmt::format(
      "<figure class=\"plot\"><figcaption><b>{}</b> <output>time of a {}</output></figcaption>\n{}"
      "<p class=\"note\">{}.</p>\n{}</figure>\n",
      escaped(rows.front().load), escaped(rows.front().unit), chart_of(rows, subjects), escaped(meaning_of(rows)),
      skips_note(rows));
}

/// One row for each that was measured, with all that is known of it.
std::string table_of(Rows rows) {
  std::vector<const Count*> shown;
  for (const Count& count : all_counts())
    if (std::ranges::any_of(rows, [&](const Row& row) { return !count.text(row).empty(); })) shown.push_back(&count);
  std::string text = fmt::format(
      "<details><summary>{}, of each {}</summary>\n<table class=\"list wide\"><thead><tr><th>subject</th>"
      "<th class=\"n\">areas</th><th class=\"n\">median</th><th class=\"n\">least</th><th class=\"n\">most</th>",
      escaped(is_recording(rows.front()) ? "recordings" : rows.front().load), escaped(rows.front().unit));
  for (const Count* const count : shown)
    text += fmt::format("<th class=\"n\" title=\"{}\">{}</th>", count->meaning, count->name);
  text += "</tr></thead><tbody>\n";
  const auto cell = [&](std::string_view name, const std::string& value) {
    text += fmt::format("<td class=\"n\" data-of=\"{}\">{}</td>", name, value);
  };
  for (const Row& row : rows) {
    if (!row.skipped.empty()) continue;
    const auto [least, most] = std::ranges::minmax(row.ns);
    text += fmt::format("<tr><th scope=\"row\">{}{}</th>", escaped(row.subject),
                        is_recording(row) ? escaped(", " + row.load) : "");
    cell("areas", grouped(row.live));
    cell("median", time_of(median_of(row.ns)));
    cell("least", time_of(least));
    cell("most", time_of(most));
    for (const Count* const count : shown) cell(count->name, count->text(row));
    text += "</tr>\n";
  }
  return text + "</tbody></table></details>\n";
}

std::string recordings_of(Rows rows, const std::vector<std::string>& subjects) {
  std::string text = fmt::format(
      "<section><h2>Recordings of programs</h2>\n<p class=\"note\">{}; time of an op, median.</p>\n"
      "<table class=\"list wide\"><thead><tr><th>recording</th><th class=\"n\">areas</th>",
      escaped(meaning_of(rows)));
  for (const std::string& subject : subjects) text += fmt::format("<th class=\"n\">{}</th>", escaped(subject));
  text += "</tr></thead><tbody>\n";
  for (Rows rest = rows; !rest.empty();) {
    const Row& first = rest.front();
    text += fmt::format("<tr><th scope=\"row\">{}</th><td class=\"n\" data-of=\"areas\">{}</td>",
                        escaped(first.load.substr(first.load.find('/') + 1)), grouped(first.live));
    std::size_t size = 0;
    for (; size < rest.size() && rest[size].load == first.load; ++size)
      text += fmt::format("<td class=\"n\" data-of=\"{}\">{}</td>", escaped(rest[size].subject),
                          rest[size].skipped.empty() ? time_of(median_of(rest[size].ns)) : "–");
    text += "</tr>\n";
    rest = rest.subspan(size);
  }
  return text + "</tbody></table>\n" + skips_note(rows) + "</section>\n";
}

}  // namespace

std::string page_of(const Results& results, std::span<const std::string> notes) {
  std::vector<std::string> subjects;
  for (const Row& row : results.rows)
    if (std::ranges::find(subjects, row.subject) == subjects.end()) subjects.push_back(row.subject);
  std::string plots, recordings, tables;
  for (const Rows rows : by_load(results.rows)) {
    if (is_recording(rows.front()))
      recordings = recordings_of(rows, subjects);
    else if (std::ranges::any_of(rows, [](const Row& row) { return row.skipped.empty(); }))
      plots += figure_of(rows, subjects);
    tables += table_of(rows);
  }
  std::string text(bench_html);
  tool::fill(text, "/*page.css*/", page_css);
  tool::fill(text, "/*campaign.css*/", campaign_css);
  tool::fill(text, "/*bench.css*/", bench_css);
  tool::fill(text, "<!--body-->",
             fmt::format("{}<main>\n<section><h2>Growth</h2>\n<div class=\"plots\">\n{}</div></section>\n{}"
                         "<section><h2>All figures</h2>\n{}</section></main>\n",
                         header_of(results.context, notes), plots, recordings, tables));
  return text;
}

}  // namespace vmapcheck::bench
