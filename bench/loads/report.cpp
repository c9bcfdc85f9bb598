// SPDX-License-Identifier: Apache-2.0
#include "bench/loads/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "tools/amounts.hpp"
#include "tools/files.hpp"
#include "tools/load_names.hpp"
#include "tools/progress.hpp"
#include "tools/report.hpp"

namespace vmapcheck::bench {

using tool::Fields;

namespace {

constexpr std::string_view recordings = "real";
constexpr int format = 1;

std::string load_of(const Row& row) { return is_recording(row) ? std::string(recordings) : row.load; }

template <double Row::* member>
std::string plain(const Row& row) {
  return row.*member == 0 ? "" : fmt::format("{:.2g} %", 100 * row.*member);
}
template <std::optional<double> Row::* member, int digits>
std::string number(const Row& row) {
  return row.*member ? fmt::format("{:.{}f}", *(row.*member), digits) : "";
}

constexpr std::array<Count, 7> counts{{
    {"nodes visited", "by searches, for each unit of time", number<&Row::nodes_visited, 1>},
    {"propagated", "nodes whose maximum was computed anew, for each unit", number<&Row::nodes_propagated, 1>},
    {"cache misses", "in user space, for each unit", number<&Row::cache_misses, 1>},
    {"bytes", "of metadata for each live area", number<&Row::metadata_bytes, 1>},
    {"extent", "from the lowest begin to the highest end, for each busy byte", number<&Row::extent, 2>},
    {"fragmentation", "the part of the free bytes that lies outside of the largest free block",
     number<&Row::fragmentation, 3>},
    {"failed", "allocations for which no place was found, for each unit", plain<&Row::failed>},
}};

/// "322", "9.6"
std::string ns_text(double ns) {
  return ns < 100 ? fmt::format("{:.1f}", ns) : tool::grouped(static_cast<std::uint64_t>(std::round(ns)));
}

std::string cell_of(const Row& row) {
  if (!row.skipped.empty()) return "-";
  return fmt::format("{} ±{:.0f} %", ns_text(median_of(row.ns)), 100 * spread_of(row.ns));
}

/// The different ones, in the order in which they come.
template <class Member>
std::vector<Member> different(std::span<const Row> rows, Member Row::* member) {
  std::vector<Member> all;
  for (const Row& row : rows)
    if (std::ranges::find(all, row.*member) == all.end()) all.push_back(row.*member);
  return all;
}

const Row* find_row(std::span<const Row> rows, const std::string& load, const std::string& subject, std::size_t live) {
  const auto row = std::ranges::find_if(
      rows, [&](const Row& one) { return one.load == load && one.subject == subject && one.live == live; });
  return row == rows.end() ? nullptr : &*row;
}

/// What the largest state was, for each subject that was measured in it.
std::string counts_text(std::span<const Row> rows, std::size_t columns) {
  std::size_t live = 0;
  for (const Row& row : rows)
    if (row.skipped.empty()) live = std::max(live, row.live);
  std::vector<Fields> lines{{fmt::format("  with {}", tool::grouped(live))}};
  for (const std::string& subject : different(rows, &Row::subject)) lines.push_back({"  " + subject});
  for (const Count& count : counts) {
    Fields column;
    for (std::size_t i = 1; i < lines.size(); ++i) {
      const Row* const row = find_row(rows, rows.front().load, lines[i].front().substr(2), live);
      column.push_back(row != nullptr ? count.text(*row) : "");
    }
    if (std::ranges::all_of(column, &std::string::empty)) continue;
    lines.front().emplace_back(count.name);
    for (std::size_t i = 1; i < lines.size(); ++i) lines[i].push_back(column[i - 1].empty() ? "-" : column[i - 1]);
  }
  std::erase_if(lines, [](const Fields& line) {
    return std::ranges::all_of(line.begin() + 1, line.end(), [](const std::string& field) { return field == "-"; });
  });
  return lines.size() < 2 ? "" : tool::table(lines, columns);
}

/// A line for each recording.
std::string recordings_text(std::span<const Row> rows, std::size_t columns) {
  std::vector<Fields> lines{{"  "}};
  for (const std::string& subject : different(rows, &Row::subject)) lines.front().push_back(subject);
  for (const std::string& load : different(rows, &Row::load)) {
    Fields& line = lines.emplace_back(Fields{"  " + load.substr(recordings.size() + 1)});
    for (const Row& row : rows)
      if (row.load == load) line.push_back(cell_of(row));
  }
  return tool::table(lines, columns);
}

}  // namespace

std::span<const Count> all_counts() { return counts; }

bool is_recording(const Row& row) { return row.load.starts_with(std::string(recordings) + "/"); }

std::vector<std::span<const Row>> by_load(std::span<const Row> rows) {
  std::vector<std::span<const Row>> parts;
  while (!rows.empty()) {
    const auto other =
        std::ranges::find_if(rows, [&](const Row& row) { return load_of(row) != load_of(rows.front()); });
    parts.push_back(rows.first(static_cast<std::size_t>(other - rows.begin())));
    rows = rows.subspan(parts.back().size());
  }
  return parts;
}

std::string meaning_of(std::span<const Row> rows) {
  const auto load = std::ranges::find(tool::load_names, load_of(rows.front()), &tool::LoadName::name);
  return load == tool::load_names.end() ? "" : std::string(load->meaning);
}

std::string time_of(double ns) {
  constexpr std::array<std::string_view, 4> units{"ns", "µs", "ms", "s"};
  std::size_t unit = 0;
  for (; ns >= 999.5 && unit + 1 < units.size(); ++unit) ns /= 1000;
  return fmt::format("{:.3g} {}", ns, units[unit]);
}

std::vector<std::string> skips_of(std::span<const Row> rows) {
  std::vector<std::string> lines;
  for (const std::string& subject : different(rows, &Row::subject)) {
    const auto is_skipped = [&](const Row& row) { return row.subject == subject && !row.skipped.empty(); };
    const auto first = std::ranges::find_if(rows, is_skipped);
    if (first == rows.end()) continue;
    const bool measured =
        std::ranges::any_of(rows, [&](const Row& row) { return row.subject == subject && row.skipped.empty(); });
    lines.push_back(fmt::format("{}{}: {}", subject,
                                measured ? fmt::format(" with {} areas", tool::grouped(first->live)) : "",
                                first->skipped));
  }
  return lines;
}

std::string text_of(std::span<const Row> rows, std::size_t columns) {
  std::string text = fmt::format("{}: {}\n", load_of(rows.front()), meaning_of(rows));
  if (is_recording(rows.front())) {
    text += fmt::format("  ns for each {}\n", rows.front().unit) + recordings_text(rows, columns);
  } else {
    std::vector<Fields> lines{{fmt::format("  ns for each {}", rows.front().unit)}};
    const std::vector<std::size_t> lives = different(rows, &Row::live);
    for (const std::size_t live : lives) lines.front().push_back(tool::grouped(live));
    for (const std::string& subject : different(rows, &Row::subject)) {
      Fields& line = lines.emplace_back(Fields{"  " + subject});
      for (const std::size_t live : lives) {
        const Row* const row = find_row(rows, rows.front().load, subject, live);
        line.push_back(row != nullptr ? cell_of(*row) : "");
      }
    }
    text += tool::table(lines, columns) + counts_text(rows, columns);
  }
  for (const std::string& skip : skips_of(rows)) text += "  - " + skip + "\n";
  return text + "\n";
}

std::string text_of(std::span<const Change> changed, const Context& before, const Context& now,
                    const std::string& file) {
  std::string text;
  std::size_t news = 0;
  for (const Change& change : changed) {
    if (change.verdict == Change::Verdict::same) continue;
    ++news;
    text += fmt::format("{}: {}, {}, {} areas: {} now, {} before: {:.2f} times\n",
                        change.verdict == Change::Verdict::faster ? "faster" : "slower", change.now->load,
                        change.now->subject, tool::grouped(change.now->live), time_of(median_of(change.now->ns)),
                        time_of(median_of(change.before->ns)), change.ratio);
  }
  text += fmt::format(
      "{} of {} have changed since {}: each repetition took longer than each before, or less,\n"
      "and the medians differ by more than {:.0f} %. The load average was {:.2f} then, and is {:.2f} now.\n",
      news, tool::count_of(changed.size(), "row"), tool::one_line(file, 200), 100 * news_least, before.load_average,
      now.load_average);
  return text;
}

// ---- JSON

namespace {

struct Optional {
  const char* name;
  std::optional<double> Row::* member;
};
constexpr std::array<Optional, 6> optionals{{{"nodes_visited", &Row::nodes_visited},
                                             {"nodes_propagated", &Row::nodes_propagated},
                                             {"cache_misses", &Row::cache_misses},
                                             {"metadata_bytes", &Row::metadata_bytes},
                                             {"extent", &Row::extent},
                                             {"fragmentation", &Row::fragmentation}}};

ordered_json json_of(const Row& row) {
  ordered_json json{{"load", row.load}, {"subject", row.subject}, {"live", row.live}, {"unit", row.unit}};
  if (!row.skipped.empty()) {
    json["skipped"] = row.skipped;
    return json;
  }
  json["median_ns"] = median_of(row.ns);
  json["spread"] = spread_of(row.ns);
  json["ns"] = row.ns;
  json["failed"] = row.failed;
  for (const auto& [name, member] : optionals)
    if (row.*member) json[name] = *(row.*member);
  return json;
}

Row row_from(const ordered_json& json) {
  Row row{};
  row.load = json.at("load");
  row.subject = json.at("subject");
  row.live = json.at("live");
  row.unit = json.at("unit");
  row.skipped = json.value("skipped", "");
  if (!row.skipped.empty()) return row;
  row.ns = json.at("ns").get<std::vector<double>>();
  if (row.ns.empty() || !(std::ranges::min(row.ns) > 0)) throw std::runtime_error("no time");
  row.failed = json.at("failed");
  for (const auto& [name, member] : optionals)
    if (json.contains(name)) row.*member = json.at(name).get<double>();
  return row;
}

}  // namespace

ordered_json json_of(const Results& results) {
  const Context& context = results.context;
  ordered_json rows = ordered_json::array();
  for (const Row& row : results.rows) rows.push_back(json_of(row));
  return {{"vmapcheck_bench", format},
          {"context",
           {{"began", context.began},
            {"cpu", context.cpu},
            {"cpus", context.cpus},
            {"compiler", context.compiler},
            {"build", context.build},
            {"load_average", context.load_average},
            {"seed", context.seed},
            {"seconds", context.seconds}}},
          {"rows", std::move(rows)}};
}

ordered_json json_of(std::span<const Change> changed) {
  ordered_json json = ordered_json::array();
  for (const Change& change : changed)
    json.push_back({{"load", change.now->load},
                    {"subject", change.now->subject},
                    {"live", change.now->live},
                    {"ratio", change.ratio},
                    {"verdict", std::array{"same", "faster", "slower"}[static_cast<std::size_t>(change.verdict)]}});
  return json;
}

Results results_from(const std::string& text, const std::string& file) {
  try {
    const ordered_json json = ordered_json::parse(text);
    if (json.at("vmapcheck_bench") != format) throw std::runtime_error("another format");
    const ordered_json& of = json.at("context");
    Results results{.context = {.began = of.at("began"),
                                .cpu = of.at("cpu"),
                                .cpus = of.at("cpus"),
                                .compiler = of.at("compiler"),
                                .build = of.at("build"),
                                .load_average = of.at("load_average"),
                                .seed = of.at("seed"),
                                .seconds = of.at("seconds")},
                    .rows = {}};
    for (const ordered_json& row : json.at("rows")) results.rows.push_back(row_from(row));
    return results;
  } catch (const std::exception&) {
    throw tool::Stop{tool::Exit::usage, fmt::format("{} is not what this version of `bench --json` says (format {})",
                                                    tool::one_line(file, 200), format)};
  }
}

}  // namespace vmapcheck::bench
