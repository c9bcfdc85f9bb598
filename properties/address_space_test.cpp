// SPDX-License-Identifier: Apache-2.0
//
// The points of vmap::AddressSpace's contract that a sequence of ops cannot say: construction, the order of errors,
// memory that runs out in any manner, hooks, windows of iteration, moves; the faults that allocators of this kind
// really had; and that verify() names each invariant when the structure is broken on purpose.

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <memory_resource>
#include <new>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "vmap/address_space.hpp"
#include "vmap/verify.hpp"

namespace vmap {
namespace {

constexpr Size p = 0x1000;

// ---- What the tests share -------------------------------------------------------------------------------------------

/// How a memory resource may refuse.
enum class Refusal { bad_alloc, other_exception };
constexpr std::array refusals{Refusal::bad_alloc, Refusal::other_exception};

/// Counts, and refuses from a request on.
class TestResource final : public std::pmr::memory_resource {
 public:
  Refusal refusal = Refusal::bad_alloc;
  std::uint64_t requests = 0;
  std::size_t bytes_outstanding = 0;

  void grant(std::uint64_t more) { granted_ = requests + more; }
  void grant_all() { granted_ = std::numeric_limits<std::uint64_t>::max(); }

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    if (++requests > granted_ || bytes > std::size_t{1} << 24) {
      if (refusal == Refusal::other_exception) throw std::runtime_error("no");
      throw std::bad_alloc();
    }
    bytes_outstanding += bytes;
    return std::pmr::new_delete_resource()->allocate(bytes, alignment);
  }
  void do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) override {
    bytes_outstanding -= bytes;
    std::pmr::new_delete_resource()->deallocate(memory, bytes, alignment);
  }
  [[nodiscard]] bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
    return this == &other;
  }

  std::uint64_t granted_ = std::numeric_limits<std::uint64_t>::max();
};

AddressSpace make(const Options& options) { return std::move(AddressSpace::create(options).value()); }

template <class Index>
std::vector<Range> busy_in(const BasicAddressSpace<Index>& space, Range window = everywhere) {
  std::vector<Range> ranges;
  space.for_each_busy([&](Range range) { ranges.push_back(range); }, window);
  return ranges;
}
std::vector<Range> free_in(const AddressSpace& space, Range window = everywhere) {
  std::vector<Range> ranges;
  space.for_each_free([&](Range range) { ranges.push_back(range); }, window);
  return ranges;
}
std::vector<Range> lazy_in(const AddressSpace& space, Range window = everywhere) {
  std::vector<Range> ranges;
  space.for_each_lazy([&](Range range) { ranges.push_back(range); }, window);
  return ranges;
}

struct Contents {
  std::vector<Range> busy;
  std::vector<Range> free;
  std::vector<Range> lazy;
  friend bool operator==(const Contents&, const Contents&) = default;
};
Contents contents_of(const AddressSpace& space) { return {busy_in(space), free_in(space), lazy_in(space)}; }

template <class T>
std::optional<Error> error_of(const Result<T>& result) {
  return result ? std::nullopt : std::optional(result.error());
}

std::optional<Invariant> broken(const std::optional<Violation>& violation) {
  return violation ? std::optional(violation->invariant) : std::nullopt;
}

Address placed(const Result<Allocation>& result) { return result.value().range.begin; }

using Ranges = std::vector<Range>;
using Blocks = std::vector<Block>;

/// Nothing of it is free; area after area of one page.
AddressSpace full_space(std::uint64_t pages, TestResource& resource, std::size_t nodes_per_slab = 1) {
  AddressSpace space =
      make({.range = {0, pages * p}, .granule = p, .resource = &resource, .nodes_per_slab = nodes_per_slab});
  for (std::uint64_t i = 0; i < pages; ++i) (void)space.allocate({.size = p});
  return space;
}

// ---- Construction ---------------------------------------------------------------------------------------------------

TEST(AddressSpaceCreate, RefusesWhatIsNoSpace) {
  const std::array<Range, 1> off_granule{{{0x1800, 0x2000}}};
  const std::array<Range, 1> end_off_granule{{{0x1000, 0x1800}}};
  const std::array<Range, 1> empty{{{0x2000, 0x2000}}};
  const std::array<Range, 1> reversed{{{0x3000, 0x2000}}};
  const std::array<Range, 1> below{{{0x0, 0x2000}}};
  const std::array<Range, 1> above{{{0x8000, 0xa000}}};
  const std::array<Range, 3> overlapping{{{0x1000, 0x3000}, {0x5000, 0x6000}, {0x2000, 0x4000}}};
  const std::array<Range, 2> good_then_above{{{0x1000, 0x2000}, {0x8000, 0xa000}}};
  const std::array<Range, 2> twice{{{0x1000, 0x3000}, {0x1000, 0x3000}}};
  const std::array<Range, 2> inside{{{0x1000, 0x5000}, {0x2000, 0x3000}}};
  const Range good{0x1000, 0x9000};
  const Options bad[] = {
      {.range = {0x1000, 0x1000}, .granule = p},
      {.range = {0x2000, 0x1000}, .granule = p},
      {.range = {0x1800, 0x9000}, .granule = p},
      {.range = {0x1000, 0x8800}, .granule = p},
      {.range = good, .granule = 0},
      {.range = good, .granule = 0x1800},
      {.range = everywhere, .granule = p},
      {.range = {}},
      {.range = good, .granule = p, .busy = off_granule},
      {.range = good, .granule = p, .busy = end_off_granule},
      {.range = good, .granule = p, .busy = empty},
      {.range = good, .granule = p, .busy = reversed},
      {.range = good, .granule = p, .busy = below},
      {.range = good, .granule = p, .busy = above},
      {.range = good, .granule = p, .busy = good_then_above},
      {.range = good, .granule = p, .busy = overlapping},
      {.range = good, .granule = p, .busy = twice},
      {.range = good, .granule = p, .busy = inside},
      {.range = good, .granule = p, .nodes_per_slab = 0},
  };
  for (const Options& options : bad) {
    const auto index = &options - bad;
    for (const Refusal refusal : refusals)
      for (std::uint64_t granted = 0; granted < 8; ++granted) {
        TestResource resource;
        resource.refusal = refusal;
        resource.grant(granted);
        Options with_resource = options;
        with_resource.resource = &resource;
        if (options.nodes_per_slab != 0) with_resource.nodes_per_slab = 1;
        EXPECT_EQ(error_of(AddressSpace::create(with_resource)), Error::invalid_argument)
            << "options " << index << ": arguments come before memory, with " << granted << " requests granted";
        EXPECT_EQ(resource.bytes_outstanding, 0u);
      }
  }
}

TEST(AddressSpaceCreate, ReportsWantOfMemoryForAnyNodeAndGivesBackTheOthers) {
  const std::array<Range, 3> busy{{{0x5000, 0x6000}, {0x1000, 0x2000}, {0x7000, 0x8000}}};
  for (const Refusal refusal : refusals)
    for (std::uint64_t granted = 0; granted < 7; ++granted) {
      TestResource resource;
      resource.refusal = refusal;
      resource.grant(granted);
      const auto space = AddressSpace::create(
          {.range = {0x1000, 0x9000}, .granule = p, .busy = busy, .resource = &resource, .nodes_per_slab = 1});
      // Three areas, three free blocks.
      EXPECT_EQ(error_of(space), granted < 6 ? std::optional(Error::out_of_memory) : std::nullopt) << granted;
      EXPECT_EQ(resource.bytes_outstanding == 0, !space);
    }
}

TEST(AddressSpaceCreate, TakesBusyRangesInAnyOrder) {
  std::vector<Range> busy{{0, 2}, {2, 4}, {8, 9}, {15, 16}};
  do {
    AddressSpace space = make({.range = {0, 16}, .busy = busy});
    EXPECT_EQ(busy_in(space), (Ranges{{0, 2}, {2, 4}, {8, 9}, {15, 16}}));
    EXPECT_EQ(free_in(space), (Ranges{{4, 8}, {9, 15}}));
    EXPECT_EQ(space.verify(), std::nullopt);
    EXPECT_EQ(space.stats().fits, Stats{}.fits) << "an import is no placement";
    EXPECT_EQ(space.free(2), (Range{2, 8}));
  } while (std::ranges::next_permutation(busy, {}, &Range::begin).found);
}

TEST(AddressSpaceCreate, TakesAllOfTheSpaceAsBusy) {
  const std::array<Range, 1> all{everywhere};
  AddressSpace space = make({.range = everywhere, .busy = all});
  EXPECT_EQ(free_in(space), Ranges{});
  EXPECT_EQ(error_of(space.allocate({.size = 1})), Error::no_space);
  EXPECT_EQ(space.free(0), everywhere);
}

TEST(AddressSpaceCreate, TakesTheDefaultResourceWhereNoneIsGiven) {
  TestResource resource;
  std::pmr::memory_resource* const before = std::pmr::set_default_resource(&resource);
  const auto space = AddressSpace::create({.range = {0, 16}});
  std::pmr::set_default_resource(before);
  EXPECT_TRUE(space.has_value());
  EXPECT_EQ(resource.requests, 1u);
}

// ---- Errors, and their order: argument, space, memory ---------------------------------------------------------------

/// One call, that can be made in any state.
struct Call {
  std::string name;
  std::function<std::optional<Error>(AddressSpace&)> make;
};

Call allocating(const Request& request) {
  return {"allocate", [=](AddressSpace& space) { return error_of(space.allocate(request)); }};
}
Call allocating_at(Range range) {
  return {"allocate_at", [=](AddressSpace& space) { return error_of(space.allocate_at(range)); }};
}
Call allocating_congruent(const Blocks& blocks, Size align = 1, Range within = everywhere) {
  return {"allocate_congruent",
          [=](AddressSpace& space) { return error_of(space.allocate_congruent(blocks, align, within)); }};
}

/// For a space [0x4000, 0x10000) with pages as granules.
const std::vector<Call> bad_calls{
    allocating({.size = 0}),
    allocating({.size = 1}),
    allocating({.size = p + 1}),
    allocating({.size = address_max}),
    allocating({.size = p, .align = 0}),
    allocating({.size = p, .align = 3}),
    allocating({.size = p, .align = p + 1}),
    allocating({.size = p, .align = address_max}),
    allocating({.size = p, .within = {0x8000, 0x7fff}}),
    allocating_at({}),
    allocating_at({0x5000, 0x5000}),
    allocating_at({0x6000, 0x5000}),
    allocating_at({0x5001, 0x6000}),
    allocating_at({0x5000, 0x6001}),
    allocating_at({0x3000, 0x5000}),
    allocating_at({0xf000, 0x11000}),
    allocating_at({0x11000, 0x12000}),
    allocating_congruent({}),
    allocating_congruent({{0, 0}}),
    allocating_congruent({{0, p}, {2 * p, 0}}),
    allocating_congruent({{0, p + 1}}),
    allocating_congruent({{1, p}}),
    allocating_congruent({{0, 2 * p}, {p, p}}),
    allocating_congruent({{p, p}, {0, 2 * p}}),
    allocating_congruent({{0, p}, {5 * p, p}, {0, p}}),
    allocating_congruent({{-Size{p}, p}}),
    allocating_congruent({{p, -Size{p}}}),
    allocating_congruent({{0, p}}, 0),
    allocating_congruent({{0, p}}, 3),
    allocating_congruent({{0, p}}, 1, {0x8000, 0x7fff}),
};

TEST(AddressSpaceErrors, ABadArgumentIsReportedInEveryStateAndChangesNothing) {
  TestResource resource;
  const std::array<Range, 1> all{{{0x4000, 0x10000}}};
  for (const bool full : {false, true})
    for (const Call& call : bad_calls) {
      const Options options{.range = {0x4000, 0x10000},
                            .granule = p,
                            .busy = full ? std::span<const Range>(all) : std::span<const Range>(),
                            .resource = &resource,
                            .nodes_per_slab = 1};
      resource.grant_all();
      AddressSpace space = make(options);
      ASSERT_TRUE(space.on_exhaustion([&] { return ADD_FAILURE() << "no hook for a bad argument", false; }));
      resource.grant(0);
      const Contents before = contents_of(space);
      EXPECT_EQ(call.make(space), Error::invalid_argument) << call.name << " " << &call - bad_calls.data();
      EXPECT_EQ(contents_of(space), before);
      EXPECT_EQ(space.stats().failures, (std::array<std::uint64_t, error_count>{1, 0, 0, 0}));
    }
}

TEST(AddressSpaceErrors, AnAlignmentBelowTheGranuleActsAsTheGranule) {
  AddressSpace space = make({.range = {p, 9 * p}, .granule = p});
  EXPECT_EQ(placed(space.allocate({.size = p, .align = 1, .within = {0x1001, 0x9000}})), 0x2000u);
  EXPECT_EQ(space.allocate_congruent(Blocks{{0, p}}, 2, {0, 0x8fff}), 0x7000u);
}

TEST(AddressSpaceErrors, WantOfSpaceComesBeforeWantOfMemory) {
  TestResource resource;
  AddressSpace space = make({.range = {0, 8 * p}, .granule = p, .resource = &resource, .nodes_per_slab = 1});
  ASSERT_TRUE(space.allocate({.size = p, .within = {4 * p, 8 * p}}));
  resource.grant(0);
  const std::vector<Call> too_much{
      allocating({.size = 5 * p}),           allocating({.size = -Size{p}}),
      allocating_at({3 * p, 5 * p}),         allocating({.size = p, .align = Size{1} << 63, .within = {p, 8 * p}}),
      allocating_congruent({{0, 5 * p}}),    allocating_congruent({{0, p}, {address_max - 2 * p + 1, p}}),
      allocating({.size = p, .within = {}}),
  };
  for (const Call& call : too_much) EXPECT_EQ(call.make(space), Error::no_space) << call.name;
}

TEST(AddressSpaceErrors, WantOfMemoryNeitherPurgesNorCallsHooks) {
  TestResource resource;
  AddressSpace space = make({.range = {0, 8 * p}, .granule = p, .resource = &resource, .nodes_per_slab = 1});
  ASSERT_TRUE(space.allocate({.size = p}));
  ASSERT_TRUE(space.free_lazily(0));
  ASSERT_TRUE(space.on_exhaustion([] { return ADD_FAILURE() << "called", false; }));
  resource.grant(0);
  EXPECT_EQ(error_of(space.allocate({.size = p, .within = {4 * p, 8 * p}})), Error::out_of_memory);
  EXPECT_EQ(lazy_in(space), (Ranges{{0, p}}));
}

TEST(AddressSpaceErrors, OnlyTheBeginOfABusyAreaCanBeFreed) {
  AddressSpace space = make({.range = {0x10, 0x100}, .granule = 4});
  ASSERT_TRUE(space.allocate_at({0x20, 0x30}));
  ASSERT_TRUE(space.allocate_at({0x30, 0x40}));
  ASSERT_TRUE(space.free_lazily(0x30));
  const Contents before = contents_of(space);
  for (const Address address : {Address{0}, Address{0x10}, Address{0x1f}, Address{0x21}, Address{0x24}, Address{0x2f},
                                Address{0x30}, Address{0x34}, Address{0x40}, Address{0x100}, address_max}) {
    EXPECT_EQ(error_of(space.free(address)), Error::not_busy) << address;
    EXPECT_EQ(error_of(space.free_lazily(address)), Error::not_busy) << address;
  }
  EXPECT_EQ(contents_of(space), before);
  EXPECT_EQ(space.stats().failures[static_cast<std::size_t>(Error::not_busy)], 22u);
}

// ---- Memory ---------------------------------------------------------------------------------------------------------

/// For a space of 64 pages of which only page 0 is busy: what takes how many nodes more.
struct Hungry {
  Call call;
  std::uint64_t nodes;
};
const std::vector<Hungry> hungry_calls{
    {allocating({.size = p}), 1},
    {allocating({.size = p, .within = {8 * p, 64 * p}}), 2},
    {allocating_at({p, 2 * p}), 1},
    {allocating_at({63 * p, 64 * p}), 1},
    {allocating_at({8 * p, 9 * p}), 2},
    {allocating_at({p, 64 * p}), 0},
    {allocating_congruent({{0, p}, {2 * p, p}, {4 * p, p}}, p, {8 * p, 32 * p}), 6},
    {allocating_congruent({{0, p}, {p, p}, {2 * p, p}}, p, {8 * p, 32 * p}), 4},
    {allocating_congruent({{2 * p, p}, {0, p}, {p, p}}, p, {8 * p, 32 * p}), 4},
    {allocating_congruent({{0, p}, {2 * p, p}}), 3},
    {allocating_congruent({{2 * p, p}, {0, 2 * p}}, p, {0, 4 * p}), 2},
};

// No exception leaves, nothing changes, nothing leaks, and what failed succeeds as soon as there is memory.
TEST(AddressSpaceMemory, ACallThatRunsOutOfItAtAnyRequestChangesNothing) {
  for (const Hungry& hungry : hungry_calls)
    for (const Refusal refusal : refusals)
      for (std::uint64_t granted = 0; granted <= hungry.nodes; ++granted) {
        TestResource resource;
        {
          AddressSpace space = make({.range = {0, 64 * p}, .granule = p, .resource = &resource, .nodes_per_slab = 1});
          ASSERT_TRUE(space.allocate({.size = p}));
          const Contents before = contents_of(space);
          const Stats stats_before = space.stats();
          resource.refusal = refusal;
          resource.grant(granted);
          const bool enough = granted == hungry.nodes;
          EXPECT_EQ(hungry.call.make(space), enough ? std::nullopt : std::optional(Error::out_of_memory))
              << hungry.call.name << " " << &hungry - hungry_calls.data() << " granted " << granted;
          EXPECT_EQ(space.verify(), std::nullopt);
          EXPECT_EQ(contents_of(space) == before, !enough);
          EXPECT_EQ(space.stats().fits == stats_before.fits, !enough) << "nothing was placed";
          resource.grant_all();
          EXPECT_TRUE(enough || !hungry.call.make(space));
        }
        EXPECT_EQ(resource.bytes_outstanding, 0u);
      }
}

// The same from any state, for whatever a call needs.
RC_GTEST_PROP(AddressSpaceMemory, AnyCallThatRunsOutOfItChangesNothing, ()) {
  const auto pick = [](std::uint64_t from, std::uint64_t to) { return *rc::gen::inRange(from, to + 1); };
  TestResource resource;
  {
    AddressSpace space = make({.range = {0, 256}, .resource = &resource, .nodes_per_slab = 1});
    for (int step = 0; step < 200; ++step) {
      resource.refusal = refusals[pick(0, 1)];
      if (pick(0, 1) == 0) resource.grant(pick(0, 3));
      const Contents before = contents_of(space);
      std::optional<Error> error;
      const Address begin = pick(0, 250);
      switch (pick(0, 4)) {
        case 0: error = error_of(space.allocate({.size = pick(1, 5), .within = {begin, 256}})); break;
        case 1: error = error_of(space.allocate_at({begin, begin + pick(1, 5)})); break;
        case 2: error = error_of(space.allocate_congruent(Blocks{{0, 1}, {3, 2}}, 1, {begin, 256})); break;
        case 3: error = error_of(space.reserve(pick(0, 2))); break;
        default:
          if (const Ranges busy = busy_in(space); !busy.empty())
            error = error_of(space.free(busy[pick(0, busy.size() - 1)].begin));
      }
      if (error) RC_ASSERT(contents_of(space) == before);
      RC_ASSERT(space.verify() == std::nullopt);
      resource.grant_all();
    }
  }
  RC_ASSERT(resource.bytes_outstanding == 0u);
}

TEST(AddressSpaceMemory, IsNotAskedForByTheNextNAllocationsOnceTheyAreReserved) {
  for (const std::size_t nodes_per_slab : {1u, 2u, 64u})
    for (const std::size_t n : {0u, 1u, 5u, 100u}) {
      TestResource resource;
      AddressSpace space =
          make({.range = {0, 1024 * p}, .granule = p, .resource = &resource, .nodes_per_slab = nodes_per_slab});
      ASSERT_TRUE(space.reserve(n));
      resource.grant(0);
      for (std::size_t i = 0; i < n; ++i) {
        const auto area = space.allocate({.size = p, .within = {(4 * i + 1) * p, 1024 * p}});
        ASSERT_TRUE(area.has_value()) << i << " of " << n;
        ASSERT_EQ(area->fit, FitType::no_edge) << "the fit type that takes most nodes";
      }
    }
}

TEST(AddressSpaceMemory, ReservedForNServesACongruentPlacementOfNBlocks) {
  TestResource resource;
  AddressSpace space = make({.range = {0, 64 * p}, .granule = p, .resource = &resource, .nodes_per_slab = 1});
  ASSERT_TRUE(space.reserve(3));
  resource.grant(0);
  EXPECT_TRUE(space.allocate_congruent(Blocks{{0, p}, {2 * p, p}, {4 * p, p}}, p, {8 * p, 32 * p}));
}

TEST(AddressSpaceMemory, AReservationThatCannotBeMetTakesNothing) {
  for (const Refusal refusal : refusals) {
    TestResource resource;
    resource.refusal = refusal;
    AddressSpace space = make({.range = {0, 64 * p}, .granule = p, .resource = &resource, .nodes_per_slab = 1});
    const std::size_t bytes = resource.bytes_outstanding;
    constexpr std::size_t huge = std::numeric_limits<std::size_t>::max();
    constexpr std::size_t wraps = huge / sizeof(Node) / 2 + 2;  // the bytes of 2 n nodes are few, modulo 2^64
    for (const std::size_t n : {huge, huge / 2 + 1, huge / 2, huge / sizeof(Node), wraps, huge / 1000}) {
      EXPECT_EQ(error_of(space.reserve(n)), Error::out_of_memory) << n;
      EXPECT_EQ(resource.bytes_outstanding, bytes);
      EXPECT_EQ(space.stats().nodes_spare, 0u);
    }
    resource.grant(0);
    EXPECT_EQ(error_of(space.reserve(1)), Error::out_of_memory);
    EXPECT_EQ(space.stats().failures[static_cast<std::size_t>(Error::out_of_memory)], 7u);
    EXPECT_EQ(space.verify(), std::nullopt);
  }
}

TEST(AddressSpaceMemory, IsTakenSlabBySlab) {
  for (const std::size_t nodes_per_slab : {1u, 2u, 3u, 64u}) {
    TestResource resource;
    AddressSpace space =
        make({.range = {0, 1024 * p}, .granule = p, .resource = &resource, .nodes_per_slab = nodes_per_slab});
    for (std::uint64_t i = 0; i < 100; ++i) {
      ASSERT_TRUE(space.allocate({.size = p, .within = {(2 * i + 1) * p, 1024 * p}}));
      const std::size_t nodes = space.stats().nodes_alive + space.stats().nodes_spare;
      EXPECT_EQ(nodes, resource.requests * nodes_per_slab);
      EXPECT_LT(space.stats().nodes_spare, nodes_per_slab) << "not before it is needed";
    }
    EXPECT_EQ(space.stats().nodes_alive, 201u);
  }
}

TEST(AddressSpaceMemory, IsNotNeededToFreeNorToPurge) {
  for (const std::size_t nodes_per_slab : {1u, 64u}) {
    TestResource resource;
    AddressSpace space = full_space(64, resource, nodes_per_slab);
    const std::uint64_t requests = resource.requests;
    resource.grant(0);
    for (std::uint64_t i = 0; i < 64; i += 2) EXPECT_EQ(space.free(i * p), (Range{i * p, (i + 1) * p}));
    for (std::uint64_t i = 1; i < 64; i += 2) EXPECT_EQ(space.free_lazily(i * p), (Range{i * p, (i + 1) * p}));
    EXPECT_EQ(space.purge(), 32 * p);
    EXPECT_EQ(free_in(space), (Ranges{{0, 64 * p}}));
    EXPECT_EQ(resource.requests, requests);
    EXPECT_EQ(space.stats().nodes_alive, 1u);
  }
}

// A node that a merge freed serves the next split.
TEST(AddressSpaceMemory, DoesNotGrowInASteadyState) {
  TestResource resource;
  AddressSpace space = make({.range = {0, 64 * p}, .granule = p, .resource = &resource, .nodes_per_slab = 1});
  const auto cycle = [&] {
    for (std::uint64_t i = 1; i < 64; i += 4) EXPECT_TRUE(space.allocate({.size = p, .within = {i * p, 64 * p}}));
    EXPECT_TRUE(space.allocate_congruent(Blocks{{0, p}, {4 * p, p}}, p, {2 * p, 64 * p}));
    for (const Range area : busy_in(space))
      EXPECT_TRUE(area.begin % 3 == 0 ? space.free_lazily(area.begin) : space.free(area.begin));
    space.purge();
  };
  cycle();
  const std::uint64_t requests = resource.requests;
  for (int i = 0; i < 100; ++i) cycle();
  EXPECT_EQ(resource.requests, requests);
  EXPECT_EQ(space.stats().nodes_alive, 1u);
}

// ---- Exhaustion hooks -----------------------------------------------------------------------------------------------

/// A full space of three pages, and what its hooks did.
struct Exhausted {
  TestResource resource;
  AddressSpace space = full_space(3, resource);
  std::string called;

  /// A hook that writes its letter down and says that it released something, or not.
  HookId add(char letter, std::function<bool()> then = [] { return false; }) {
    return space
        .on_exhaustion([this, letter, then = std::move(then)] {
          called += letter;
          return then();
        })
        .value();
  }
  std::function<bool()> free_page(Address page) {
    return [this, page] { return space.free(page * p).has_value(); };
  }
  std::optional<Error> allocate(Size pages = 1) { return error_of(space.allocate({.size = pages * p})); }
};

TEST(ExhaustionHooks, AreCalledInOrderOfRegistrationUntilThereIsRoom) {
  Exhausted e;
  e.add('a');
  e.add('b', e.free_page(1));
  e.add('c', e.free_page(2));
  EXPECT_EQ(e.allocate(), std::nullopt);
  EXPECT_EQ(e.called, "ab");
  EXPECT_EQ(busy_in(e.space), (Ranges{{0, p}, {p, 2 * p}, {2 * p, 3 * p}})) << "page 2 was not released";
  EXPECT_EQ(e.space.stats().hooks_called, 2u);
  EXPECT_EQ(e.space.stats().hooks, 3u);
}

TEST(ExhaustionHooks, AreFollowedByARetryEachTimeThatOneReleasedSomething) {
  Exhausted e;
  e.add('a', e.free_page(0));
  e.add('b', e.free_page(2));
  e.add('c', e.free_page(1));
  EXPECT_EQ(e.allocate(2), std::nullopt) << "two pages fit after the third release only";
  EXPECT_EQ(e.called, "abc");
  EXPECT_EQ(busy_in(e.space), (Ranges{{0, 2 * p}}));
}

TEST(ExhaustionHooks, AreNotFollowedByARetryWhenTheySayThatNothingWasReleased) {
  Exhausted e;
  e.add('a', [&] { return e.free_page(0)(), false; });
  EXPECT_EQ(e.allocate(), Error::no_space);
  EXPECT_EQ(free_in(e.space), (Ranges{{0, p}})) << "what was released stays released";
  EXPECT_EQ(e.allocate(), std::nullopt);
  EXPECT_EQ(e.called, "a");
}

TEST(ExhaustionHooks, ServeEveryKindOfAllocation) {
  for (const Call& call : {allocating({.size = p}), allocating_at({p, 2 * p}), allocating_congruent({{0, p}})}) {
    Exhausted e;
    e.add('a', e.free_page(1));
    EXPECT_EQ(call.make(e.space), std::nullopt) << call.name;
    EXPECT_EQ(e.called, "a");
  }
}

TEST(ExhaustionHooks, ThatThrowReleasedNothing) {
  Exhausted e;
  e.add('a', [&]() -> bool { throw e.space.free(0).value(); });
  e.add('b');
  EXPECT_EQ(e.allocate(), Error::no_space);
  EXPECT_EQ(e.called, "ab");
  EXPECT_EQ(e.allocate(), std::nullopt) << "what was released before the exception stays released";
}

TEST(ExhaustionHooks, AreCalledAgainTheNextTime) {
  Exhausted e;
  e.add('a');
  EXPECT_EQ(e.allocate(), Error::no_space);
  EXPECT_EQ(e.allocate(), Error::no_space);
  EXPECT_EQ(e.called, "aa");
}

TEST(ExhaustionHooks, MayLeaveLazilyFreedAreasToThePurge) {
  Exhausted e;
  e.add('a', [&] { return e.space.free_lazily(p).has_value(); });
  EXPECT_EQ(e.allocate(), std::nullopt);
  EXPECT_EQ(e.called, "a");
}

TEST(ExhaustionHooks, ThatAllocateCallNoHooks) {
  Exhausted e;
  std::vector<std::optional<Error>> inner;
  e.add('a', [&] { return inner.push_back(e.allocate()), false; });
  e.add('b', [&] { return inner.push_back(e.allocate()), e.free_page(0)(); });
  EXPECT_EQ(e.allocate(), std::nullopt);
  EXPECT_EQ(e.called, "ab");
  EXPECT_EQ(inner, (std::vector<std::optional<Error>>(2, Error::no_space)));
}

TEST(ExhaustionHooks, MayTakeTheRoomThatTheyMade) {
  Exhausted e;
  e.add('a', [&] { return e.free_page(1)() && !e.allocate(); });
  EXPECT_EQ(e.allocate(), Error::no_space);
  EXPECT_EQ(e.called, "a");
  EXPECT_EQ(e.space.verify(), std::nullopt);
}

TEST(ExhaustionHooks, RegisteredByAHookHaveTheirTurnAfterTheOthers) {
  Exhausted e;
  e.add('a', [&] {
    if (e.called == "a") e.add('c', e.free_page(0));
    return false;
  });
  e.add('b');
  EXPECT_EQ(e.allocate(), std::nullopt);
  EXPECT_EQ(e.called, "abc");
}

TEST(ExhaustionHooks, CanBeRemoved) {
  Exhausted e;
  const HookId a = e.add('a');
  const HookId b = e.add('b');
  EXPECT_NE(a, b);
  EXPECT_TRUE(e.space.remove_hook(a));
  EXPECT_FALSE(e.space.remove_hook(a));
  EXPECT_FALSE(e.space.remove_hook(0));
  EXPECT_FALSE(e.space.remove_hook(b + 1));
  EXPECT_EQ(e.allocate(), Error::no_space);
  EXPECT_EQ(e.called, "b");
  EXPECT_NE(e.add('c'), a) << "a new name for a new hook";
  EXPECT_EQ(e.space.stats().hooks, 2u);
}

TEST(ExhaustionHooks, MayRemoveThemselvesAndEachOther) {
  Exhausted e;
  HookId a = 0;
  HookId c = 0;
  const std::string witness = "a hook's captures live as long as it runs";
  a = e.add('a', [&, copy = witness] {
    EXPECT_TRUE(e.space.remove_hook(a) && e.space.remove_hook(c));
    EXPECT_FALSE(e.space.remove_hook(a)) << "only once";
    EXPECT_EQ(copy, witness);
    return false;
  });
  e.add('b');
  c = e.add('c');
  EXPECT_EQ(e.allocate(), Error::no_space);
  EXPECT_EQ(e.called, "ab");
  EXPECT_EQ(e.space.stats().hooks, 1u);
  EXPECT_EQ(e.allocate(), Error::no_space);
  EXPECT_EQ(e.called, "abb");
}

TEST(ExhaustionHooks, MustNotBeEmpty) {
  Exhausted e;
  EXPECT_EQ(error_of(e.space.on_exhaustion({})), Error::invalid_argument);
  EXPECT_EQ(e.space.stats().hooks, 0u);
  EXPECT_EQ(e.space.stats().failures[static_cast<std::size_t>(Error::invalid_argument)], 1u);
  EXPECT_EQ(e.allocate(), Error::no_space);
}

// ---- Lazy frees -----------------------------------------------------------------------------------------------------

TEST(LazyFree, EndsTheAreaButKeepsItsRangeUntilAPurge) {
  AddressSpace space = make({.range = {0, 4 * p}, .granule = p});
  ASSERT_TRUE(space.allocate({.size = p}));
  EXPECT_EQ(space.free_lazily(0), (Range{0, p}));
  EXPECT_EQ(space.find(0), std::nullopt);
  EXPECT_EQ(error_of(space.free(0)), Error::not_busy);
  EXPECT_EQ(error_of(space.free_lazily(0)), Error::not_busy);
  EXPECT_EQ(placed(space.allocate({.size = p})), p) << "not reused yet";
  EXPECT_EQ(space.purge(), p);
  EXPECT_EQ(space.purge(), 0u);
  EXPECT_EQ(space.stats().purges, 1u);
  EXPECT_EQ(placed(space.allocate({.size = p})), 0u);
}

TEST(LazyFree, PurgesAtOnceStrictlyAboveTheLimit) {
  AddressSpace space = make({.range = {0, 8 * p}, .granule = p, .lazy_limit = 2 * p});
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(space.allocate({.size = p}));
  ASSERT_TRUE(space.free_lazily(0));
  ASSERT_TRUE(space.free_lazily(p));
  EXPECT_EQ(space.stats().lazy_bytes, 2 * p) << "at the limit nothing is purged";
  EXPECT_EQ(space.free_lazily(3 * p), (Range{3 * p, 4 * p}));
  EXPECT_EQ(space.stats().lazy_bytes, 0u);
  EXPECT_EQ(free_in(space), (Ranges{{0, 2 * p}, {3 * p, 8 * p}}));
}

TEST(LazyFree, WithALimitOfZeroPurgesAtOnce) {
  AddressSpace space = make({.range = {0, 8 * p}, .granule = p, .lazy_limit = 0});
  ASSERT_TRUE(space.allocate({.size = p}));
  ASSERT_TRUE(space.free_lazily(0));
  EXPECT_EQ(free_in(space), (Ranges{{0, 8 * p}}));
}

TEST(LazyFree, IsPurgedBeforeAnAllocationOfAnyKindFailsAndBeforeTheHooks) {
  for (const Call& call : {allocating({.size = p}), allocating_at({p, 2 * p}), allocating_congruent({{0, p}})}) {
    Exhausted e;
    e.add('a');
    ASSERT_TRUE(e.space.free_lazily(p));
    EXPECT_EQ(call.make(e.space), std::nullopt) << call.name;
    EXPECT_EQ(e.called, "") << "a purge was enough";
  }
}

TEST(LazyFree, StaysPurgedWhenTheAllocationFailsNevertheless) {
  Exhausted e;
  e.add('a');
  ASSERT_TRUE(e.space.free_lazily(p));
  EXPECT_EQ(e.allocate(2), Error::no_space);
  EXPECT_EQ(e.called, "a");
  EXPECT_EQ(free_in(e.space), (Ranges{{p, 2 * p}}));
}

TEST(LazyFree, IsNotPurgedByAnAllocationThatSucceeds) {
  AddressSpace space = make({.range = {0, 4 * p}, .granule = p});
  ASSERT_TRUE(space.allocate({.size = p}));
  ASSERT_TRUE(space.free_lazily(0));
  ASSERT_TRUE(space.allocate({.size = 3 * p}));
  EXPECT_EQ(lazy_in(space), (Ranges{{0, p}}));
}

// ---- Looking --------------------------------------------------------------------------------------------------------

TEST(Looking, FindsTheBusyAreaThatContainsAnAddress) {
  AddressSpace space = make({.range = {0x100, 0x200}});
  for (const Range area : {Range{0x100, 0x110}, Range{0x110, 0x120}, Range{0x180, 0x200}})
    ASSERT_TRUE(space.allocate_at(area));
  for (Address address = 0xf0; address < 0x210; ++address) {
    const std::optional<Range> expected = address < 0x100   ? std::nullopt
                                          : address < 0x110 ? std::optional(Range{0x100, 0x110})
                                          : address < 0x120 ? std::optional(Range{0x110, 0x120})
                                          : address < 0x180 ? std::nullopt
                                          : address < 0x200 ? std::optional(Range{0x180, 0x200})
                                                            : std::nullopt;
    EXPECT_EQ(space.find(address), expected) << address;
  }
  EXPECT_EQ(space.find(address_max), std::nullopt);
}

TEST(Looking, VisitsWhatAWindowTouchesWithoutCuttingIt) {
  AddressSpace space = make({.range = {0, 100}});
  for (const Range area : {Range{10, 20}, Range{20, 30}, Range{40, 50}, Range{60, 70}})
    ASSERT_TRUE(space.allocate_at(area));
  ASSERT_TRUE(space.free_lazily(60));
  EXPECT_EQ(busy_in(space, {19, 41}), (Ranges{{10, 20}, {20, 30}, {40, 50}}));
  EXPECT_EQ(busy_in(space, {20, 40}), (Ranges{{20, 30}}));
  EXPECT_EQ(busy_in(space, {45, 46}), (Ranges{{40, 50}}));
  EXPECT_EQ(busy_in(space, {0, 10}), Ranges{});
  EXPECT_EQ(free_in(space, {5, 41}), (Ranges{{0, 10}, {30, 40}}));
  EXPECT_EQ(lazy_in(space, {69, address_max}), (Ranges{{60, 70}}));
  EXPECT_EQ(lazy_in(space, {70, address_max}), Ranges{});
}

TEST(Looking, VisitsForEveryWindowWhatOverlapsItAndNothingForAnEmptyOne) {
  AddressSpace space = make({.range = {2, 18}});
  for (const Range area : {Range{2, 4}, Range{6, 7}, Range{7, 10}, Range{14, 18}}) ASSERT_TRUE(space.allocate_at(area));
  const Ranges busy = busy_in(space);
  const Ranges free = free_in(space);
  const auto overlapping = [](Ranges ranges, Range window) {
    std::erase_if(ranges, [&](Range range) { return !range.overlaps(window); });
    return ranges;
  };
  for (Address begin = 0; begin <= 20; ++begin)
    for (Address end = 0; end <= 20; ++end) {
      EXPECT_EQ(busy_in(space, {begin, end}), overlapping(busy, {begin, end}));
      EXPECT_EQ(free_in(space, {begin, end}), overlapping(free, {begin, end}));
    }
}

TEST(Looking, StatsSayWhatThereIsAndWhatHasHappened) {
  AddressSpace space = make({.range = {0, 100}, .nodes_per_slab = 16});
  EXPECT_EQ(space.stats().fragmentation(), 0.0);
  ASSERT_TRUE(space.allocate_at({0, 10}));    // left_edge
  ASSERT_TRUE(space.allocate_at({90, 100}));  // right_edge
  ASSERT_TRUE(space.allocate_at({40, 50}));   // no_edge
  ASSERT_TRUE(space.allocate_at({10, 40}));   // full
  ASSERT_TRUE(space.free(0));                 // none
  ASSERT_TRUE(space.free_lazily(90));
  const Stats s = space.stats();
  EXPECT_EQ(s.busy_bytes, 40u);
  EXPECT_EQ(s.free_bytes, 50u);
  EXPECT_EQ(s.lazy_bytes, 10u);
  EXPECT_EQ(s.busy_areas, 2u);
  EXPECT_EQ(s.free_blocks, 2u);
  EXPECT_EQ(s.lazy_areas, 1u);
  EXPECT_EQ(s.largest_free, 40u);
  EXPECT_EQ(s.nodes_alive, 5u);
  EXPECT_EQ(s.nodes_spare, 11u);
  EXPECT_DOUBLE_EQ(s.fragmentation(), 1 - 40.0 / 50.0);
  EXPECT_EQ(s.fits, (std::array<std::uint64_t, fit_type_count>{1, 1, 1, 1}));
  EXPECT_EQ(s.coalescings, (std::array<std::uint64_t, coalescing_count>{1, 0, 0, 0}));
  EXPECT_EQ(space.free(10), (Range{0, 40}));   // previous
  EXPECT_EQ(space.purge(), 10u);               // previous, too
  EXPECT_EQ(space.free(40), (Range{0, 100}));  // both
  EXPECT_EQ(space.stats().coalescings, (std::array<std::uint64_t, coalescing_count>{1, 2, 0, 1}));
  EXPECT_GT(s.nodes_visited, 0u);
}

TEST(Looking, CostsLogarithmicallyManyVisits) {
  const std::uint64_t n = 20'000;
  AddressSpace space = make({.range = {0, 4 * n}});
  for (std::uint64_t i = 0; i < n; ++i) ASSERT_TRUE(space.allocate_at({4 * i + 1, 4 * i + 2}));
  const auto height = static_cast<std::uint64_t>(2 * std::log2(n + 2));
  const auto visits = [&](auto call) {
    const std::uint64_t before = space.stats().nodes_visited;
    call();
    return space.stats().nodes_visited - before;
  };
  for (std::uint64_t i = 0; i < n; i += 97) {
    EXPECT_LE(visits([&] { (void)space.find(4 * i + 1); }), height);
    EXPECT_LE(visits([&] { (void)space.free(4 * i + 1); }), 2 * height) << "among the areas, among the blocks";
    EXPECT_LE(visits([&] { (void)space.allocate_at({4 * i + 1, 4 * i + 2}); }), 2 * height);
    EXPECT_LE(visits([&] { (void)space.allocate({.size = 1, .within = {4 * i, 4 * n}}); }), 6 * height);
  }
}

// ---- The ends of the 64-bit space -----------------------------------------------------------------------------------

TEST(EndsOfTheSpace, EverythingCanBeAllocatedAtOnce) {
  AddressSpace space = make({.range = everywhere});
  EXPECT_EQ(space.allocate({.size = address_max}), (Allocation{everywhere, FitType::full}));
  EXPECT_EQ(space.find(address_max - 1), everywhere);
  EXPECT_EQ(space.find(address_max), std::nullopt);
  EXPECT_EQ(space.free(0), everywhere);
}

TEST(EndsOfTheSpace, TheTopmostPlacesAreReached) {
  constexpr Address top = address_max - (p - 1);  // the last boundary of a page
  AddressSpace space = make({.range = {0, top}, .granule = p});
  EXPECT_EQ(placed(space.allocate({.size = p, .within = {top - p, address_max}})), top - p);
  EXPECT_EQ(error_of(space.allocate({.size = p, .within = {top - p + 1, address_max}})), Error::no_space);
  EXPECT_EQ(placed(space.allocate_at({top - 3 * p, top - 2 * p})), top - 3 * p);
  EXPECT_EQ(space.allocate_congruent(Blocks{{0, p}, {2 * p, p}}, p), top - 4 * p);
  EXPECT_EQ(space.verify(), std::nullopt);
}

TEST(EndsOfTheSpace, AlignmentsAndSizesNearTheTopDoNotWrap) {
  constexpr Size half = Size{1} << 63;
  AddressSpace space = make({.range = everywhere});
  ASSERT_TRUE(space.allocate({.size = 1}));
  EXPECT_EQ(placed(space.allocate({.size = 1, .align = half})), half);
  EXPECT_EQ(error_of(space.allocate({.size = 1, .align = half})), Error::no_space) << "2^64 is no address";
  EXPECT_EQ(error_of(space.allocate({.size = half, .align = half})), Error::no_space);
  EXPECT_EQ(error_of(space.allocate({.size = address_max})), Error::no_space);
  EXPECT_EQ(placed(space.allocate({.size = half - 2, .within = {half, address_max}})), half + 1);
}

TEST(EndsOfTheSpace, CongruentBasesLieBelowTheSpaceWhereTheOffsetsReachIntoIt) {
  AddressSpace space = make({.range = {8 * p, 16 * p}, .granule = p});
  EXPECT_EQ(space.allocate_congruent(Blocks{{10 * p, p}}, 8 * p), 0u);
  EXPECT_EQ(busy_in(space), (Ranges{{10 * p, 11 * p}}));
  EXPECT_EQ(space.allocate_congruent(Blocks{{15 * p, p}, {9 * p, p}}, p), 0u);
  EXPECT_EQ(error_of(space.allocate_congruent(Blocks{{16 * p, p}}, p)), Error::no_space) << "no base is negative";
}

// ---- Moving ---------------------------------------------------------------------------------------------------------

TEST(Moving, TakesEverythingAlong) {
  TestResource resource;
  {
    AddressSpace space = full_space(4, resource);
    ASSERT_TRUE(space.free(p));
    ASSERT_TRUE(space.free_lazily(2 * p));
    bool called = false;
    ASSERT_TRUE(space.on_exhaustion([&] { return called = true, false; }));
    const Contents before = contents_of(space);
    const std::uint64_t requests = resource.requests;

    AddressSpace moved = std::move(space);
    EXPECT_EQ(contents_of(moved), before);
    EXPECT_EQ(moved.verify(), std::nullopt);
    EXPECT_EQ(resource.requests, requests);
    EXPECT_EQ(error_of(moved.allocate({.size = 3 * p})), Error::no_space);
    EXPECT_TRUE(called);
    EXPECT_EQ(free_in(moved), (Ranges{{p, 3 * p}}));
    EXPECT_TRUE(moved.allocate({.size = p}));
  }
  EXPECT_EQ(resource.bytes_outstanding, 0u);
}

TEST(Moving, ByAssignmentGivesTheOldContentsBackAndTakesTheNewResource) {
  TestResource old_resource;
  TestResource new_resource;
  {
    AddressSpace space = full_space(8, old_resource);
    ASSERT_TRUE(space.on_exhaustion([] { return ADD_FAILURE() << "an old hook", false; }));
    AddressSpace other = full_space(2, new_resource);
    space = std::move(other);
    EXPECT_EQ(old_resource.bytes_outstanding, 0u);
    EXPECT_EQ(busy_in(space), (Ranges{{0, p}, {p, 2 * p}}));
    EXPECT_EQ(space.range(), (Range{0, 2 * p}));
    EXPECT_EQ(error_of(space.allocate({.size = p})), Error::no_space);
    const std::uint64_t requests = new_resource.requests;
    ASSERT_TRUE(space.reserve(100));
    EXPECT_GT(new_resource.requests, requests);
    EXPECT_EQ(space.verify(), std::nullopt);
  }
  EXPECT_EQ(new_resource.bytes_outstanding, 0u);
}

// ---- Faults that allocators of this kind really had -----------------------------------------------------------------

/// [0x100000, 0x140000) in pages.
AddressSpace common_space(TestResource* resource = nullptr) {
  return make({.range = {0x100000, 0x140000}, .granule = p, .resource = resource, .nodes_per_slab = 1});
}

TEST(KnownFaults, TheLowestPlaceIsTakenThoughSizePlusAlignmentDoesNotFitThere) {
  AddressSpace space = common_space();
  EXPECT_EQ(placed(space.allocate({.size = p, .align = p})), 0x100000u);
  EXPECT_EQ(placed(space.allocate({.size = p, .align = 2 * p})), 0x102000u);
  EXPECT_EQ(placed(space.allocate({.size = p, .align = p})), 0x101000u);
}

TEST(KnownFaults, APlaceThatFitsIsFoundThoughSizePlusAlignmentDoesNotFitThere) {
  AddressSpace space = common_space();
  EXPECT_EQ(placed(space.allocate({.size = p, .align = p, .within = {0x10b000, address_max}})), 0x10b000u);
  EXPECT_EQ(placed(space.allocate({.size = 5 * p, .align = p})), 0x100000u);
  EXPECT_EQ(placed(space.allocate({.size = 6 * p, .align = p, .within = {0x100000, 0x10f000}})), 0x105000u);
}

TEST(KnownFaults, SizePlusAlignmentThatWrapsEndsTheSearch) {
  AddressSpace space = make({.range = {0x1000, 0x11000}, .granule = p});
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(space.allocate({.size = p}));
  for (const Address page : {1u, 3u, 5u, 7u}) ASSERT_TRUE(space.free(page * p));
  EXPECT_EQ(error_of(space.allocate({.size = 0xfffffffffffff000, .align = 0x2000})), Error::no_space);
}

TEST(KnownFaults, AnAlignmentDoesNotWrapToAddressZero) {
  constexpr Address middle = Address{1} << 63;
  AddressSpace space = make({.range = {middle, middle + 16 * p}, .granule = p});
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(space.allocate({.size = p}));
  for (const Address page : {0u, 2u, 4u}) ASSERT_TRUE(space.free(middle + page * p));
  EXPECT_EQ(placed(space.allocate({.size = p, .align = middle, .within = everywhere})), middle);
  EXPECT_EQ(error_of(space.allocate({.size = p, .align = middle})), Error::no_space);
}

TEST(KnownFaults, TheCongruentSearchLooksAtEveryBlockAgainAfterEachStep) {
  AddressSpace space = common_space();
  ASSERT_TRUE(space.allocate_congruent(Blocks{{0, 2 * p}, {2 * p, 2 * p}, {5 * p, 2 * p}}, p));
  EXPECT_EQ(space.allocate_congruent(Blocks{{6 * p, p}, {3 * p, p}, {p, 2 * p}}, p), 0x132000u);
}

TEST(KnownFaults, ASecondLazyFreeIsRefused) {
  AddressSpace space = common_space();
  const Address a = placed(space.allocate({.size = p}));
  ASSERT_TRUE(space.free_lazily(a));
  EXPECT_EQ(error_of(space.free_lazily(a)), Error::not_busy);
  EXPECT_EQ(space.purge(), p);
  EXPECT_EQ(free_in(space), (Ranges{{0x100000, 0x140000}}));
}

TEST(KnownFaults, ACongruentBlockOfNoSizeIsRefused) {
  AddressSpace space = common_space();
  EXPECT_EQ(error_of(space.allocate_congruent(Blocks{{0, p}, {2 * p, 0}}, p)), Error::invalid_argument);
  EXPECT_EQ(free_in(space), (Ranges{{0x100000, 0x140000}}));
}

TEST(KnownFaults, NoSubtreeIsSearchedTwice) {
  AddressSpace space = common_space();
  for (int i = 0; i < 16; ++i) ASSERT_TRUE(space.allocate({.size = p}));
  for (Address i = 0; i < 16; i += 2) ASSERT_TRUE(space.free(0x100000 + i * p));
  ASSERT_TRUE(space.allocate_at({0x100000, 0x101000}));
  EXPECT_EQ(placed(space.allocate({.size = p, .align = 32 * p})), 0x120000u);
  EXPECT_EQ(error_of(space.allocate({.size = p, .align = 32 * p})), Error::no_space);
}

TEST(KnownFaults, AMetadataRequestThatFailsInASplitLeavesTheStateAsItWas) {
  TestResource resource;
  AddressSpace space = make({.range = {0x100000, 0x110000}, .granule = p, .resource = &resource, .nodes_per_slab = 1});
  resource.grant(1);  // of the two that the split needs
  EXPECT_EQ(error_of(space.allocate({.size = p, .align = p, .within = {0x104000, address_max}})), Error::out_of_memory);
  EXPECT_EQ(contents_of(space), (Contents{{}, {{0x100000, 0x110000}}, {}}));
  EXPECT_EQ(space.verify(), std::nullopt);
}

// ---- verify() names what is broken ----------------------------------------------------------------------------------

struct BreakableFreeTree : FreeTree {
  using FreeTree::set_child;
  using FreeTree::set_neighbour;
  using FreeTree::set_parent;
  using FreeTree::set_red;
};

/// Its nodes are where a tree can be broken.
class BreakableIndex : public FreeSpace {
 public:
  [[nodiscard]] Node& root() const { return *tree_.root(); }
  [[nodiscard]] Node& first() const { return *tree_.outermost(Side::left); }
  [[nodiscard]] Node& last() const { return *tree_.outermost(Side::right); }
};

/// Eight free blocks of one byte, at 0, 2, ... 14, and the last one of 87, at 16; areas of one byte between them.
BasicAddressSpace<BreakableIndex> breakable_space() {
  auto space = BasicAddressSpace<BreakableIndex>::create({.range = {0, 103}});
  for (Address address = 1; address < 17; address += 2) (void)space->allocate_at({address, address + 1});
  return std::move(*space);
}

using Breaker = void (*)(const BreakableIndex& index);

struct Damage {
  const char* name;
  Invariant invariant;
  const char* detail;
  Breaker inflict;
};
void PrintTo(const Damage& damage, std::ostream* os) { *os << damage.name; }

const std::vector<Damage> damages{
    {"FreeBlockOverAnArea", Invariant::overlap, "busy area [0x1, 0x2) begins below 0x2",
     [](const BreakableIndex& index) { index.first().range.end = 2; }},
    {"EmptyFreeBlock", Invariant::overlap, "free block [0x0, 0x0) is empty or leaves the space [0x0, 0x67)",
     [](const BreakableIndex& index) { index.first().range.end = 0; }},
    {"FreeBlockBeyondTheSpace", Invariant::overlap, "free block [0x10, 0x68) is empty or leaves the space [0x0, 0x67)",
     [](const BreakableIndex& index) { ++index.last().range.end; }},
    {"NeitherFreeNorBusyAtTheEnd", Invariant::partition, "[0x66, 0x67) is neither free nor an area",
     [](const BreakableIndex& index) { --index.last().range.end; }},
    {"NeitherFreeNorBusyInside", Invariant::partition, "[0x10, 0x11) is neither free nor an area",
     [](const BreakableIndex& index) { ++index.last().range.begin; }},
    {"BlockNotInTheList", Invariant::partition, "[0x10, 0x67) is neither free nor an area",
     [](const BreakableIndex& index) {
       BreakableFreeTree::set_neighbour(*index.last().previous(), Side::right, nullptr);
     }},
    {"ListThatMissesABlockBackwards", Invariant::tree, "the list does not thread the order of the tree",
     [](const BreakableIndex& index) {
       BreakableFreeTree::set_neighbour(index.last(), Side::left, index.last().previous()->previous());
     }},
    {"ListThatGoesOnAfterTheLast", Invariant::tree, "the list goes on after the last",
     [](const BreakableIndex& index) { BreakableFreeTree::set_neighbour(index.last(), Side::right, &index.first()); }},
    {"RedRoot", Invariant::tree, "the root is red",
     [](const BreakableIndex& index) { BreakableFreeTree::set_red(index.root(), true); }},
    {"RedBelowRed", Invariant::tree, "red below a red parent",
     [](const BreakableIndex& index) {
       for (Node* node = &index.last(); node != &index.root(); node = node->parent())
         BreakableFreeTree::set_red(*node, true);
     }},
    {"BlackHeight", Invariant::tree, "black heights differ",
     [](const BreakableIndex& index) { BreakableFreeTree::set_red(index.last(), !index.last().is_red()); }},
    {"ParentLink", Invariant::tree, "its parent link is wrong",
     [](const BreakableIndex& index) { BreakableFreeTree::set_parent(index.first(), &index.last()); }},
    {"RootWithAParent", Invariant::tree, "its parent link is wrong",
     [](const BreakableIndex& index) { BreakableFreeTree::set_parent(index.root(), &index.first()); }},
    {"LostChild", Invariant::tree, "the list does not thread the order of the tree",
     [](const BreakableIndex& index) {
       BreakableFreeTree::set_child(*index.root().child(Side::right), Side::left, nullptr);
     }},
    {"OrderOfTheTree", Invariant::tree, "the list does not thread the order of the tree",
     [](const BreakableIndex& index) {
       Node& parent = *index.root().child(Side::right);
       Node* const left = parent.child(Side::left);
       BreakableFreeTree::set_child(parent, Side::left, parent.child(Side::right));
       BreakableFreeTree::set_child(parent, Side::right, left);
     }},
    {"CycleOnTheRight", Invariant::tree, "its parent link is wrong",
     [](const BreakableIndex& index) { BreakableFreeTree::set_child(index.last(), Side::right, &index.last()); }},
    {"CycleOnTheLeft", Invariant::partition, "[0x0, 0x1) is neither free nor an area",
     [](const BreakableIndex& index) { BreakableFreeTree::set_child(index.first(), Side::left, &index.first()); }},
    {"MaximumOfALeaf", Invariant::augment, "node [0x0, 0x1): subtree_max_size is 0x2, expected 0x1",
     [](const BreakableIndex& index) { index.first().subtree_max_size = 2; }},
    {"MaximumOfTheRoot", Invariant::augment, "subtree_max_size is 0x1, expected 0x57",
     [](const BreakableIndex& index) { index.root().subtree_max_size = 1; }},
};

class Verify : public testing::TestWithParam<Damage> {};

TEST_P(Verify, NamesTheInvariantThatIsBroken) {
  const BasicAddressSpace<BreakableIndex> space = breakable_space();
  ASSERT_EQ(space.verify(), std::nullopt);
  GetParam().inflict(space.index());
  const std::optional<Violation> violation = space.verify();
  ASSERT_TRUE(violation.has_value());
  EXPECT_EQ(name(violation->invariant), name(GetParam().invariant)) << violation->detail;
  EXPECT_NE(violation->detail.find(GetParam().detail), std::string::npos) << violation->detail;
}

INSTANTIATE_TEST_SUITE_P(Each, Verify, testing::ValuesIn(damages),
                         [](const testing::TestParamInfo<Damage>& damage) { return damage.param.name; });

/// A layout made by hand: any ranges, as free blocks, busy areas and lazily freed areas, linked in the order given.
struct HandMade {
  std::deque<Node> storage;
  FreeTree free;
  AreaTree busy;
  AreaTree lazy;

  template <class Tree>
  void append(Tree& tree, Range range) {
    Node& node = storage.emplace_back();
    node.range = range;
    tree.link(tree.outermost(Side::right), Side::right, node);
  }
  HandMade(const Ranges& free_blocks, const Ranges& busy_areas, const Ranges& lazy_areas = {}) {
    for (const Range range : free_blocks) append(free, range);
    for (const Range range : busy_areas) append(busy, range);
    for (const Range range : lazy_areas) append(lazy, range);
  }

  /// In [0, 64) with granules of 4. `nodes` and bytes are added to what is right.
  std::optional<Violation> verify(std::size_t nodes = 0, Size busy_bytes = 0, Size lazy_bytes = 0) {
    const auto bytes = [](const AreaTree& tree) {
      Size sum = 0;
      for (const Node* node = tree.outermost(Side::left); node != nullptr; node = node->next())
        sum += node->range.size();
      return sum;
    };
    return verify_layout({.range = {0, 64},
                          .granule = 4,
                          .free = free,
                          .busy = busy,
                          .lazy = lazy,
                          .busy_bytes = bytes(busy) + busy_bytes,
                          .lazy_bytes = bytes(lazy) + lazy_bytes,
                          .nodes_alive = storage.size() + nodes});
  }
};

TEST(VerifyLayout, FindsNothingWhereNothingIsWrong) {
  EXPECT_EQ(HandMade({{0, 64}}, {}).verify(), std::nullopt);
  EXPECT_EQ(HandMade({}, {{0, 64}}).verify(), std::nullopt);
  EXPECT_EQ(HandMade({}, {}, {{0, 64}}).verify(), std::nullopt);
  EXPECT_EQ(HandMade({{0, 4}, {8, 12}}, {{4, 8}, {12, 16}, {16, 24}}, {{24, 64}}).verify(), std::nullopt);
}

TEST(VerifyLayout, NamesWhatOverlapsLeavesTheSpaceOrIsOffTheGranule) {
  const HandMade layouts[] = {
      {{{0, 16}}, {{12, 64}}},
      {{{0, 64}}, {{4, 8}}},
      {{}, {{0, 32}}, {{28, 64}}},
      {{{0, 64}}, {}, {{0, 64}}},
      {{{0, 68}}, {}},
      {{{0, 2}}, {{2, 64}}},
      {{{0, 6}, {6, 64}}, {}},
      {{{0, 4}}, {{4, 4}, {4, 64}}},
      {{{0, 64}}, {{8, 4}}},
      {{{0, 4}, {4, 8}, {4, 64}}, {}},
      {{{0, 62}}, {}},
  };
  for (const HandMade& layout : layouts) {
    auto& mutable_layout = const_cast<HandMade&>(layout);
    EXPECT_EQ(broken(mutable_layout.verify()), Invariant::overlap) << &layout - layouts;
  }
}

TEST(VerifyLayout, NamesWhatIsNeitherFreeNorAnArea) {
  EXPECT_EQ(broken(HandMade({}, {}).verify()), Invariant::partition);
  EXPECT_EQ(broken(HandMade({{4, 64}}, {}).verify()), Invariant::partition);
  EXPECT_EQ(broken(HandMade({{0, 60}}, {}).verify()), Invariant::partition);
  EXPECT_EQ(broken(HandMade({{0, 8}}, {{12, 60}}, {{60, 64}}).verify()), Invariant::partition);
}

TEST(VerifyLayout, NamesFreeBlocksThatTouch) {
  EXPECT_EQ(broken(HandMade({{0, 8}, {8, 16}}, {{16, 64}}).verify()), Invariant::coalescing);
  EXPECT_EQ(broken(HandMade({{0, 8}, {56, 60}, {60, 64}}, {{8, 56}}).verify()), Invariant::coalescing);
  EXPECT_EQ(HandMade({{0, 8}, {56, 64}}, {{8, 32}, {32, 56}}).verify(), std::nullopt) << "areas may touch";
}

TEST(VerifyLayout, ReportsOverlapBeforePartitionBeforeCoalescingBeforeTheRest) {
  EXPECT_EQ(broken(HandMade({{0, 8}, {8, 16}, {20, 40}}, {{36, 64}}).verify()), Invariant::overlap);
  EXPECT_EQ(broken(HandMade({{0, 8}, {8, 16}, {20, 64}}, {}).verify()), Invariant::partition);
  EXPECT_EQ(broken(HandMade({{0, 8}, {8, 64}}, {}).verify(1)), Invariant::coalescing);
  HandMade augment({{0, 64}}, {});
  augment.free.root()->subtree_max_size = 1;
  EXPECT_EQ(broken(augment.verify(1)), Invariant::augment);
  BreakableFreeTree::set_red(*augment.free.root(), true);
  EXPECT_EQ(broken(augment.verify(1)), Invariant::tree);
}

TEST(VerifyLayout, NamesNodesAndBytesThatAreMiscounted) {
  HandMade layout({{0, 4}}, {{4, 8}}, {{8, 64}});
  EXPECT_EQ(layout.verify(), std::nullopt);
  EXPECT_EQ(broken(layout.verify(1)), Invariant::memory);
  EXPECT_EQ(broken(layout.verify(0, 4)), Invariant::memory);
  EXPECT_EQ(broken(layout.verify(0, 0, 4)), Invariant::memory);
}

struct BreakableAreaTree : AreaTree {
  using AreaTree::set_parent;
  using AreaTree::set_red;
};

TEST(VerifyLayout, LooksAtTheTreesOfAreasToo) {
  const Ranges areas{{0, 8}, {8, 16}, {16, 64}};
  HandMade busy({}, areas);
  BreakableAreaTree::set_red(*busy.busy.outermost(Side::left), false);
  EXPECT_EQ(broken(busy.verify()), Invariant::tree);
  HandMade lazy({}, {}, areas);
  BreakableAreaTree::set_parent(*lazy.lazy.outermost(Side::left), nullptr);
  EXPECT_EQ(broken(lazy.verify()), Invariant::tree);
}

}  // namespace
}  // namespace vmap
