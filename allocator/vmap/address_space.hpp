// SPDX-License-Identifier: Apache-2.0
//
// An allocator of ranges of a 64-bit space: virtual addresses, GPU or DMA address space, offsets in a buffer, a file or
// a device, ports, ids. The managed space is never touched: all metadata is out of band.
//
//     vmap::Options options{.range = {0x10000, 0x50000}, .granule = 0x1000};
//     auto space = vmap::AddressSpace::create(options);
//     if (!space) return;                                          // vmap::Error says why
//
//     auto area = space->allocate({.size = 0x3000, .align = 0x2000});
//     area->range;                                                 // the lowest: [0x10000, 0x13000)
//     space->allocate_at({0x20000, 0x21000});                      // exactly this range
//     space->find(0x12fff);                                        // the area that contains the address
//     space->free(area->range.begin);                              // coalesces at once
//
// What it promises
//     Exact.     allocate() returns the lowest address that satisfies the request, and fails with no_space only if there
//                is none, for every size, alignment and window, at address 0 and at the top of the space alike.
//     Atomic.    A call that fails changes nothing, except that what a purge or an exhaustion hook released on the way
//                stays released; the counters of stats() go on counting.
//     No throw.  Errors are values; no exception leaves the library, whatever the memory resource or a hook throws.
//     Frees.     free(), free_lazily() and purge() never allocate memory, and never fail for the begin of a busy area.
//     Cost.      O(log n) in free blocks or busy areas; where alignment above the granule makes the exact search look at
//                more, the bound is that of FreeSpace (free_space.hpp). An alignment for which that happens often gets a
//                row (below), and its searches are O(log n), too.
//
// What it does not do
//     It does not manage the byte 2^64-1, which no half-open range can cover.
//     It is not synchronized: like a standard container, one thread at a time may change it, or many may read it.
//     It does not remember sizes that were asked for: an area is what was placed.
//
// Memory. One node of 64 bytes, a cache line, for each free block, busy area and lazily freed area. Nodes come in slabs
// from a std::pmr::memory_resource and are recycled through a free list; slabs go back when the address space is
// destroyed. A slab of n nodes is one request for 64 n bytes and two words, aligned to 64: with 64 nodes, the default,
// that is 64.25 bytes a node; with one it is 80. reserve(n) makes the next n allocations independent of memory.
//
// Alignment rows. Where searches of an alignment above the granule pass many blocks in vain, because these are long
// enough and cannot be aligned, allocate() makes a row for that alignment: a second value in each node, with which no
// search of it passes such a block again (alignment_rows.hpp). At most four alignments have one at a time; one that is
// no longer used is dropped. While there are rows a node has 128 bytes, and each change of a free block does more work.
// The first row moves all nodes to new slabs, and after the last one they move back: O(n), inside allocate(). Without
// memory for that all stays as it was, and no call fails for it. stats() names the rows, and counts how often they came
// and went. Options::row_patience says how soon.
//
// Lazy frees. free_lazily() ends an area without making its range reusable; purge() does that for all such ranges
// together. It also runs by itself when lazily freed bytes exceed Options::lazy_limit, and when an allocation would
// otherwise fail.
//
// Source of the algorithm: best known from Linux' vmalloc since 5.2, which keeps free blocks in a red-black tree
// augmented by the largest block in each subtree and splits them by four fit types; augmented trees after Cormen et
// al., "Introduction to Algorithms", chapter 14. The search differs in being exact.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <memory_resource>
#include <optional>
#include <span>
#include <utility>

#include "vmap/error.hpp"
#include "vmap/free_space.hpp"
#include "vmap/node.hpp"
#include "vmap/node_pool.hpp"
#include "vmap/range.hpp"
#include "vmap/request.hpp"
#include "vmap/stats.hpp"
#include "vmap/violation.hpp"

namespace vmap {

/// What an address space is made from.
struct Options {
  Range range;                    ///< what is managed; not empty, on granules
  Size granule = 1;               ///< bytes; a power of two: every boundary is a multiple of it
  Size lazy_limit = address_max;  ///< bytes: a lazy free that brings the lazily freed bytes above it purges at once
  std::span<const Range> busy{};  ///< already busy: not empty, on granules, inside `range`, disjoint; in any order
  std::pmr::memory_resource* resource = nullptr;  ///< outlives the address space; null: the default resource
  std::size_t nodes_per_slab = 64;                ///< positive; what one request to the resource is for
  /// Blocks that searches of one alignment above the granule may pass in vain, for each node, before it gets a row; 0:
  /// it gets one when it is first asked for.
  std::size_t row_patience = 1;
};

/// Called when an allocation would fail with no_space. May free areas of the address space; returns true if it released
/// something, and the allocation is then tried again. An exception counts as false.
using ExhaustionHook = std::function<bool()>;
using HookId = std::uint64_t;

/// An address space over a free-space index. Use the name AddressSpace, below. An index is a type with the members of
/// FreeSpace, that keeps the same contract.
template <class Index>
class BasicAddressSpace {
 public:
  /// `invalid_argument`: something does not hold that Options demands. `out_of_memory`. O(b log b) in the busy ranges,
  /// but O(b^2) where memory runs out and they are not in ascending order: bad arguments are reported before want of
  /// memory, so overlaps must then be found without memory.
  [[nodiscard]] static Result<BasicAddressSpace> create(const Options& options);

  BasicAddressSpace(BasicAddressSpace&&) noexcept = default;
  BasicAddressSpace& operator=(BasicAddressSpace&&) noexcept = default;

  /// The lowest placement. `invalid_argument`: the size is not a positive multiple of the granule, the alignment not a
  /// power of two, or the window ends before it begins. `no_space`: there is none. `out_of_memory`.
  Result<Allocation> allocate(const Request& request);

  /// Exactly this range. `invalid_argument`: empty, off the granule, or not inside the space. `no_space`: a byte of it
  /// is not free. `out_of_memory`. O(log n).
  Result<Allocation> allocate_at(Range range);

  /// Areas at fixed offsets from one base, all or none. Returns the highest multiple of `align` (any from 0) at which
  /// each block's range is free and inside the window. Each block becomes an area of its own, to be freed at base +
  /// offset. `invalid_argument`: no block; a size that is zero; an offset or size off the granule; blocks that overlap
  /// or reach beyond 2^64-1; the alignment or window as in allocate(). `no_space`, `out_of_memory`. With m blocks and n
  /// free blocks: O(m log n) where the topmost base fits, O(m^2 n log n) at worst; needs no memory but nodes. Blocks
  /// that are not in ascending order add O(m^2).
  Result<Address> allocate_congruent(std::span<const Block> blocks, Size align, Range within = everywhere);

  /// Ends the area that begins at `begin` and coalesces its range with both neighbours. Returns the free block that
  /// resulted. `not_busy` for any other address. Never allocates memory. O(log n).
  Result<Range> free(Address begin);

  /// Ends the area that begins at `begin`; its range is not reusable until a purge. Returns the area. `not_busy` for
  /// any other address. Never allocates memory. O(log n), and a purge where the limit is exceeded.
  Result<Range> free_lazily(Address begin);

  /// Makes all lazily freed ranges reusable, and returns their bytes. Never allocates memory. O(l log n) for l of them.
  Size purge();

  /// The busy area that contains `address`. O(log n).
  [[nodiscard]] std::optional<Range> find(Address address) const;

  /// Calls `visit(Range)` for what intersects `window`, in order of address, without cutting it. The address space must
  /// not be changed meanwhile. O(log n + visited).
  template <class Visit>
  void for_each_busy(Visit visit, Range window = everywhere) const {
    for_each(busy_, visit, window);
  }
  template <class Visit>
  void for_each_free(Visit visit, Range window = everywhere) const {
    for_each(free_.tree(), visit, window);
  }
  template <class Visit>
  void for_each_lazy(Visit visit, Range window = everywhere) const {
    for_each(lazy_, visit, window);
  }

  /// Makes the next `count` allocations independent of memory; a congruent placement counts once for each block.
  /// `out_of_memory`, and nothing is taken then.
  Result<void> reserve(std::size_t count);

  /// Registers a hook; hooks are called in order of registration. `invalid_argument` for an empty one; `out_of_memory`.
  /// Hooks are kept with operator new, not in the memory resource. An allocation made by a hook calls no hooks.
  Result<HookId> on_exhaustion(ExhaustionHook hook);
  /// False if there is no such hook. A hook may remove itself.
  bool remove_hook(HookId id);

  [[nodiscard]] Stats stats() const;

  /// Walks everything and returns the first broken invariant (overlap, partition, coalescing, tree, augment, memory),
  /// or nullopt. O(n). Where there is no memory for its detail, that is empty; the invariant is named all the same.
  [[nodiscard]] std::optional<Violation> verify() const noexcept;

  [[nodiscard]] Range range() const { return range_; }
  [[nodiscard]] Size granule() const { return granule_; }
  /// For checkers and tools: the index, read-only.
  [[nodiscard]] const Index& index() const { return free_; }

 private:
  struct Hook {
    HookId id = 0;
    ExhaustionHook call;
  };

  BasicAddressSpace(const Options& options, std::pmr::memory_resource* resource)
      : range_(options.range),
        granule_(options.granule),
        lazy_limit_(options.lazy_limit),
        row_policy_(options.row_patience),
        pool_(resource, options.nodes_per_slab) {}

  Result<void> import(std::span<const Range> busy);
  void prepare_row(Size align);
  void drop_idle_rows();
  bool rehouse(bool wide);
  [[nodiscard]] bool is_sound(const Request& request) const;
  [[nodiscard]] bool is_sound(std::span<const Block> blocks) const;

  template <class Attempt>
  auto with_retries(Attempt attempt) -> decltype(attempt());
  Result<Allocation> place(Node& block, Range range);
  Node* take_out(AreaTree& areas, Address begin);
  Range make_free(Node& area);
  [[nodiscard]] std::optional<Address> highest_base(std::span<const Block> blocks, Size align, Range window) const;
  [[nodiscard]] std::optional<Address> lower_until_free(Address base, Block block, Size align, Address base_min) const;
  [[nodiscard]] std::size_t nodes_needed(std::span<const Block> blocks, Address base) const;

  template <class Tree, class Visit>
  static void for_each(const Tree& tree, Visit& visit, Range window);

  template <class T>
  Result<T> counted(Result<T> result) {
    if (!result) ++failures_[static_cast<std::size_t>(result.error())];
    return result;
  }

  Range range_;
  Size granule_;
  Size lazy_limit_;
  RowPolicy row_policy_;
  NodePool<Node, WideNode> pool_;
  Index free_;
  AreaTree busy_;
  AreaTree lazy_;
  Size busy_bytes_ = 0;
  Size lazy_bytes_ = 0;
  std::list<Hook> hooks_;  // stable: a hook may register another while it runs
  HookId hook_last_ = 0;
  bool calling_hooks_ = false;

  std::array<std::uint64_t, fit_type_count> fits_{};
  std::array<std::uint64_t, coalescing_count> coalescings_{};
  std::array<std::uint64_t, error_count> failures_{};
  std::uint64_t purges_ = 0;
  std::uint64_t hooks_called_ = 0;
  std::uint64_t rows_made_ = 0;
  std::uint64_t rows_dropped_ = 0;
  std::uint64_t rows_refused_ = 0;
  mutable std::uint64_t areas_visited_ = 0;
};

using AddressSpace = BasicAddressSpace<FreeSpace>;

}  // namespace vmap

#include "vmap/address_space_impl.hpp"

namespace vmap {
extern template class BasicAddressSpace<FreeSpace>;
}
