// SPDX-License-Identifier: Apache-2.0
//
// Work that dies in this process, and what is learned of it. Each test does that in a child, whose handlers are its
// own.
#include "harness/isolate/survival.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>

#include "harness/isolate/isolation.hpp"

namespace vmapcheck {
namespace {

using std::chrono::milliseconds;

/// What `test` says in a child.
std::string in_child(const std::function<std::string()>& test) {
  const Walked walked = walk(1, [&](std::uint64_t, Beacon&) -> std::optional<std::string> { return test(); });
  return walked.death ? "died of " + walked.death->what : walked.answer.value_or("no answer");
}

std::string text_of(const std::optional<Death>& death) {
  if (!death) return "nothing";
  std::string text = std::string(name(death->kind)) + " " + death->what;
  if (!death->detail.empty()) text += ": " + death->detail;
  return text + " at step " + std::to_string(death->step);
}

/// How `work`, which begins with step 7, dies.
std::string death_of(const std::function<void()>& work, milliseconds cpu = milliseconds(1500)) {
  return in_child([&] {
    return text_of(survive(
        [&](Beacon& beacon) {
          beacon.at(Phase::op, 7);
          work();
        },
        cpu));
  });
}

TEST(Survival, OfWorkThatComesToItsEndThereIsNoDeath) {
  EXPECT_EQ(death_of([] {}), "nothing");
}

TEST(Survival, OfASignalItHasTheNameAndTheStep) {
  EXPECT_EQ(death_of([] { ::raise(SIGSEGV); }),
            is_sanitized() ? "sanitizer SEGV at step 7" : "signal SIGSEGV at step 7");
  EXPECT_EQ(death_of([] { std::abort(); }), "signal SIGABRT at step 7");
}

TEST(Survival, OfAnExceptionItHasTypeAndText) {
  EXPECT_EQ(death_of([] { throw std::out_of_range("far"); }), "exception std::out_of_range: far at step 7");
  EXPECT_EQ(death_of([] { throw 3; }), "exception int at step 7");
  EXPECT_EQ(death_of([] { std::terminate(); }), "signal std::terminate at step 7");
}

TEST(Survival, AStepThatDoesNotEndUsesUpItsProcessorTime) {
  const auto endless = [] {
    volatile std::uint64_t n = 0;
    for (;;) n = n + 1;
  };
  EXPECT_EQ(death_of(endless, milliseconds(100)), "hang  at step 7");
}

TEST(Survival, ManyStepsMayTakeLongTogether) {
  const std::string said = in_child([] {
    return text_of(survive(
        [](Beacon& beacon) {
          const auto begin = std::chrono::steady_clock::now();
          for (std::uint64_t step = 0; std::chrono::steady_clock::now() - begin < milliseconds(500); ++step)
            beacon.at(Phase::op, step);
        },
        milliseconds(100)));
  });
  EXPECT_EQ(said, "nothing");
}

TEST(Survival, ItIsPossibleAgainAndAgain) {
  const std::string said = in_child([] {
    for (int i = 0; i < 200; ++i) {
      if (!survive([&](Beacon&) { i % 2 == 0 ? std::abort() : throw 3; })) return std::string("it lived");
      if (survive([](Beacon&) {})) return std::string("it died");
    }
    return std::to_string(deaths_survived());
  });
  EXPECT_EQ(said, "200");
}

TEST(Survival, AProcessThatWorkHasForkedDoesNotComeBack) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const std::string said = in_child([&] {
    for (const bool dies : {false, true}) {
      (void)survive([dies](Beacon&) {
        if (::fork() == 0 && dies) std::abort();
      });
      if (::write(ends[1], "x", 1) != 1) return std::string("cannot write");
      while (::wait(nullptr) > 0) {}
    }
    return std::string("done");
  });
  EXPECT_EQ(said, "done");
  char bytes[8];
  EXPECT_EQ(::read(ends[0], bytes, sizeof bytes), 2);
  ::close(ends[0]);
  ::close(ends[1]);
}

/// Not in a child of walk(), which has handlers of the same kind.
TEST(Survival, OutsideOfItDeathsAreWhatTheyWere) {
  const pid_t child = ::fork();
  if (child == 0) {
    (void)survive([](Beacon&) {});
    std::abort();
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGABRT);
}

}  // namespace
}  // namespace vmapcheck
