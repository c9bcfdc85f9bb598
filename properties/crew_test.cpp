// SPDX-License-Identifier: Apache-2.0
//
// Processes side by side: what they say arrives whole and in order, and how they end is noticed.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "harness/isolate/crew.hpp"
#include "harness/isolate/isolation.hpp"

namespace vmapcheck {
namespace {

using Heard = std::map<unsigned, std::vector<std::string>>;

struct Ended {
  Heard heard;
  std::vector<unsigned> killed;
};

Ended hear_all(Crew& crew) {
  Ended ended;
  while (crew.hear([&](unsigned number, std::string_view message) { ended.heard[number].emplace_back(message); },
                   [&](unsigned number) { ended.killed.push_back(number); })) {}
  return ended;
}

TEST(Crew, SaysEverythingWholeAndEachMemberInItsOrder) {
  Crew crew(3, [](unsigned number, const Crew::Tell& tell) {
    for (int i = 0; i < 50; ++i) tell(std::string(static_cast<std::size_t>(i) * 4001, static_cast<char>('a' + number)));
  });
  const auto [heard, killed] = hear_all(crew);
  EXPECT_TRUE(killed.empty());
  ASSERT_EQ(heard.size(), 3u);
  for (const auto& [number, messages] : heard) {
    ASSERT_EQ(messages.size(), 50u);
    for (std::size_t i = 0; i < messages.size(); ++i)
      EXPECT_EQ(messages[i], std::string(i * 4001, static_cast<char>('a' + number)));
  }
}

TEST(Crew, WorksAtTheSameTimeAndSharesMemory) {
  const SharedArray<int> here(2);
  Crew crew(2, [&](unsigned number, const Crew::Tell& tell) {
    here[number] = 1;
    while (static_cast<const volatile int&>(here[1 - number]) == 0) ::usleep(100);  // one after the other: for ever
    tell("met");
  });
  EXPECT_EQ(hear_all(crew).heard, (Heard{{0, {"met"}}, {1, {"met"}}}));
}

TEST(Crew, SaysWhoWasKilledOrThrewAndWhatTheySaidBefore) {
  Crew crew(3, [](unsigned number, const Crew::Tell& tell) {
    tell("before");
    if (number == 1) ::kill(::getpid(), SIGKILL);
    if (number == 2) throw 1;
    tell("after");
  });
  auto [heard, killed] = hear_all(crew);
  std::ranges::sort(killed);
  EXPECT_EQ(killed, (std::vector<unsigned>{1, 2}));
  EXPECT_EQ(heard, (Heard{{0, {"before", "after"}}, {1, {"before"}}, {2, {"before"}}}));
}

TEST(Crew, DoesNotWaitForWhatAMemberLeavesBehind) {
  const SharedArray<pid_t> left(1);
  Crew crew(1, [&](unsigned, const Crew::Tell&) {
    const pid_t child = ::fork();
    if (child == 0)
      while (true) ::pause();
    left[0] = child;
  });
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(hear_all(crew).killed.empty());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  EXPECT_EQ(::kill(left[0], SIGKILL), 0) << "it was there all the time";
}

TEST(Crew, IsKilledWhereNobodyHearsItAnyMore) {
  const SharedArray<pid_t> member(1);
  {
    const Crew crew(1, [&](unsigned, const Crew::Tell&) {
      member[0] = ::getpid();
      while (true) ::pause();
    });
    while (static_cast<const volatile pid_t&>(member[0]) == 0) ::usleep(100);
  }
  EXPECT_EQ(::kill(member[0], 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

}  // namespace
}  // namespace vmapcheck
