// SPDX-License-Identifier: Apache-2.0
//
// Work in child processes: whatever it does there, the parent learns what and where, goes on, and has nothing left
// over.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/isolate/isolation.hpp"

namespace vmapcheck {
namespace {

using enum FailureKind;
using std::chrono::milliseconds;

using Answer = std::optional<std::string>;
const Answer go_on;

/// Short, so that a death by a limit takes no time; but a sanitizer has the time to report.
Limits short_limits() {
  return {.cpu = milliseconds(is_sanitized() ? 500 : 50), .asleep = milliseconds(50), .memory = std::size_t{64} << 20};
}

/// A child that does `work`, and answers or does not.
Walked ask_child(const std::function<Answer(Beacon&)>& work, const WalkOptions& options = {}) {
  return walk(1, [&](std::uint64_t, Beacon& beacon) { return work(beacon); }, options);
}
/// A child that does `deed` and answers nothing.
Walked run_child(const std::function<void()>& deed, const WalkOptions& options = {}) {
  return ask_child([&](Beacon&) { return deed(), go_on; }, options);
}

/// The death of a child that does `deed` as the seventh step of its only item.
Death death_by(const std::function<void()>& deed, const Limits& limits = short_limits()) {
  const auto work = [&](Beacon& beacon) { return beacon.at(Phase::op, 7), deed(), go_on; };
  const Walked walked = ask_child(work, {.limits = limits});
  if (!walked.death) throw std::logic_error("it lives");
  EXPECT_EQ(walked.items, 0u);
  EXPECT_FALSE(walked.answer);
  EXPECT_EQ(walked.death->step, 7u);
  EXPECT_EQ(walked.death->phase, Phase::op);
  return *walked.death;
}

// The compiler cannot know what these do.
volatile bool always = true;
int* volatile nowhere = nullptr;

[[gnu::noinline]] void write_nowhere() { *static_cast<volatile int*>(nowhere) = 1; }
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

void block_all_signals() {
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
}
void stop_the_clock() {
  const itimerval never{};
  ::setitimer(ITIMER_PROF, &never, nullptr);
}

/// A write through a null pointer, which AddressSanitizer or UndefinedBehaviorSanitizer may report instead.
void expect_segv(const Death& death) {
  EXPECT_EQ(death.kind, is_sanitized() ? sanitizer : signal);
  if (!is_sanitized()) {
    EXPECT_EQ(death.what, "SIGSEGV");
  }
  EXPECT_FALSE(death.frames.empty());
}

// ---- What ends well

TEST(Walk, EndsAtTheItemThatAnswers) {
  const SharedArray<int> visits(10);
  const Walked walked = walk(10, [&](std::uint64_t item, Beacon&) {
    ++visits[item];
    return item == 4 ? Answer("four") : std::nullopt;
  });
  EXPECT_EQ(walked.items, 4u);
  EXPECT_EQ(walked.answer, "four");
  EXPECT_FALSE(walked.death);
  EXPECT_FALSE(walked.interrupted);
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(visits[i], i <= 4 ? 1 : 0) << i;
}

TEST(Walk, TellsAnEmptyAnswerFromNone) {
  EXPECT_EQ(ask_child([](Beacon&) { return ""; }).answer, "");
  EXPECT_EQ(ask_child([](Beacon&) { return go_on; }).answer, std::nullopt);
}

TEST(Walk, GoesThroughAllItemsInOneChild) {
  const SharedArray<pid_t> pids(1000);
  const auto work = [&](std::uint64_t item, Beacon&) {
    pids[item] = ::getpid();
    return go_on;
  };
  const Walked walked = walk(1000, work, {.first = 10});
  EXPECT_EQ(walked.items, 1000u);
  EXPECT_FALSE(walked.answer || walked.death || walked.interrupted);
  EXPECT_NE(pids[10], ::getpid());
  for (std::size_t i = 0; i < 1000; ++i) ASSERT_EQ(pids[i], i < 10 ? 0 : pids[10]) << i;
}

TEST(Walk, OfNothingForksNothing) {
  const auto work = [](std::uint64_t, Beacon&) -> Answer { std::abort(); };
  EXPECT_EQ(walk(0, work).items, 0u);
  const Walked walked = walk(5, work, {.first = 5});
  EXPECT_EQ(walked.items, 5u);
  EXPECT_FALSE(walked.death);
}

TEST(Walk, BringsBackAnswersOfAnySize) {
  std::string expected;
  for (std::size_t i = 0; i < 10'000'000; ++i) expected += static_cast<char>(i * i >> 5);
  const Walked walked = ask_child([&](Beacon&) { return expected; });
  ASSERT_TRUE(walked.answer);
  EXPECT_TRUE(*walked.answer == expected);
}

TEST(Walk, AParentThatReadsSlowlyIsNotTakenForASleepingSubject) {
  const std::string expected(1 << 20, 'x');
  const Walked walked = ask_child([&](Beacon&) { return expected; },
                                  {.limits = short_limits(), .keep_going = [] { return ::usleep(10'000), true; }});
  EXPECT_FALSE(walked.death);
  EXPECT_TRUE(walked.answer == expected);
}

TEST(Walk, StepsThatAreShortMayBeMany) {
  const auto work = [](std::uint64_t item, Beacon& beacon) {
    for (std::uint64_t step = 0; step < 100; ++step) {
      beacon.at(Phase::op, step);
      work_a_little();
    }
    return item == 999 ? Answer("done") : std::nullopt;
  };
  const Walked walked = walk(1000, work, {.limits = {.cpu = milliseconds(20)}});
  EXPECT_EQ(walked.answer, "done") << (walked.death ? walked.death->what : "");
}

TEST(Walk, WhatIsDoneAsideTakesAsLongAsItTakes) {
  const auto work = [](Beacon& beacon) {
    beacon.aside(true);
    ::usleep(150'000);
    const auto end = std::chrono::steady_clock::now() + milliseconds(150);
    while (std::chrono::steady_clock::now() < end) {}
    beacon.aside(false);
    return "done";
  };
  EXPECT_EQ(ask_child(work, {.limits = short_limits()}).answer, "done");
}

pid_t fork_a_sleeper() {
  const pid_t pid = ::fork();
  while (pid == 0) ::pause();
  return pid;
}
/// Ends it if it runs.
bool still_runs(pid_t child) {
  const bool runs = child > 0 && ::waitpid(child, nullptr, WNOHANG) == 0;
  if (runs) ::kill(child, SIGKILL), ::waitpid(child, nullptr, 0);
  return runs;
}

TEST(Walk, EndsNoProcessThatItsCallerHasStartedMeanwhile) {
  pid_t helper = 0;
  const auto start_helper = [&](std::uint64_t, const Death&) {
    helper = fork_a_sleeper();
    return true;
  };
  EXPECT_TRUE(run_child([] { std::_Exit(3); }, {.limits = short_limits(), .on_death = start_helper}).death);
  EXPECT_TRUE(still_runs(helper)) << "it was ended as if the child had left it behind";
}

// ---- Deaths

struct Deadly {
  std::string_view name;
  void (*deed)();
  FailureKind kind;
  std::string_view what;
  bool has_frames = false;
};
void PrintTo(const Deadly& deadly, std::ostream* out) { *out << deadly.name; }

const Deadly deadly_deeds[] = {
    {"abort", [] { std::abort(); }, signal, "SIGABRT", true},
    {"SIGTRAP", [] { ::raise(SIGTRAP); }, signal, "SIGTRAP"},
    {"SIGKILL", [] { ::raise(SIGKILL); }, signal, "SIGKILL"},
    {"SIGUSR1", [] { ::raise(SIGUSR1); }, signal, "SIGUSR1"},
    {"SIGTERM_to_itself", [] { ::kill(::getpid(), SIGTERM); }, signal, "SIGTERM"},
    {"SIGTERM_to_its_group_which_is_not_that_of_its_parent", [] { ::kill(0, SIGTERM); }, signal, "SIGTERM"},
    {"terminate_without_an_exception", [] { std::terminate(); }, signal, "std::terminate"},
    {"exception", throw_an_exception, exception, "std::out_of_range", true},
    {"exception_that_is_an_int", throw_an_int, exception, "int"},
    {"exception_that_leaves_a_noexcept_function", throw_from_noexcept, exception, "std::out_of_range"},
    {"exit", [] { std::exit(0); }, exit, "0", true},
    {"exit_at_once", [] { ::_exit(0); }, exit, "0"},
    {"exit_3", [] { ::_exit(3); }, exit, "3"},
    {"exit_86", [] { ::_exit(86); }, exit, "86"},
    {"exit_255", [] { ::_exit(255); }, exit, "255"},
    {"stop_itself", [] { ::raise(SIGSTOP); }, hang, ""},
    {"loop", loop, hang, "", true},
    {"loop_with_all_signals_blocked", [] { block_all_signals(), loop(); }, hang, ""},
    {"loop_that_ignores_its_clock", [] { ::signal(SIGPROF, SIG_IGN), loop(); }, hang, ""},
    {"loop_that_stops_its_clock", [] { stop_the_clock(), loop(); }, hang, "", true},
};

class EachDeath : public testing::TestWithParam<Deadly> {};

TEST_P(EachDeath, IsNamed) {
  const Death death = death_by(GetParam().deed);
  EXPECT_EQ(death.kind, GetParam().kind);
  EXPECT_EQ(death.what, GetParam().what);
  if (GetParam().has_frames) {
    EXPECT_FALSE(death.frames.empty());
  }
}

INSTANTIATE_TEST_SUITE_P(By, EachDeath, testing::ValuesIn(deadly_deeds),
                         [](const auto& deadly) { return std::string(deadly.param.name); });

TEST(Death, ByAWriteThroughANullPointerIsNamedAndHasFrames) { expect_segv(death_by(write_nowhere)); }

TEST(Death, ByAnExceptionHasItsWordsAndTheFramesOfTheThrow) {
  const Death death = death_by(throw_an_exception);
  EXPECT_EQ(death.detail, "the eleventh of ten");
  EXPECT_GE(death.frames.size(), 4u);
  EXPECT_EQ(death_by(throw_an_int).detail, "");
}

TEST(Death, ByAnExceptionWithLongWordsKeepsTheirBegin) {
  const Death death = death_by([] { throw std::runtime_error("begin" + std::string(100'000, 'x')); });
  EXPECT_EQ(death.detail.substr(0, 6), "beginx");
}

TEST(Death, ByExitDoesNotPrintAgainWhatTheParentHasNotYetPrinted) {
  testing::internal::CaptureStdout();
  std::printf("once");
  (void)death_by([] { std::exit(0); });
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "once");
}

TEST(Death, BySleepingForEverIsAHang) {
  const auto sleep = [] {
    while (always) ::pause();
  };
  const auto begin = std::chrono::steady_clock::now();
  const Death death = death_by(sleep);
  EXPECT_EQ(death.kind, hang);
  EXPECT_FALSE(death.frames.empty());
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(50));
}

TEST(Death, ByRecursionIsAStackOverflow) {
  const Death death = death_by([] { recurse(0); });
  EXPECT_EQ(death.kind, is_sanitized() ? sanitizer : signal);
  EXPECT_EQ(death.what, "stack-overflow");
  EXPECT_FALSE(death.frames.empty());
}

/// Overwrites what lies on the stack, and then what lies behind it.
[[gnu::noinline]] void write_upwards() {
  volatile char local[8] = {};
  for (volatile char* to = local; always; ++to) *to = 1;
}
TEST(Death, ByWritingPastTheTopOfTheStackIsNoStackOverflow) {
  EXPECT_NE(death_by(write_upwards).what, "stack-overflow");
}

char* volatile allocated = nullptr;
volatile std::size_t too_much = std::size_t{1} << 34;

TEST(Death, OfAnAllocationThatFailedAndWasNotLookedAtIsAMemoryLimit) {
  if (is_sanitized()) return;  // which reports it
  const std::function<void()> deeds[] = {
      [] {
        allocated = static_cast<char*>(std::malloc(too_much));
        *allocated = 1;
      },
      [] {
        while (always) {
          allocated = static_cast<char*>(std::malloc(5000));
          for (int i = 0; i < 5000; ++i) allocated[i] = 'x';
        }
      },
      [] {
        allocated = static_cast<char*>(
            ::mmap(nullptr, too_much, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
        *allocated = 1;
      },
      [] {
        allocated = static_cast<char*>(std::malloc(too_much));
        if (allocated == nullptr) std::abort();
      },
  };
  for (const auto& deed : deeds) EXPECT_EQ(death_by(deed, {.memory = std::size_t{64} << 20}).kind, memory_limit);
}

TEST(Death, OfSomethingElseAfterAnAllocationThatFailedIsNoMemoryLimit) {
  if (is_sanitized()) return;
  const auto work = [](Beacon& beacon) {
    allocated = static_cast<char*>(std::malloc(too_much));  // and that was all right
    beacon.at(Phase::op, 7);
    write_nowhere();
    return go_on;
  };
  expect_segv(ask_child(work, {.limits = short_limits()}).death.value());
}

TEST(Death, OfOneThatHasMemoryEnoughDoesNotHappen) {
  const auto work = [](Beacon&) { return std::string(std::size_t{24} << 20, 'x').substr(0, 1); };
  EXPECT_EQ(ask_child(work, {.limits = short_limits()}).answer, "x");
}

TEST(Death, HasItsPhase) {
  for (const Phase phase : {Phase::construction, Phase::op, Phase::end}) {
    const Death death =
        ask_child([&](Beacon& beacon) { return beacon.at(phase, 3), std::abort(), go_on; }).death.value();
    EXPECT_EQ(death.phase, phase);
    EXPECT_EQ(death.step, 3u);
  }
}

TEST(Death, BeforeTheFirstStepOfAnItemIsInItsConstruction) {
  const Walked walked = walk(3, [](std::uint64_t item, Beacon& beacon) -> Answer {
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
  const Walked walked =
      ask_child([&](Beacon& beacon) { return beacon.tell("first "), beacon.tell(much), std::abort(), go_on; });
  EXPECT_TRUE(walked.death);
  EXPECT_EQ(walked.told, "first " + much);
  const Walked answered = ask_child([](Beacon& beacon) { return beacon.tell("told"), "answer"; });
  EXPECT_EQ(answered.told, "told");
  EXPECT_EQ(answered.answer, "answer");
}

TEST(Death, TheWalkGoesOnBehindItWhereOnDeathSaysSo) {
  const SharedArray<int> visits(20);
  std::vector<std::uint64_t> died;
  WalkOptions options{.limits = short_limits()};
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
  const std::uint64_t count = is_sanitized() ? 30 : 100;
  (void)walk(count, [](std::uint64_t, Beacon&) -> Answer { ::_exit(1); },
             {.on_death = [&](std::uint64_t, const Death&) { return ++deaths, false; }});
  EXPECT_EQ(deaths, count);
  EXPECT_EQ(open_files(), before);
  // Only a symbolizer that another test of this process has started may be left, and it runs.
  const pid_t child = ::waitpid(-1, nullptr, WNOHANG);
  EXPECT_TRUE(child == 0 || (child == -1 && errno == ECHILD)) << child;
}

TEST(Death, AnInterruptedWalkLeavesNoProcess) {
  const SharedArray<pid_t> pid(1);
  (void)run_child([&] { pid[0] = ::getpid(), loop(); }, {.keep_going = [&] { return pid[0] == 0; }});
  ASSERT_NE(pid[0], 0);
  EXPECT_EQ(::kill(pid[0], 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

// ---- Whatever it does to its signals and its clock

TEST(Death, BySignalsOfWhichItsParentTakesNoNoticeIsNamedAndHasFrames) {
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGQUIT, SIGALRM}) {
    const auto before = ::signal(number, SIG_IGN);
    const Death death = death_by([number] { ::raise(number); });
    ::signal(number, before);
    EXPECT_EQ(death.kind, signal);
    EXPECT_EQ(death.what, signal_name(number));
    EXPECT_FALSE(death.frames.empty()) << death.what;
  }
}

TEST(Walk, BeginsWithSignalsAsTheSystemHasThem) {
  const auto before = ::signal(SIGUSR2, SIG_IGN);
  sigset_t one, mask;
  ::sigemptyset(&one);
  ::sigaddset(&one, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &one, &mask);
  const auto what_is_wrong = [](Beacon&) {
    std::string wrong;
    sigset_t blocked;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
    for (int number = 1; number < 32; ++number) {
      if (::sigismember(&blocked, number) == 1) wrong += signal_name(number) + " is blocked ";
      struct sigaction action{};
      ::sigaction(number, nullptr, &action);
      if (action.sa_handler == SIG_IGN) wrong += signal_name(number) + " is ignored ";
    }
    return wrong;
  };
  const Walked walked = ask_child(what_is_wrong);
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  ::signal(SIGUSR2, before);
  EXPECT_EQ(walked.answer, "");
}

char state_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  const std::size_t at = text.rfind(')');
  return at == std::string::npos ? '?' : text[at + 2];
}
bool comes_to(pid_t pid, bool stopped) {
  for (int i = 0; i < 5000; ++i, ::usleep(1000))
    if ((state_of(pid) == 'T') == stopped) return true;
  return false;
}

TEST(Walk, IsStoppedFromTheTerminalWithItsChild) {
  const SharedArray<pid_t> pid(1);
  const pid_t parent = ::fork();
  if (parent == 0) {
    ::setpgid(0, 0);
    (void)run_child([&] { pid[0] = ::getpid(), loop(); }, {.limits = {.cpu = std::chrono::seconds(60)}});
    ::_exit(0);
  }
  while (pid[0] == 0) ::usleep(1000);
  ::kill(parent, SIGTSTP);
  EXPECT_TRUE(comes_to(parent, true));
  EXPECT_TRUE(comes_to(pid[0], true));
  ::kill(parent, SIGCONT);
  EXPECT_TRUE(comes_to(parent, false));
  EXPECT_TRUE(comes_to(pid[0], false));
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
}

// ---- Its own children

/// A pipe that also grandchildren write to.
struct Pids {
  Pids() { EXPECT_EQ(::pipe2(ends, O_NONBLOCK), 0); }
  Pids(const Pids&) = delete;
  Pids& operator=(const Pids&) = delete;
  ~Pids() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  void note() const {
    const pid_t pid = ::getpid();
    EXPECT_EQ(::write(ends[1], &pid, sizeof pid), static_cast<ssize_t>(sizeof pid));
  }
  [[nodiscard]] std::vector<pid_t> all() const {
    std::vector<pid_t> pids;
    for (pid_t pid = 0; ::read(ends[0], &pid, sizeof pid) == static_cast<ssize_t>(sizeof pid);) pids.push_back(pid);
    return pids;
  }
  int ends[2];
};

TEST(Grandchildren, EndWithTheChildWhereverTheyHaveGone) {
  const Pids pids;
  const auto leave_processes = [&] {
    for (int i = 0; i < 3; ++i) {
      if (::fork() != 0) continue;
      if (i > 0) ::setsid();
      if (i > 1 && ::fork() != 0) ::_exit(0);
      block_all_signals();
      pids.note();
      while (always) ::pause();
    }
    while (pids.ends[0] >= 0) {  // until all three are there
      int bytes = 0;
      ::ioctl(pids.ends[0], FIONREAD, &bytes);
      if (bytes == 3 * sizeof(pid_t)) break;
      ::usleep(500);
    }
  };
  const auto expect_none = [&] {
    const std::vector<pid_t> left = pids.all();
    EXPECT_EQ(left.size(), 3u);
    for (const pid_t pid : left) {
      EXPECT_EQ(::kill(pid, 0), -1) << pid;
      ::kill(pid, SIGKILL);
    }
  };
  (void)run_child(leave_processes);
  expect_none();
  (void)run_child([&] { leave_processes(), std::abort(); });
  expect_none();
}

TEST(Grandchildren, ThatGoOnInTheHarnessAreNotHeard) {
  const SharedArray<int> visits(6);
  const auto work = [&](std::uint64_t item, Beacon& beacon) {
    beacon.at(Phase::op, 0);
    (void)!::fork();
    beacon.at(Phase::op, 1);
    ++visits[item];
    beacon.tell("x");
    return item == 5 ? Answer("done") : std::nullopt;
  };
  const Walked walked = walk(6, work);
  EXPECT_EQ(walked.answer, "done");
  EXPECT_EQ(walked.told, "xxxxxx");
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(visits[i], 1) << i;
}

TEST(Grandchildren, AreNotTakenForOtherChildrenOfTheParent) {
  const pid_t other = fork_a_sleeper();
  (void)run_child([] { std::abort(); });
  (void)run_child([] {});
  EXPECT_TRUE(still_runs(other));
}

// ---- Killed by others

TEST(KilledByOthers, AnItemIsTriedAgain) {
  const SharedArray<int> visits(8);
  const auto work = [&](std::uint64_t item, Beacon& beacon) {
    beacon.tell("<");
    beacon.at(Phase::op, 2);
    if (++visits[item] == 1 && item % 3 == 1) ::kill(::getpid(), SIGKILL);
    beacon.tell(std::to_string(item) + ">");
    return item == 7 ? Answer("done") : std::nullopt;
  };
  const Walked walked = walk(8, work);
  EXPECT_FALSE(walked.death);
  EXPECT_EQ(walked.answer, "done");
  EXPECT_EQ(walked.told, "<0><1><2><3><4><5><6><7>");
  for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(visits[i], i % 3 == 1 ? 2 : 1) << i;
}

TEST(KilledByOthers, AlsoBySignalsThatCanBeHandled) {
  const SharedArray<pid_t> pid(1);
  const SharedArray<int> visits(1);
  const auto send = [&, sent = false]() mutable {
    if (pid[0] != 0 && !std::exchange(sent, true)) ::kill(pid[0], SIGTERM);
    return true;
  };
  const auto work = [&](Beacon& beacon) {
    beacon.at(Phase::op, 0);
    pid[0] = ::getpid();
    if (++visits[0] == 1) loop();
    return "done";
  };
  EXPECT_EQ(ask_child(work, {.keep_going = send}).answer, "done");
  EXPECT_EQ(visits[0], 2);
}

TEST(KilledByOthers, AtTheSamePlaceEachTimeItWasItself) {
  const SharedArray<int> visits(1);
  EXPECT_EQ(death_by([&] { ++visits[0], ::raise(SIGKILL); }).what, "SIGKILL");
  EXPECT_EQ(visits[0], 3);
}

TEST(KilledByOthers, AtAnotherPlaceEachTimeNothingIsSaidOfTheSubject) {
  const SharedArray<std::uint64_t> visits(1);
  const auto work = [&](Beacon& beacon) { return beacon.at(Phase::op, ++visits[0]), ::raise(SIGKILL), go_on; };
  EXPECT_THROW((void)ask_child(work), ChildrenKilled);
  EXPECT_EQ(visits[0], 3u);
}

TEST(KilledByOthers, OnlyOnceWhereNothingIsToBeTriedAgain) {
  EXPECT_TRUE(run_child([] { ::raise(SIGKILL); }, {.tries = 1}).death.value().by_other);
  EXPECT_FALSE(death_by([] { ::raise(SIGTERM); }).by_other);
}

// ---- Interruption

TEST(KeepGoing, FalseEndsTheWalkSoon) {
  using Clock = std::chrono::steady_clock;
  const auto work = [](std::uint64_t item, Beacon&) {
    if (item == 3) loop();
    return go_on;
  };
  const auto begin = Clock::now();
  const Walked walked = walk(100, work, {.keep_going = [] { return false; }});  // each step has a second
  EXPECT_LT(Clock::now() - begin, milliseconds(700));
  EXPECT_TRUE(walked.interrupted);
  EXPECT_FALSE(walked.death || walked.answer);
  EXPECT_EQ(walked.items, 3u);
}

TEST(KeepGoing, FalseLeavesTheChildTimeToEndWhereThereIsGrace) {
  const WalkOptions options{.keep_going = [] { return false; }, .grace = std::chrono::seconds(5)};
  const auto work = [](Beacon& beacon) {
    while (!beacon.stop_wanted()) {}
    return "last words";
  };
  const Walked walked = ask_child(work, options);
  EXPECT_TRUE(walked.interrupted);
  EXPECT_EQ(walked.answer, "last words");
  const Walked between = walk(std::uint64_t{1} << 60, [](std::uint64_t, Beacon&) { return go_on; }, options);
  EXPECT_TRUE(between.interrupted);
  EXPECT_GT(between.items, 0u);
}

// ---- Standard error

TEST(StandardError, OfAChildThatDiesIsInItsReport) {
  testing::internal::CaptureStderr();
  const Death death = death_by([] { std::fputs("it is no use\n", stderr), std::abort(); });
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
  (void)run_child([] {
    for (int i = 0; i < 20'000; ++i) std::fprintf(stderr, "line %5d\n", i);
  });
  const std::string passed = testing::internal::GetCapturedStderr();
  EXPECT_EQ(passed.size(), 20'000u * 11);
  EXPECT_TRUE(passed.ends_with("line 19999\n"));
}

TEST(StandardError, OfAChildThatPrintsAndPrintsIsKeptToItsEnd) {
  const auto print_much = [] {
    std::string line(1023, '.');
    line += '\n';
    for (int i = 0; i < 32'768; ++i) (void)!::write(2, line.data(), line.size());
    std::fputs("the last words\n", stderr);
  };
  Limits limits = short_limits();
  limits.cpu = limits.asleep = std::chrono::seconds(20);
  const Death death = death_by([&] { print_much(), std::abort(); }, limits);
  EXPECT_LE(death.report.size(), std::size_t{1} << 16);
  EXPECT_TRUE(death.report.starts_with("(of what was printed, ")) << death.report.substr(0, 80);
  EXPECT_TRUE(death.report.ends_with("the last words\n"));
  // The bound on what is passed on is that of all children of a process: here of a child, which has said nothing
  // before.
  const auto passed_on = [&](Beacon& beacon) {
    beacon.aside(true);
    ::dup2(::memfd_create("passed on", 0), 2);
    for (int i = 0; i < 3; ++i) (void)run_child(print_much, {.limits = limits});
    return std::to_string(::lseek(2, 0, SEEK_END));
  };
  EXPECT_LE(std::stoul(ask_child(passed_on, {.limits = limits}).answer.value()), std::size_t{2} << 20);
}

TEST(StandardOutput, OfAChildIsNotThatOfItsParent) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  (void)run_child([] { std::puts("all is well"); });
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "all is well\n");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
}

TEST(StandardInput, OfAChildIsEmpty) {
  char byte = 0;
  EXPECT_EQ(ask_child([&](Beacon&) { return std::to_string(::read(0, &byte, 1)); }).answer, "0");
}

// ---- Shared memory

TEST(SharedArrays, MayBeEmpty) { EXPECT_EQ(SharedArray<int>(0).size(), 0u); }

TEST(SharedArrays, ThatCannotBeSaySo) { EXPECT_THROW((void)share_memory(std::size_t{1} << 62), std::system_error); }

}  // namespace
}  // namespace vmapcheck
