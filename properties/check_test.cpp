// SPDX-License-Identifier: Apache-2.0
//
// Random checking of subjects that die: the case that kills them is found like one that breaks an invariant, and what
// was done before it is not lost.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <expected>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "harness/random/check.hpp"
#include "harness/verify/isolated.hpp"
#include "harness/verify/model_subject.hpp"
#include "properties/traces.hpp"
#include "subjects/faulty.hpp"

namespace vmapcheck {
namespace {

/// As the model, but each allocation takes ten milliseconds.
struct Slow : ModelSubject {
  using ModelSubject::ModelSubject;
  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return ModelSubject::allocate(request);
  }
};

TEST(Check, EndsWithinACaseOfASlowSubjectWhenTimeIsUp) {
  CheckOptions options;
  options.time = std::chrono::milliseconds(100);
  const CheckReport report = check(factory([](const SubjectConfig& config) { return Slow(config); }), options).value();
  EXPECT_FALSE(report.found);
  const std::uint64_t allocations = report.coverage.ops[op_kind<Alloc>];
  EXPECT_LE(allocations, 60u);  // 10 in time, and those up to when the clock is looked at
}

class EachDying : public testing::TestWithParam<std::string_view> {};

TEST_P(EachDying, IsFoundWithATraceThatDiesAgainAndLosesNothing) {
  const SubjectFactory& make = subject(GetParam());
  const CheckReport report = check_with(make, 500, 1000);
  ASSERT_TRUE(report.found);
  const CheckReport::Found& found = *report.found;
  EXPECT_TRUE(found.reproduced);
  EXPECT_FALSE(report.interrupted);
  EXPECT_NE(found.failure.kind, FailureKind::violation) << signature(found.failure);
  // The cases before it, and it.
  EXPECT_EQ(report.cases, found.case_index + 1);
  if (found.case_index > 0) {
    EXPECT_GE(report.coverage.steps(), found.case_index * 1000);
  }
  EXPECT_EQ(report.ops, report.coverage.steps());
  EXPECT_GT(report.elapsed.count(), 0);
  // The trace ends with the op that killed it, and is that of the case.
  const auto again = run_isolated(found.trace, make).value();
  ASSERT_TRUE(again);
  EXPECT_EQ(signature(*again), signature(found.failure));
  EXPECT_EQ(again->step, found.failure.step);
  if (found.failure.phase == Phase::op) {
    EXPECT_EQ(found.failure.step + 1, found.trace.ops.size());
    EXPECT_EQ(found.failure.op, found.trace.ops.back());
  }
  const Trace generated = generate_trace(seed_of_this_run(), found.case_index, 1000);
  EXPECT_EQ(found.trace.space, generated.space);
  ASSERT_LE(found.trace.ops.size(), generated.ops.size());
  // Metadata that runs out is not the model's, so that from there on the answers differ.
  const auto differs = std::ranges::mismatch(found.trace.ops, generated.ops).in1;
  EXPECT_TRUE(differs == found.trace.ops.end() || std::any_of(found.trace.ops.begin(), differs, [](const Op& op) {
                return std::holds_alternative<FailMetadata>(op);
              }));
  // It did not happen in the cases before.
  for (std::uint64_t before = 0; before < found.case_index && before < 3; ++before)
    EXPECT_FALSE(run_isolated(generate_trace(seed_of_this_run(), before, 1000), make).value()) << before;
}

INSTANTIATE_TEST_SUITE_P(Subjects, EachDying,
                         testing::Values("fault_null_root", "fault_exit_zero", "fault_out_of_range", "fault_import",
                                         "fault_division"),
                         [](const auto& each) { return std::string(each.param); });

TEST(CheckOfTheDying, IsRepeatable) {
  const CheckReport first = check_with(subject("fault_exit_zero"), 500, 1000);
  const CheckReport second = check_with(subject("fault_exit_zero"), 500, 1000);
  ASSERT_TRUE(first.found && second.found);
  EXPECT_EQ(first.found->case_index, second.found->case_index);
  EXPECT_EQ(first.found->trace, second.found->trace);
}

TEST(CheckOfTheDying, FindsADeathInTheFirstConstruction) {
  const SubjectFactory make = [](const SubjectConfig&) -> std::expected<std::unique_ptr<AnySubject>, std::string> {
    std::_Exit(41);
  };
  const CheckReport report = check_with(make, 10, 100);
  ASSERT_TRUE(report.found);
  EXPECT_EQ(report.found->case_index, 0u);
  EXPECT_EQ(report.found->failure.phase, Phase::construction);
  EXPECT_EQ(signature(report.found->failure), "exit 41");
  EXPECT_TRUE(report.found->trace.ops.empty());
  EXPECT_EQ(report.found->trace.space, generate_trace(seed_of_this_run(), 0, 0).space);
  EXPECT_TRUE(report.found->reproduced);
  EXPECT_EQ(report.cases, 1u);
  EXPECT_EQ(report.ops, 0u);
}

/// Exits when it is destroyed.
struct ExitsAtTheEnd : ModelSubject {
  explicit ExitsAtTheEnd(const SubjectConfig& config, bool does = true) : ModelSubject(config), exits(does) {}
  ExitsAtTheEnd(ExitsAtTheEnd&& other) noexcept
      : ModelSubject(std::move(other)), exits(std::exchange(other.exits, false)) {}
  ExitsAtTheEnd& operator=(ExitsAtTheEnd&&) = delete;
  ~ExitsAtTheEnd() {
    if (exits) std::_Exit(7);
  }
  bool exits;
};

TEST(CheckOfTheDying, FindsADeathAtTheEndWithAllOpsBeforeIt) {
  const SubjectFactory make = factory([](const SubjectConfig& config) { return ExitsAtTheEnd(config); });
  const CheckReport report = check_with(make, 10, 100);
  ASSERT_TRUE(report.found);
  EXPECT_EQ(report.found->failure.phase, Phase::end);
  EXPECT_EQ(signature(report.found->failure), "exit 7");
  EXPECT_EQ(report.found->trace.ops.size(), 100u);
}

TEST(CheckOfTheDying, SaysOfADeathThatDoesNotComeAgainThatItDoesNot) {
  static const SharedArray<int> made(1);
  const SubjectFactory make = [](const SubjectConfig& config) {
    if (++made[0] == 5) std::_Exit(3);
    return model_subject()(config);
  };
  made[0] = 0;
  const CheckReport report = check_with(make, 100, 50);
  ASSERT_TRUE(report.found);
  EXPECT_FALSE(report.found->reproduced);
  EXPECT_EQ(report.found->case_index, 4u);
  EXPECT_EQ(signature(report.found->failure), "exit 3");
  EXPECT_EQ(report.coverage.steps(), 200u);
}

TEST(CheckOfTheDying, TellsTheViolationEvenWhereTheSubjectThenDiesOfIt) {
  struct Liar : ExitsAtTheEnd {
    using ExitsAtTheEnd::ExitsAtTheEnd;
    vmap::Result<vmap::Allocation> allocate(const vmap::Request&) {
      exits = true;
      return std::unexpected(vmap::Error::no_space);
    }
  };
  const SubjectFactory make = factory([](const SubjectConfig& config) { return Liar(config, false); });
  const CheckReport report = check_with(make, 10, 1000);
  ASSERT_TRUE(report.found);
  EXPECT_EQ(signature(report.found->failure), "answer");
  EXPECT_EQ(report.cases, report.found->case_index + 1);
  EXPECT_EQ(report.coverage.steps(), report.found->case_index * 1000 + report.found->trace.ops.size());
}

TEST(Check, AnErrorThatTheContractDoesNotKnowIsAWrongAnswer) {
  struct Inventive : ModelSubject {
    using ModelSubject::ModelSubject;
    static vmap::Result<vmap::Allocation> allocate(const vmap::Request&) { return std::unexpected(vmap::Error{77}); }
  };
  const CheckReport report =
      check_with(factory([](const SubjectConfig& config) { return Inventive(config); }), 10, 1000);
  ASSERT_TRUE(report.found);
  EXPECT_EQ(signature(report.found->failure), "answer");
  EXPECT_TRUE(report.found->failure.violation.detail.ends_with("actual unknown"))
      << report.found->failure.violation.detail;
}

TEST(Check, SaysOfAFalseAlarmOfVerifyWhatWasExpectedAndWhatWasSaid) {
  struct Alarmist : ModelSubject {
    using ModelSubject::ModelSubject;
    static std::optional<vmap::Violation> verify() { return vmap::Violation{vmap::Invariant::tree, "the root is red"}; }
  };
  const SubjectFactory make = factory([](const SubjectConfig& config) { return Alarmist(config); });
  const CheckReport report = check_with(make, 10, 100);
  ASSERT_TRUE(report.found);
  EXPECT_EQ(signature(report.found->failure), "answer");
  EXPECT_EQ(report.found->failure.violation.detail, "verify(): expected nothing wrong, actual tree: the root is red");
}

// ---- Subjects that cannot be made in every space

/// The model, but for the spaces of which `refuses` says so.
SubjectFactory picky(bool (*refuses)(const Space& space)) {
  return [refuses](const SubjectConfig& config) -> std::expected<std::unique_ptr<AnySubject>, std::string> {
    if (refuses(config.space)) return std::unexpected("not in this space");
    return model_subject()(config);
  };
}

std::expected<CheckReport, std::string> check_picky(bool (*refuses)(const Space& space), std::uint64_t cases) {
  CheckOptions options;
  options.cases = cases;
  options.ops = 20;
  return check(picky(refuses), options);
}

TEST(CheckOfThePicky, SkipsTheSpacesThatAreRefusedAndCountsThem) {
  const auto report = check_picky([](const Space& space) { return space.granule == 1; }, 300);
  ASSERT_TRUE(report) << report.error();
  EXPECT_TRUE(report->complete);
  EXPECT_GT(report->cases_skipped, 0u);
  EXPECT_EQ(report->cases + report->cases_skipped, 300u);
  EXPECT_EQ(report->ops, report->cases * 20);
  EXPECT_EQ(report->skipped_because, "not in this space");
}

TEST(CheckOfThePicky, IsNoneWhereNearlyAllSpacesAreRefused) {
  constexpr auto all = [](const Space&) { return true; };
  for (const std::uint64_t cases : {std::uint64_t{1}, std::uint64_t{10}, std::numeric_limits<std::uint64_t>::max()}) {
    const auto report = check_picky(all, cases);
    ASSERT_FALSE(report) << cases;
    EXPECT_EQ(report.error(), "not in this space");
  }
  // The first is made, and no other.
  const auto report = check_picky(
      [](const Space&) {
        static const SharedArray<int> asked(1);
        return ++asked[0] > 1;
      },
      std::numeric_limits<std::uint64_t>::max());
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error(), "1023 of 1024 spaces were refused: not in this space");
}

TEST(CheckOfThePicky, FindsWhatFailsInTheOthers) {
  const SubjectFactory make =
      [](const SubjectConfig& config) -> std::expected<std::unique_ptr<AnySubject>, std::string> {
    if (config.space.granule != 1) return std::unexpected("granules are too large");
    return subject("canary_answer")(config);
  };
  const auto report = check(make, {.time = {}, .on_progress = {}});
  ASSERT_TRUE(report) << report.error();
  ASSERT_TRUE(report->found);
  EXPECT_EQ(report->found->case_index + 1, report->cases + report->cases_skipped);
  EXPECT_TRUE(report->found->reproduced);
}

// ---- What comes of its processes

TEST(CheckOfTheDying, CountsNoCaseOfProcessesThatTheSubjectHasForked) {
  static int forks = 0;
  const SubjectFactory make = [](const SubjectConfig& config) {
    if (forks++ < 3) (void)!::fork();
    return model_subject()(config);
  };
  const CheckReport report = check_with(make, 20, 50);
  EXPECT_FALSE(report.found);
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(report.cases, 20u);
  EXPECT_EQ(report.coverage.steps(), 20u * 50);
}

/// At this call of all processes, another one kills it.
const SharedArray<std::int64_t> calls_left(1);
struct KilledOnce : ModelSubject {
  using ModelSubject::ModelSubject;
  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
    if (--calls_left[0] == 0) ::kill(::getpid(), SIGKILL);
    return ModelSubject::allocate(request);
  }
};

TEST(CheckOfTheDying, CountsACaseOnceThatIsTriedAgain) {
  const SubjectFactory make = factory([](const SubjectConfig& config) { return KilledOnce(config); });
  CheckOptions options{.cases = 10, .ops = 200, .time = {}, .observe = true, .on_progress = {}};
  const CheckReport whole = check(make, options).value();
  calls_left[0] = 300;
  const CheckReport report = check(make, options).value();
  EXPECT_LT(calls_left[0], 0);
  EXPECT_FALSE(report.found);
  EXPECT_EQ(report.cases, 10u);
  EXPECT_EQ(report.coverage.steps(), 10u * 200);
  EXPECT_EQ(report.histograms->states_hash, whole.histograms->states_hash);
}

TEST(CheckOfTheDying, FindsWhatItFoundWhereTheChildThatRunsItAgainIsKilledOnce) {
  static const SharedArray<pid_t> first(1);
  static const SharedArray<int> killed(1);
  struct Liar : ModelSubject {
    using ModelSubject::ModelSubject;
    vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
      if (first[0] != ::getpid() && killed[0]++ == 0) ::kill(::getpid(), SIGKILL);
      if (request.size % 3 == 0) return std::unexpected(vmap::Error::no_space);
      return ModelSubject::allocate(request);
    }
  };
  const SubjectFactory make = factory([](const SubjectConfig& config) {
    if (first[0] == 0) first[0] = ::getpid();
    return Liar(config);
  });
  const CheckReport report = check_with(make, 10, 1000);
  ASSERT_TRUE(report.found);
  EXPECT_GT(killed[0], 1);
  EXPECT_TRUE(report.found->reproduced);
  EXPECT_EQ(signature(report.found->failure), "answer");
}

}  // namespace
}  // namespace vmapcheck
