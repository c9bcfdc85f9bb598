// SPDX-License-Identifier: Apache-2.0
//
// The contract as a state machine: what an address space holds, one command for each thing that can be asked of it, and
// after each command the same answer and the same contents as the reference model has.
//
// The specification is the reference model. It has the functions of vmap::AddressSpace, so that a command says what it
// does once, for both.

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>
#include <rapidcheck/state.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "harness/verify/describe.hpp"
#include "harness/verify/isolated.hpp"
#include "model/reference_model.hpp"
#include "vmap/address_space.hpp"

namespace vmapcheck {
namespace {

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

using Command = rc::state::Command<ReferenceModel, System>;

std::string text(const auto& answer) { return describe(answer); }
std::string text(bool answer) { return answer ? "true" : "false"; }

/// The invariant of every command: the same answer, and then the same contents.
void demand_same_contents(const ReferenceModel& expected, const System& actual) {
  std::vector<Range> busy;
  std::vector<Range> lazy;
  for (const auto& [begin, area] : expected.areas()) (area.lazy ? lazy : busy).push_back({begin, area.end});
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
  void apply(ReferenceModel& model) const override { (void)self().perform(model); }
  void run(const ReferenceModel& before, System& system) const override {
    ReferenceModel after = before;
    const auto expected = self().perform(after);
    const auto actual = self().perform(system);
    RC_ASSERT(text(actual) == text(expected));
    demand_same_contents(after, system);
  }
  [[nodiscard]] const Derived& self() const { return static_cast<const Derived&>(*this); }
};

/// In and around the space.
Address any_address(const ReferenceModel& s) {
  return s.space().range.begin + pick(0, s.space().range.size() / s.space().granule) * s.space().granule +
         (one_in(8) ? pick(0, 2) - 1 : 0);
}

/// Mostly the begin of an area.
Address any_begin(const ReferenceModel& s) {
  if (s.areas().empty() || one_in(10)) return any_address(s);
  return std::next(s.areas().begin(), static_cast<std::ptrdiff_t>(pick(0, s.areas().size() - 1)))->first;
}

Range any_window(const ReferenceModel& s) {
  if (one_in(2)) return vmap::everywhere;
  const Range window{any_address(s), any_address(s)};
  return window.begin <= window.end || one_in(10) ? window : Range{window.end, window.begin};
}

Size any_alignment(const ReferenceModel& s) {
  if (one_in(2)) return 1;
  return one_in(10) ? Size{1} << pick(0, 63) : s.space().granule << pick(0, 4);
}

/// Small, sometimes a fifth of the space, and sometimes not a size at all.
Size any_size(const ReferenceModel& s) {
  if (one_in(30)) return *rc::gen::element<Size>(0, 1, Size{vmap::address_max});
  return pick(1, one_in(8) ? s.space().range.size() / s.space().granule / 5 : 4) * s.space().granule;
}

struct Allocate : SameOnBoth<Allocate> {
  Request request;
  explicit Allocate(const ReferenceModel& s)
      : request{.size = any_size(s), .align = any_alignment(s), .within = any_window(s)} {}
  auto perform(auto& space) const { return space.allocate(request); }
  void show(std::ostream& os) const override {
    os << "allocate " << describe(request.size) << " align " << describe(request.align) << " within "
       << describe(request.within);
  }
};

struct AllocateAt : SameOnBoth<AllocateAt> {
  Range place;
  explicit AllocateAt(const ReferenceModel& s) {
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
  explicit AllocateCongruent(const ReferenceModel& s) : align(any_alignment(s)), within(any_window(s)) {
    if (within.end < within.begin) within = vmap::everywhere;
    Size offset = pick(0, 3) * s.space().granule;
    for (std::uint64_t count = pick(1, 3); count > 0; --count) {
      blocks.push_back({offset, pick(1, 3) * s.space().granule});
      offset += blocks.back().size + pick(0, 2) * s.space().granule;
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
  explicit Free(const ReferenceModel& s) : begin(any_begin(s)) {}
  auto perform(auto& space) const { return space.free(begin); }
  void show(std::ostream& os) const override { os << "free " << describe(begin); }
};

struct FreeLazily : SameOnBoth<FreeLazily> {
  Address begin;
  explicit FreeLazily(const ReferenceModel& s) : begin(any_begin(s)) {}
  auto perform(auto& space) const { return space.free_lazily(begin); }
  void show(std::ostream& os) const override { os << "free_lazily " << describe(begin); }
};

struct Purge : SameOnBoth<Purge> {
  auto perform(auto& space) const { return space.purge(); }
  void show(std::ostream& os) const override { os << "purge"; }
};

struct Find : SameOnBoth<Find> {
  Address address;
  explicit Find(const ReferenceModel& s) : address(one_in(2) ? any_address(s) : any_begin(s) + s.space().granule - 1) {}
  auto perform(auto& space) const { return space.find(address); }
  void show(std::ostream& os) const override { os << "find " << describe(address); }
};

struct FreeOnExhaustion : SameOnBoth<FreeOnExhaustion> {
  Address begin;
  explicit FreeOnExhaustion(const ReferenceModel& s) : begin(any_begin(s)) {}
  auto perform(auto& space) const { return space.free_on_exhaustion(begin); }
  void show(std::ostream& os) const override { os << "on exhaustion free " << describe(begin); }
};

// ---- The machine

/// A space of 16 to 256 granules at the bottom, in the middle or at the top of the addresses.
Space any_space() {
  const Size granule = one_in(3) ? 0x1000 : 1;
  const Size bytes = *rc::gen::element<Size>(16, 64, 256) * granule;
  const Address begin =
      *rc::gen::element<Address>(Address{0}, 0x10000, Address{1} << 63, vmap::address_max / granule * granule - bytes);
  const Size lazy_limit = one_in(2) ? Size{vmap::address_max} : bytes / 8;
  return {.range = {begin, begin + bytes}, .granule = granule, .lazy_limit = lazy_limit, .busy = {}};
}

// More frees than lazy frees, more allocations than frees: the space fills, and is exhausted now and then.
const auto any_command =
    rc::state::gen::execOneOfWithArgs<Allocate, Allocate, Allocate, Allocate, AllocateAt, AllocateAt, AllocateCongruent,
                                      Free, Free, Free, FreeLazily, Purge, Find, FreeOnExhaustion>();

TEST(StateMachine, AnAddressSpaceAnswersLikeTheReferenceModel) {
  const SharedArray<vmap::Stats> shared(1);
  vmap::Stats& reached = shared[0];
  std::size_t longest = 0;
  const bool holds = rc::check([&] {
    const ReferenceModel initial(any_space());
    // The number of commands is uniform up to the size.
    const auto commands = *rc::gen::resize(600, rc::state::gen::commands(initial, any_command));
    longest = std::max(longest, commands.size());
    // In a child: RapidCheck sees exceptions only, and should shrink what crashes or hangs, too.
    const Walked walked = walk(1, [&](std::uint64_t, Beacon&) -> std::optional<std::string> {
      auto space = vmap::AddressSpace::create({.range = initial.space().range,
                                               .granule = initial.space().granule,
                                               .lazy_limit = initial.space().lazy_limit.value()});
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
