// SPDX-License-Identifier: Apache-2.0
//
// The tests of `bench kernel` on a target that keeps a ledger: what they ask for, and that they free it.
#include "bench/kernel/tests.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "bench/kernel/order.hpp"
#include "tools/kernel_tests.hpp"

namespace vmapcheck::bench {
namespace {

using tool::kernel_tests;
using tool::KernelTest;

/// Never full, unless one allocation is to fail.
class Ledger {
 public:
  using Area = std::uint64_t;
  struct Asked {
    std::uint64_t pages;
    Size align;
  };

  explicit Ledger(std::uint64_t fails_at = 0) : fails_at_(fails_at) {}

  std::optional<Area> allocate(std::uint64_t pages, Size align) {
    asked.push_back({pages, align});
    if (asked.size() == fails_at_) return std::nullopt;
    live.insert(asked.size());
    return asked.size();
  }
  std::optional<std::array<Area, 2>> allocate_pair(std::uint64_t pages) {
    const auto one = allocate(pages, page);
    if (!one) return std::nullopt;
    live.insert(*one + second_of_pair);
    return std::array{*one, *one + second_of_pair};
  }
  bool free(Area area) {
    EXPECT_TRUE(live.contains(area)) << "is freed, but not live";
    return live.erase(area) == 1;
  }
  bool free_lazily(Area area) {
    lazy_most = std::max(lazy_most, ++lazy);
    return free(area);
  }
  void purge() { lazy = 0; }

  std::vector<Asked> asked;
  std::set<Area> live;
  std::size_t lazy = 0, lazy_most = 0;

 private:
  static constexpr Area second_of_pair = Area{1} << 32;
  std::uint64_t fails_at_;
};

bool run(std::string_view name, std::uint64_t loops, Ledger& ledger) {
  const auto test = make_test(name, ledger, 20240229);
  const bool prepared = test->prepare(), passed = prepared && test->run(loops);
  return test->finish() && passed;
}

/// Those that it asks for in its loops, after all that it prepares; and how many areas live meanwhile.
struct Looped {
  std::vector<Ledger::Asked> asked;
  std::size_t live = 0;
};
Looped looped(std::string_view name, std::uint64_t loops) {
  Ledger ledger;
  const auto test = make_test(name, ledger, 20240229);
  EXPECT_TRUE(test->prepare());
  Looped seen{.asked = {}, .live = ledger.live.size()};
  const auto prepared = static_cast<std::ptrdiff_t>(ledger.asked.size());
  EXPECT_TRUE(test->run(loops));
  seen.asked.assign(ledger.asked.begin() + prepared, ledger.asked.end());
  EXPECT_TRUE(test->finish());
  return seen;
}

TEST(KernelTests, EachNameHasATest) {
  Ledger ledger;
  for (const KernelTest& test : kernel_tests) EXPECT_NE(make_test(test.name, ledger, 1), nullptr) << test.name;
  EXPECT_EQ(make_test("nothing", ledger, 1), nullptr);
}

TEST(KernelTests, EachFreesWhatItHasAllocated) {
  for (const KernelTest& test : kernel_tests)
    for (const std::uint64_t loops : {1u, 499u, 500u, 1300u}) {
      Ledger ledger;
      EXPECT_TRUE(run(test.name, loops, ledger)) << test.name;
      EXPECT_FALSE(ledger.asked.empty()) << test.name;
      EXPECT_TRUE(ledger.live.empty() && ledger.lazy == 0) << test.name << " after " << loops << " loops";
    }
}

TEST(KernelTests, EachFreesAllAlsoWhereAnAllocationFails) {
  for (const KernelTest& test : kernel_tests) {
    Ledger sound;
    ASSERT_TRUE(run(test.name, 600, sound));
    const std::size_t last = sound.asked.size();
    for (const std::size_t at : {std::size_t{1}, std::size_t{2}, last / 2, last - 599, last - 1, last}) {
      Ledger ledger(at);
      EXPECT_FALSE(run(test.name, 600, ledger)) << test.name << " without allocation " << at;
      EXPECT_TRUE(ledger.live.empty() && ledger.lazy == 0) << test.name << " without allocation " << at;
    }
  }
}

TEST(KernelTests, EachAsksForWhatItsMeaningSays) {
  struct Expected {
    std::string_view name;
    std::set<std::uint64_t> pages;
    std::set<Size> aligns{page};
    std::size_t live = 0;  ///< before the first loop
  };
  const auto up_to = [](std::uint64_t most) {
    std::set<std::uint64_t> all;
    for (std::uint64_t pages = 1; pages <= most; ++pages) all.insert(pages);
    return all;
  };
  std::set<Size> small_aligns, all_aligns;
  for (int shift = 0; shift < 64; ++shift) (shift < 23 ? small_aligns : all_aligns).insert(Size{1} << shift);
  all_aligns.insert(small_aligns.begin(), small_aligns.end());
  const std::array<Expected, kernel_tests.size()> expectations{{
      {.name = "fix_size", .pages = {1}},
      {.name = "full_fit", .pages = {1}, .live = 16'384},
      {.name = "long_busy_list", .pages = {1, 100}, .live = 15'000},
      {.name = "hole_in_front", .pages = {1, 100}, .live = 15'000},
      {.name = "random_size", .pages = up_to(100)},
      {.name = "fix_align", .pages = {5}, .aligns = {32 * 1024}},
      {.name = "random_size_align", .pages = up_to(10), .aligns = small_aligns},
      {.name = "align_shift", .pages = {1}, .aligns = all_aligns},
      {.name = "pcpu", .pages = {1}},
      {.name = "lazy_free", .pages = {1}},
      {.name = "lazy_free_batch", .pages = up_to(100)},
      {.name = "map_ram", .pages = up_to(32), .live = 1'024},
      {.name = "eight_workers", .pages = up_to(100), .live = 16'000},
  }};
  for (std::size_t i = 0; i < kernel_tests.size(); ++i) {
    const Expected& expected = expectations[i];
    ASSERT_EQ(kernel_tests[i].name, expected.name);
    const Looped seen = looped(expected.name, 5000);
    std::set<std::uint64_t> pages;
    std::set<Size> aligns;
    for (const Ledger::Asked& asked : seen.asked) pages.insert(asked.pages), aligns.insert(asked.align);
    EXPECT_EQ(pages, expected.pages) << expected.name;
    EXPECT_EQ(aligns, expected.aligns) << expected.name;
    EXPECT_EQ(seen.live, expected.live) << expected.name;
  }
}

TEST(KernelTests, LazyFreesArePurgedByTheFiveHundred) {
  for (const std::string_view name : {"lazy_free", "lazy_free_batch"}) {
    Ledger ledger;
    EXPECT_TRUE(run(name, 5000, ledger));
    EXPECT_EQ(ledger.lazy_most, 500u) << name;
  }
}

TEST(KernelTests, APairLiesAtTheSameOffsetsEverywhere) {
  Recorder recorder;
  const auto test = make_test("pcpu", recorder, 1);
  EXPECT_TRUE(test->run(3) && test->finish());
  const std::vector<Op> ops = std::move(recorder).ops();
  ASSERT_EQ(ops.size(), 3u + 6u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(std::get<Congruent>(ops[i]).blocks, std::get<Congruent>(ops[0]).blocks);
  EXPECT_EQ(ops[3], Op(Free{{0, 0}}));
  EXPECT_EQ(ops[4], Op(Free{{0, 1}}));
}

TEST(KernelTests, TheHoleInFrontHasThreePages) {
  Recorder recorder;
  EXPECT_TRUE(make_test("hole_in_front", recorder, 1)->prepare());
  const std::vector<Op> ops = std::move(recorder).ops();
  ASSERT_EQ(ops.size(), 1u + 15'000 + 1);
  EXPECT_EQ(std::get<Alloc>(ops.front()).request.size, 3 * page);
  EXPECT_EQ(ops.back(), Op(Free{{0}}));
}

/// Every order is a single cycle, and of four elements each of the 3! is met.
TEST(KernelTests, AWorkersOrderIsOneCycle) {
  std::set<std::vector<std::size_t>> met;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    const auto order = cyclic_order(4, random);
    std::size_t at = 0, length = 0;
    do at = order[at], ++length;
    while (at != 0 && length <= order.size());
    ASSERT_EQ(length, order.size());
    met.insert(order);
  }
  EXPECT_EQ(met.size(), 6u);
}

}  // namespace
}  // namespace vmapcheck::bench
