// SPDX-License-Identifier: Apache-2.0
//
// What vmap::AddressSpace does when something runs out: memory, at any request and in any manner; and space, for which
// it calls hooks. What a trace can say of hooks, and of lazy frees, is in corpus/hooks and corpus/lazy.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "properties/address_spaces.hpp"
#include "properties/refused_new.hpp"
#include "vmap/address_space.hpp"
#include "vmap/node_pool.hpp"

namespace vmap {
namespace {

// ---- Memory

/// How many more nodes a call takes in a space of 64 pages, of which only page 0 is busy.
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
          AddressSpace space = empty_space(64, resource);
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

TEST(AddressSpaceMemory, IsNotAskedForByTheNextNAllocationsOnceTheyAreReserved) {
  for (const std::size_t nodes_per_slab : {1u, 2u, 64u})
    for (const std::size_t n : {0u, 1u, 5u, 100u}) {
      TestResource resource;
      AddressSpace space = empty_space(1024, resource, nodes_per_slab);
      ASSERT_TRUE(space.reserve(n));
      resource.grant(0);
      for (std::size_t i = 0; i < n; ++i) {
        const auto area = space.allocate({.size = p, .within = {(4 * i + 1) * p, 1024 * p}});
        ASSERT_TRUE(area.has_value()) << i << " of " << n;
        ASSERT_EQ(area->fit, FitType::no_edge) << "the fit type that takes most nodes";
      }
    }
}

TEST(AddressSpaceMemory, IsReservedForTheNextNAllocationsAndNoMore) {
  TestResource resource;
  AddressSpace space = empty_space(1024, resource);
  for (const std::size_t n : {5u, 5u, 3u, 7u, 7u, 0u}) {
    const std::uint64_t requests = resource.requests;
    const std::size_t spare = space.stats().nodes_spare;
    ASSERT_TRUE(space.reserve(n));
    EXPECT_EQ(space.stats().nodes_spare, std::max(spare, 2 * n)) << "two nodes for an allocation, those there included";
    EXPECT_EQ(resource.requests == requests, spare >= 2 * n);
  }
}

TEST(AddressSpaceMemory, ForCongruentBlocksDoesNotDependOnWhatLiesBesideThem) {
  // The first would touch the second; it is not among those that are asked for.
  const std::array<Block, 3> list{{{0, 2 * p}, {2 * p, p}, {4 * p, p}}};
  const auto asked = std::span(list).subspan(1);
  for (std::uint64_t granted = 0; granted < 8; ++granted) {
    TestResource resource;
    AddressSpace space = empty_space(64, resource);
    resource.grant(granted);
    const auto base = space.allocate_congruent(asked, p, {8 * p, 32 * p});
    EXPECT_EQ(space.stats().busy_areas, base ? 2u : 0u);
    EXPECT_EQ(space.verify(), std::nullopt);
    EXPECT_EQ(base.has_value(), granted >= 4) << "two areas, two more free blocks";
  }
}

TEST(AddressSpaceMemory, ReservedForNServesACongruentPlacementOfNBlocks) {
  TestResource resource;
  AddressSpace space = empty_space(64, resource);
  ASSERT_TRUE(space.reserve(3));
  resource.grant(0);
  EXPECT_TRUE(space.allocate_congruent(Blocks{{0, p}, {2 * p, p}, {4 * p, p}}, p, {8 * p, 32 * p}));
}

TEST(AddressSpaceMemory, AReservationThatCannotBeMetTakesNothing) {
  for (const Refusal refusal : refusals) {
    TestResource resource;
    resource.refusal = refusal;
    AddressSpace space = empty_space(64, resource);
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

TEST(AddressSpaceMemory, IsTakenSlabBySlabWithACacheLineForEachNodeAndTwoWordsForEachSlab) {
  for (const std::size_t nodes_per_slab : {1u, 2u, 3u, 64u}) {
    TestResource resource;
    AddressSpace space = empty_space(1024, resource, nodes_per_slab);
    for (std::uint64_t i = 0; i < 100; ++i) {
      ASSERT_TRUE(space.allocate({.size = p, .within = {(2 * i + 1) * p, 1024 * p}}));
      const std::size_t nodes = space.stats().nodes_alive + space.stats().nodes_spare;
      EXPECT_EQ(nodes, resource.requests * nodes_per_slab);
      EXPECT_LT(space.stats().nodes_spare, nodes_per_slab) << "not before it is needed";
      EXPECT_EQ(resource.bytes_outstanding, nodes * 64 + resource.requests * 2 * sizeof(void*));
    }
    EXPECT_EQ(space.stats().nodes_alive, 201u);
    for (const Node* node = space.index().tree().outermost(Side::left); node != nullptr; node = node->next())
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(node) % 64, 0u) << nodes_per_slab << " nodes a slab";
  }
}

template <std::size_t Alignment>
struct alignas(Alignment) Aligned {
  std::array<std::byte, Alignment + sizeof(void*)> content{};
};

/// In slabs of any size, and with nothing lost between them.
template <class Node>
void expect_nodes_apart_and_aligned() {
  for (const std::size_t nodes_per_slab : {1u, 2u, 7u}) {
    TestResource resource;
    {
      NodePool<Node> pool(&resource, nodes_per_slab);
      std::vector<Node*> nodes;
      for (int i = 0; i < 20; ++i) {
        ASSERT_TRUE(pool.ensure(1));
        nodes.push_back(pool.take());
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(nodes.back()) % alignof(Node), 0u);
        nodes.back()->content.fill(static_cast<std::byte>(i));
      }
      for (std::size_t i = 0; i < nodes.size(); ++i)
        EXPECT_TRUE(std::ranges::all_of(nodes[i]->content, [&](std::byte b) { return b == std::byte(i); }));
      for (Node* const node : nodes) pool.give(node);
      EXPECT_EQ(pool.spares() * sizeof(Node) + resource.requests * 2 * sizeof(void*), resource.bytes_outstanding);
    }
    EXPECT_EQ(resource.bytes_outstanding, 0u);
  }
}

TEST(NodePool, PlacesNodesOfAnyAlignmentApartAndAsTheyAreAligned) {
  expect_nodes_apart_and_aligned<Aligned<alignof(void*)>>();
  expect_nodes_apart_and_aligned<Aligned<16>>();
  expect_nodes_apart_and_aligned<Aligned<64>>();
  expect_nodes_apart_and_aligned<Aligned<256>>();
}

TEST(NodePool, AssignedToItselfKeepsItsNodes) {
  TestResource resource;
  NodePool<Node> pool(&resource, 4);
  ASSERT_TRUE(pool.ensure(3));
  Node& node = *pool.take();
  node.range = {1, 2};
  NodePool<Node>& itself = pool;
  pool = std::move(itself);
  EXPECT_GT(resource.bytes_outstanding, 0u);
  EXPECT_EQ(pool.alive(), 1u);
  EXPECT_EQ(pool.spares(), 3u);
  EXPECT_EQ(node.range, (Range{1, 2}));
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

// ---- Exhaustion hooks

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

TEST(ExhaustionHooks, AreNotFollowedByARetryWhenTheySayThatNothingWasReleased) {
  Exhausted e;
  e.add('a', [&] { return e.free_page(0)(), false; });
  EXPECT_EQ(e.allocate(), Error::no_space);
  EXPECT_EQ(free_in(e.space), (Ranges{{0, p}})) << "what was released stays released";
  EXPECT_EQ(e.allocate(), std::nullopt);
  EXPECT_EQ(e.called, "a");
}

TEST(ExhaustionHooks, ThatThrowReleasedNothing) {
  Exhausted e;
  e.add('a', [&]() -> bool { throw e.space.free(0).value(); });
  e.add('b');
  EXPECT_EQ(e.allocate(), Error::no_space);
  EXPECT_EQ(e.called, "ab");
  EXPECT_EQ(e.allocate(), std::nullopt) << "what was released before the exception stays released";
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

TEST(ExhaustionHooks, RemovedAreGoneAtOnce) {
  Exhausted e;
  const auto witness = std::make_shared<int>();
  const HookId a = e.add('a', [witness] { return false; });
  EXPECT_EQ(witness.use_count(), 2);
  EXPECT_TRUE(e.space.remove_hook(a));
  EXPECT_EQ(witness.use_count(), 1);
}

TEST(ExhaustionHooks, RemovedWhileTheyAreCalledAreGoneAfterIt) {
  Exhausted e;
  const auto witness = std::make_shared<int>();
  HookId b = 0;
  e.add('a', [&] {
    if (b == 0) return false;
    EXPECT_TRUE(e.space.remove_hook(b));
    EXPECT_FALSE(e.space.remove_hook(0)) << "which is the name of none";
    EXPECT_EQ(e.space.stats().hooks, 1u);
    b = 0;
    return false;
  });
  b = e.add('b', [witness] { return false; });
  EXPECT_EQ(witness.use_count(), 2);
  EXPECT_EQ(e.allocate(), Error::no_space);
  EXPECT_EQ(e.called, "a");
  EXPECT_EQ(e.space.stats().hooks_called, 1u) << "what was removed is not called";
  EXPECT_EQ(witness.use_count(), 1) << "nothing is kept of it";
}

TEST(ExhaustionHooks, MustNotBeEmpty) {
  Exhausted e;
  EXPECT_EQ(error_of(e.space.on_exhaustion({})), Error::invalid_argument);
  EXPECT_EQ(e.space.stats().hooks, 0u);
  EXPECT_EQ(e.space.stats().failures[static_cast<std::size_t>(Error::invalid_argument)], 1u);
  EXPECT_EQ(e.allocate(), Error::no_space);
}

TEST(ExhaustionHooks, ForWhichThereIsNoMemoryAreNotRegistered) {
  Exhausted e;
  e.add('a');
  {
    ExhaustionHook hook = [] { return ADD_FAILURE() << "called", false; };
    std::optional<Error> error;
    {
      const RefusedNew refused;
      error = error_of(e.space.on_exhaustion(std::move(hook)));
    }
    EXPECT_EQ(error, Error::out_of_memory);
  }
  EXPECT_EQ(e.space.stats().hooks, 1u);
  EXPECT_EQ(e.allocate(), Error::no_space);
  EXPECT_EQ(e.called, "a");
}

}  // namespace
}  // namespace vmap
