// SPDX-License-Identifier: Apache-2.0
//
// The tests, each on any target (target.hpp). A run of a test is three calls, of which the second may be made again:
//
//     prepare()   allocates what is kept meanwhile
//     run(loops)
//     finish()    frees all that is left
//
// Each returns false once something failed. What was allocated is freed by finish() also then.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/kernel/target.hpp"
#include "harness/random/choices.hpp"
#include "harness/verify/subject.hpp"

namespace vmapcheck::bench {

template <class Target>
class Test {
 public:
  Test(Target& target, std::uint64_t seed) : target_(target), random_(seed) {}
  Test(const Test&) = delete;
  Test& operator=(const Test&) = delete;
  virtual ~Test() = default;

  virtual bool prepare() { return true; }
  virtual bool run(std::uint64_t loops) = 0;
  virtual bool finish() { return free_kept(); }

 protected:
  using Area = typename Target::Area;

  bool allocate_and_free(std::uint64_t pages, Size align = page) {
    const auto area = target_.allocate(pages, align);
    return area && target_.free(*area);
  }
  bool keep(std::uint64_t pages) { return keep(target_.allocate(pages, page)); }
  bool keep(std::optional<Area> area) {
    if (area) kept_.push_back(*area);
    return area.has_value();
  }
  bool keep_many(std::size_t count, std::uint64_t pages) {
    for (; count != 0; --count)
      if (!keep(pages)) return false;
    return true;
  }
  /// Leaves a hole between each two that stay.
  bool free_every_other() {
    bool all = true;
    std::size_t stay = 0;
    for (std::size_t i = 0; i < kept_.size(); ++i) {
      if (i % 2 == 0)
        all = target_.free(kept_[i]) && all;
      else
        kept_[stay++] = kept_[i];
    }
    kept_.resize(stay);
    return all;
  }
  bool free_kept() {
    bool all = true;
    for (const Area area : std::exchange(kept_, {})) all = target_.free(area) && all;
    return all;
  }
  bool free_kept_lazily() {
    bool all = true;
    for (const Area area : kept_) all = target_.free_lazily(area) && all;
    kept_.clear();
    target_.purge();
    return all;
  }
  /// From 1 to `most`.
  std::uint64_t random_pages(std::uint64_t most) { return 1 + random_.below(most); }

  Target& target_;
  Random random_;
  std::vector<Area> kept_;
};

/// True if `loop` was, so many times.
template <class Loop>
bool repeat(std::uint64_t loops, Loop loop) {
  for (; loops != 0; --loops)
    if (!loop()) return false;
  return true;
}

// What a test needs of its base is named with `this->`, since that depends on the target.

template <class Target>
struct FixSize final : Test<Target> {
  using Test<Target>::Test;
  bool run(std::uint64_t loops) override {
    return repeat(loops, [this] { return this->allocate_and_free(1); });
  }
};

template <class Target>
struct FullFit final : Test<Target> {
  using Test<Target>::Test;
  static constexpr std::size_t pairs = 16'384;
  bool prepare() override { return this->keep_many(2 * pairs, 1) && this->free_every_other(); }
  bool run(std::uint64_t loops) override {
    return repeat(loops, [this] { return this->allocate_and_free(1); });
  }
};

template <class Target>
struct LongBusyList : Test<Target> {
  using Test<Target>::Test;
  static constexpr std::size_t areas = 15'000;
  bool prepare() override { return this->keep_many(areas, 1); }
  bool run(std::uint64_t loops) override {
    return repeat(loops, [this] {
      const auto large = this->target_.allocate(100, page), small = this->target_.allocate(1, page);
      const bool large_freed = large && this->target_.free(*large), small_freed = small && this->target_.free(*small);
      return large_freed && small_freed;
    });
  }
};

/// One page fits the hole, 100 do not. A search that goes on where the last one came to, and from the front only for
/// what may fit a hole that it has passed by, is sent to the front by each page, and then has to pass all areas for the
/// 100.
template <class Target>
struct HoleInFront final : LongBusyList<Target> {
  using LongBusyList<Target>::LongBusyList;
  bool prepare() override {
    constexpr std::uint64_t pages_of_hole = 3;
    const auto hole = this->target_.allocate(pages_of_hole - 1, page);  // and its guard
    const bool kept = LongBusyList<Target>::prepare();
    return hole && this->target_.free(*hole) && kept;
  }
};

template <class Target>
struct RandomSize final : Test<Target> {
  using Test<Target>::Test;
  bool run(std::uint64_t loops) override {
    return repeat(loops, [this] { return this->allocate_and_free(this->random_pages(100)); });
  }
};

template <class Target>
struct FixAlign final : Test<Target> {
  using Test<Target>::Test;
  bool run(std::uint64_t loops) override {
    return repeat(loops, [this] { return this->allocate_and_free(5, Size{32} << 10); });
  }
};

/// Both from one byte.
template <class Target>
struct RandomSizeAlign final : Test<Target> {
  using Test<Target>::Test;
  bool run(std::uint64_t loops) override {
    return repeat(loops, [this] {
      const std::uint64_t byte = this->random_.below(256);
      return this->allocate_and_free(byte % 10 + 1, Size{1} << byte % 23);
    });
  }
};

template <class Target>
struct AlignShift final : Test<Target> {
  using Test<Target>::Test;
  bool run(std::uint64_t loops) override {
    bool all = true;
    for (; loops != 0; --loops) all = pass() && all;
    return all;
  }

 private:
  /// Until one fails.
  bool pass() {
    for (int shift = 0; shift < 64; ++shift)
      if (!this->allocate_and_free(1, Size{1} << shift)) return false;
    return true;
  }
};

template <class Target>
struct PerCpu final : Test<Target> {
  using Test<Target>::Test;
  bool run(std::uint64_t loops) override {
    return repeat(loops, [this] {
      const auto pair = this->target_.allocate_pair(1);
      if (pair) this->kept_.insert(this->kept_.end(), pair->begin(), pair->end());
      return pair.has_value();
    });
  }
};

inline constexpr std::size_t lazy_frees_of_purge = 500;

template <class Target>
struct LazyFree final : Test<Target> {
  using Test<Target>::Test;
  bool run(std::uint64_t loops) override {
    return repeat(loops, [this] {
      const auto area = this->target_.allocate(1, page);
      const bool freed = area && this->target_.free_lazily(*area);
      if (++freed_ % lazy_frees_of_purge == 0) this->target_.purge();
      return freed;
    });
  }
  bool finish() override { return this->target_.purge(), true; }

 private:
  std::size_t freed_ = 0;
};

template <class Target>
struct LazyFreeBatch final : Test<Target> {
  using Test<Target>::Test;
  bool run(std::uint64_t loops) override {
    return repeat(loops, [this] {
      return this->keep(this->random_pages(100)) &&
             (this->kept_.size() < lazy_frees_of_purge || this->free_kept_lazily());
    });
  }
  bool finish() override { return this->free_kept_lazily(); }
};

template <class Target>
struct MapRam final : Test<Target> {
  using Test<Target>::Test;
  static constexpr std::size_t areas = 1'024;
  static constexpr std::uint64_t pages_max = 32;
  bool prepare() override {
    return repeat(areas, [this] { return this->keep(this->random_pages(pages_max)); });
  }
  bool run(std::uint64_t loops) override {
    return repeat(loops, [this] {
      const auto oldest = this->kept_.begin() + static_cast<std::ptrdiff_t>(oldest_);
      oldest_ = (oldest_ + 1) % areas;
      const bool freed = this->target_.free(*oldest);
      const auto area = this->target_.allocate(this->random_pages(pages_max), page);
      if (area)
        *oldest = *area;
      else
        this->kept_.erase(oldest);
      return freed && area;
    });
  }

 private:
  std::size_t oldest_ = 0;
};

/// Eight workers at once, but in one thread and in turn, so that every run is the same. In its turn a worker frees its
/// area and allocates another: every second one a page, which a hole in front can hold, the others 1 to 100 pages. What
/// the search of one worker has learned is of no use to the next.
template <class Target>
struct EightWorkers final : Test<Target> {
  using Test<Target>::Test;
  static constexpr std::size_t workers = 8, areas_of_each = 2'000;
  static constexpr std::uint64_t pages_kept_max = 4;
  bool prepare() override {
    return repeat(2 * workers * areas_of_each, [this] { return this->keep(this->random_pages(pages_kept_max)); }) &&
           this->free_every_other();
  }
  bool run(std::uint64_t loops) override {
    return repeat(loops, [this] {
      auto& area = areas_[turn_];
      const bool freed = !area || this->target_.free(*area);
      area = this->target_.allocate(turn_ % 2 == 0 ? 1 : this->random_pages(100), page);
      turn_ = (turn_ + 1) % workers;
      return freed && area;
    });
  }
  bool finish() override {
    bool all = true;
    for (auto& area : areas_)
      if (const auto last = std::exchange(area, std::nullopt)) all = this->target_.free(*last) && all;
    return this->free_kept() && all;
  }

 private:
  std::array<std::optional<typename Target::Area>, workers> areas_{};
  std::size_t turn_ = 0;
};

/// By the name of one of tool::kernel_tests; null if there is none of that name.
template <class Target>
[[nodiscard]] std::unique_ptr<Test<Target>> make_test(std::string_view name, Target& target, std::uint64_t seed) {
  if (name == "fix_size") return std::make_unique<FixSize<Target>>(target, seed);
  if (name == "full_fit") return std::make_unique<FullFit<Target>>(target, seed);
  if (name == "long_busy_list") return std::make_unique<LongBusyList<Target>>(target, seed);
  if (name == "hole_in_front") return std::make_unique<HoleInFront<Target>>(target, seed);
  if (name == "random_size") return std::make_unique<RandomSize<Target>>(target, seed);
  if (name == "fix_align") return std::make_unique<FixAlign<Target>>(target, seed);
  if (name == "random_size_align") return std::make_unique<RandomSizeAlign<Target>>(target, seed);
  if (name == "align_shift") return std::make_unique<AlignShift<Target>>(target, seed);
  if (name == "pcpu") return std::make_unique<PerCpu<Target>>(target, seed);
  if (name == "lazy_free") return std::make_unique<LazyFree<Target>>(target, seed);
  if (name == "lazy_free_batch") return std::make_unique<LazyFreeBatch<Target>>(target, seed);
  if (name == "map_ram") return std::make_unique<MapRam<Target>>(target, seed);
  if (name == "eight_workers") return std::make_unique<EightWorkers<Target>>(target, seed);
  return nullptr;
}

}  // namespace vmapcheck::bench
