// SPDX-License-Identifier: Apache-2.0
//
// Work in child processes: whatever it does there, the parent learns what and where, goes on, and has nothing left
// over.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "harness/isolation.hpp"

namespace vmapcheck {
namespace {

using std::chrono::milliseconds;

const std::optional<std::string> go_on;

/// Short, so that a death by a limit takes no time; but a sanitizer has the time to report.
Limits short_limits() {
  return {.cpu = milliseconds(is_sanitized() ? 500 : 50), .asleep = milliseconds(50), .memory = std::size_t{64} << 20};
}

/// `deed` in a child, as the seventh step of its only item.
Death death_by(const std::function<void()>& deed, const Limits& limits = short_limits()) {
  const auto work = [&](std::uint64_t, Beacon& beacon) {
    beacon.at(Phase::op, 7);
    deed();
    return go_on;
  };
  const Walked walked = walk(1, work, {.limits = limits, .on_death = {}, .keep_going = {}});
  if (!walked.death) throw std::logic_error("it lives");
  EXPECT_EQ(walked.items, 0u);
  EXPECT_FALSE(walked.answer);
  EXPECT_EQ(walked.death->step, 7u);
  EXPECT_EQ(walked.death->phase, Phase::op);
  return *walked.death;
}

// No compiler knows what these do.
volatile bool always = true;
int* volatile nowhere = nullptr;
volatile int zero = 0;

[[gnu::noinline]] void read_nowhere() { *static_cast<volatile int*>(nowhere) = 1; }
[[gnu::noinline]] void throw_an_exception() {
  if (always) throw std::out_of_range("the eleventh of ten");
}
[[gnu::noinline]] void throw_an_int() {
  if (always) throw 7;
}
[[gnu::noinline]] void throw_from_noexcept() noexcept { throw_an_exception(); }
[[gnu::noinline]] int recurse(int depth) {
  volatile char local[256] = {};
  return always ? recurse(depth + 1) + local[depth % 256] : depth;
}
[[gnu::noinline]] void work_a_little() {
  for (int i = 0; i < 5000 && always; ++i) {}
}
[[gnu::noinline]] void loop() {
  while (always) {}
}
[[gnu::noinline]] void grow() {
  for (std::vector<std::unique_ptr<char[]>> all; always;) {
    all.push_back(std::make_unique<char[]>(1 << 20));
    std::fill_n(all.back().get(), 1 << 20, 'x');
  }
}

/// A write through a null pointer, which AddressSanitizer or UndefinedBehaviorSanitizer may report instead.
void expect_segv(const Death& death) {
  EXPECT_EQ(death.kind, is_sanitized() ? FailureKind::sanitizer : FailureKind::signal);
  if (!is_sanitized()) {
    EXPECT_EQ(death.what, "SIGSEGV");
  }
  EXPECT_FALSE(death.frames.empty());
}

// ---- What ends well
// ----------------------------------------------------------------------------------------------------

TEST(Walk, EndsAtTheItemThatAnswers) {
  const SharedArray<int> visits(10);
  const Walked walked = walk(10, [&](std::uint64_t item, Beacon&) {
    ++visits[item];
    return item == 4 ? std::optional<std::string>("four") : std::nullopt;
  });
  EXPECT_EQ(walked.items, 4u);
  EXPECT_EQ(walked.answer, "four");
  EXPECT_FALSE(walked.death);
  EXPECT_FALSE(walked.interrupted);
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(visits[i], i <= 4 ? 1 : 0) << i;
}

TEST(Walk, TellsAnEmptyAnswerFromNone) {
  EXPECT_EQ(walk(1, [](std::uint64_t, Beacon&) { return std::optional<std::string>(""); }).answer, "");
  EXPECT_EQ(walk(1, [](std::uint64_t, Beacon&) { return go_on; }).answer, std::nullopt);
}

TEST(Walk, GoesThroughAllItemsInOneChild) {
  const SharedArray<pid_t> pids(1000);
  const auto work = [&](std::uint64_t item, Beacon&) {
    pids[item] = ::getpid();
    return go_on;
  };
  const Walked walked = walk(1000, work, {.on_death = {}, .keep_going = {}, .first = 10});
  EXPECT_EQ(walked.items, 1000u);
  EXPECT_FALSE(walked.answer || walked.death || walked.interrupted);
  EXPECT_NE(pids[10], ::getpid());
  for (std::size_t i = 0; i < 1000; ++i) ASSERT_EQ(pids[i], i < 10 ? 0 : pids[10]) << i;
}

TEST(Walk, OfNothingForksNothing) {
  const auto work = [](std::uint64_t, Beacon&) -> std::optional<std::string> { std::abort(); };
  EXPECT_EQ(walk(0, work).items, 0u);
  const Walked walked = walk(5, work, {.on_death = {}, .keep_going = {}, .first = 5});
  EXPECT_EQ(walked.items, 5u);
  EXPECT_FALSE(walked.death);
}

TEST(Walk, WhatTheChildDoesToMemoryIsGoneWithIt) {
  int value = 1;
  (void)walk(1, [&](std::uint64_t, Beacon&) {
    value = 2;
    return go_on;
  });
  EXPECT_EQ(value, 1);
}

TEST(Walk, BringsBackAnswersOfAnySize) {
  std::string expected;
  for (std::size_t i = 0; i < 10'000'000; ++i) expected += static_cast<char>(i * i >> 5);
  const Walked walked = walk(1, [&](std::uint64_t, Beacon&) { return std::optional(expected); });
  ASSERT_TRUE(walked.answer);
  EXPECT_TRUE(*walked.answer == expected);
}

TEST(Walk, AParentThatReadsSlowlyIsNotTakenForASleepingSubject) {
  const std::string expected(1 << 20, 'x');
  WalkOptions options{.limits = short_limits(), .on_death = {}, .keep_going = {}};
  options.keep_going = [] { return ::usleep(10'000), true; };
  const Walked walked = walk(1, [&](std::uint64_t, Beacon&) { return std::optional(expected); }, options);
  EXPECT_FALSE(walked.death);
  EXPECT_TRUE(walked.answer == expected);
}

TEST(Walk, StepsThatAreShortMayBeMany) {
  const auto work = [](std::uint64_t item, Beacon& beacon) {
    for (std::uint64_t step = 0; step < 100; ++step) {
      beacon.at(Phase::op, step);
      work_a_little();
    }
    return item == 999 ? std::optional<std::string>("done") : std::nullopt;
  };
  const Limits limits{.cpu = milliseconds(20)};
  const Walked walked = walk(1000, work, {.limits = limits, .on_death = {}, .keep_going = {}});
  EXPECT_EQ(walked.answer, "done") << (walked.death ? walked.death->what : "");
}

TEST(Walk, WhatIsDoneAsideTakesAsLongAsItTakes) {
  const auto work = [](std::uint64_t, Beacon& beacon) {
    beacon.aside(true);
    ::usleep(150'000);
    const auto end = std::chrono::steady_clock::now() + milliseconds(150);
    while (std::chrono::steady_clock::now() < end) {}
    beacon.aside(false);
    return std::optional<std::string>("done");
  };
  const Walked walked = walk(1, work, {.limits = short_limits(), .on_death = {}, .keep_going = {}});
  EXPECT_EQ(walked.answer, "done");
}

// ---- Deaths
// ------------------------------------------------------------------------------------------------------------

TEST(Death, ByASignalIsNamedAndHasFrames) {
  expect_segv(death_by(read_nowhere));
  const Death death = death_by([] { std::abort(); });
  EXPECT_EQ(death.kind, FailureKind::signal);
  EXPECT_EQ(death.what, "SIGABRT");
  EXPECT_FALSE(death.frames.empty());
  for (const int number : {SIGTRAP, SIGKILL, SIGUSR1}) {
    const Death other = death_by([number] { ::raise(number); });
    EXPECT_EQ(other.kind, FailureKind::signal);
    EXPECT_EQ(other.what, number == SIGTRAP ? "SIGTRAP" : number == SIGKILL ? "SIGKILL" : "SIGUSR1");
  }
}

TEST(Death, ByDivisionIsNamed) {
  const Death death = death_by([] { zero = 1000 / zero; });
  if (is_sanitized()) return;  // whichever of the two reports it
  EXPECT_EQ(death.kind, FailureKind::signal);
  EXPECT_EQ(death.what, "SIGFPE");
}

TEST(Death, ByAnExceptionHasItsTypeAndItsWordsAndFramesOfTheThrow) {
  const Death death = death_by(throw_an_exception);
  EXPECT_EQ(death.kind, FailureKind::exception);
  EXPECT_EQ(death.what, "std::out_of_range");
  EXPECT_EQ(death.detail, "the eleventh of ten");
  EXPECT_GE(death.frames.size(), 4u);
  const Death by_int = death_by(throw_an_int);
  EXPECT_EQ(by_int.kind, FailureKind::exception);
  EXPECT_EQ(by_int.what, "int");
  EXPECT_EQ(by_int.detail, "");
  EXPECT_EQ(death_by(throw_from_noexcept).what, "std::out_of_range");
}

TEST(Death, WithoutAnExceptionThatTerminatesIsNamed) {
  const Death death = death_by([] { std::terminate(); });
  EXPECT_EQ(death.kind, FailureKind::signal);
  EXPECT_EQ(death.what, "std::terminate");
}

TEST(Death, ByAnExceptionWithLongWordsKeepsTheirBegin) {
  const Death death = death_by([] { throw std::runtime_error("begin" + std::string(100'000, 'x')); });
  EXPECT_EQ(death.detail.substr(0, 6), "beginx");
}

TEST(Death, ByExitHasItsStatus) {
  for (const int status : {0, 3, 86, 255}) {
    const Death death = death_by([status] { ::_exit(status); });
    EXPECT_EQ(death.kind, FailureKind::exit);
    EXPECT_EQ(death.what, std::to_string(status));
  }
  const Death death = death_by([] { std::exit(0); });
  EXPECT_EQ(death.kind, FailureKind::exit);
  EXPECT_EQ(death.what, "0");
}

TEST(Death, ByExitDoesNotPrintAgainWhatTheParentHasNotYetPrinted) {
  testing::internal::CaptureStdout();
  std::printf("once");
  (void)death_by([] { std::exit(0); });
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "once");
}

TEST(Death, ByALoopIsAHangWithFrames) {
  const Death death = death_by(loop);
  EXPECT_EQ(death.kind, FailureKind::hang);
  EXPECT_FALSE(death.frames.empty());
}

TEST(Death, BySleepingForEverIsAHang) {
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(death_by([] {
              while (always) ::pause();
            }).kind,
            FailureKind::hang);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(50));
}

TEST(Death, ByRecursionIsAStackOverflow) {
  const Death death = death_by([] { recurse(0); });
  EXPECT_EQ(death.kind, is_sanitized() ? FailureKind::sanitizer : FailureKind::signal);
  EXPECT_EQ(death.what, "stack-overflow");
  EXPECT_FALSE(death.frames.empty());
}

/// What lies on the stack, and what lies behind it.
[[gnu::noinline]] void write_upwards() {
  volatile char local[8] = {};
  for (volatile char* to = local; always; ++to) *to = 1;
}
TEST(Death, ByWritingPastTheTopOfTheStackIsNoStackOverflow) {
  EXPECT_NE(death_by(write_upwards).what, "stack-overflow");
}

TEST(Death, ByMemoryWithoutEndIsAMemoryLimit) {
  // The thread's stack counts, and under AddressSanitizer what is looked at is what is in use.
  const Death death = death_by(grow, {.memory = std::size_t{64} << 20});
  EXPECT_EQ(death.kind, FailureKind::memory_limit);
}

TEST(Death, OfOneThatHasMemoryEnoughDoesNotHappen) {
  const auto work = [](std::uint64_t, Beacon&) {
    return std::optional(std::string(std::size_t{24} << 20, 'x').substr(0, 1));
  };
  EXPECT_EQ(walk(1, work, {.limits = short_limits(), .on_death = {}, .keep_going = {}}).answer, "x");
}

TEST(Death, HasItsPhase) {
  for (const Phase phase : {Phase::construction, Phase::op, Phase::end}) {
    const Walked walked = walk(1, [&](std::uint64_t, Beacon& beacon) -> std::optional<std::string> {
      beacon.at(phase, 3);
      std::abort();
    });
    EXPECT_EQ(walked.death.value().phase, phase);
    EXPECT_EQ(walked.death.value().step, 3u);
  }
}

TEST(Death, BeforeTheFirstStepOfAnItemIsInItsConstruction) {
  const Walked walked = walk(3, [](std::uint64_t item, Beacon& beacon) -> std::optional<std::string> {
    if (item == 2) std::abort();
    beacon.at(Phase::end, 9);
    return std::nullopt;
  });
  EXPECT_EQ(walked.items, 2u);
  EXPECT_EQ(walked.death.value().phase, Phase::construction);
  EXPECT_EQ(walked.death.value().step, 0u);
}

TEST(Death, LeavesWhatWasToldBefore) {
  const std::string much(300'000, 'm');
  const Walked walked = walk(1, [&](std::uint64_t, Beacon& beacon) -> std::optional<std::string> {
    beacon.tell("first ");
    beacon.tell(much);
    std::abort();
  });
  EXPECT_TRUE(walked.death);
  EXPECT_EQ(walked.told, "first " + much);
  const Walked answered = walk(1, [&](std::uint64_t, Beacon& beacon) {
    beacon.tell("told");
    return std::optional<std::string>("answer");
  });
  EXPECT_EQ(answered.told, "told");
  EXPECT_EQ(answered.answer, "answer");
}

TEST(Death, TheWalkGoesOnBehindItWhereOnDeathSaysSo) {
  const SharedArray<int> visits(20);
  std::vector<std::uint64_t> died;
  WalkOptions options{.limits = short_limits(), .on_death = {}, .keep_going = {}};
  options.on_death = [&](std::uint64_t item, const Death& death) {
    died.push_back(item);
    EXPECT_EQ(death.what, "SIGABRT");
    EXPECT_EQ(death.step, item);
    return false;
  };
  const auto work = [&](std::uint64_t item, Beacon& beacon) {
    ++visits[item];
    beacon.at(Phase::op, item);
    if (item % 5 == 4) std::abort();
    return go_on;
  };
  const Walked walked = walk(20, work, options);
  EXPECT_EQ(walked.items, 20u);
  EXPECT_FALSE(walked.death || walked.answer);
  EXPECT_EQ(died, (std::vector<std::uint64_t>{4, 9, 14, 19}));
  for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(visits[i], 1) << i;
  options.on_death = [](std::uint64_t item, const Death&) { return item == 9; };
  const Walked ended = walk(20, work, options);
  EXPECT_EQ(ended.items, 9u);
  EXPECT_TRUE(ended.death);
}

TEST(Death, AHundredInARowLeaveNothing) {
  const auto open_files = [] {
    const std::filesystem::directory_iterator files("/proc/self/fd");
    return std::distance(begin(files), end(files));
  };
  const auto before = open_files();
  std::size_t deaths = 0;
  WalkOptions options;
  options.on_death = [&](std::uint64_t, const Death&) { return ++deaths, false; };
  const std::uint64_t count = is_sanitized() ? 30 : 100;
  (void)walk(count, [](std::uint64_t, Beacon&) -> std::optional<std::string> { ::_exit(1); }, options);
  EXPECT_EQ(deaths, count);
  EXPECT_EQ(open_files(), before);
  // Only a symbolizer that another test of this process has started may be left, and it runs.
  const pid_t child = ::waitpid(-1, nullptr, WNOHANG);
  EXPECT_TRUE(child == 0 || (child == -1 && errno == ECHILD)) << child;
}

TEST(Death, AnInterruptedWalkLeavesNoProcess) {
  const SharedArray<pid_t> pid(1);
  WalkOptions options;
  options.keep_going = [&] { return pid[0] == 0; };
  (void)walk(
      1,
      [&](std::uint64_t, Beacon&) {
        pid[0] = ::getpid();
        loop();
        return go_on;
      },
      options);
  ASSERT_NE(pid[0], 0);
  EXPECT_EQ(::kill(pid[0], 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

// ---- Interruption
// ------------------------------------------------------------------------------------------------------

TEST(KeepGoing, FalseEndsTheWalkSoon) {
  using Clock = std::chrono::steady_clock;
  WalkOptions options;  // with a second for each step
  options.keep_going = [] { return false; };
  const auto begin = Clock::now();
  const Walked walked = walk(
      100,
      [](std::uint64_t item, Beacon&) {
        if (item == 3) loop();
        return go_on;
      },
      options);
  EXPECT_LT(Clock::now() - begin, milliseconds(700));
  EXPECT_TRUE(walked.interrupted);
  EXPECT_FALSE(walked.death || walked.answer);
  EXPECT_EQ(walked.items, 3u);
}

TEST(KeepGoing, FalseLeavesTheChildTimeToEndWhereThereIsGrace) {
  WalkOptions options;
  options.grace = std::chrono::seconds(5);
  options.keep_going = [] { return false; };
  const Walked walked = walk(
      1,
      [](std::uint64_t, Beacon& beacon) {
        while (!beacon.stop_wanted()) {}
        return std::optional<std::string>("last words");
      },
      options);
  EXPECT_TRUE(walked.interrupted);
  EXPECT_EQ(walked.answer, "last words");
  const Walked between = walk(std::uint64_t{1} << 60, [](std::uint64_t, Beacon&) { return go_on; }, options);
  EXPECT_TRUE(between.interrupted);
  EXPECT_GT(between.items, 0u);
}

// ---- Standard error
// ----------------------------------------------------------------------------------------------------

TEST(StandardError, OfAChildThatEndsWellIsPassedOn) {
  testing::internal::CaptureStderr();
  (void)walk(1, [](std::uint64_t, Beacon&) {
    std::fputs("all is well\n", stderr);
    return go_on;
  });
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "all is well\n");
}

TEST(StandardError, OfAChildThatDiesIsInItsReport) {
  testing::internal::CaptureStderr();
  const Death death = death_by([] {
    std::fputs("it is no use\n", stderr);
    std::abort();
  });
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(death.report, "it is no use\n");
}

TEST(StandardError, OfATalkativeChildIsReportedByItsEnd) {
  const Death death = death_by([] {
    for (int i = 0; i < 20'000; ++i) std::fprintf(stderr, "line %d\n", i);
    std::fputs("the last words\n", stderr);
    std::abort();
  });
  EXPECT_LE(death.report.size(), std::size_t{1} << 16);
  EXPECT_TRUE(death.report.ends_with("the last words\n"));
}

TEST(StandardError, OfATalkativeChildThatEndsWellIsPassedOnWhole) {
  testing::internal::CaptureStderr();
  (void)walk(1, [](std::uint64_t, Beacon&) {
    for (int i = 0; i < 20'000; ++i) std::fprintf(stderr, "line %5d\n", i);
    return go_on;
  });
  const std::string passed = testing::internal::GetCapturedStderr();
  EXPECT_EQ(passed.size(), 20'000u * 11);
  EXPECT_TRUE(passed.ends_with("line 19999\n"));
}

// ---- Shared memory
// -----------------------------------------------------------------------------------------------------

TEST(SharedArrays, HoldWhatChildrenWriteAndAreZeroBefore) {
  const SharedArray<std::uint64_t> values(100'000);
  EXPECT_EQ(values.size(), 100'000u);
  for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], 0u);
  (void)walk(2, [&](std::uint64_t item, Beacon&) -> std::optional<std::string> {
    for (std::size_t i = item; i < values.size(); i += 2) values[i] = i + 1;
    if (item == 1) std::abort();
    return std::nullopt;
  });
  for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], i + 1);
}

TEST(SharedArrays, MayBeEmpty) {
  const SharedArray<int> none(0);
  EXPECT_EQ(none.size(), 0u);
}

TEST(SharedArrays, ThatCannotBeSaySo) { EXPECT_THROW((void)share_memory(std::size_t{1} << 62), std::system_error); }

}  // namespace
}  // namespace vmapcheck
