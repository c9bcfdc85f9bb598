// SPDX-License-Identifier: Apache-2.0
//
// Demanded coverage, the health of a run, its histograms and the hash of its states: each says what the run did, and
// notices where it did less.
#include "harness/random/demands.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <set>
#include <string>

#include "harness/random/health.hpp"
#include "harness/verify/model_subject.hpp"
#include "properties/traces.hpp"

namespace vmapcheck {
namespace {

// ---- How a demand is written

TEST(Demand, IsANameAComparisonAndANumber) {
  const Demand demand = parse_demand("fit.no_edge>=1%").value();
  EXPECT_EQ(demand.metric->name, "fit.no_edge");
  EXPECT_EQ(demand.comparison, Comparison::at_least);
  EXPECT_EQ(demand.number, 1);
  EXPECT_TRUE(demand.percent);
  EXPECT_EQ(parse_demand("free_blocks.max > 300")->number, 300);
  EXPECT_EQ(parse_demand("free_blocks.max > 300")->comparison, Comparison::above);
  EXPECT_EQ(parse_demand(" free_blocks.max > 300 ")->text, "free_blocks.max>300");
  EXPECT_FALSE(parse_demand("free_blocks.max>300")->percent);
  EXPECT_EQ(parse_demand("ops<=1.5k")->number, 1500);
  EXPECT_EQ(parse_demand("ops<=1.5k")->comparison, Comparison::at_most);
  EXPECT_EQ(parse_demand("ops<2M")->number, 2e6);
  EXPECT_EQ(parse_demand("ops<2M")->comparison, Comparison::below);
  EXPECT_EQ(parse_demand("error.out_of_memory==0")->comparison, Comparison::equal);
}

TEST(Demand, IsRefusedWithAReasonWhereItIsMalformed) {
  for (const char* text :
       {"",          ">=1",        "ops",      "ops=1",     "ops=>1",   "ops>=",          "ops>=x",
        "ops>=-1",   "ops>=+1",    "ops>=1kk", "ops>=1e3",  "ops>=inf", "ops>=nan",       "ops>=1%%",
        "ops>=0x10", "ops>=1 2%3", "ops!=1",   "ops>=1>=2", "ops>=.5",  "fit.full>=101%", "free_blocks.max>=1%",
        "ops>=1%"}) {
    const auto demand = parse_demand(text);
    ASSERT_FALSE(demand) << text;
    EXPECT_FALSE(demand.error().empty());
  }
  EXPECT_NE(parse_demand("ops>=x").error().find("found 'x'"), std::string::npos);
}

TEST(Demand, OfAnUnknownNameIsToldWhichMayHaveBeenMeant) {
  const auto says = [](const char* demand, const char* words) {
    const std::string error = parse_demand(demand).error();
    EXPECT_NE(error.find(words), std::string::npos) << error;
  };
  says("fit.noedge>=1", "did you mean fit.no_edge?");
  says("free_block.max>=1", "mean free_blocks.max?");
  says("out_of_memory>=1", "error.out_of_memory");
  says("op.alloc_at>=1", "op.alloc-at");
  says("zebra>=1", "there is no 'zebra' (--require help");
}

TEST(Metrics, HaveNamesOfTheirOwnThatCanBeDemanded) {
  std::set<std::string> names;
  for (const Metric& metric : metrics()) {
    EXPECT_TRUE(names.insert(metric.name).second) << metric.name;
    EXPECT_FALSE(metric.meaning.empty()) << metric.name;
    const auto demand = parse_demand(metric.name + ">=1");
    ASSERT_TRUE(demand) << metric.name;
    EXPECT_EQ(demand->metric, &metric);
    EXPECT_EQ(parse_demand(metric.name + ">=1%").has_value(), !metric.whole.empty()) << metric.name;
  }
  for (const char* name : {"op.alloc", "op.free-lazily-at.skipped", "op.congruent.no_space", "error.not_busy",
                           "fit.full", "coalescing.both", "tree.fix_outer_nephew_right", "tree.reached",
                           "purge.on_limit", "hooks_called", "metadata_failures", "free_blocks.mean", "tree_depth.max",
                           "nodes_visited.mean", "areas.max", "full_checks", "check.augment"})
    EXPECT_TRUE(names.contains(name)) << name;
}

// ---- What was reached

bool met(const char* demand, const CheckReport& report) { return reached(parse_demand(demand).value(), report).met; }

TEST(Demand, IsMetExactlyAtItsNumber) {
  CheckReport report;
  report.coverage.fits = {10, 20, 30, 40};
  report.coverage.free_blocks_max = 300;
  for (const char* demand :
       {"fit.no_edge>=40%", "fit.no_edge<=40%", "fit.no_edge==40%", "fit.no_edge>39.9%", "fit.no_edge<40.1%",
        "fit.no_edge>=40", "free_blocks.max>=300", "free_blocks.max==0.3k", "error.no_space==0"})
    EXPECT_TRUE(met(demand, report)) << demand;
  for (const char* demand : {"fit.no_edge>40%", "fit.no_edge<40%", "fit.no_edge>=40.1%", "fit.full==11",
                             "free_blocks.max>300", "free_blocks.max>=301", "free_blocks.max<300"})
    EXPECT_FALSE(met(demand, report)) << demand;
}

TEST(Demand, OfAPartOfNothingOrOfWhatWasNotMeasuredIsMissed) {
  const CheckReport report;
  EXPECT_FALSE(met("fit.no_edge<=50%", report));
  EXPECT_TRUE(met("fit.no_edge<=50", report));
  EXPECT_FALSE(met("tree_depth.max<=50", report));
  EXPECT_FALSE(met("nodes_visited.mean<=50", report));
}

CheckReport observed(const SubjectFactory& make, std::uint64_t seed, std::uint64_t cases, std::uint64_t ops) {
  CheckOptions options{.seed = seed, .cases = cases, .ops = ops, .time = {}, .observe = true, .on_progress = {}};
  return check(make, options).value();
}

/// The run is counted a second time, in another way.
TEST(Metrics, AgreeWithTheCoverageOfARun) {
  const CheckReport report = observed(subject("vmap"), seed_of_this_run(), 200, 1000);
  ASSERT_FALSE(report.found);
  const auto amount = [&](const std::string& name) {
    return reached(parse_demand(name + ">=0").value(), report).amount;
  };
  const auto sum_of = [&](const std::string& prefix) {
    double sum = 0;
    for (const Metric& metric : metrics())
      if (metric.name.starts_with(prefix)) sum += metric.measure(report).number;
    return sum;
  };
  EXPECT_EQ(amount("ops").number, 200'000);
  EXPECT_EQ(amount("cases").number, 200);
  EXPECT_EQ(sum_of("fit."), *amount("fit.full").whole);
  EXPECT_EQ(sum_of("coalescing."), *amount("coalescing.both").whole);
  EXPECT_EQ(sum_of("tree.fix_"), *amount("tree.fix_inner_nephew_left").whole);
  EXPECT_EQ(sum_of("tree.link_"), *amount("tree.link_inner_left").whole);
  EXPECT_EQ(*amount("tree.reached").whole, vmap::tree_case_count);
  double performed = 0, skipped = 0;
  for (const std::string_view op : op_names) {
    performed += amount("op." + std::string(op)).number;
    skipped += amount("op." + std::string(op) + ".skipped").number;
  }
  EXPECT_EQ(performed + skipped, 200'000);
  EXPECT_EQ(skipped, amount("skipped").number);
  EXPECT_EQ(amount("error.no_space").number, amount("op.alloc.no_space").number +
                                                 amount("op.alloc-at.no_space").number +
                                                 amount("op.congruent.no_space").number);
  EXPECT_EQ(amount("free_blocks.max").number, static_cast<double>(report.histograms->free_blocks.max));
  EXPECT_DOUBLE_EQ(amount("free_blocks.mean").number, report.histograms->free_blocks.mean());
  EXPECT_EQ(report.histograms->free_blocks.count, 200'000u);
  EXPECT_EQ(report.histograms->nodes_visited.count, 200'000u);
  EXPECT_EQ(report.histograms->tree_depth.count, report.coverage.full_checks - 200);  // not that before the first op
  EXPECT_GT(amount("tree_depth.max").number, 5);
  EXPECT_LE(amount("tree_depth.max").number, 2 * std::log2(amount("free_blocks.max").number + 1));
}

TEST(Histogram, HasABucketForEachPowerOfTwo) {
  Histogram histogram;
  for (const std::uint64_t n : {0ull, 1ull, 2ull, 3ull, 4ull, 7ull, 8ull, ~0ull}) histogram.add(n);
  EXPECT_EQ(histogram.buckets[0], 1u);
  EXPECT_EQ(histogram.buckets[1], 1u);
  EXPECT_EQ(histogram.buckets[2], 2u);
  EXPECT_EQ(histogram.buckets[3], 2u);
  EXPECT_EQ(histogram.buckets[4], 1u);
  EXPECT_EQ(histogram.buckets[64], 1u);
  EXPECT_EQ(histogram.count, 8u);
  EXPECT_EQ(histogram.max, ~0ull);
}

// ---- The hash of all states

TEST(StatesHash, IsThatOfTheSeedAndOfNothingElse) {
  const auto hash_of = [](std::uint64_t seed) {
    const CheckReport report = observed(subject("vmap"), seed, 20, 300);
    EXPECT_TRUE(report.complete);
    return report.histograms->states_hash;
  };
  const std::uint64_t first = hash_of(7);
  EXPECT_EQ(first, hash_of(7));
  EXPECT_NE(first, hash_of(8));
}

/// The number is that of the draws and of the model's answers to them: each build of this test must come to it.
TEST(StatesHash, IsTheSameWithEveryCompiler) {
  const CheckReport report = observed(model_subject(), 7, 20, 300);
  EXPECT_EQ(report.histograms->states_hash, 0x98bf159b06d48786u) << std::hex << report.histograms->states_hash;
}

/// A subject whose n-th answer has another fit type. It promises none, so that this is no violation.
struct Placed : ModelSubject {
  explicit Placed(const SubjectConfig& config, int nth) : ModelSubject(config), countdown(nth) {}
  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
    auto result = ModelSubject::allocate(request);
    if (result && --countdown == 0) result->fit = vmap::FitType::no_edge;
    return result;
  }
  static Promises promises() { return {.fit_type = false}; }
  int countdown;
};

TEST(StatesHash, DiffersWhereOneAnswerDoes) {
  const auto hash_with = [](int nth) {
    const auto make = factory([nth](const SubjectConfig& config) { return Placed(config, nth); });
    const CheckReport report = observed(make, 7, 1, 300);
    EXPECT_FALSE(report.found);
    return report.histograms->states_hash;
  };
  EXPECT_EQ(hash_with(0), hash_with(0));
  std::set<std::uint64_t> hashes{hash_with(0)};
  for (int nth = 1; nth <= 5; ++nth) hashes.insert(hash_with(nth));
  EXPECT_GE(hashes.size(), 4u);  // what is no_edge anyway stays so
}

TEST(StatesHash, DiffersWhereAStateDoes) {
  const CheckReport tree = observed(subject("vmap"), 7, 20, 300);
  const CheckReport flat = observed(model_subject(), 7, 20, 300);  // no tree, no nodes
  ASSERT_FALSE(tree.found || flat.found);
  EXPECT_NE(tree.histograms->states_hash, flat.histograms->states_hash);
}

TEST(StatesHash, OfARunThatWasCutShortIsNotThatOfTheRun) {
  CheckOptions options{.seed = 7, .time = std::chrono::milliseconds(50), .observe = true, .on_progress = {}};
  options.cases = 1'000'000;
  EXPECT_FALSE(check(subject("vmap"), options)->complete);
  EXPECT_FALSE(observed(subject("canary_answer"), 7, 100, 1000).complete);
}

// ---- Health

/// The warnings, each cut to the word that tells it.
std::set<std::string> warned(const CheckReport& report) {
  EXPECT_FALSE(report.found);
  std::set<std::string> words;
  for (const std::string& warning : health_warnings(report))
    for (const char* word : {"did nothing", "allocations failed", "states stayed small", "cases were skipped"})
      if (warning.find(word) != std::string::npos) words.insert(word);
  EXPECT_EQ(words.size(), health_warnings(report).size());
  return words;
}

using Words = std::set<std::string>;

TEST(Health, OfAnOrdinaryRunIsGood) {
  EXPECT_EQ(warned(check_with(subject("vmap"), 100, 1000)), Words());
  EXPECT_EQ(warned(check_with(model_subject(), 100, 1000)), Words());
}

TEST(Health, IsPoorWhereAllocationsMostlyFail) {
  struct Stingy : ModelSubject {
    using ModelSubject::ModelSubject;
    vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
      const auto result = ModelSubject::allocate(request);
      if (!result || ++asked % 4 == 0) return result;
      (void)free(result->range.begin);
      return std::unexpected(vmap::Error::no_space);
    }
    static Promises promises() { return {.complete = false}; }
    int asked = 0;
  };
  const auto make = factory([](const SubjectConfig& config) { return Stingy(config); });
  EXPECT_TRUE(warned(check_with(make, 100, 1000)).contains("allocations failed"));
}

/// A subject that only allocates and frees skips whatever else a case favours.
TEST(Health, IsPoorWhereOpsMostlyDoNothing) {
  struct TwoFunctions {
    vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) { return model.allocate(request); }
    vmap::Result<Range> free(Address begin) { return model.free(begin); }
    ModelSubject model;
  };
  const auto make = factory([](const SubjectConfig& config) { return TwoFunctions{ModelSubject(config)}; });
  std::set<bool> seen;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    CheckOptions options{.seed = seed, .cases = 1, .ops = 1000, .time = {}, .on_progress = {}};
    const CheckReport report = check(make, options).value();
    std::uint64_t skipped = 0;
    for (const std::uint64_t n : report.coverage.skipped) skipped += n;
    EXPECT_EQ(warned(report).contains("did nothing"), skipped > 500) << skipped;
    seen.insert(skipped > 500);
  }
  EXPECT_EQ(seen.size(), 2u);
}

TEST(Health, IsPoorWhereStatesStaySmall) {
  EXPECT_EQ(warned(check_with(subject("vmap"), 1000, 3)), Words{"states stayed small"});
}

TEST(Health, OfAShortRunIsNotJudged) { EXPECT_EQ(warned(check_with(subject("vmap"), 300, 3)), Words()); }

/// At the threshold there is no warning; one more, and there is.
TEST(Health, IsJudgedByItsThresholds) {
  CheckReport report;
  report.ops = 1000;
  report.small_states = 750;
  report.coverage.ops[op_kind<Alloc>] = 600, report.coverage.errors[op_kind<Alloc>][1] = 300;
  report.coverage.ops[op_kind<Free>] = 500, report.coverage.skipped[op_kind<Free>] = 500;
  EXPECT_EQ(warned(report), Words());
  report.coverage.errors[op_kind<Alloc>][1] = 301;
  EXPECT_EQ(warned(report), Words{"allocations failed"});
  report.coverage.errors[op_kind<Alloc>][1] = 300, report.coverage.skipped[op_kind<Free>] = 501;
  EXPECT_EQ(warned(report), Words{"did nothing"});
  report.coverage.skipped[op_kind<Free>] = 500, report.small_states = 751;
  EXPECT_EQ(warned(report), Words{"states stayed small"});
  report.small_states = 750, report.cases = 50, report.cases_skipped = 50;
  EXPECT_EQ(warned(report), Words());
  report.cases_skipped = 51;
  EXPECT_EQ(warned(report), Words{"cases were skipped"});
}

}  // namespace
}  // namespace vmapcheck
