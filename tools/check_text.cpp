// SPDX-License-Identifier: Apache-2.0
#include "tools/check_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string_view>
#include <utility>

#include "tools/counters.hpp"
#include "tools/progress.hpp"
#include "vmap/stats.hpp"

namespace vmapcheck::tool {
namespace {

using nlohmann::ordered_json;

// ---- Histograms

/// What one row of a histogram counts.
struct Row {
  std::string label;
  std::uint64_t count = 0;
};

struct Chart {
  std::string key;    ///< in JSON
  std::string title;  ///< in the terminal
  std::vector<Row> rows;
  const Histogram* numbers = nullptr;  ///< whose buckets the rows are; null where rows are kinds
};

std::uint64_t least_of(std::size_t bucket) { return bucket == 0 ? 0 : std::uint64_t{1} << (bucket - 1); }

/// "0", "1", "2-3", ..., "512-1023", "2^10" for [2^10, 2^11)
std::string bucket_label(std::size_t bucket) {
  if (bucket < 2) return std::to_string(bucket);
  const std::uint64_t least = least_of(bucket);
  return bucket <= 10 ? fmt::format("{}-{}", least, 2 * least - 1) : fmt::format("2^{}", bucket - 1);
}

/// Rows from the first bucket that holds something to the last. From 2^16 on, sixteen buckets share a row.
Chart chart_of(std::string key, std::string title, const Histogram& numbers) {
  constexpr std::size_t together = 16;
  Chart chart{std::move(key), std::move(title), {}, &numbers};
  std::size_t end = numbers.buckets.size();
  while (end > 0 && numbers.buckets[end - 1] == 0) --end;
  for (std::size_t b = 0; b < end; ++b) {
    if (chart.rows.empty() && numbers.buckets[b] == 0) continue;
    if (b <= together) {
      chart.rows.push_back({bucket_label(b), numbers.buckets[b]});
      continue;
    }
    const std::size_t power = (b - 1) / together * together;
    const std::string label = fmt::format("2^{}..2^{}", power, power + together - 1);
    if (chart.rows.empty() || chart.rows.back().label != label) chart.rows.push_back({label, 0});
    chart.rows.back().count += numbers.buckets[b];
  }
  return chart;
}

std::vector<Chart> charts_of(const CheckReport& report) {
  const Coverage& coverage = report.coverage;
  const Histograms& histograms = *report.histograms;
  std::vector<Chart> charts;
  const auto add = [&](std::string key, std::string title, Names names, Counters counters) {
    Chart& chart = charts.emplace_back(Chart{std::move(key), std::move(title), {}});
    for (std::size_t i = 0; i < names.size(); ++i) chart.rows.push_back({std::string(names[i]), counters[i]});
  };
  add("ops", "ops that were performed", op_names, performed_of(coverage));
  charts.back().rows.push_back(
      {"(skipped)", std::accumulate(coverage.skipped.begin(), coverage.skipped.end(), std::uint64_t{0})});
  charts.push_back(chart_of("sizes", "sizes asked for, in granules", histograms.sizes));
  charts.push_back(chart_of("alignments", "alignments asked for, in granules", histograms.aligns));
  add("fits", "fit types", fit_names, coverage.fits);
  add("coalescings", "coalescing", vmap::coalescing_names, coverage.coalescings);
  charts.push_back(chart_of("areas", "busy and lazily freed areas, after each op", histograms.areas));
  charts.push_back(chart_of("free_blocks", "free blocks, after each op", histograms.free_blocks));
  charts.push_back(chart_of("tree_depth", "depth of the tree, at checks of the whole state", histograms.tree_depth));
  charts.push_back(chart_of("nodes_visited", "nodes visited by an op", histograms.nodes_visited));
  return charts;
}

/// The row in which the median is: half of all numbers are in it or before it.
std::string median_of(const Histogram& numbers) { return bucket_label(numbers.median_bucket()); }

/// A bar for each row: the longest fills the line, and a row that is not zero has at least a dot.
std::string text_of(const Chart& chart, std::size_t columns) {
  constexpr std::size_t label_width = 16, count_width = 12, percent_width = 7;
  constexpr std::size_t text_width = label_width + count_width + percent_width + 2;
  const std::size_t bar_max = bar_room(columns, text_width, 80 - text_width);
  std::string text = cut(chart.title, columns) + "\n";
  if (chart.numbers != nullptr && chart.numbers->count != 0) {
    const std::string figures = fmt::format("median {}, at most {}", median_of(*chart.numbers), chart.numbers->max);
    const bool fits = chart.title.size() + figures.size() + 2 <= columns;
    text = fits ? fmt::format("{}: {}\n", chart.title, figures) : text + cut("  " + figures, columns) + "\n";
  }
  std::uint64_t most = 1, all = 0;
  for (const Row& row : chart.rows) most = std::max(most, row.count), all += row.count;
  for (const Row& row : chart.rows) {
    const auto length = static_cast<std::size_t>(
        std::lround(static_cast<double>(bar_max) * static_cast<double>(row.count) / static_cast<double>(most)));
    const double percent = all == 0 ? 0.0 : 100 * static_cast<double>(row.count) / static_cast<double>(all);
    const std::string bar = length == 0 && row.count != 0 && bar_max != 0 ? "." : std::string(length, '#');
    std::string line = fmt::format("  {:<{}}{:>{}}{:>{}.1f}% {}", row.label, label_width - 2, row.count, count_width,
                                   percent, percent_width - 1, bar);
    while (line.ends_with(' ')) line.pop_back();
    text += line + "\n";
  }
  if (all == 0) text += "  nothing\n";
  return text;
}

// ---- Demands

/// "12.3% (1234 of 10032)", "281"
std::string text_of(const Demand& demand, const Amount& amount) {
  if (!amount.measured) return "not measured: there was none";
  const auto number = [](double n) { return n == std::floor(n) ? fmt::format("{:.0f}", n) : fmt::format("{:.1f}", n); };
  if (!demand.percent) return number(amount.number);
  const auto percent = percent_of(amount);
  if (!percent) return fmt::format("no {}", demand.metric->whole);
  return fmt::format("{:.4g}% ({} of {} {})", *percent, number(amount.number), number(*amount.whole),
                     demand.metric->whole);
}

}  // namespace

std::string histograms_text(const CheckReport& report, std::size_t columns) {
  std::string text;
  for (const Chart& chart : charts_of(report)) text += (text.empty() ? "" : "\n") + text_of(chart, columns);
  text += "\nstates hash  ";
  const ordered_json hash = states_hash_json(report);
  text += hash.is_null() ? "none: the run was cut short" : hash.get<std::string>();
  return text + "\n";
}

ordered_json histograms_json(const CheckReport& report) {
  ordered_json json;
  for (const Chart& chart : charts_of(report)) {
    ordered_json one;
    if (chart.numbers == nullptr) {
      for (const Row& row : chart.rows) one[row.label] = row.count;
    } else {
      one["count"] = chart.numbers->count;
      one["mean"] = chart.numbers->mean();
      one["median_from"] = least_of(chart.numbers->median_bucket());
      one["max"] = chart.numbers->max;
      one["buckets"] = ordered_json::array();
      for (std::size_t b = 0; b < chart.numbers->buckets.size(); ++b)
        if (const std::uint64_t n = chart.numbers->buckets[b]; n != 0)
          one["buckets"].push_back({{"from", least_of(b)}, {"count", n}});
    }
    json[chart.key] = std::move(one);
  }
  return json;
}

std::string soak_text(const CheckReport& report) {
  const Histograms& histograms = *report.histograms;
  const auto line = [](std::string_view title, const Histogram& numbers, std::string_view what) {
    return fmt::format("{:<15} at most {}, median {}{}\n", title, numbers.max, median_of(numbers), what);
  };
  return line("areas", histograms.areas, "") + line("tree depth", histograms.tree_depth, "") +
         line("nodes visited", histograms.nodes_visited,
              fmt::format(" by an op, {:.1f} on average", histograms.nodes_visited.mean()));
}

ordered_json soak_json(const CheckReport& report) {
  const Histograms& histograms = *report.histograms;
  ordered_json json;
  const auto add = [&](const char* name, const Histogram& numbers) {
    json[name] = {{"max", numbers.max}, {"mean", numbers.mean()}, {"median_from", least_of(numbers.median_bucket())}};
  };
  add("areas", histograms.areas);
  add("free_blocks", histograms.free_blocks);
  add("tree_depth", histograms.tree_depth);
  add("nodes_visited", histograms.nodes_visited);
  return json;
}

ordered_json states_hash_json(const CheckReport& report) {
  if (!report.complete) return {};
  return fmt::format("{:#018x}", report.histograms->states_hash);
}

std::string demands_text(const std::vector<Demand>& demands, const CheckReport& report, std::size_t columns) {
  std::string text = "demanded\n";
  std::size_t width = 0;
  for (const Demand& demand : demands) width = std::max(width, demand.text.size());
  for (const Demand& demand : demands) {
    const Reached is = reached(demand, report);
    const std::string met = fmt::format("  {:<6}  {:<{}}", is.met ? "met" : "MISSED", demand.text, width);
    text += fitted({met, text_of(demand, is.amount)}, columns, "  ") + "\n";
  }
  return text;
}

ordered_json demands_json(const std::vector<Demand>& demands, const CheckReport& report) {
  ordered_json json = ordered_json::array();
  for (const Demand& demand : demands) {
    const auto [amount, met] = reached(demand, report);
    const auto percent = percent_of(amount);
    ordered_json one{{"demand", demand.text}, {"metric", demand.metric->name}};
    one["reached"] = amount.measured ? ordered_json(amount.number) : ordered_json();
    one["whole"] = amount.whole ? ordered_json(*amount.whole) : ordered_json();
    one["percent"] = percent ? ordered_json(*percent) : ordered_json();
    one["met"] = met;
    json.push_back(std::move(one));
  }
  return json;
}

std::size_t demands_missed(const std::vector<Demand>& demands, const CheckReport& report) {
  return static_cast<std::size_t>(
      std::ranges::count_if(demands, [&](const Demand& demand) { return !reached(demand, report).met; }));
}

std::string metrics_text(std::size_t columns) {
  std::string text =
      "--require NAME>=NUMBER, or with > <= < ==; the number is a count (300, 2.5, 10k, 1m) or, where a\n"
      "name is a part of something, a percentage of it (1%).\n\n";
  std::size_t width = 0;
  for (const Metric& metric : metrics()) width = std::max(width, metric.name.size());
  for (const Metric& metric : metrics())
    text += cut(fmt::format("{:<{}}  {}{}", metric.name, width, metric.meaning,
                            metric.whole.empty() ? "" : "; % of " + metric.whole),
                columns) +
            "\n";
  return text;
}

}  // namespace vmapcheck::tool
