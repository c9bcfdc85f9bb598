// SPDX-License-Identifier: Apache-2.0
//
// `corpus stats`: what a corpus has, what it exercises, and what it does not.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tools/commands.hpp"
#include "tools/corpus/exercise.hpp"
#include "tools/corpus/set_cover.hpp"
#include "tools/counters.hpp"
#include "tools/files.hpp"
#include "tools/progress.hpp"
#include "tools/report.hpp"

namespace vmapcheck::tool {
namespace {

constexpr std::size_t traces_named_max = 5;  ///< of those that have a rare feature

struct Options {
  std::string directory;
  std::uint64_t rarest = 10;
};

/// A feature, and the traces that have it.
struct Rare {
  Feature feature = 0;
  std::vector<std::size_t> traces;
};

struct Summary {
  std::size_t readable = 0;
  std::size_t duplicates = 0;
  std::size_t bytes = 0;
  std::size_t ops = 0;
  std::size_t ops_median = 0;
  std::size_t ops_max = 0;
  std::vector<std::size_t> histogram;  ///< [0]: no op; [k]: from 2^(k-1) ops up
  std::array<std::uint64_t, op_kind_count> ops_by_kind{};
  Coverage coverage;
  Outcomes outcomes;
  std::size_t features = 0;
  std::map<std::string_view, std::size_t> features_by_kind;
  std::vector<Rare> rarest;
  std::size_t irreplaceable = 0;  ///< traces that alone have a feature
  std::vector<std::size_t> failing;
};

Exit show_stats(const Common& common, const Options& options);
Summary summarize(const Corpus& corpus, std::size_t rarest);
void count_features(const Corpus& corpus, std::size_t rarest, Summary& summary);
std::string text_of(const Corpus& corpus, const Summary& summary, const std::string& subject);
std::string matrix_of(const Summary& summary);
ordered_json json_of(const Corpus& corpus, const Summary& summary, const std::string& subject);

}  // namespace

void add_corpus_stats(CLI::App& corpus, Session& session) {
  CLI::App& command = add_command(corpus, session, "stats", "What a corpus has, what it exercises, and what not",
                                  uses_subject | uses_json,
                                  "vmapcheck corpus stats\nvmapcheck corpus stats vmapcheck-campaign --json\n"
                                  "Each trace is run. One that fails on the subject is named, and the status is 10.",
                                  {Exit::ok, Exit::usage, Exit::subject, Exit::io, Exit::interrupted, Exit::violation});
  const auto options = add_options<Options>(command, session, show_stats);
  add_corpus_place(command, options->directory);
  add_count(command, "--rarest", options->rarest, "How many of the rarest features are named (default: 10)", 0,
            100'000);
}

namespace {

Exit show_stats(const Common& common, const Options& options) {
  const SubjectEntry& subject = subject_named(common.subject);
  Corpus corpus = read_corpus(options.directory, false);
  exercise_corpus(corpus, subject, "stats", "interrupted");
  const Summary summary = summarize(corpus, options.rarest);
  Exit status = Exit::ok;
  for (const Stop& stop : corpus.malformed) {
    report(stop);
    status = std::max(status, stop.status);
  }
  if (common.json)
    out_json(json_of(corpus, summary, subject.name));
  else
    out(text_of(corpus, summary, subject.name));
  return summary.failing.empty() ? status : Exit::violation;
}

Summary summarize(const Corpus& corpus, std::size_t rarest) {
  Summary summary;
  std::set<TraceKey> keys;
  std::vector<std::size_t> lengths;
  for (std::size_t i = 0; i < corpus.traces.size(); ++i) {
    const CorpusTrace& trace = corpus.traces[i];
    if (trace.is_text) ++summary.readable;
    if (!keys.insert(trace.key).second) ++summary.duplicates;
    summary.bytes += trace.bytes;
    summary.ops += trace.ops;
    lengths.push_back(trace.ops);
    for (std::size_t k = 0; k < op_kind_count; ++k) summary.ops_by_kind[k] += trace.ops_by_kind[k];
    const auto slot = static_cast<std::size_t>(std::bit_width(std::uint64_t{trace.ops}));
    summary.histogram.resize(std::max(summary.histogram.size(), slot + 1));
    ++summary.histogram[slot];
    summary.coverage += trace.exercised.coverage;
    summary.outcomes += trace.exercised.outcomes;
    if (trace.exercised.failure) summary.failing.push_back(i);
  }
  std::ranges::sort(lengths);
  if (!lengths.empty()) {
    summary.ops_max = lengths.back();
    summary.ops_median = lengths[(lengths.size() - 1) / 2];
  }
  count_features(corpus, rarest, summary);
  return summary;
}

void count_features(const Corpus& corpus, std::size_t rarest, Summary& summary) {
  std::map<Feature, std::vector<std::size_t>> traces_of;
  for (std::size_t i = 0; i < corpus.traces.size(); ++i)
    for (const Feature feature : corpus.traces[i].exercised.features) traces_of[feature].push_back(i);
  summary.features = traces_of.size();
  std::set<std::size_t> irreplaceable;
  for (auto& [feature, traces] : traces_of) {
    ++summary.features_by_kind[kind_of(feature)];
    if (traces.size() == 1) irreplaceable.insert(traces.front());
    summary.rarest.push_back({feature, std::move(traces)});
  }
  summary.irreplaceable = irreplaceable.size();
  std::ranges::sort(summary.rarest, {}, [](const Rare& rare) { return std::pair(rare.traces.size(), rare.feature); });
  summary.rarest.resize(std::min(summary.rarest.size(), rarest));
}

std::string text_of(const Corpus& corpus, const Summary& summary, const std::string& subject) {
  const std::size_t count = corpus.traces.size(), columns = window_of(1).columns;
  std::string text = fitted({fmt::format("traces     {}: {} readable", count, summary.readable),
                             fmt::format("{} bytes of fuzzers", count - summary.readable),
                             count_of(summary.duplicates, "duplicate"), "in " + one_line(corpus.directory)},
                            columns) +
                     "\n";
  text += fmt::format("ops        {}: median {}, most {}\n", summary.ops, summary.ops_median, summary.ops_max);
  const std::size_t tallest =
      summary.histogram.empty() ? 1 : std::max<std::size_t>(1, std::ranges::max(summary.histogram));
  const std::size_t bar_max = bar_room(columns, 27, 40);
  for (std::size_t k = 0; k < summary.histogram.size(); ++k) {
    const std::size_t least = k == 0 ? 0 : std::size_t{1} << (k - 1);
    const std::size_t most = k == 0 ? 0 : 2 * least - 1;
    text += fmt::format(
        "  {:>15} {:>7}  {}\n", least == most ? fmt::format("{}", least) : fmt::format("{}-{}", least, most),
        summary.histogram[k], std::string((summary.histogram[k] * bar_max + tallest - 1) / tallest, '#'));
  }
  text += fmt::format("bytes      {}\n", summary.bytes);
  Fields features{fmt::format("features   {} on {}", summary.features, subject)};
  for (const auto& [kind, number] : summary.features_by_kind) features.push_back(fmt::format("{} {}", kind, number));
  text += fitted(features, columns) + "\n";
  text += fmt::format("           {} of the traces alone have one\n", summary.irreplaceable);
  for (const std::size_t index : summary.failing)
    text += fmt::format("fails      {}\n", failure_line(corpus.traces[index]));
  text += "\n" + matrix_of(summary);
  const std::vector<std::string> missing = missing_from(summary.coverage);
  text += missing.empty() ? "\nnot exercised: nothing\n" : "\nnot exercised\n";
  for (const std::string& one : missing) text += fmt::format("  {}\n", one);
  if (!summary.rarest.empty()) text += "\nrarest features\n";
  for (const Rare& rare : summary.rarest) {
    std::string one = fmt::format("  {}: {}: ", describe(rare.feature), count_of(rare.traces.size(), "trace"));
    for (std::size_t i = 0; i < std::min(rare.traces.size(), traces_named_max); ++i)
      one += fmt::format("{}{}", i == 0 ? "" : ", ", one_line(corpus.traces[rare.traces[i]].file.name));
    text += cut(one + (rare.traces.size() > traces_named_max ? ", ..." : ""), columns) + "\n";
  }
  return text;
}

/// A row for each op, a column for each way in which it can come out.
std::string matrix_of(const Summary& summary) {
  const Coverage& coverage = summary.coverage;
  std::vector<OpColumn> columns{{"performed", performed_of(coverage)}, {"skipped", coverage.skipped}};
  add_columns(columns, fit_names, summary.outcomes.fits);
  add_columns(columns, vmap::coalescing_names, summary.outcomes.coalescings);
  add_columns(columns, error_names, coverage.errors);
  return tool::text_of(columns, ".", window_of(1).columns);
}

ordered_json json_of(const Corpus& corpus, const Summary& summary, const std::string& subject) {
  ordered_json json;
  json["subject"] = subject;
  json["directory"] = corpus.directory;
  json["traces"] = corpus.traces.size();
  json["readable"] = summary.readable;
  json["duplicates"] = summary.duplicates;
  json["bytes"] = summary.bytes;
  json["ops"] = {{"sum", summary.ops}, {"median", summary.ops_median}, {"most", summary.ops_max}};
  json["ops"]["histogram"] = summary.histogram;
  json["ops"]["by_kind"] = named(op_names, summary.ops_by_kind);
  json["features"]["sum"] = summary.features;
  for (const auto& [kind, number] : summary.features_by_kind) json["features"][kind] = number;
  const auto performed = performed_of(summary.coverage);
  for (std::size_t op = 0; op < op_kind_count; ++op)
    json["outcomes"][op_names[op]] = {{"performed", performed[op]},
                                      {"skipped", summary.coverage.skipped[op]},
                                      {"fits", named(fit_names, summary.outcomes.fits[op])},
                                      {"coalescings", named(vmap::coalescing_names, summary.outcomes.coalescings[op])},
                                      {"errors", named(error_names, summary.coverage.errors[op])}};
  json["coverage"] = tool::json_of(summary.coverage);
  json["not_exercised"] = missing_from(summary.coverage);
  json["irreplaceable"] = summary.irreplaceable;
  json["rarest"] = ordered_json::array();
  for (const Rare& rare : summary.rarest) {
    ordered_json one{{"feature", describe(rare.feature)}, {"traces", ordered_json::array()}};
    for (const std::size_t index : rare.traces) one["traces"].push_back(corpus.traces[index].file.name);
    json["rarest"].push_back(std::move(one));
  }
  json["failing"] = ordered_json::array();
  for (const std::size_t index : summary.failing)
    json["failing"].push_back({{"name", corpus.traces[index].file.name},
                               {"signature", signature(*corpus.traces[index].exercised.failure)},
                               {"step", corpus.traces[index].exercised.failure->step}});
  json["malformed"] = corpus.malformed.size();
  return json;
}

}  // namespace
}  // namespace vmapcheck::tool
