// SPDX-License-Identifier: Apache-2.0
//
// The drivers themselves: each invariant is seen to break, and a run that has not exercised everything has failed.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <expected>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include "harness/random/choices.hpp"
#include "harness/random/draw.hpp"
#include "model/op_kinds.hpp"
#include "properties/traces.hpp"
#include "subjects/vmap_subject.hpp"

namespace vmapcheck {
namespace {

using vmap::Invariant;

/// A canary for each invariant, in their order.
class Canary : public testing::TestWithParam<Invariant> {
 protected:
  [[nodiscard]] std::string name() const { return "canary_" + std::string(vmap::name(GetParam())); }
  [[nodiscard]] const SubjectFactory& make() const { return subject(name()); }
};

TEST_P(Canary, IsCaughtByRandomTracesByItsInvariant) {
  const CheckReport report = check_with(make(), 100, 1000);
  ASSERT_TRUE(report.found);
  EXPECT_EQ(report.found->failure.violation.invariant, GetParam()) << report.found->failure.violation.detail;
  EXPECT_TRUE(report.found->reproduced);
}

TEST_P(Canary, IsMinimizedWithItsInvariantAndNotFurther) {
  const CheckReport report = check_with(make(), 100, 1000);
  ASSERT_TRUE(report.found);
  const Minimized minimal = minimize(report.found->trace, report.found->failure, make(), {.time = {}, .search = false});
  EXPECT_EQ(minimal.failure.violation.invariant, GetParam());
  EXPECT_EQ(minimal.trace, relabel(minimal.trace));
  for (std::size_t op = 0; op < minimal.trace.ops.size(); ++op) {
    Trace without = minimal.trace;
    without.ops.erase(without.ops.begin() + static_cast<std::ptrdiff_t>(op));
    const auto outcome = run(without, make());
    EXPECT_TRUE(!*outcome || (*outcome)->violation.invariant != GetParam()) << "op " << op << " can be spared";
  }
}

TEST_P(Canary, IsCaughtByRapidCheckAndShrunkByTheMinimizer) {
  std::size_t shrunk = 0;
  const auto property = [&] {
    const Trace trace = *traces(make(), 1000);
    shrunk = trace.ops.size();
    keeps_every_invariant(trace, make(), name());
  };
  rc::detail::TestParams params;
  params.seed = seed_of_this_run();
  params.maxSuccess = 100;
  rc::detail::TestMetadata metadata;
  const auto result = rc::detail::checkTestable(property, metadata, params);
  rc::detail::FailureResult failure;
  ASSERT_TRUE(result.match(failure));
  EXPECT_NE(failure.description.find(std::string(vmap::name(GetParam()))), std::string::npos) << failure.description;
  EXPECT_LT(shrunk, 100u);
  // And it was kept as a trace that fails when it is replayed.
  std::ifstream file(failures_folder() / (name() + ".trace"));
  const auto kept = parse_trace(std::string(std::istreambuf_iterator<char>(file), {}));
  ASSERT_TRUE(kept);
  EXPECT_EQ(run(*kept, make())->value().violation.invariant, GetParam());
}

INSTANTIATE_TEST_SUITE_P(Each, Canary,
                         testing::Values(Invariant::answer, Invariant::overlap, Invariant::partition,
                                         Invariant::coalescing, Invariant::classification, Invariant::tree,
                                         Invariant::augment, Invariant::atomicity, Invariant::memory, Invariant::cost),
                         [](const auto& each) { return std::string(vmap::name(each.param)); });

// ---- The specimen

TEST(Seed2019, IsConvictedByRandomTracesInFiveOps) {
  const CheckReport report = check_with(subject("seed_2019"), 100, 1000);
  ASSERT_TRUE(report.found);
  const Minimized minimal = minimize(report.found->trace, report.found->failure, subject("seed_2019"));
  EXPECT_EQ(minimal.failure.violation.invariant, Invariant::answer);
  EXPECT_LE(minimal.trace.ops.size(), 10u) << print(minimal.trace);
}

// ---- Coverage

/// A run of random checking in which everything must have happened.
TEST(RandomChecking, FindsNothingInTheAllocatorAndExercisesEverything) {
  const CheckReport report = check_with(subject("vmap"), 1000, 1000);
  if (report.found)
    FAIL() << report.found->failure.violation.detail << "\nkept as "
           << keep(report.found->trace, report.found->failure, "vmap-check");
  const Coverage& coverage = report.coverage;
  for (std::size_t op = 0; op < op_kind_count; ++op) EXPECT_GT(coverage.ops[op], 0u) << op_names[op];
  for (std::size_t fit = 0; fit < vmap::fit_type_count; ++fit)
    EXPECT_GT(coverage.fits[fit], 0u) << name(static_cast<vmap::FitType>(fit));
  for (std::size_t kind = 0; kind < vmap::coalescing_count; ++kind)
    EXPECT_GT(coverage.coalescings[kind], 0u) << vmap::coalescing_names[kind];
  for (std::size_t of = 0; of < vmap::tree_case_count; ++of)
    EXPECT_GT(coverage.tree_cases[of], 0u) << vmap::tree_case_names[of];
  for (std::size_t op = 0; op < op_kind_count; ++op) {
    for (std::size_t e = 0; e < vmap::error_count; ++e) {
      const auto error = static_cast<vmap::Error>(e);
      EXPECT_EQ(coverage.errors[op][e] > 0, can_end_with(op, error)) << op_names[op] << " " << name(error);
    }
    EXPECT_EQ(coverage.skipped[op] > 0, kinds_with<Meaning::label_used>[op]) << op_names[op];
  }
  EXPECT_GT(coverage.purges_on_limit, 0u);
  EXPECT_GT(coverage.purges_on_exhaustion, 0u);
  EXPECT_GT(coverage.hooks_called, 0u);
  EXPECT_GT(coverage.rescued, 0u);
  EXPECT_GT(coverage.faults_fired, 0u);
  EXPECT_GE(coverage.free_blocks_max, 300u);
  EXPECT_EQ(coverage.unsupported, 0u);
}

TEST(RandomChecking, IsRepeatable) {
  const CheckReport first = check_with(subject("seed_2019"), 20, 500);
  const CheckReport second = check_with(subject("seed_2019"), 20, 500);
  ASSERT_TRUE(first.found && second.found);
  EXPECT_EQ(first.found->case_index, second.found->case_index);
  EXPECT_EQ(first.found->trace, second.found->trace);
}

/// The grammar of ops takes its choices from anybody: an odometer tries every short sequence of them.
TEST(Grammar, RunsUnderAnOdometer) {
  Shape shape;
  shape.space = {.range = {0, 3}, .granule = 1, .lazy_limit = {}, .busy = {}};
  shape.weights[op_kind<Alloc>] = shape.weights[op_kind<Free>] = 1;
  shape.granules_max = 2;
  shape.bad_in = shape.exact_fit_in = shape.align_in = shape.window_in = 1'000'000;
  struct Bounded {  // the large wheels stand still at their last place, which is "not this time"
    Odometer odometer;
    std::uint64_t below(std::uint64_t n) { return n > 4 ? n - 1 : odometer.below(n); }
  } choices;
  std::size_t sequences = 0;
  do {
    auto executor = Executor::create(shape.space, subject("vmap"), Checking::every_step).value();
    Generator<Bounded> generator(choices, shape);
    for (int step = 0; step < 3; ++step) {
      const Op op = generator.next(*executor);
      const auto violation = executor->step(op);
      ASSERT_FALSE(violation) << violation->detail;
    }
    ++sequences;
  } while (choices.odometer.advance());
  EXPECT_GT(sequences, 100u);
}

// ---- Metadata that runs out

/// Four blocks apart, or one in the middle: each request for a node that they need fails in its turn, in a fresh space
/// and after a random past. The executor sees to it that nothing changed, and the same op then succeeds.
TEST(MetadataFailure, AtEachRequestOfEachAllocationChangesNothing) {
  const Range middle{0x8000, 0x9000};
  const auto allocations = [&](std::uint32_t label) {
    return std::vector<Op>{
        Alloc{{label}, {.size = 0x1000, .align = 0x4000, .within = {0x5000, 0x1d000}}}, AllocAt{{label}, middle},
        Congruent{
            {label}, 0x1000, {0x2000, 0x1d000}, {{0, 0x1000}, {0x3000, 0x1000}, {0x6000, 0x2000}, {0xa000, 0x1000}}}};
  };
  std::uint64_t fired = 0;
  for (std::uint64_t past = 0; past < 20; ++past) {
    for (std::size_t kind = 0; kind < 3; ++kind) {
      for (std::uint64_t k = 1; k <= 9; ++k) {
        Trace trace{.comments = {},
                    .space = {.range = {0x1000, 0x21000}, .granule = 0x1000, .lazy_limit = {}, .busy = {}},
                    .ops = {}};
        if (past != 0) trace = generate_trace(seed_of_this_run(), past, 40);
        trace.ops.push_back(FailMetadata{k});
        trace.ops.push_back(allocations(1'000'000)[kind]);
        trace.ops.push_back(allocations(1'000'001)[kind]);
        Coverage coverage;
        const auto outcome = run(trace, subject("vmap"), {.coverage = &coverage}).value();
        ASSERT_FALSE(outcome) << outcome->violation.detail << "\n" << print(trace);
        if (past == 0 && k <= (kind == 2 ? 8u : 2u)) {
          EXPECT_EQ(coverage.faults_fired, 1u) << kind << " " << k;
        }
        fired += coverage.faults_fired;
      }
    }
  }
  EXPECT_GT(fired, 12u);
}

// ---- Subjects that have less

/// Two functions are enough. It places wherever its model says, from the top.
class TwoFunctions {
 public:
  explicit TwoFunctions(const SubjectConfig& config) : model_(config.space) {}
  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
    auto result = model_.predict(request);
    if (!result) return result;
    // A higher place than the lowest, where there is one.
    vmap::Request higher = request;
    higher.within.begin = result->range.end;
    if (higher.within.begin <= higher.within.end)
      if (const auto second = model_.predict(higher)) result = second;
    model_.occupy(result->range, std::nullopt);
    return result;
  }
  vmap::Result<Range> free(Address begin) {
    if (model_.busy_at(begin) == nullptr) return std::unexpected(vmap::Error::not_busy);
    return model_.vacate(begin);
  }
  static Promises promises() { return {.lowest = false}; }

 private:
  ReferenceModel model_;
};
static_assert(Subject<TwoFunctions> && !AllocatesAt<TwoFunctions> && !Observable<TwoFunctions>);

TEST(SubjectOfTwoFunctions, IsJudgedByWhatItPromises) {
  const auto make = factory([](const SubjectConfig& config) { return TwoFunctions(config); });
  const CheckReport report = check_with(make, 50, 500);
  EXPECT_FALSE(report.found) << report.found->failure.violation.detail;
  EXPECT_GT(report.coverage.unsupported, 0u);
}

TEST(SubjectOfTwoFunctions, IsConvictedWhenItPromisesTheLowest) {
  struct Boaster : TwoFunctions {
    using TwoFunctions::TwoFunctions;
    static Promises promises() { return {}; }
  };
  const auto make = factory([](const SubjectConfig& config) { return Boaster(config); });
  const CheckReport report = check_with(make, 50, 500);
  ASSERT_TRUE(report.found);
  EXPECT_EQ(report.found->failure.violation.invariant, Invariant::answer);
}

/// Our allocator, which does not say what it did.
struct CountsNoWork : VmapSubject<vmap::FreeSpace> {
  [[nodiscard]] vmap::Stats stats() const {
    vmap::Stats s = VmapSubject::stats();
    s.nodes_visited = s.nodes_propagated = 0;
    s.tree_cases = {};
    return s;
  }
};
/// The same, held to no bound.
struct BoundsNoCost : CountsNoWork {
  explicit BoundsNoCost(VmapSubject subject) : CountsNoWork{std::move(subject)} {}
  static const CostBound* cost() { return nullptr; }
};
/// Our allocator, held to `factor` nodes for each free block and area, and to no other counter of work.
template <std::uint64_t factor>
struct BoundsLikeAList : VmapSubject<vmap::FreeSpace> {
  struct Bound : CostBound {
    [[nodiscard]] Visits visits(const Step& step, const Observation&, std::uint64_t misfits) const override {
      const std::uint64_t blocks = std::holds_alternative<Congruent>(*step.op) ? 100 : 1;
      return {.min = 0, .max = factor * blocks * (step.free_blocks_max() + step.areas_max() + misfits)};
    }
  };
  static const CostBound* cost() {
    static const Bound bound;
    return &bound;
  }
};

TEST(BoundOfCost, IsTheSubjects) {
  const auto broken_by = [](const SubjectFactory& make) -> std::optional<Invariant> {
    const CheckReport report = check_with(make, 50, 500);
    if (!report.found) return std::nullopt;
    return report.found->failure.violation.invariant;
  };
  EXPECT_EQ(broken_by(around<CountsNoWork>()), Invariant::cost);
  EXPECT_EQ(broken_by(around<BoundsNoCost>()), std::nullopt);
  EXPECT_EQ(broken_by(around<BoundsLikeAList<1000>>()), std::nullopt);
  EXPECT_EQ(broken_by(around<BoundsLikeAList<0>>()), Invariant::cost);
}

}  // namespace
}  // namespace vmapcheck
