// SPDX-License-Identifier: Apache-2.0
//
// What a trace exercises: features say what was done, how often, and are the same each time; a trace that fails or dies
// is named and keeps no other from being run.
#include "tools/corpus/trace_features.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <stdexcept>

#include "harness/random/check.hpp"
#include "model/trace.hpp"
#include "subjects/registry.hpp"

namespace vmapcheck {
namespace {

Trace trace_of(std::string_view ops) {
  return parse_trace("vmapcheck-trace 1\nspace 0x1000..0x11000 granule=0x1000 lazy-limit=0x4000\n" + std::string(ops))
      .value();
}

const SubjectFactory& subject(std::string_view name) { return find_subject(name)->make; }

std::vector<Exercised> exercise_all(const std::vector<Trace>& traces, const SubjectFactory& make) {
  std::vector<Exercised> all;
  const auto done = [&](std::size_t index, Exercised&& exercised) {
    if (index != all.size()) throw std::logic_error("out of order");
    all.push_back(std::move(exercised));
  };
  const auto ended = exercise(traces.size(), [&](std::size_t i) { return traces[i]; }, make, done);
  EXPECT_TRUE(ended.has_value() && *ended);
  return all;
}

std::set<std::string> features_of(const Trace& trace, std::string_view name = "vmap") {
  std::set<std::string> words;
  const std::vector<Exercised> all = exercise_all({trace}, subject(name));
  for (const Feature feature : all.at(0).features) words.insert(describe(feature));
  return words;
}

void expect_features(const std::set<std::string>& actual, std::initializer_list<const char*> expected) {
  for (const char* const one : expected) {
    if (actual.contains(one)) continue;
    std::string all;
    for (const std::string& feature : actual) all += "\n  " + feature;
    ADD_FAILURE() << "no feature '" << one << "' among" << all;
  }
}

TEST(TraceFeatures, SayWhatWasDoneHowItCameOutAndHowOften) {
  const auto features = features_of(
      trace_of("alloc a0 size=0x1000\nalloc a1 size=0x2000 align=0x4000 within=0x2000..0x9000\n"
               "alloc a2 size=0x1000\nalloc a3 size=7\nalloc a4 size=0x20000\nfree a0\nfree a0\nfree-at 0x2000\n"
               "free-lazily a1\npurge\nfail-metadata 1\nalloc a5 size=0x1000\n"));
  expect_features(
      features,
      {"alloc performed, 4-7 times", "alloc: invalid_argument, 1 time", "free performed, 1 time",
       "free skipped, 1 time", "alloc: fit left_edge, 3 times", "alloc: fit no_edge, 1 time",
       "free-lazily performed, 1 time", "free-at: coalescing both, 1 time", "request: window: inside of the space",
       "request: window: everywhere", "request: align of 2^2 granules", "request: align at most a granule",
       "request: size from 2^1 granules up", "request: size below a granule", "space: a lazy limit",
       "space: granule of 2^12", "space: ends below the top", "space: 0 busy from the start"});
  EXPECT_FALSE(features.contains("alloc-at performed, 1 time"));
}

TEST(TraceFeatures, SayWhichTreeCaseCameWithWhichOp) {
  std::string ops;
  for (int n = 0; n < 14; ++n) ops += "alloc a" + std::to_string(n) + " size=0x1000\n";
  for (int n = 0; n < 14; n += 2) ops += "free a" + std::to_string(n) + "\n";
  const auto features = features_of(trace_of(ops));
  expect_features(features, {"free: coalescing none with tree case link_outer_right",
                             "free: coalescing none, 4-7 times", "at most from 2^3 free blocks up at once"});
  EXPECT_TRUE(std::ranges::any_of(features, [](const std::string& f) { return f.starts_with("tree case link_"); }));
  // A subject that counts nothing has the features of its answers, and none of a tree.
  for (const std::string& feature : features_of(trace_of(ops), "model"))
    EXPECT_EQ(feature.find("with tree case"), feature.npos) << feature;
}

TEST(TraceFeatures, TellOneTimeFromMany) {
  std::string ops;
  for (int n = 0; n < 5; ++n) ops += "find 0x2000\n";
  EXPECT_TRUE(features_of(trace_of("find 0x2000\n")).contains("find performed, 1 time"));
  EXPECT_TRUE(features_of(trace_of(ops)).contains("find performed, 4-7 times"));
  EXPECT_FALSE(features_of(trace_of(ops)).contains("find performed, 1 time"));
}

TEST(TraceFeatures, AreDescribedEachInItsOwnWords) {
  std::vector<Trace> traces;
  for (std::uint64_t n = 0; n < 40; ++n) traces.push_back(generate_trace(3, n, 300));
  std::set<Feature> features;
  std::set<std::string> words;
  for (const Exercised& one : exercise_all(traces, subject("vmap"))) {
    EXPECT_TRUE(std::ranges::is_sorted(one.features));
    EXPECT_EQ(std::ranges::adjacent_find(one.features), one.features.end());
    features.insert(one.features.begin(), one.features.end());
  }
  for (const Feature feature : features) words.insert(describe(feature));
  EXPECT_GT(features.size(), 200u);
  EXPECT_EQ(words.size(), features.size());
}

/// More than one child takes, with one that breaks an invariant and one that dies among them.
TEST(TraceFeatures, OfTheOthersAreTheSameWhereSomeFail) {
  std::vector<Trace> traces;
  for (std::uint64_t n = 0; n < 300; ++n) traces.push_back(generate_trace(5, n, 20));
  const Trace bad = parse_trace(
                        "vmapcheck-trace 1\nspace 0x100000..0x140000 granule=0x1000\nalloc a0 size=0x1000\n"
                        "alloc a1 size=0x1000 align=0x2000\nalloc a2 size=0x1000\n")
                        .value();
  traces.insert(traces.begin() + 100, bad);
  const std::vector<Exercised> good = exercise_all(traces, subject("vmap"));
  const std::vector<Exercised> seed = exercise_all(traces, subject("seed_2019"));
  ASSERT_EQ(good.size(), 301u);
  ASSERT_EQ(seed.size(), 301u);
  ASSERT_TRUE(seed[100].failure.has_value());
  EXPECT_EQ(signature(*seed[100].failure), "answer");
  EXPECT_EQ(seed[100].failure->step, 2u);
  EXPECT_TRUE(seed[100].features.empty());
  for (const Exercised& one : good) EXPECT_FALSE(one.failure.has_value());
  const std::vector<Exercised> again = exercise_all(traces, subject("vmap"));
  for (std::size_t i = 0; i < good.size(); ++i) EXPECT_EQ(good[i].features, again[i].features);
}

TEST(TraceFeatures, OfADeathAreAFailureAndTheOthersRun) {
  const auto small = [](std::string_view ops) {
    return parse_trace("vmapcheck-trace 1\nspace 0x0..0x10\n" + std::string(ops)).value();
  };
  const std::vector<Trace> traces{small("find 0\n"), small("alloc a0 size=1\nfree a0\n"), small("purge\n"),
                                  small("alloc a0 size=1\nfree a0\n")};
  const std::vector<Exercised> all = exercise_all(traces, subject("fault_division"));
  ASSERT_EQ(all.size(), 4u);
  for (const std::size_t i : {1u, 3u}) {
    ASSERT_TRUE(all[i].failure.has_value());
    EXPECT_NE(all[i].failure->kind, FailureKind::violation);
    EXPECT_EQ(all[i].failure->step, 1u);
  }
  for (const std::size_t i : {0u, 2u}) EXPECT_FALSE(all[i].failure || all[i].features.empty());
}

TEST(TraceFeatures, EndWhenTheUserWantsIt) {
  std::vector<Trace> traces(2000, trace_of("find 0\n"));
  std::size_t count = 0;
  const auto ended = exercise(
      traces.size(), [&](std::size_t i) { return traces[i]; }, subject("vmap"),
      [&](std::size_t, Exercised&&) { ++count; }, {.limits = {}, .keep_going = [&] { return count < 300; }});
  ASSERT_TRUE(ended.has_value());
  EXPECT_FALSE(*ended);
  EXPECT_LT(count, traces.size());
}

TEST(TraceFeatures, WhatIsMissingIsWhatTheContractAllowsAndNothingDid) {
  Coverage coverage = exercise_all({trace_of("alloc a0 size=0x1000\n")}, subject("vmap")).at(0).coverage;
  const auto missing = missing_from(coverage);
  const auto has = [&](std::string_view what) { return std::ranges::find(missing, what) != missing.end(); };
  EXPECT_TRUE(has("alloc: no_space"));
  EXPECT_TRUE(has("fit full"));
  EXPECT_TRUE(has("free-at: not_busy"));
  EXPECT_FALSE(has("alloc"));
  EXPECT_FALSE(has("fit left_edge"));
  EXPECT_FALSE(has("free: not_busy"));
  // Random checking reaches all of it: nothing impossible is asked for.
  CheckOptions options;
  options.cases = 60;
  options.ops = 600;
  const CheckReport report = check(subject("vmap"), options).value();
  EXPECT_EQ(missing_from(report.coverage), std::vector<std::string>());
}

}  // namespace
}  // namespace vmapcheck
