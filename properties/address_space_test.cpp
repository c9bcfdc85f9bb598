// SPDX-License-Identifier: Apache-2.0
//
// The points of vmap::AddressSpace's contract that a sequence of ops cannot say: construction, the order of errors,
// windows of iteration, moves; and the ends of the space. The faults that allocators of this kind really had are traces
// of corpus/faults.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "properties/address_spaces.hpp"
#include "vmap/address_space.hpp"

namespace vmap {
namespace {

// ---- Construction

TEST(AddressSpaceCreate, RefusesWhatIsNoSpace) {
  const Range good{0x1000, 0x9000};
  const struct {
    Options options;
    Ranges busy;
  } bad_spaces[] = {
      {{.range = {0x1000, 0x1000}, .granule = p}, {}},
      {{.range = {0x2000, 0x1000}, .granule = p}, {}},
      {{.range = {0x1800, 0x9000}, .granule = p}, {}},
      {{.range = {0x1000, 0x8800}, .granule = p}, {}},
      {{.range = good, .granule = 0}, {}},
      {{.range = good, .granule = 0x1800}, {}},
      {{.range = {0, 4}, .granule = 3}, {}},  // whose bits say nothing of what is aligned
      {{.range = everywhere, .granule = p}, {}},
      {{.range = {}}, {}},
      {{.range = good, .granule = p, .nodes_per_slab = 0}, {}},
      {{.range = good, .granule = p}, {{0x1800, 0x2000}}},
      {{.range = good, .granule = p}, {{0x1000, 0x1800}}},
      {{.range = good, .granule = p}, {{0x2000, 0x2000}}},
      {{.range = good, .granule = p}, {{0x3000, 0x2000}}},
      {{.range = good, .granule = p}, {{0x0, 0x2000}}},
      {{.range = good, .granule = p}, {{0x8000, 0xa000}}},
      {{.range = good, .granule = p}, {{0x1000, 0x2000}, {0x8000, 0xa000}}},
      {{.range = good, .granule = p}, {{0x1000, 0x3000}, {0x5000, 0x6000}, {0x2000, 0x4000}}},
      {{.range = good, .granule = p}, {{0x4000, 0x6000}, {0x2000, 0x5000}}},
      {{.range = good, .granule = p}, {{0x1000, 0x3000}, {0x1000, 0x3000}}},
      {{.range = good, .granule = p}, {{0x1000, 0x5000}, {0x2000, 0x3000}}},
  };
  for (const auto& bad : bad_spaces)
    for (const Refusal refusal : refusals)
      for (std::uint64_t granted = 0; granted < 8; ++granted) {
        TestResource resource;
        resource.refusal = refusal;
        resource.grant(granted);
        Options options = bad.options;
        options.busy = bad.busy;
        options.resource = &resource;
        if (options.nodes_per_slab != 0) options.nodes_per_slab = 1;
        EXPECT_EQ(error_of(AddressSpace::create(options)), Error::invalid_argument)
            << &bad - bad_spaces << ": arguments come before memory, with " << granted << " requests granted";
        EXPECT_EQ(resource.bytes_outstanding, 0u);
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
    EXPECT_EQ(space.free(2), (Range{2, 8}));
  } while (std::ranges::next_permutation(busy, {}, &Range::begin).found);
}

TEST(AddressSpaceCreate, TakesAllOfTheSpaceAsBusy) {
  const std::array<Range, 1> all{everywhere};
  AddressSpace space = make({.range = everywhere, .busy = all});
  EXPECT_EQ(free_in(space), Ranges{});
  EXPECT_EQ(space.stats().fragmentation(), 0.0);
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

// ---- Errors, and their order: argument, space, memory

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
  AddressSpace space = empty_space(8, resource);
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
  AddressSpace space = empty_space(8, resource);
  ASSERT_TRUE(space.allocate({.size = p}));
  ASSERT_TRUE(space.free_lazily(0));
  ASSERT_TRUE(space.on_exhaustion([] { return ADD_FAILURE() << "called", false; }));
  resource.grant(0);
  EXPECT_EQ(error_of(space.allocate({.size = p, .within = {4 * p, 8 * p}})), Error::out_of_memory);
  EXPECT_EQ(lazy_in(space), (Ranges{{0, p}}));
}

// ---- Looking

TEST(Looking, FindsTheBusyAreaThatContainsAnAddress) {
  const Ranges areas{{0x100, 0x110}, {0x110, 0x120}, {0x180, 0x200}};
  AddressSpace space = make({.range = {0x100, 0x200}, .busy = areas});
  for (Address address = 0xf0; address < 0x210; ++address) {
    const auto area = std::ranges::find_if(areas, [&](Range range) { return range.contains(address); });
    EXPECT_EQ(space.find(address), area != areas.end() ? std::optional(*area) : std::nullopt) << address;
  }
  EXPECT_EQ(space.find(address_max), std::nullopt);
}

TEST(Looking, VisitsForEveryWindowWhatOverlapsItUncutAndNothingForAnEmptyOne) {
  const Ranges areas{{2, 4}, {6, 7}, {7, 10}, {12, 13}, {14, 18}};
  AddressSpace space = make({.range = {2, 18}, .busy = areas});
  ASSERT_TRUE(space.free_lazily(6));
  ASSERT_TRUE(space.free_lazily(12));
  const Contents all = contents_of(space);
  EXPECT_EQ(all, (Contents{{{2, 4}, {7, 10}, {14, 18}}, {{4, 6}, {10, 12}, {13, 14}}, {{6, 7}, {12, 13}}}));
  const auto overlapping = [](Ranges ranges, Range window) {
    std::erase_if(ranges, [&](Range range) { return !range.overlaps(window); });
    return ranges;
  };
  for (Address begin = 0; begin <= 20; ++begin)
    for (Address end = 0; end <= 21; ++end) {
      const Range window{begin, end <= 20 ? end : address_max};
      EXPECT_EQ(busy_in(space, window), overlapping(all.busy, window));
      EXPECT_EQ(free_in(space, window), overlapping(all.free, window));
      EXPECT_EQ(lazy_in(space, window), overlapping(all.lazy, window));
    }
}

TEST(Looking, FragmentationIsThePartOfTheFreeBytesOutsideTheLargestBlock) {
  EXPECT_EQ(make({.range = {0, 100}}).stats().fragmentation(), 0.0);
  const Ranges areas{{10, 40}, {40, 50}, {90, 100}};
  const Stats stats = make({.range = {0, 100}, .busy = areas, .nodes_per_slab = 16}).stats();
  EXPECT_DOUBLE_EQ(stats.fragmentation(), 1 - 40.0 / 50.0);
  EXPECT_EQ(stats.nodes_alive, 5u);
  EXPECT_EQ(stats.nodes_spare, 11u);
}

TEST(Looking, ASpaceSaysWhatItWasMadeFrom) {
  const AddressSpace space = make({.range = {2 * p, 8 * p}, .granule = p});
  EXPECT_EQ(space.range(), (Range{2 * p, 8 * p}));
  EXPECT_EQ(space.granule(), p);
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

// ---- The ends of the 64-bit space

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

TEST(EndsOfTheSpace, NoCongruentBaseIsLoweredBelowZero) {
  AddressSpace space = make({.range = {0, 16 * p}, .granule = p});
  ASSERT_TRUE(space.allocate_at({4 * p, 16 * p}));
  EXPECT_EQ(error_of(space.allocate_congruent(Blocks{{8 * p, p}}, p)), Error::no_space);
  EXPECT_EQ(error_of(space.allocate_congruent(Blocks{{4 * p, p}}, p)), Error::no_space);
  EXPECT_EQ(space.allocate_congruent(Blocks{{3 * p, p}}, p), 0u);
}

/// A comparison of each block with each would take hours.
TEST(CongruentBlocks, InAscendingOrderAreWalkedOnce) {
  AddressSpace space = make({.range = everywhere});
  std::vector<Block> blocks;
  for (Size offset = 0; offset < 500'000; ++offset) blocks.push_back({offset, 1});
  EXPECT_TRUE(space.allocate_congruent(blocks, 1));
}

TEST(EndsOfTheSpace, ACongruentBlockMayBeAllOfTheSpace) {
  AddressSpace space = make({.range = everywhere});
  EXPECT_EQ(space.allocate_congruent(Blocks{{0, address_max}}, 1), 0u);
}

TEST(EndsOfTheSpace, AnAllocationThatFailsIsTriedOnceWhereNothingWasFreedLazily) {
  AddressSpace space = make({.range = {p, 3 * p}, .granule = p});
  const std::uint64_t before = space.stats().nodes_visited;
  EXPECT_EQ(error_of(space.allocate({.size = 2 * p, .align = 2 * p})), Error::no_space);
  EXPECT_EQ(space.stats().nodes_visited - before, 1u) << "the block is long enough, and looked at once";
}

// ---- Moving

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

}  // namespace
}  // namespace vmap
