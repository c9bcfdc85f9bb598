// SPDX-License-Identifier: Apache-2.0
//
// Random checking by several processes comes to what one comes to: the same finding, the same counts, the same hash.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <expected>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <variant>
#include <vector>

#include "harness/random/check.hpp"
#include "harness/verify/model_subject.hpp"
#include "properties/traces.hpp"

namespace vmapcheck {
namespace {

constexpr std::uint64_t ops = 1000;

CheckOptions options_with(unsigned jobs, std::uint64_t cases) {
  return {.seed = seed_of_this_run(),
          .cases = cases,
          .ops = ops,
          .time = {},
          .observe = true,
          .jobs = jobs,
          .batch_ops = 2 * ops,
          .on_progress = {}};
}

template <class T>
bool same_bytes(const T& a, const T& b) {
  static_assert(std::has_unique_object_representations_v<T>);
  return std::memcmp(&a, &b, sizeof a) == 0;
}

void expect_same(const CheckReport& one, const CheckReport& several) {
  EXPECT_EQ(one.cases, several.cases);
  EXPECT_EQ(one.ops, several.ops);
  EXPECT_EQ(one.cases_skipped, several.cases_skipped);
  EXPECT_EQ(one.skipped_because, several.skipped_because);
  EXPECT_TRUE(same_bytes(one.coverage, several.coverage));
  EXPECT_EQ(one.free_blocks_mean, several.free_blocks_mean);
  EXPECT_EQ(one.small_states, several.small_states);
  EXPECT_EQ(one.complete, several.complete);
  ASSERT_TRUE(one.histograms && several.histograms);
  EXPECT_EQ(one.histograms->states_hash, several.histograms->states_hash);
  for (const auto histogram : {&Histograms::sizes, &Histograms::aligns, &Histograms::areas, &Histograms::free_blocks,
                               &Histograms::tree_depth, &Histograms::nodes_visited}) {
    const Histogram &a = (*one.histograms).*histogram, &b = (*several.histograms).*histogram;
    EXPECT_EQ(a.buckets, b.buckets);
    EXPECT_EQ(a.max, b.max);
    EXPECT_EQ(a.sum, b.sum);
  }
  ASSERT_EQ(one.found.has_value(), several.found.has_value());
  if (!one.found) return;
  EXPECT_EQ(one.found->case_index, several.found->case_index);
  EXPECT_EQ(one.found->trace, several.found->trace);
  EXPECT_EQ(signature(one.found->failure), signature(several.found->failure));
  EXPECT_EQ(one.found->failure.step, several.found->failure.step);
  EXPECT_EQ(one.found->reproduced, several.found->reproduced);
}

class Jobs : public testing::TestWithParam<std::string_view> {};

TEST_P(Jobs, ChangeNothingInWhatIsFoundAndCounted) {
  const SubjectFactory& make = subject(GetParam());
  const CheckReport one = check(make, options_with(1, 130)).value();
  EXPECT_EQ(one.found.has_value(), GetParam() != "vmap" && GetParam() != "model");
  for (const unsigned jobs : {2u, 3u, 8u}) expect_same(one, check(make, options_with(jobs, 130)).value());
}

INSTANTIATE_TEST_SUITE_P(Subjects, Jobs,
                         testing::Values("vmap", "model", "seed_2019", "canary_cost", "fault_hole_cache",
                                         "fault_rotation", "fault_destructor", "fault_throws_int", "fault_division",
                                         "fault_exit_zero"),
                         [](const auto& each) { return std::string(each.param); });

/// The model; in the spaces of these cases, what `differently` makes.
template <class Differently>
SubjectFactory but(std::vector<std::uint64_t> cases, Differently differently) {
  std::vector<Space> spaces;
  for (const std::uint64_t index : cases) spaces.push_back(generate_trace(seed_of_this_run(), index, 0).space);
  return [spaces, differently](const SubjectConfig& config) -> std::expected<std::unique_ptr<AnySubject>, std::string> {
    for (std::size_t i = 0; i < spaces.size(); ++i)
      if (config.space == spaces[i]) return differently(i, config);
    return model_subject()(config);
  };
}

/// Breaks `answer` whatever it is asked for.
struct Alarmist : ModelSubject {
  using ModelSubject::ModelSubject;
  static std::optional<vmap::Violation> verify() { return vmap::Violation{vmap::Invariant::tree, "the root is red"}; }
};
const SubjectFactory alarmist = factory([](const SubjectConfig& config) { return Alarmist(config); });

TEST(JobsOfCheck, FindWhatComesFirstAlsoWhereItTakesLonger) {
  const SubjectFactory make = but({40, 70, 100, 129}, [](std::size_t i, const SubjectConfig& config) {
    if (i == 0) std::this_thread::sleep_for(std::chrono::milliseconds(300));
    if (i == 1) std::_Exit(3);
    return alarmist(config);
  });
  const CheckReport one = check(make, options_with(1, 130)).value();
  ASSERT_TRUE(one.found);
  EXPECT_EQ(one.found->case_index, 40u);
  EXPECT_EQ(signature(one.found->failure), "answer");
  for (const unsigned jobs : {2u, 3u, 8u}) expect_same(one, check(make, options_with(jobs, 130)).value());
}

TEST(JobsOfCheck, FindADeathAndWhatWasCountedBeforeIt) {
  const SubjectFactory make = but({33, 96}, [](std::size_t i, const SubjectConfig& config) {
    if (i == 0) std::abort();
    return alarmist(config);
  });
  const CheckReport one = check(make, options_with(1, 130)).value();
  ASSERT_TRUE(one.found);
  EXPECT_EQ(one.found->case_index, 33u);
  EXPECT_EQ(one.found->failure.kind, FailureKind::signal);
  EXPECT_EQ(one.found->failure.what, "SIGABRT");
  EXPECT_EQ(one.cases, 34u);
  for (const unsigned jobs : {2u, 3u, 8u}) expect_same(one, check(make, options_with(jobs, 130)).value());
}

/// The first case from 35 on with so many plain allocations.
std::uint64_t case_with_allocations(std::ptrdiff_t count) {
  for (std::uint64_t index = 35;; ++index) {
    const Trace trace = generate_trace(seed_of_this_run(), index, ops);
    if (std::ranges::count_if(trace.ops, [](const Op& op) { return std::holds_alternative<Alloc>(op); }) >= count)
      return index;
  }
}

TEST(JobsOfCheck, TellAllOfADeathThatDoesNotComeAgain) {
  static const SharedArray<int> calls(1);
  struct ThrowsOnce : ModelSubject {
    using ModelSubject::ModelSubject;
    vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
      if (++calls[0] == 5) throw std::out_of_range("only once");
      return ModelSubject::allocate(request);
    }
  };
  const std::uint64_t index = case_with_allocations(5);
  const SubjectFactory throws_once = factory([](const SubjectConfig& config) { return ThrowsOnce(config); });
  const CheckReport report =
      check(but({index}, [&](std::size_t, const SubjectConfig& config) { return throws_once(config); }),
            options_with(3, index + 30))
          .value();
  ASSERT_TRUE(report.found);
  const CheckReport::Found& found = *report.found;
  EXPECT_FALSE(found.reproduced);
  EXPECT_EQ(found.case_index, index);
  EXPECT_EQ(found.failure.what, "std::out_of_range");
  EXPECT_NE(found.failure.violation.detail.find("only once"), std::string::npos) << found.failure.violation.detail;
  EXPECT_FALSE(found.failure.frames.empty());
  EXPECT_GE(found.failure.step, 4u);
  EXPECT_EQ(found.trace.ops.size(), found.failure.step + 1);
}

TEST(JobsOfCheck, SkipTheSameSpaces) {
  const SubjectFactory make =
      [](const SubjectConfig& config) -> std::expected<std::unique_ptr<AnySubject>, std::string> {
    if (config.space.granule == 1) return std::unexpected("granules of one byte");
    return model_subject()(config);
  };
  const CheckReport one = check(make, options_with(1, 130)).value();
  EXPECT_GT(one.cases_skipped, 0u);
  for (const unsigned jobs : {2u, 3u, 8u}) expect_same(one, check(make, options_with(jobs, 130)).value());

  const SubjectFactory none = [](const SubjectConfig&) -> std::expected<std::unique_ptr<AnySubject>, std::string> {
    return std::unexpected("never");
  };
  for (const unsigned jobs : {1u, 3u})
    EXPECT_EQ(check(none, options_with(jobs, std::numeric_limits<std::uint64_t>::max())).error(), "never");
}

TEST(JobsOfCheck, CountACaseOnceThatIsTriedAgain) {
  static const SharedArray<std::int64_t> calls_left(1);
  struct KilledOnce : ModelSubject {
    using ModelSubject::ModelSubject;
    vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
      if (--calls_left[0] == 0) ::kill(::getpid(), SIGKILL);
      return ModelSubject::allocate(request);
    }
  };
  const SubjectFactory make = factory([](const SubjectConfig& config) { return KilledOnce(config); });
  const CheckReport whole = check(make, options_with(1, 100)).value();
  calls_left[0] = 10'000;
  const CheckReport report = check(make, options_with(3, 100)).value();
  EXPECT_LT(calls_left[0], 0);
  expect_same(whole, report);
}

TEST(JobsOfCheck, EndWhenTimeIsUpAndCountWhatWasDone) {
  CheckOptions options = options_with(3, std::numeric_limits<std::uint64_t>::max());
  options.time = std::chrono::milliseconds(300);
  const CheckReport report = check(model_subject(), options).value();
  EXPECT_FALSE(report.complete || report.interrupted || report.found);
  EXPECT_GT(report.cases, 3u);
  EXPECT_LE(report.cases * ops, report.ops + 3 * ops);  // three were cut short at most
  EXPECT_LT(report.elapsed, std::chrono::seconds(20));
}

TEST(JobsOfCheck, EndWhenTheyAreInterrupted) {
  CheckOptions options = options_with(3, std::numeric_limits<std::uint64_t>::max());
  std::uint64_t cases = 0;
  options.on_progress = [&](const CheckReport& report) { return (cases = report.cases) == 0; };
  const CheckReport report = check(model_subject(), options).value();
  EXPECT_TRUE(report.interrupted);
  EXPECT_FALSE(report.complete);
  EXPECT_GE(report.cases, cases);
  EXPECT_GT(report.cases, 0u);
}

TEST(JobsOfCheck, SayThatOneOfThemWasKilled) {
  static const SharedArray<int> killed(1);
  const SubjectFactory make = but({40}, [](std::size_t, const SubjectConfig& config) {
    if (killed[0]++ == 0) ::kill(::getppid(), SIGKILL);
    return model_subject()(config);
  });
  EXPECT_THROW((void)check(make, options_with(3, 130)), ChildrenKilled);
}

TEST(JobsOfCheck, LoseNoFindingBehindTheBatchOfOneThatWasKilled) {
  static const SharedArray<std::atomic<int>> found(1);
  const SubjectFactory make = but({40, 60}, [](std::size_t i, const SubjectConfig& config) {
    if (i == 1) {
      found[0] = 1;
      return alarmist(config);
    }
    while (found[0] == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::this_thread::sleep_for(std::chrono::milliseconds(500));  // what was found is sent meanwhile
    ::kill(::getppid(), SIGKILL);
    return model_subject()(config);
  });
  const CheckReport report = check(make, options_with(3, 130)).value();
  ASSERT_TRUE(report.found);
  EXPECT_EQ(report.found->case_index, 60u);
}

}  // namespace
}  // namespace vmapcheck
