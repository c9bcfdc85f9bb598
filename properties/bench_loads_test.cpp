// SPDX-License-Identifier: Apache-2.0
//
// The loads of `bench`: each leaves as many areas as it found, and is the same for everyone; and the statistics by
// which a change is told from noise.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "bench/loads/driver.hpp"
#include "bench/loads/load.hpp"
#include "bench/loads/results.hpp"
#include "model/trace.hpp"
#include "subjects/registry.hpp"
#include "tools/load_names.hpp"

namespace vmapcheck::bench {
namespace {

constexpr std::size_t live = 200;
constexpr std::uint64_t seed = 7;
const auto never = [] { return false; };

Performer vmap() { return {"vmap", find_subject("vmap")->make}; }

std::vector<Load> all_loads() {
  std::vector<Load> loads;
  for (const tool::LoadName& load : tool::load_names)
    if (load.name != "real") loads.push_back(make_load(load.name, live, seed));
  return loads;
}

vmap::Stats stats_of(const Driver& driver) {
  vmap::Stats stats;
  driver.subject().stats(stats);
  return stats;
}

TEST(Loads, EveryRoundLeavesAsManyAreasAsItFound) {
  for (const Load& load : all_loads()) {
    SCOPED_TRACE(load.name);
    ASSERT_EQ(load.ops.size() % load.ops_per_round, 0u);
    const auto driver = Driver::create(load, vmap());
    ASSERT_TRUE(driver) << driver.error();
    ASSERT_TRUE((*driver)->prepare(100, never));
    for (std::size_t round = 0; round < 2 * load.ops.size() / load.ops_per_round; ++round) {
      (*driver)->perform_round();
      ASSERT_EQ(stats_of(**driver).busy_areas, load.live) << "after round " << round;
      ASSERT_EQ(stats_of(**driver).lazy_areas, 0u);
    }
    EXPECT_EQ((*driver)->failed(), 0u);
    EXPECT_EQ((*driver)->subject().verify(), std::nullopt);
  }
}

TEST(Loads, EachDoesWhatItsNameSays) {
  const auto stats_after = [](std::string_view name, std::size_t rounds) {
    const Load load = make_load(name, live, seed);
    const auto driver = Driver::create(load, vmap());
    EXPECT_TRUE((*driver)->prepare(100, never));
    for (std::size_t round = 0; round < rounds; ++round) (*driver)->perform_round();
    return stats_of(**driver);
  };
  const auto full = static_cast<std::size_t>(vmap::FitType::full);
  EXPECT_GE(stats_after("adversarial", 1).free_blocks, live);
  EXPECT_GE(stats_after("adversarial", 1).rows_made, 1u);
  EXPECT_LE(stats_after("lifo", 10).free_blocks, 1u);
  EXPECT_GE(stats_after("holes", 4).fits[full], 4 * live / 2);
  EXPECT_GE(stats_after("lazy", 9).purges, 9u);
  EXPECT_GE(stats_after("churn", 1000).free_blocks, live / 10);
}

TEST(Loads, TheSameSeedIsTheSameLoad) {
  const auto slots_of = [](const Load& load) {
    std::vector<std::uint64_t> slots;
    for (const LoadOp& op : load.ops) slots.push_back(std::uint64_t{op.slot} << 32 | op.granules);
    return slots;
  };
  const std::vector<std::uint64_t> one = slots_of(make_load("churn", live, seed));
  EXPECT_EQ(one, slots_of(make_load("churn", live, seed)));
  EXPECT_NE(one, slots_of(make_load("churn", live, seed + 1)));
}

TEST(Loads, ARecordingLeavesNothing) {
  const auto trace = parse_trace(
      "vmapcheck-trace 1\nspace 0x0..0x100000 granule=0x1000\nalloc a0 size=0x2000 align=0x4000\n"
      "alloc-at a1 0x80000..0x90000\nfree a0\nfree a0\nalloc a2 size=0x1000\nfree-lazily a1\n");
  const Load load = load_of(trace.value(), "real/one");
  EXPECT_EQ(load.live, 2u);
  EXPECT_EQ(load.ops.size(), 7u);  // a2 is freed at the end, and what is lazily freed purged
  const auto driver = Driver::create(load, vmap());
  for (int round = 0; round < 3; ++round) {
    (*driver)->perform_round();
    EXPECT_EQ(stats_of(**driver).free_bytes, 0x100000u);
  }
  EXPECT_EQ((*driver)->failed(), 0u);
  EXPECT_EQ(stats_of(**driver).fits[static_cast<std::size_t>(vmap::FitType::left_edge)], 6u);
}

TEST(Loads, WhatNoRecordingHasIsNone) {
  for (const char* const ops : {"find 0x1\n", "busy 0x0..0x1\nalloc a0 size=0x1\n"}) {
    const auto trace = parse_trace(std::string("vmapcheck-trace 1\nspace 0x0..0x10\n") + ops);
    EXPECT_EQ(load_of(trace.value(), "real/one").name, "");
  }
}

TEST(Loads, WhoLacksAFunctionSaysWhich) {
  const auto why = [](std::string_view name) {
    const Load load = make_load(name, live, seed);
    const auto driver = Driver::create(load, *baseline_named("malloc"));
    return driver ? "" : driver.error();
  };
  EXPECT_EQ(why("churn"), "");
  EXPECT_EQ(why("windows"), "chooses no addresses");
  EXPECT_EQ(why("lazy"), "has no lazy frees");
  EXPECT_EQ(why("find"), "finds no areas");
}

TEST(Loads, MallocGivesBackWhatItTook) {  // AddressSanitizer would say if not
  const Load load = make_load("churn", live, seed);
  const auto driver = Driver::create(load, *baseline_named("malloc"));
  EXPECT_TRUE((*driver)->prepare(100, never));
}

TEST(Loads, AStateThatTakesTooLongIsGivenUp) {
  const Load load = make_load("churn", 10'000, seed);
  EXPECT_FALSE((*Driver::create(load, vmap()))->prepare(1e-4, never));
  EXPECT_FALSE((*Driver::create(load, vmap()))->prepare(100, [] { return true; }));
}

Row row_of(std::vector<double> ns, std::string skipped = "") {
  Row row{};
  row.load = "churn";
  row.subject = "vmap";
  row.live = 1000;
  row.ns = std::move(ns);
  row.skipped = std::move(skipped);
  return row;
}

TEST(LoadStatistics, MedianAndSpread) {
  EXPECT_DOUBLE_EQ(median_of({3, 1, 2}), 2);
  EXPECT_DOUBLE_EQ(median_of({4, 1, 3, 2}), 2.5);
  EXPECT_DOUBLE_EQ(median_of({7}), 7);
  EXPECT_DOUBLE_EQ(spread_of(std::vector<double>{90, 100, 120}), 0.15);
  EXPECT_DOUBLE_EQ(spread_of(std::vector<double>{5}), 0);
}

Change::Verdict verdict(std::vector<double> before, std::vector<double> now) {
  const std::vector<Row> old{row_of(std::move(before))}, today{row_of(std::move(now))};
  return changes(old, today).at(0).verdict;
}

TEST(LoadStatistics, NoiseIsNoNews) {
  using enum Change::Verdict;
  EXPECT_EQ(verdict({100, 101, 102}, {100, 101, 102}), same);
  EXPECT_EQ(verdict({100, 101, 102}, {200, 201, 202}), slower);
  EXPECT_EQ(verdict({200, 201, 202}, {100, 101, 102}), faster);
  EXPECT_EQ(verdict({100, 101, 150}, {140, 201, 202}), same) << "one repetition took as long as one before";
  EXPECT_EQ(verdict({200, 201, 202}, {100, 101, 200}), same);
  EXPECT_EQ(verdict({100, 101, 102}, {103, 104, 105}), same) << "apart, but less than news_least";
  EXPECT_EQ(verdict({103, 104, 105}, {100, 101, 102}), same);
}

TEST(LoadStatistics, OnlyTheSameRowIsCompared) {
  Row other_load = row_of({1}), other_subject = row_of({1}), other_size = row_of({1});
  other_load.load = "find";
  other_subject.subject = "null";
  other_size.live = 10;
  const std::vector<Row> now{row_of({50})};
  EXPECT_TRUE(changes(std::vector{other_load, other_subject, other_size}, now).empty());
  EXPECT_TRUE(changes(std::vector{row_of({}, "interrupted")}, now).empty());
  EXPECT_TRUE(changes(now, std::vector{row_of({}, "interrupted")}).empty());
  const std::vector<Row> before{other_size, row_of({100})};
  const std::vector<Change> changed = changes(before, now);
  ASSERT_EQ(changed.size(), 1u);
  EXPECT_DOUBLE_EQ(changed[0].ratio, 0.5);
}

}  // namespace
}  // namespace vmapcheck::bench
