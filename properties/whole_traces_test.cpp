// SPDX-License-Identifier: Apache-2.0
//
// Properties over whole traces: random ones, and those of the corpus.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "properties/traces.hpp"

namespace vmapcheck {
namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::filesystem::path> corpus() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(VMAPCHECK_CORPUS_DIR))
    if (entry.path().extension() == ".trace") paths.push_back(entry.path());
  std::ranges::sort(paths);
  return paths;
}

/// The name of the first invariant that the subject breaks on the trace, or "ok".
std::string verdict(const Trace& trace, const SubjectFactory& make) {
  const auto outcome = run(trace, make);
  if (!outcome) return outcome.error();
  if (!*outcome) return "ok";
  return std::string(name((*outcome)->violation.invariant)) + " at step " + std::to_string((*outcome)->step) + ": " +
         (*outcome)->violation.detail;
}

// ---- Random traces

RC_GTEST_PROP(RandomTraces, AllocatorKeepsEveryInvariantAtEveryStep, ()) {
  const Trace trace = *traces(subject("vmap"), 300);
  keeps_every_invariant(trace, subject("vmap"), "vmap");
}

RC_GTEST_PROP(RandomTraces, ParseOfPrintIsTheTrace, ()) {
  const Trace trace = *traces(subject("model"), 100);
  RC_ASSERT(parse_trace(print(trace)).value() == trace);
}

RC_GTEST_PROP(RandomTraces, EverySubsequenceOfATraceIsATrace, ()) {
  Trace trace = *traces(subject("vmap"), 200);
  std::erase_if(trace.ops, [](const Op&) { return *rc::gen::arbitrary<bool>(); });
  RC_ASSERT(parse_trace(print(trace)).value() == trace);
  keeps_every_invariant(trace, subject("vmap"), "vmap-subsequence");
}

/// A wrong maximum may be overwritten by a later step before everything is checked; most are not.
TEST(RandomTraces, AmortizedCheckingFindsMostThatCheckingAtEveryStepFinds) {
  std::size_t found_often = 0;
  std::size_t found_seldom = 0;
  for (std::uint64_t i = 0; i < 100; ++i) {
    const Trace trace = generate_trace(seed_of_this_run(), i, 400);
    const auto often = run(trace, subject("canary_augment")).value();
    const auto seldom = run(trace, subject("canary_augment"), {.checking = Checking::amortized}).value();
    if (!often) continue;
    ++found_often;
    if (!seldom) continue;
    ++found_seldom;
    EXPECT_GE(seldom->step, often->step);
  }
  EXPECT_GE(found_often, 50u);
  EXPECT_GE(found_seldom * 4, found_often * 3);
}

/// The same seed gives the same trace, and an executor that has been fed it has counted it.
TEST(RandomTraces, AreRepeatable) {
  EXPECT_EQ(print(generate_trace(7, 3, 500)), print(generate_trace(7, 3, 500)));
  EXPECT_NE(print(generate_trace(7, 3, 500)), print(generate_trace(7, 4, 500)));
  Coverage coverage;
  ASSERT_FALSE(run(generate_trace(7, 3, 500), subject("vmap"), {.coverage = &coverage})->has_value());
  EXPECT_EQ(coverage.steps(), 500u);
}

// ---- The corpus

TEST(Corpus, IsThere) { EXPECT_GE(corpus().size(), 30u); }

TEST(Corpus, ParsesIsCanonicalAndSaysWhyEachTraceIsKept) {
  for (const auto& path : corpus()) {
    const std::string text = read(path);
    const auto trace = parse_trace(text);
    ASSERT_TRUE(trace) << path << ":" << trace.error().line << ":" << trace.error().column << ": "
                       << trace.error().expected;
    EXPECT_EQ(print(*trace), text) << path;
    EXPECT_FALSE(trace->comments.empty()) << path;
  }
}

TEST(Corpus, IsKeptByTheAllocatorAndByOthersThatAreSound) {
  for (const std::string_view name : {"vmap", "vmap_rows", "linear_scan"})
    for (const auto& path : corpus())
      EXPECT_EQ(verdict(parse_trace(read(path)).value(), subject(name)), "ok") << name << " " << path;
}

/// The specimen falls on the traces of its known faults, and on no other than an answer or its cost.
TEST(Corpus, ConvictsTheSearchOf2019) {
  std::size_t convicted = 0;
  for (const auto& path : corpus()) {
    const auto outcome = run(parse_trace(read(path)).value(), subject("seed_2019"));
    ASSERT_TRUE(outcome) << path;
    if (!*outcome) continue;
    ++convicted;
    const vmap::Invariant invariant = (*outcome)->violation.invariant;
    EXPECT_TRUE(invariant == vmap::Invariant::answer || invariant == vmap::Invariant::cost) << path;
  }
  for (const std::string name : {"not-lowest", "false-no-space", "wrapped-length", "align-wraps-to-zero"}) {
    const auto path = std::filesystem::path(VMAPCHECK_CORPUS_DIR) / "faults" / (name + ".trace");
    EXPECT_NE(verdict(parse_trace(read(path)).value(), subject("seed_2019")), "ok") << path;
  }
  EXPECT_GE(convicted, 4u);
}

TEST(Corpus, ConvictsEachCanaryByItsInvariant) {
  for (const SubjectEntry& canary : subjects()) {
    if (canary.kind != SubjectKind::canary) continue;
    bool convicted = false;
    for (const auto& path : corpus()) {
      const auto outcome = run(parse_trace(read(path)).value(), canary.make);
      convicted = convicted || (outcome && *outcome && canary.name.ends_with(name((*outcome)->violation.invariant)));
    }
    EXPECT_TRUE(convicted) << canary.name;
  }
}

TEST(Corpus, ExercisesEveryOpFitTypeCoalescingAndError) {
  Coverage coverage;
  for (const auto& path : corpus())
    if (path.parent_path().filename() != "real")
      (void)run(parse_trace(read(path)).value(), subject("vmap"), {.coverage = &coverage});
  for (std::size_t op = 0; op < op_kind_count; ++op) EXPECT_GT(coverage.ops[op], 0u) << op_names[op];
  for (std::size_t fit = 0; fit < coverage.fits.size(); ++fit) EXPECT_GT(coverage.fits[fit], 0u) << fit;
  for (std::size_t kind = 0; kind < coverage.coalescings.size(); ++kind)
    EXPECT_GT(coverage.coalescings[kind], 0u) << kind;
  for (std::size_t error = 0; error < vmap::error_count; ++error)
    EXPECT_GT(coverage.errors_of(static_cast<vmap::Error>(error)), 0u) << error;
}

}  // namespace
}  // namespace vmapcheck
