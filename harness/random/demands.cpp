// SPDX-License-Identifier: Apache-2.0
#include "harness/random/demands.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

#include "model/near.hpp"
#include "vmap/error.hpp"
#include "vmap/request.hpp"
#include "vmap/stats.hpp"
#include "vmap/tree_case.hpp"
#include "vmap/violation.hpp"

namespace vmapcheck {
namespace {

// ---- What can be demanded

template <std::size_t n>
std::uint64_t sum(const std::array<std::uint64_t, n>& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

/// A number of a run; counts have fewer than 53 bits.
using Number = std::function<double(const CheckReport&)>;

/// A number that the coverage has.
template <class Count>
Number count(Count count) {
  return [count](const CheckReport& report) { return static_cast<double>(count(report.coverage)); };
}

class Metrics {
 public:
  Metrics();
  [[nodiscard]] std::span<const Metric> all() const { return all_; }

 private:
  /// A count of which there is no percentage.
  void add(std::string name, std::string meaning, Number number) {
    all_.push_back({std::move(name), std::move(meaning), "", false,
                    [number](const CheckReport& report) { return Amount{number(report)}; }});
  }
  void add_part(std::string name, std::string meaning, Number number, std::string whole, Number of) {
    all_.push_back({std::move(name), std::move(meaning), std::move(whole), false,
                    [number, of](const CheckReport& report) { return Amount{number(report), of(report)}; }});
  }
  void add_distribution(const std::string& name, const std::string& meaning, Histogram Histograms::* which);
  void add_ops();
  void add_outcomes();
  void add_tree_cases();
  void add_checks();

  std::vector<Metric> all_;
};

const Number all_ops = count([](const Coverage& c) { return c.steps(); });
const Number performed = count([](const Coverage& c) { return c.steps() - sum(c.skipped); });

Metrics::Metrics() {
  add("cases", "cases that were run", [](const CheckReport& report) { return static_cast<double>(report.cases); });
  add("ops", "ops that were drawn, also those that were skipped", all_ops);
  add_part("skipped", "ops that did nothing: their label was not live, or the subject lacks the function",
           count([](const Coverage& c) { return sum(c.skipped); }), "ops", all_ops);
  add_part("unsupported", "ops that did nothing because the subject lacks the function",
           count([](const Coverage& c) { return c.unsupported; }), "ops", all_ops);
  add_ops();
  add_outcomes();
  add_tree_cases();
  add("free_blocks.max", "free blocks after an op, at most",
      count([](const Coverage& c) { return c.free_blocks_max; }));
  add("free_blocks.mean", "free blocks after an op, on average",
      [](const CheckReport& report) { return report.free_blocks_mean; });
  add_distribution("areas", "busy and lazily freed areas after an op", &Histograms::areas);
  add_distribution("tree_depth", "depth of the tree of free blocks, when the whole state was checked",
                   &Histograms::tree_depth);
  add_distribution("nodes_visited", "nodes that an op visited", &Histograms::nodes_visited);
  add_distribution("size", "granules that were asked for", &Histograms::sizes);
  add_distribution("align", "alignment that was asked for, in granules", &Histograms::aligns);
  add_checks();
}

/// Of each kind of op: how many, how many did nothing, and which errors were met.
void Metrics::add_ops() {
  for (std::size_t i = 0; i < op_kind_count; ++i) {
    const std::string op(op_names[i]), name = "op." + op;
    const Number done = count([i](const Coverage& c) { return c.ops[i] - c.skipped[i]; });
    add_part(name, op + " that was performed", done, "ops", all_ops);
    add_part(name + ".skipped", op + " that did nothing", count([i](const Coverage& c) { return c.skipped[i]; }),
             op + " that was drawn", count([i](const Coverage& c) { return c.ops[i]; }));
    for (std::size_t e = 0; e < vmap::error_count; ++e) {
      const std::string error(vmap::name(static_cast<vmap::Error>(e)));
      add_part(name + "." + error, op + " that ended with " + error,
               count([i, e](const Coverage& c) { return c.errors[i][e]; }), op + " that was performed", done);
    }
  }
}

void Metrics::add_outcomes() {
  for (std::size_t e = 0; e < vmap::error_count; ++e) {
    const auto error = static_cast<vmap::Error>(e);
    add_part("error." + std::string(vmap::name(error)), "ops that ended with " + std::string(vmap::name(error)),
             count([error](const Coverage& c) { return c.errors_of(error); }), "ops that were performed", performed);
  }
  for (std::size_t fit = 0; fit < vmap::fit_type_count; ++fit) {
    const std::string name(vmap::name(static_cast<vmap::FitType>(fit)));
    add_part("fit." + name, "placements of that fit type", count([fit](const Coverage& c) { return c.fits[fit]; }),
             "placements", count([](const Coverage& c) { return sum(c.fits); }));
  }
  for (std::size_t kind = 0; kind < vmap::coalescing_count; ++kind)
    add_part("coalescing." + std::string(vmap::coalescing_names[kind]), "frees that met free neighbours on that side",
             count([kind](const Coverage& c) { return c.coalescings[kind]; }), "frees",
             count([](const Coverage& c) { return sum(c.coalescings); }));
  add("purge.on_limit", "purges because a lazy free went above the limit",
      count([](const Coverage& c) { return c.purges_on_limit; }));
  add("purge.on_exhaustion", "purges because an allocation would have failed",
      count([](const Coverage& c) { return c.purges_on_exhaustion; }));
  add("hooks_called", "calls of exhaustion hooks", count([](const Coverage& c) { return c.hooks_called; }));
  add("rescued", "allocations that succeeded only after a purge or a hook",
      count([](const Coverage& c) { return c.rescued; }));
  add("metadata_failures", "requests for metadata that were made to fail",
      count([](const Coverage& c) { return c.faults_fired; }));
  add("rows_made", "alignments that got a row of their own", count([](const Coverage& c) { return c.rows_made; }));
}

/// The whole of which a case is a part is its family: links, erasures, steps of repair after an erasure.
void Metrics::add_tree_cases() {
  const auto family = [](std::size_t i) {
    const std::string_view name = vmap::tree_case_names[i];
    return name.substr(0, name.find('_'));
  };
  add_part("tree.reached", "different cases of rebalancing that occurred",
           count([](const Coverage& c) { return std::ranges::count_if(c.tree_cases, [](auto n) { return n != 0; }); }),
           "all cases", [](const CheckReport&) { return static_cast<double>(vmap::tree_case_count); });
  for (std::size_t i = 0; i < vmap::tree_case_count; ++i)
    add_part("tree." + std::string(vmap::tree_case_names[i]), "occurrences of that case",
             count([i](const Coverage& c) { return c.tree_cases[i]; }), "all tree." + std::string(family(i)) + "_*",
             count([i, family](const Coverage& c) {
               std::uint64_t all = 0;
               for (std::size_t j = 0; j < vmap::tree_case_count; ++j)
                 if (family(j) == family(i)) all += c.tree_cases[j];
               return all;
             }));
}

void Metrics::add_checks() {
  add("full_checks", "checks of the whole state", count([](const Coverage& c) { return c.full_checks; }));
  for (std::size_t i = 0; i < vmap::invariant_count; ++i)
    add("check." + std::string(vmap::invariant_names[i]), "checks of that invariant", count([i](const Coverage& c) {
          std::uint64_t all = 0;
          for (const auto& of_op : c.checks) all += of_op[i];
          return all;
        }));
}

void Metrics::add_distribution(const std::string& name, const std::string& meaning, Histogram Histograms::* which) {
  const auto add_one = [&](const char* what, const char* how, auto value) {
    all_.push_back({name + what, meaning + how, "", true, [which, value](const CheckReport& report) {
                      if (!report.histograms || ((*report.histograms).*which).count == 0) return Amount{0, {}, false};
                      return Amount{value((*report.histograms).*which)};
                    }});
  };
  add_one(".max", ", at most", [](const Histogram& histogram) { return static_cast<double>(histogram.max); });
  add_one(".mean", ", on average", [](const Histogram& histogram) { return histogram.mean(); });
}

// ---- How a demand is written

constexpr std::pair<std::string_view, Comparison> comparisons[] = {{">=", Comparison::at_least},
                                                                   {"<=", Comparison::at_most},
                                                                   {"==", Comparison::equal},
                                                                   {">", Comparison::above},
                                                                   {"<", Comparison::below}};

std::string unknown(std::string_view name) {
  std::vector<std::string> names;
  for (const Metric& metric : metrics()) names.push_back(metric.name);
  return fmt::format("there is no '{}'{} (--require help lists all names)", name, did_you_mean(name, names));
}

/// "300", "2.5", "10k", "1m", "1%"; true in `percent` for the last.
std::optional<double> parse_number(std::string_view text, bool& percent) {
  double number = 0;
  const char* const last = text.data() + text.size();
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;  // no sign, inf or nan
  const auto [end, error] = std::from_chars(text.data(), last, number, std::chars_format::fixed);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(last - end));
  percent = unit == "%";
  if (unit == "k" || unit == "K") return number * 1e3;
  if (unit == "m" || unit == "M") return number * 1e6;
  if (!unit.empty() && !percent) return std::nullopt;
  return number;
}

bool holds(double actual, Comparison comparison, double wanted) {
  switch (comparison) {
    case Comparison::at_least: return actual >= wanted;
    case Comparison::above: return actual > wanted;
    case Comparison::at_most: return actual <= wanted;
    case Comparison::below: return actual < wanted;
    case Comparison::equal: return actual == wanted;
  }
  return false;
}

}  // namespace

std::span<const Metric> metrics() {
  static const Metrics all;
  return all.all();
}

std::expected<Demand, std::string> parse_demand(std::string_view text) {
  Demand demand;
  std::ranges::copy_if(text, std::back_inserter(demand.text), [](char c) { return c != ' '; });
  const std::string_view written = demand.text;
  const std::size_t at = std::min(written.find_first_of("<>="), written.size());
  const std::string_view name = written.substr(0, at), rest = written.substr(at);
  const auto* const found =
      std::ranges::find_if(comparisons, [&](const auto& each) { return rest.starts_with(each.first); });
  if (name.empty() || found == std::end(comparisons))
    return std::unexpected(fmt::format("expected NAME>=NUMBER (or >, <=, <, ==), found '{}'", written));
  const auto metric = std::ranges::find(metrics(), name, &Metric::name);
  if (metric == metrics().end()) return std::unexpected(unknown(name));
  const std::string_view number = rest.substr(found->first.size());
  const auto value = parse_number(number, demand.percent);
  if (!value)
    return std::unexpected(fmt::format("expected a number such as 300, 2.5, 10k, 1m or 1%, found '{}'", number));
  if (demand.percent && metric->whole.empty())
    return std::unexpected(fmt::format("there is no percentage of {}: it is not a part of anything", name));
  if (demand.percent && *value > 100) return std::unexpected(fmt::format("'{}' is more than all", number));
  demand.metric = &*metric;
  demand.comparison = found->second;
  demand.number = *value;
  return demand;
}

Reached reached(const Demand& demand, const CheckReport& report) {
  Reached result{.amount = demand.metric->measure(report)};
  if (!result.amount.measured) return result;
  const std::optional<double> actual = demand.percent ? percent_of(result.amount) : std::optional(result.amount.number);
  result.met = actual && holds(*actual, demand.comparison, demand.number);
  return result;
}

std::optional<double> percent_of(const Amount& amount) {
  if (!amount.whole || *amount.whole == 0) return std::nullopt;
  return 100 * amount.number / *amount.whole;
}

}  // namespace vmapcheck
