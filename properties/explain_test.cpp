// SPDX-License-Identifier: Apache-2.0
//
// Why a minimal trace fails: what is said of its ops and arguments is true.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/reduce/explain.hpp"
#include "harness/verify/isolated.hpp"
#include "harness/verify/model_subject.hpp"
#include "model/trace.hpp"
#include "subjects/registry.hpp"

namespace vmapcheck {
namespace {

using Strings = std::vector<std::string>;

struct Explained {
  Trace trace;
  Failure failure;
  Explanation explanation;
};

Explained explained(std::string_view name, std::string_view text, const Limits& limits = {}) {
  const SubjectFactory& make = find_subject(name)->make;
  Trace trace = parse_trace("vmapcheck-trace 1\n" + std::string(text)).value();
  Failure failure = run_isolated(trace, make)->value();
  Explanation explanation = explain(trace, failure, make, {.limits = limits});
  return {std::move(trace), std::move(failure), std::move(explanation)};
}

/// The search of 2019 looks for 2 + 2 - 1 granules, and passes 2 of them by.
const std::string_view seed_2019_text = "space 0x0..0x10\nbusy 0x2..0x3\nalloc a0 size=2 align=2\n";

const ArgumentRole& argument(const Explanation& explanation, std::size_t step, std::string_view name) {
  const auto& arguments = explanation.ops.at(step).arguments;
  return *std::ranges::find(arguments, name, &ArgumentRole::name);
}
bool has(const Strings& values, std::string_view value) { return std::ranges::find(values, value) != values.end(); }

/// Each variant holds the whole op.
TEST(Explain, VariesOnlyTheFirstOfManyBlocks) {
  std::string blocks;
  for (int i = 0; i < 200; ++i) blocks += (i == 0 ? "" : ",") + std::to_string(8 + 2 * i) + "+1";
  const auto [trace, failure, explanation] = explained(
      "seed_2019", "space 0x0..0x1000\nbusy 0x2..0x3\ncongruent a0 blocks=" + blocks + "\nalloc a1 size=2 align=2\n");
  ASSERT_EQ(explanation.ops.size(), 2u);
  EXPECT_EQ(explanation.ops[0].arguments.size(), 1u + 2 * 16);
}

TEST(Explain, SaysOfTheSearchOf2019WhatIsNeeded) {
  const auto [trace, failure, explanation] = explained("seed_2019", seed_2019_text);
  ASSERT_EQ(explanation.ops.size(), 1u);
  const OpRole& role = explanation.ops[0];
  EXPECT_EQ(role.step, 0u);
  EXPECT_EQ(role.op, print(trace.ops[0]));
  EXPECT_EQ(role.without, Effect::passes);
  // Without an alignment nothing is added to the size; one that is too large for the hole is right to pass it by.
  const ArgumentRole& align = argument(explanation, 0, "align");
  EXPECT_EQ(align.value, "0x2");
  EXPECT_TRUE(has(align.passes, "0x1"));
  EXPECT_TRUE(has(align.same, "0x4"));
  EXPECT_TRUE(align.other.empty());
  const ArgumentRole& size = argument(explanation, 0, "size");
  EXPECT_TRUE(has(size.passes, "0x3"));
}

TEST(Explain, ValuesAreTriedOnceAndNotTheOneThatIsThere) {
  for (const auto& [name, text] :
       {std::pair<std::string_view, std::string_view>{"seed_2019", seed_2019_text},
        {"fault_window_begin", "space 0x0..0x10\nalloc a0 size=1\nalloc a1 size=1 within=0x4..0x10\n"},
        {"fault_congruent_rollback", "space 0x0..0x10\ncongruent a0 blocks=0x0+0x1\ncongruent a1 blocks=0x0+0x10\n"}}) {
    for (const OpRole& op : explained(name, text).explanation.ops) {
      EXPECT_FALSE(op.arguments.empty());
      for (const ArgumentRole& role : op.arguments) {
        Strings all = role.same;
        all.insert(all.end(), role.passes.begin(), role.passes.end());
        all.insert(all.end(), role.other.begin(), role.other.end());
        EXPECT_GE(all.size(), 3u) << role.name;
        EXPECT_FALSE(has(all, role.value)) << role.name;
        std::ranges::sort(all);
        EXPECT_EQ(std::ranges::adjacent_find(all), all.end()) << role.name;
      }
    }
  }
}

TEST(Explain, EachValueDoesWhatIsSaid) {
  const std::string_view text = "space 0x0..0x10\nalloc a0 size=1\nalloc a1 size=1 within=0x4..0x10\n";
  const auto [trace, failure, explanation] = explained("fault_window_begin", text);
  std::size_t tried = 0;
  for (const OpRole& role : explanation.ops) {
    const auto effect_of = [&](std::uint64_t size) {
      Trace variant = trace;
      std::get<Alloc>(variant.ops[role.step]).request.size = size;
      const auto outcome = run_isolated(variant, find_subject("fault_window_begin")->make).value();
      return !outcome ? Effect::passes : signature(*outcome) == signature(failure) ? Effect::same : Effect::other;
    };
    const ArgumentRole& size = argument(explanation, role.step, "size");
    for (const auto& [values, effect] :
         {std::pair{size.same, Effect::same}, {size.passes, Effect::passes}, {size.other, Effect::other}})
      for (const std::string& value : values) {
        EXPECT_EQ(effect_of(std::stoull(value, nullptr, 0)), effect) << role.op << " size=" << value;
        ++tried;
      }
  }
  EXPECT_GT(tried, 8u);
}

TEST(Explain, TheNearestThatPassesPassesAndDiffersAsItSays) {
  for (const auto& [name, text] :
       {std::pair<std::string_view, std::string_view>{"seed_2019", seed_2019_text},
        {"fault_window_begin", "space 0x0..0x10\nalloc a0 size=1\nalloc a1 size=1 within=0x4..0x10\n"},
        {"fault_space_end", "space 0x0..0x10\nbusy 0xe..0xf\nbusy 0xf..0x10\nfree-at 0xf\nfree-at 0xe\n"},
        {"fault_division", "space 0x0..0x10\nalloc a0 size=1\nfree a0\n"},
        {"fault_oom_part", "space 0x0..0x10\nfail-metadata 1\nalloc a0 size=1\n"}}) {
    const auto [trace, failure, explanation] = explained(name, text);
    ASSERT_TRUE(explanation.passing) << name;
    const Trace& passing = explanation.passing->trace;
    EXPECT_FALSE(run_isolated(passing, find_subject(name)->make).value()) << name << "\n" << print(passing);
    const auto parsed = parse_trace(print(passing));
    ASSERT_TRUE(parsed) << name << "\n" << print(passing);
    EXPECT_EQ(*parsed, passing);
    // One op less, or one op that differs.
    if (passing.ops.size() == trace.ops.size()) {
      const auto [at, was] = std::ranges::mismatch(passing.ops, trace.ops);
      ASSERT_NE(at, passing.ops.end()) << name;
      EXPECT_TRUE(std::equal(at + 1, passing.ops.end(), was + 1)) << name;
      EXPECT_NE(explanation.passing->difference.find(print(*at)), std::string::npos) << explanation.passing->difference;
    } else {
      EXPECT_EQ(passing.ops.size() + 1, trace.ops.size()) << name;
      EXPECT_NE(explanation.passing->difference.find("without step"), std::string::npos);
    }
  }
}

TEST(Explain, SaysOfAnOpThatDoesNotMatterThatItCouldBeLeftOut) {
  const auto [trace, failure, explanation] =
      explained("fault_oom_part", "space 0x0..0x10\npurge\nfail-metadata 1\nalloc a0 size=1\n");
  EXPECT_EQ(explanation.ops.at(0).without, Effect::same);
  EXPECT_EQ(explanation.ops.at(1).without, Effect::passes);
  EXPECT_NE(print(explanation).find("step 0  purge\n    could be left out\n"), std::string::npos) << print(explanation);
}

TEST(Explain, SaysOfAnArgumentThatDoesNotMatterThatAnyOtherWorks) {
  const auto [trace, failure, explanation] =
      explained("fault_oom_part", "space 0x0..0x10\nfind 0x3\nfail-metadata 1\nalloc a0 size=1\n");
  const ArgumentRole& address = argument(explanation, 0, "address");
  EXPECT_TRUE(address.passes.empty() && address.other.empty());
  const std::string text = print(explanation);
  const std::string words = "address=0x3: any other works as well (" + std::to_string(address.same.size()) + " tried)";
  EXPECT_NE(text.find(words), std::string::npos) << text;
}

TEST(Explain, OfOneThatDiesTellsTheSame) {
  const auto [trace, failure, explanation] = explained("fault_division", "space 0x0..0x10\nalloc a0 size=1\nfree a0\n");
  ASSERT_EQ(explanation.ops.size(), 2u);
  EXPECT_EQ(explanation.ops[0].without, Effect::passes);
  EXPECT_EQ(explanation.ops[1].without, Effect::passes);
  const ArgumentRole& size = argument(explanation, 0, "size");
  EXPECT_TRUE(has(size.same, "0x2"));
  EXPECT_TRUE(has(size.passes, "0x0"));  // nothing is placed
}

TEST(Explain, OfAHangEndsSoon) {
  const Limits limits{.cpu = std::chrono::milliseconds(is_sanitized() ? 50 : 20)};
  const auto [trace, failure, explanation] = explained(
      "fault_purge_ring",
      "space 0x0..0x10\nbusy 0x0..0x1\nbusy 0x1..0x2\nfree-lazily-at 0x0\nfree-lazily-at 0x1\npurge\n", limits);
  ASSERT_EQ(explanation.ops.size(), 3u);
  for (const OpRole& role : explanation.ops) EXPECT_EQ(role.without, Effect::passes) << role.op;
}

TEST(Explain, OfADeathInConstructionHasNothingToSay) {
  const auto explanation =
      explained("fault_import", "space 0x0..0x10\nbusy 0x0..0x1\nbusy 0x1..0x2\nbusy 0x2..0x3\n").explanation;
  EXPECT_TRUE(explanation.ops.empty());
  EXPECT_FALSE(explanation.passing);
  EXPECT_EQ(print(explanation), "");
}

/// Refuses what is large, and alignments of a page or more.
struct RefusesLarge : ModelSubject {
  using ModelSubject::ModelSubject;
  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
    const auto result = ModelSubject::allocate(request);
    if (!result || (request.size < 3'000'000'018 && request.align < 0x1000)) return result;
    return std::unexpected(vmap::Error::no_space);
  }
  std::optional<Range> find(Address address) const {
    if (address > 0x1234) return ModelSubject::find(address);
    return Range{0, 1};
  }
};

std::string what_matters(std::string_view text) {
  const SubjectFactory make = factory([](const SubjectConfig& config) { return RefusesLarge(config); });
  const Trace trace = parse_trace("vmapcheck-trace 1\n" + std::string(text)).value();
  return print(explain(trace, run_isolated(trace, make)->value(), make));
}

TEST(Explain, NamesThresholdsExactly) {
  for (const auto& [trace, words] : std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {"space 0x0..0x100000000000000\nalloc a0 size=0xfedcba9876543\n",
            "size=0xfedcba9876543: fails from 0xb2d05e12 up; passes below ("},
           {"space 0x0..0xb2d05e12\nalloc a0 size=0xb2d05e12\n",
            "size=0xb2d05e12: fails from 0xb2d05e12 up, if the space is as much larger; passes below ("},
           {"space 0x0..0x10000000\nalloc a0 size=0x1 align=0x40000\n",
            "align=0x40000: fails from 0x1000 up; passes below ("},
           {"space 0x0..0x10000000\nfind 0x10\n", "address=0x10: fails up to 0x1234; passes above ("}})
    EXPECT_NE(what_matters(trace).find(words), std::string::npos) << what_matters(trace);
}

TEST(Explain, NamesNoThresholdWhereThereAreTwo) {
  // What is refused is neither the smallest nor the largest, with as much space as it takes or not.
  const std::string text =
      what_matters("space 0x0..0x10000000\nbusy 0x0..0xf000000\nalloc a0 size=0x1 align=0x1000000\n");
  EXPECT_NE(text.find("align=0x1000000: also 0x1000"), std::string::npos) << text;
}

TEST(Explain, PrintsALineForEachOpItsNeedAndItsArguments) {
  const auto [trace, failure, explanation] = explained("seed_2019", seed_2019_text);
  const std::string text = print(explanation);
  EXPECT_TRUE(text.starts_with("  step 0  alloc a0 size=0x2 align=0x2\n    needed: without it the trace passes\n"))
      << text;
  for (const std::string_view words : {"\n    size=0x2: ", "\n    align=0x2: fails from 0x2 up; passes below (",
                                       "; passes with 0x1", "\n  nearest that passes: the same with `alloc a0 "})
    EXPECT_NE(text.find(words), std::string::npos) << words << "\n" << text;
  EXPECT_TRUE(text.ends_with("\n"));
}

}  // namespace
}  // namespace vmapcheck
