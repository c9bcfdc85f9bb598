// SPDX-License-Identifier: Apache-2.0
//
// The contract as a state machine: what an address space holds, one command for each thing that can be asked of it, and
// after each command the same answer and the same contents as the specification has.
//
// `Specification` below is the contract in its plainest form: a map of areas, and free space is what lies between them.
// It has the functions of vmap::AddressSpace, so that a command says what it does once, for both.

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>
#include <rapidcheck/state.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "harness/verify/describe.hpp"
#include "harness/verify/isolated.hpp"
#include "vmap/address_space.hpp"

namespace vmapcheck {
namespace {

__extension__ using Wide = unsigned __int128;

using vmap::Address;
using vmap::Allocation;
using vmap::Block;
using vmap::Error;
using vmap::Range;
using vmap::Request;
using vmap::Result;
using vmap::Size;

std::uint64_t pick(std::uint64_t from, std::uint64_t to) { return *rc::gen::inRange(from, to + 1); }
bool one_in(std::uint64_t n) { return pick(1, n) == 1; }

// ---- The specification

struct Specification {
  struct Area {
    Address end = 0;
    bool lazy = false;
  };

  Range range;
  Size granule = 1;
  Size lazy_limit = 0;
  std::map<Address, Area> areas{};
  std::vector<Address> hooks{};  ///< not called yet: each frees the area at this address the one time that it is called

  [[nodiscard]] std::vector<Range> gaps() const {
    std::vector<Range> gaps;
    Address begin = range.begin;
    for (const auto& [area_begin, area] : areas) {
      if (begin != area_begin) gaps.push_back({begin, area_begin});
      begin = area.end;
    }
    if (begin != range.end) gaps.push_back({begin, range.end});
    return gaps;
  }

  [[nodiscard]] bool is_free(Wide begin, Wide end) const {
    return std::ranges::any_of(gaps(), [&](Range gap) { return gap.begin <= begin && end <= gap.end; });
  }

  /// Requires that the address is free.
  [[nodiscard]] Range gap_around(Address address) const {
    const std::vector<Range> all = gaps();
    return *std::ranges::find_if(all, [&](Range gap) { return gap.contains(address); });
  }

  [[nodiscard]] bool is_busy(Address begin) const { return areas.contains(begin) && !areas.at(begin).lazy; }

  [[nodiscard]] Size lazy_bytes() const {
    Size sum = 0;
    for (const auto& [begin, area] : areas) sum += area.lazy ? area.end - begin : 0;
    return sum;
  }

  /// The lowest aligned place in the window.
  Result<Allocation> allocate(const Request& request) {
    if (request.size == 0 || request.size % granule != 0 || request.within.end < request.within.begin)
      return std::unexpected(Error::invalid_argument);
    const Size align = std::max(request.align, granule);
    return until_satisfied([&]() -> Result<Allocation> {
      for (const Range gap : gaps()) {
        const Wide lowest = std::max(gap.begin, request.within.begin);
        const Wide begin = (lowest + align - 1) / align * align;
        const Wide end = begin + request.size;
        if (end <= std::min(gap.end, request.within.end))
          return occupy({static_cast<Address>(begin), static_cast<Address>(end)});
      }
      return std::unexpected(Error::no_space);
    });
  }

  /// Exactly this place.
  Result<Allocation> allocate_at(Range place) {
    if (place.begin >= place.end || place.begin % granule != 0 || place.end % granule != 0 || !range.contains(place))
      return std::unexpected(Error::invalid_argument);
    return until_satisfied([&]() -> Result<Allocation> {
      if (!is_free(place.begin, place.end)) return std::unexpected(Error::no_space);
      return occupy(place);
    });
  }

  /// The highest base at which all blocks are free. (The space is small enough to try each.)
  Result<Address> allocate_congruent(std::span<const Block> blocks, Size align, Range within) {
    const Size step = std::max(align, granule);
    return until_satisfied([&]() -> Result<Address> {
      for (Wide base = Wide{range.end} / step * step;; base -= step) {
        const bool fits = std::ranges::all_of(blocks, [&](const Block& block) {
          const Wide begin = base + block.offset;
          return begin >= within.begin && begin + block.size <= within.end && is_free(begin, begin + block.size);
        });
        const auto at = static_cast<Address>(base);
        if (fits)
          for (const Block& block : blocks) occupy({at + block.offset, at + block.offset + block.size});
        if (fits) return at;
        if (base < step || base + blocks.back().offset < range.begin) return std::unexpected(Error::no_space);
      }
    });
  }

  /// Returns the gap that the area leaves.
  Result<Range> free(Address begin) {
    if (!is_busy(begin)) return std::unexpected(Error::not_busy);
    areas.erase(begin);
    return gap_around(begin);
  }

  /// The area is no longer busy, but not free before a purge.
  Result<Range> free_lazily(Address begin) {
    if (!is_busy(begin)) return std::unexpected(Error::not_busy);
    const Range area{begin, areas.at(begin).end};
    areas.at(begin).lazy = true;
    if (lazy_bytes() > lazy_limit) purge();
    return area;
  }

  Size purge() {
    const Size purged = lazy_bytes();
    std::erase_if(areas, [](const auto& entry) { return entry.second.lazy; });
    return purged;
  }

  [[nodiscard]] std::optional<Range> find(Address address) const {
    for (const auto& [begin, area] : areas)
      if (!area.lazy && begin <= address && address < area.end) return Range{begin, area.end};
    return std::nullopt;
  }

  bool free_on_exhaustion(Address begin) {
    hooks.push_back(begin);
    return true;
  }

 private:
  /// Before an allocation fails with no_space: a purge, then the hooks in their order, and another try after each
  /// release.
  template <class Attempt>
  auto until_satisfied(Attempt attempt) -> decltype(attempt()) {
    auto answer = attempt();
    if (!answer && lazy_bytes() != 0) {
      purge();
      answer = attempt();
    }
    while (!answer && !hooks.empty()) {
      const Address begin = hooks.front();
      hooks.erase(hooks.begin());
      if (free(begin)) answer = attempt();
    }
    return answer;
  }

  Allocation occupy(Range place) {
    const vmap::FitType fit = vmap::classify(gap_around(place.begin), place);
    areas[place.begin] = {place.end};
    return {place, fit};
  }
};

/// The address space, with hooks that can be written down.
struct System : vmap::AddressSpace {
  explicit System(vmap::AddressSpace space) : vmap::AddressSpace(std::move(space)) {}

  bool free_on_exhaustion(Address begin) {
    const auto once = [this, begin, called = false]() mutable {
      return !std::exchange(called, true) && free(begin).has_value();
    };
    return on_exhaustion(once).has_value();
  }
};

// ---- Commands

using Command = rc::state::Command<Specification, System>;

std::string text(const auto& answer) { return describe(answer); }
std::string text(bool answer) { return answer ? "true" : "false"; }

/// The invariant of every command: the same answer, and then the same contents.
void demand_same_contents(const Specification& expected, const System& actual) {
  std::vector<Range> busy;
  std::vector<Range> lazy;
  for (const auto& [begin, area] : expected.areas) (area.lazy ? lazy : busy).push_back({begin, area.end});
  const auto collected = [](auto for_each) {
    std::vector<Range> ranges;
    for_each([&](Range range) { ranges.push_back(range); });
    return ranges;
  };
  RC_ASSERT(collected([&](auto visit) { actual.for_each_busy(visit); }) == busy);
  RC_ASSERT(collected([&](auto visit) { actual.for_each_lazy(visit); }) == lazy);
  RC_ASSERT(collected([&](auto visit) { actual.for_each_free(visit); }) == expected.gaps());
  if (const auto violation = actual.verify())
    RC_FAIL(std::string(name(violation->invariant)) + ": " + violation->detail);
}

template <class Derived>
struct SameOnBoth : Command {
  void apply(Specification& specification) const override { (void)self().perform(specification); }
  void run(const Specification& before, System& system) const override {
    Specification after = before;
    const auto expected = self().perform(after);
    const auto actual = self().perform(system);
    RC_ASSERT(text(actual) == text(expected));
    demand_same_contents(after, system);
  }
  [[nodiscard]] const Derived& self() const { return static_cast<const Derived&>(*this); }
};

/// In and around the space.
Address any_address(const Specification& s) {
  return s.range.begin + pick(0, s.range.size() / s.granule) * s.granule + (one_in(8) ? pick(0, 2) - 1 : 0);
}

/// Mostly the begin of an area.
Address any_begin(const Specification& s) {
  if (s.areas.empty() || one_in(10)) return any_address(s);
  return std::next(s.areas.begin(), static_cast<std::ptrdiff_t>(pick(0, s.areas.size() - 1)))->first;
}

Range any_window(const Specification& s) {
  if (one_in(2)) return vmap::everywhere;
  const Range window{any_address(s), any_address(s)};
  return window.begin <= window.end || one_in(10) ? window : Range{window.end, window.begin};
}

Size any_alignment(const Specification& s) {
  if (one_in(2)) return 1;
  return one_in(10) ? Size{1} << pick(0, 63) : s.granule << pick(0, 4);
}

/// Small, sometimes a fifth of the space, and sometimes not a size at all.
Size any_size(const Specification& s) {
  if (one_in(30)) return *rc::gen::element<Size>(0, 1, Size{vmap::address_max});
  return pick(1, one_in(8) ? s.range.size() / s.granule / 5 : 4) * s.granule;
}

struct Allocate : SameOnBoth<Allocate> {
  Request request;
  explicit Allocate(const Specification& s)
      : request{.size = any_size(s), .align = any_alignment(s), .within = any_window(s)} {}
  auto perform(auto& space) const { return space.allocate(request); }
  void show(std::ostream& os) const override {
    os << "allocate " << describe(request.size) << " align " << describe(request.align) << " within "
       << describe(request.within);
  }
};

struct AllocateAt : SameOnBoth<AllocateAt> {
  Range place;
  explicit AllocateAt(const Specification& s) {
    place.begin = any_address(s);
    place.end = place.begin + any_size(s);
    // Exactly a gap: the placement that leaves nothing.
    if (const std::vector<Range> gaps = s.gaps(); !gaps.empty() && one_in(3)) place = gaps[pick(0, gaps.size() - 1)];
  }
  auto perform(auto& space) const { return space.allocate_at(place); }
  void show(std::ostream& os) const override { os << "allocate_at " << describe(place); }
};

struct AllocateCongruent : SameOnBoth<AllocateCongruent> {
  std::vector<Block> blocks;
  Size align;
  Range within;
  explicit AllocateCongruent(const Specification& s) : align(any_alignment(s)), within(any_window(s)) {
    if (within.end < within.begin) within = vmap::everywhere;
    Size offset = pick(0, 3) * s.granule;
    for (std::uint64_t count = pick(1, 3); count > 0; --count) {
      blocks.push_back({offset, pick(1, 3) * s.granule});
      offset += blocks.back().size + pick(0, 2) * s.granule;
    }
  }
  auto perform(auto& space) const { return space.allocate_congruent(blocks, align, within); }
  void show(std::ostream& os) const override {
    os << "allocate_congruent";
    for (const Block& block : blocks) os << ' ' << describe(block.offset) << '+' << describe(block.size);
    os << " align " << describe(align) << " within " << describe(within);
  }
};

struct Free : SameOnBoth<Free> {
  Address begin;
  explicit Free(const Specification& s) : begin(any_begin(s)) {}
  auto perform(auto& space) const { return space.free(begin); }
  void show(std::ostream& os) const override { os << "free " << describe(begin); }
};

struct FreeLazily : SameOnBoth<FreeLazily> {
  Address begin;
  explicit FreeLazily(const Specification& s) : begin(any_begin(s)) {}
  auto perform(auto& space) const { return space.free_lazily(begin); }
  void show(std::ostream& os) const override { os << "free_lazily " << describe(begin); }
};

struct Purge : SameOnBoth<Purge> {
  auto perform(auto& space) const { return space.purge(); }
  void show(std::ostream& os) const override { os << "purge"; }
};

struct Find : SameOnBoth<Find> {
  Address address;
  explicit Find(const Specification& s) : address(one_in(2) ? any_address(s) : any_begin(s) + s.granule - 1) {}
  auto perform(auto& space) const { return space.find(address); }
  void show(std::ostream& os) const override { os << "find " << describe(address); }
};

struct FreeOnExhaustion : SameOnBoth<FreeOnExhaustion> {
  Address begin;
  explicit FreeOnExhaustion(const Specification& s) : begin(any_begin(s)) {}
  auto perform(auto& space) const { return space.free_on_exhaustion(begin); }
  void show(std::ostream& os) const override { os << "on exhaustion free " << describe(begin); }
};

// ---- The machine

/// A space of 16 to 256 granules at the bottom, in the middle or at the top of the addresses.
Specification any_space() {
  const Size granule = one_in(3) ? 0x1000 : 1;
  const Size bytes = *rc::gen::element<Size>(16, 64, 256) * granule;
  const Address begin =
      *rc::gen::element<Address>(Address{0}, 0x10000, Address{1} << 63, vmap::address_max / granule * granule - bytes);
  const Size lazy_limit = one_in(2) ? Size{vmap::address_max} : bytes / 8;
  return {.range = {begin, begin + bytes}, .granule = granule, .lazy_limit = lazy_limit};
}

// More frees than lazy frees, more allocations than frees: the space fills, and is exhausted now and then.
const auto any_command =
    rc::state::gen::execOneOfWithArgs<Allocate, Allocate, Allocate, Allocate, AllocateAt, AllocateAt, AllocateCongruent,
                                      Free, Free, Free, FreeLazily, Purge, Find, FreeOnExhaustion>();

TEST(StateMachine, AnAddressSpaceAnswersLikeItsSpecification) {
  const SharedArray<vmap::Stats> shared(1);
  vmap::Stats& reached = shared[0];
  std::size_t longest = 0;
  const bool holds = rc::check([&] {
    const Specification initial = any_space();
    // The number of commands is uniform up to the size.
    const auto commands = *rc::gen::resize(600, rc::state::gen::commands(initial, any_command));
    longest = std::max(longest, commands.size());
    // In a child: RapidCheck sees exceptions only, and should shrink what crashes or hangs, too.
    const Walked walked = walk(1, [&](std::uint64_t, Beacon&) -> std::optional<std::string> {
      auto space = vmap::AddressSpace::create(
          {.range = initial.range, .granule = initial.granule, .lazy_limit = initial.lazy_limit});
      System system(std::move(space.value()));
      try {
        rc::state::runAll(commands, initial, system);
      } catch (const rc::detail::CaseResult& result) {
        return result.description;
      }
      const vmap::Stats stats = system.stats();
      for (std::size_t i = 0; i < reached.fits.size(); ++i) reached.fits[i] += stats.fits[i];
      for (std::size_t i = 0; i < reached.coalescings.size(); ++i) reached.coalescings[i] += stats.coalescings[i];
      for (std::size_t i = 0; i < reached.failures.size(); ++i) reached.failures[i] += stats.failures[i];
      reached.purges += stats.purges;
      reached.hooks_called += stats.hooks_called;
      return std::nullopt;
    });
    if (walked.death) RC_FAIL("died: " + signature(failure_of(*walked.death, Trace{})) + "\n" + walked.death->report);
    if (walked.answer) RC_FAIL(*walked.answer);
  });
  EXPECT_TRUE(holds);
  EXPECT_GT(longest, 500u);
  for (const std::uint64_t count : reached.fits) EXPECT_GT(count, 100u);
  for (const std::uint64_t count : reached.coalescings) EXPECT_GT(count, 100u);
  for (const Error error : {Error::invalid_argument, Error::no_space, Error::not_busy})
    EXPECT_GT(reached.failures[static_cast<std::size_t>(error)], 100u) << name(error);
  EXPECT_GT(reached.purges, 100u);
  EXPECT_GT(reached.hooks_called, 100u);
}

}  // namespace
}  // namespace vmapcheck
