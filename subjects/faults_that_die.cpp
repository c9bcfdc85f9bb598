// SPDX-License-Identifier: Apache-2.0
//
// Faults that take the process with them: crashes, corrupted memory, hangs, exits, exceptions, memory without end. Each
// says in one line what is wrong; how it dies is in the list at the end.
//
// What is undefined in them is on purpose, and meant to happen under every optimizer: addresses and bounds come from
// run time, endless loops write to volatile objects. Where memory is corrupted, what follows at once makes the death
// sure: the same trace always dies in the same way. (Of the C library that is only glibc's own check of its heap.)
#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <semaphore>
#include <span>
#include <utility>
#include <vector>

#include "subjects/faulty_parts.hpp"

namespace vmapcheck {
namespace {

using vmap::Allocation;
using vmap::Error;
using vmap::FitType;
using vmap::FreeSpace;
using vmap::Node;
using vmap::Place;
using vmap::Request;
using vmap::Result;
using vmap::Side;

// ---- Pointers that lead nowhere

/// Looks at the root that the last allocation left, which is null when that took the last free block.
struct NullRoot : Around<> {
  using Around<>::Around;
  Result<Allocation> allocate(const Request& request) {
    if (root_) [[maybe_unused]]
      const volatile Address begin = (*root_)->range.begin;
    const auto result = Inner::allocate(request);
    root_ = tree().root();
    return result;
  }

 private:
  std::optional<const Node*> root_;
};

/// The third split measures the tree, and takes the root to be its own parent.
struct Recursion : Around<> {
  using Around<>::Around;
  Result<Allocation> allocate(const Request& request) { return counted(Inner::allocate(request)); }
  Result<Allocation> allocate_at(Range range) { return counted(Inner::allocate_at(range)); }

 private:
  Result<Allocation> counted(Result<Allocation> result) {
    if (result && result->fit == FitType::no_edge && ++splits_ == 3) depth_ = depth(tree().root());
    return result;
  }
  static std::uint64_t depth(const Node* node) {
    if (node == nullptr) return 0;
    const volatile std::uint64_t above = depth(node->parent() != nullptr ? node->parent() : node);
    return above + 1;
  }
  int splits_ = 0;
  std::uint64_t depth_ = 0;
};

/// Where a block with two children goes, its successor in the tree keeps its maximum (once something was freed): the
/// search for a congruent base follows that to below a leaf.
struct StaleMaximum : RemembersFreed {
  Merge add(Node& area) {
    const Place place = vmap::place_of(tree_, area.range.begin, visited_);
    const bool both = place.previous != nullptr && place.previous->range.end == area.range.begin &&
                      place.next != nullptr && place.next->range.begin == area.range.end;
    const Stale stale = both ? left_by(*place.next) : Stale{};
    const Merge merge = RemembersFreed::add(area);
    keep(stale);
    return merge;
  }
  Node* carve(Node& block, Range placement, Node* remainder) {
    const bool goes = freed_ && classify(block.range, placement) == FitType::full;
    const Stale stale = goes ? left_by(block) : Stale{};
    Node* const unneeded = FreeSpace::carve(block, placement, remainder);
    keep(stale);
    return unneeded;
  }

 private:
  struct Stale {
    Node* successor = nullptr;
    Size maximum = 0;
  };
  static Stale left_by(Node& block) {
    if (block.child(Side::left) == nullptr || block.child(Side::right) == nullptr) return {};
    return {block.next(), block.subtree_max_size};
  }
  /// Those above keep it, too, so that no maximum is ever too small: it never answers wrongly.
  void keep(const Stale& stale) {
    if (stale.successor == nullptr || stale.successor->subtree_max_size >= stale.maximum) return;
    stale.successor->subtree_max_size = stale.maximum;
    if (Node* const parent = stale.successor->parent()) tree_.propagate(*parent);
  }
};

/// Destroyed with two areas lazily freed, it walks the list of free blocks past its end.
struct Destructor : Around<> {
  using Around<>::Around;
  Destructor(Destructor&&) = default;
  Destructor& operator=(Destructor&&) = delete;
  ~Destructor() {
    if (stats().lazy_areas < 2) return;
    for (const Node* node = tree().root();; node = node->next()) [[maybe_unused]]
      const volatile Address begin = node->range.begin;
  }
};

// ---- Corrupted memory

/// Moves `count` entries down by one. Too many of them run over all that follows, until nothing is mapped there.
[[gnu::noinline]] void move_down(volatile Address* table, std::size_t count) {
  for (std::size_t i = 0; i != count; ++i) table[i] = table[i + 1];
}

/// A log of areas in a block of metadata, for faults that write where they should not.
///
///     | slot 0 | slot 1 | ... | slot 3 | newest |
///
/// Each slot is an address; `newest` leads to the slot written last.
struct Log {
  static constexpr std::size_t slot_count = 4;
  static constexpr Address end_mark = vmap::address_max;
  Address slots[slot_count];
  Address* newest;
};

/// The end mark of a full log overwrites its link: the next free follows that.
struct LogLink : Closed<> {
  LogLink(Inner inner, const SubjectConfig& config)
      : Closed(std::move(inner), config), block_(metadata, sizeof(Log)), log_(new(block_.memory()) Log{}) {
    log_->newest = log_->slots;
  }
  Result<Allocation> allocate(const Request& request) {
    const auto result = Inner::allocate(request);
    if (!result || used_ == Log::slot_count) return result;
    log_->newest = log_->slots + used_;
    write(used_++, result->range.begin);
    write(used_, Log::end_mark);
    return result;
  }
  Result<Range> free(Address begin) {
    [[maybe_unused]] const volatile Address newest = *log_->newest;
    used_ = 0;
    log_->newest = log_->slots;
    return Inner::free(begin);
  }

 private:
  /// Slots lie one after another, and the link behind them.
  void write(std::size_t slot, Address address) {
    std::memcpy(static_cast<std::byte*>(block_.memory()) + slot * sizeof(Address), &address, sizeof address);
  }
  MetadataBlock block_;
  Log* log_;
  std::size_t used_ = 0;
};

/// A log of four pages, each for one area; the end mark of the full log goes beyond the end of its block of metadata.
/// The block is given back at once, and glibc finds its neighbour's header overwritten.
struct LogEnd : Closed<> {
  using Closed<>::Closed;
  Result<Allocation> allocate(const Request& request) {
    const auto result = Inner::allocate(request);
    if (!result) return result;
    try {
      if (!block_) block_.emplace(metadata, page_count * page_size);
    } catch (const std::bad_alloc&) {
      return result;
    }
    write(used_++, result->range);
    write(used_, {vmap::address_max, vmap::address_max});
    if (used_ == page_count) {
      block_.reset();
      used_ = 0;
    }
    return result;
  }

 private:
  static constexpr std::size_t page_count = 4;
  static constexpr std::size_t page_size = 512;  // large enough that glibc does not keep freed blocks unchecked

  void write(std::size_t page, Range range) {
    std::memcpy(static_cast<std::byte*>(block_->memory()) + page * page_size, &range, sizeof range);
  }
  std::optional<MetadataBlock> block_;
  std::size_t used_ = 0;
};

/// Freeing an area moves one less of the log's entries down than come after it: for the newest, 2^64 - 1.
struct LogMove : Closed<> {
  LogMove(Inner inner, const SubjectConfig& config)
      : Closed(std::move(inner), config), block_(metadata, capacity * sizeof(Address)) {}
  Result<Allocation> allocate(const Request& request) {
    const auto result = Inner::allocate(request);
    if (result && used_ < capacity) slots()[used_++] = result->range.begin;
    return result;
  }
  Result<Range> free(Address begin) {
    Address* const end = slots() + used_;
    if (Address* const slot = std::find(slots(), end, begin); slot != end) {
      const std::size_t after = static_cast<std::size_t>(end - slot) - 1;
      move_down(slot, after - 1);
      --used_;
    }
    return Inner::free(begin);
  }

 private:
  static constexpr std::size_t capacity = 16;

  [[nodiscard]] Address* slots() const { return static_cast<Address*>(block_.memory()); }
  MetadataBlock block_;
  std::size_t used_ = 0;
};

/// Gives its directory of areas back when a free merges with both neighbours, and writes to it at the next allocation.
/// (So large a block is mapped by itself: once given back there is nothing at its address.)
struct Directory : Closed<> {
  Directory(Inner inner, const SubjectConfig& config)
      : Closed(std::move(inner), config), block_(metadata, slot_count * sizeof(Address)), slots_(block_.memory()) {}
  Result<Allocation> allocate(const Request& request) {
    const auto result = Inner::allocate(request);
    if (result) static_cast<volatile Address*>(slots_)[slot_of(result->range.begin)] = result->range.end;
    return result;
  }
  Result<Range> free(Address begin) {
    const auto area = find(begin);
    const auto result = Inner::free(begin);
    if (result && result->begin < area->begin && area->end < result->end) block_.give_back();
    return result;
  }

 private:
  static constexpr std::size_t slot_count = std::size_t{1} << 23;  // 64 MiB, of which only what is used is touched

  static std::size_t slot_of(Address begin) { return static_cast<std::size_t>((begin * 0x9e37'79b9'7f4a'7c15u) >> 41); }
  MetadataBlock block_;
  void* slots_;
};

/// A purge gives its journal back once for each area.
struct Journal : Closed<> {
  Journal(Inner inner, const SubjectConfig& config)
      : Closed(std::move(inner), config), journal_(metadata, journal_size) {}
  Size purge() {
    for_each_lazy([&](Range) {
      if (void* const memory = journal_.memory()) metadata->deallocate(memory, journal_size);
      purged_ = true;
    });
    if (purged_) journal_.let_go();
    return Inner::purge();
  }

 private:
  static constexpr std::size_t journal_size = 64;
  MetadataBlock journal_;
  bool purged_ = false;
};

/// A second purge moves the entries of an empty table on the stack down, one less than none of them.
struct StackTable : Around<> {
  using Around<>::Around;
  Size purge() {
    volatile Address table[8] = {};
    std::size_t filled = 0;
    for_each_lazy([&](Range area) {
      if (filled < std::size(table)) table[filled++] = area.begin;
    });
    if (std::exchange(again_, true)) move_down(table, filled - 1);
    return Inner::purge();
  }

 private:
  bool again_ = false;
};

// ---- It stops itself

/// Holds that nothing is lazily freed where a free merges with both neighbours.
struct Assertion : Around<> {
  using Around<>::Around;
  Result<Range> free(Address begin) {
    const auto area = find(begin);
    const auto result = Inner::free(begin);
    const bool both = result && result->begin < area->begin && area->end < result->end;
    if (both && stats().lazy_areas != 0) std::abort();
    return result;
  }
};

/// Made with three busy ranges or more, it looks for the third in a table of two: an exception from a noexcept
/// function.
struct Import : Around<> {
  Import(Inner inner, const SubjectConfig& config) : Around(std::move(inner), config) {
    for (std::size_t i = 0; i < config.space.busy.size(); ++i) enter(i, config.space.busy[i]);
  }

 private:
  void enter(std::size_t i, Range range) noexcept { table_.at(i) = range; }
  std::array<Range, 2> table_;
};

/// Divides by the number of areas allocated one by one that are left.
struct Division : Around<> {
  using Around<>::Around;
  Result<Allocation> allocate(const Request& request) {
    const auto result = Inner::allocate(request);
    if (result) areas_.push_back(result->range.begin);
    return result;
  }
  Result<Range> free(Address begin) {
    if (std::erase(areas_, begin) != 0) [[maybe_unused]]
      const volatile Size average = stats().busy_bytes / areas_.size();
    return Inner::free(begin);
  }
  Result<Range> free_lazily(Address begin) {
    std::erase(areas_, begin);
    return Inner::free_lazily(begin);
  }

 private:
  std::vector<Address> areas_;
};

/// Exits with status 0, as if all were well, when a purge rescues an allocation.
struct ExitsZero : Around<> {
  using Around<>::Around;
  Result<Allocation> allocate(const Request& request) {
    const std::uint64_t purges = stats().purges;
    const auto result = Inner::allocate(request);
    if (result && stats().purges != purges) std::exit(0);
    return result;
  }
};

/// Exits with status 3 when it is out of memory for the second time.
struct ExitsOutOfMemory : Around<> {
  using Around<>::Around;
  Result<Allocation> allocate(const Request& request) { return counted(Inner::allocate(request)); }
  Result<Allocation> allocate_at(Range range) { return counted(Inner::allocate_at(range)); }

 private:
  Result<Allocation> counted(Result<Allocation> result) {
    if (!result && result.error() == Error::out_of_memory && ++failures_ == 2) std::_Exit(3);
    return result;
  }
  int failures_ = 0;
};

// ---- Exceptions

/// Keeps the sizes of lazily freed areas in a table of five.
struct OutOfRange : Around<> {
  using Around<>::Around;
  Result<Range> free_lazily(Address begin) {
    const auto result = Inner::free_lazily(begin);
    if (result) sizes_.at(used_++) = result->size();
    return result;
  }

 private:
  std::array<Size, 5> sizes_{};
  std::size_t used_ = 0;
};

/// Throws an int when what is to be found was purged last.
struct ThrowsInt : Around<> {
  using Around<>::Around;
  Size purge() {
    purged_.clear();
    for_each_lazy([&](Range area) { purged_.push_back(area); });
    return Inner::purge();
  }
  [[nodiscard]] std::optional<Range> find(Address address) const {
    const auto area = Inner::find(address);
    if (!area && std::ranges::any_of(purged_, [&](Range range) { return range.contains(address); })) throw 7;
    return area;
  }

 private:
  std::vector<Range> purged_;
};

/// Takes a scratch block of metadata for each allocation, and lets the exception out when there is none.
struct BadAlloc : Closed<> {
  using Closed<>::Closed;
  Result<Allocation> allocate(const Request& request) {
    const MetadataBlock scratch(metadata, sizeof(Request));
    return Inner::allocate(request);
  }
};

// ---- No end

/// Having found a place in the block that the last free made, it looks for the end of the run of blocks of equal size
/// there, and turns back at each.
struct EqualBlocks : RemembersFreed {
  [[nodiscard]] std::optional<Fit> lowest_fit(Size size, Size align, Range window) const {
    const auto fit = FreeSpace::lowest_fit(size, align, window);
    if (fit && fit->block->range == freed_) walk(fit->block);
    return fit;
  }

 private:
  static void walk(const Node* block) {
    volatile std::uint64_t steps = 0;
    bool upwards = true;
    for (;;) {
      const Node* const neighbour = upwards ? block->next() : block->previous();
      if (neighbour == nullptr || neighbour->range.size() != block->range.size()) return;
      block = neighbour;
      upwards = !upwards;
      steps = steps + 1;
    }
  }
};

/// Walks the ring of lazily freed areas by their number, instead of one by one.
struct PurgeRing : Around<> {
  using Around<>::Around;
  Size purge() {
    if (const std::size_t count = stats().lazy_areas; count != 0) {
      volatile std::size_t at = 1 % count;
      while (at != 0) at = (at + count) % count;
    }
    return Inner::purge();
  }
};

/// Stops its process where a free is refused: what was left in from a day with a debugger.
struct Stopped : Around<> {
  using Around<>::Around;
  Result<Range> free(Address begin) {
    const auto result = Inner::free(begin);
    if (!result) (void)std::raise(SIGSTOP);
    return result;
  }
};

/// Locks both allocate() and free(), and calls hooks with the lock held.
struct Deadlock : Around<> {
  using Around<>::Around;
  Result<Allocation> allocate(const Request& request) {
    const Locked locked(*lock_);
    return Inner::allocate(request);
  }
  Result<Range> free(Address begin) {
    const Locked locked(*lock_);
    return Inner::free(begin);
  }

 private:
  struct Locked {
    explicit Locked(std::binary_semaphore& lock) : lock_(lock) { lock_.acquire(); }
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;
    ~Locked() { lock_.release(); }

   private:
    std::binary_semaphore& lock_;
  };
  std::unique_ptr<std::binary_semaphore> lock_ = std::make_unique<std::binary_semaphore>(1);
};

/// The third allocation that finds no place waits for one, and remembers for ever that it does.
struct WaitingList : Around<> {
  using Around<>::Around;
  Result<Allocation> allocate(const Request& request) {
    const auto result = Inner::allocate(request);
    if (result || result.error() != Error::no_space || ++failures_ < 3) return result;
    constexpr std::size_t piece = std::size_t{1} << 20;
    for (std::vector<std::unique_ptr<std::byte[]>> waiting;;) {
      waiting.push_back(std::make_unique<std::byte[]>(piece));
      *static_cast<volatile std::byte*>(waiting.back().get()) = std::byte{1};
    }
  }

 private:
  int failures_ = 0;
};

}  // namespace

std::vector<FaultySubject> faults_that_die() {
  FaultyList list;
  list.add("null_root", "SIGSEGV", "follows a null pointer after the last free block was taken",
           "space 0x0..0x1\nalloc a0 size=1\nalloc a1 size=1\n", around<NullRoot>());
  list.add("recursion", "SIGSEGV", "recurses without end at the third split",
           "space 0x0..0x10\nalloc-at a0 0x2..0x3\nalloc-at a1 0x4..0x5\nalloc-at a2 0x6..0x7\n", around<Recursion>());
  list.add("stale_maximum", "SIGSEGV", "keeps the maximum of a block that went, and follows it to below a leaf",
           "space 0x0..0x1f\nbusy 0xf..0x10\nbusy 0xd..0xe\nbusy 0x2..0x4\nbusy 0xa..0xc\nbusy 0x8..0x9\n"
           "free-at 0x8\ncongruent a0 within=0x0..0x11 blocks=0x0+0x2\n",
           around<Closed<StaleMaximum>, StaleMaximum>());
  list.add("destructor", "SIGSEGV", "walks past the end of a list when destroyed with two areas lazily freed",
           "space 0x0..0x10\nbusy 0x0..0x1\nbusy 0x1..0x2\nfree-lazily-at 0x0\nfree-lazily-at 0x1\n",
           around<Destructor>());
  list.add("log_link", "SIGSEGV", "the end mark of a full log overwrites a pointer, which the next free follows",
           "space 0x0..0x10\nalloc a0 size=1\nalloc a1 size=1\nalloc a2 size=1\nalloc a3 size=1\nfree a0\n",
           around<LogLink>());
  list.add("log_end", "SIGABRT", "the end mark of a full log goes beyond the end of its block on the heap",
           "space 0x0..0x10\nalloc a0 size=1\nalloc a1 size=1\nalloc a2 size=1\nalloc a3 size=1\n", around<LogEnd>());
  list.add("log_move", "SIGSEGV", "moves 2^64 - 1 entries of a log when its newest area is freed",
           "space 0x0..0x10\nalloc a0 size=1\nfree a0\n", around<LogMove>());
  list.add("directory", "SIGSEGV", "writes to metadata that it gave back at a merge with both neighbours",
           "space 0x0..0x10\nbusy 0x1..0x2\nfree-at 0x1\nalloc a0 size=1\n", around<Directory>());
  list.add("journal", "SIGABRT", "gives a block of metadata back once for each area that it purges",
           "space 0x0..0x10\nbusy 0x0..0x1\nbusy 0x1..0x2\nfree-lazily-at 0x0\nfree-lazily-at 0x1\npurge\n",
           around<Journal>());
  list.add("stack_table", "SIGSEGV", "overwrites the stack at a second purge", "space 0x0..0x10\npurge\npurge\n",
           around<StackTable>());
  list.add("assertion", "SIGABRT", "asserts at a merge with both neighbours that nothing is lazily freed",
           "space 0x0..0x10\nbusy 0x1..0x2\nbusy 0x3..0x4\nfree-lazily-at 0x1\nfree-at 0x3\n", around<Assertion>());
  list.add("import", "SIGABRT", "throws from a noexcept function when made with three busy ranges",
           "space 0x0..0x10\nbusy 0x0..0x1\nbusy 0x1..0x2\nbusy 0x2..0x3\n", around<Import>());
  list.add("division", "SIGFPE", "divides by the number of areas that are left",
           "space 0x0..0x10\nalloc a0 size=1\nfree a0\n", around<Division>());
  list.add("exit_zero", "exit", "exits with status 0 when a purge rescues an allocation",
           "space 0x0..0x1\nbusy 0x0..0x1\nfree-lazily-at 0x0\nalloc a0 size=1\n", around<ExitsZero>());
  list.add("exit_oom", "exit", "exits with status 3 when out of memory a second time",
           "space 0x0..0x10\nfail-metadata 1\nalloc a0 size=1\nfail-metadata 1\nalloc a1 size=1\n",
           around<ExitsOutOfMemory>());
  list.add("out_of_range", "exception", "lets std::out_of_range out at the sixth lazy free",
           "space 0x0..0x10\nbusy 0x0..0x1\nbusy 0x1..0x2\nbusy 0x2..0x3\nbusy 0x3..0x4\nbusy 0x4..0x5\n"
           "busy 0x5..0x6\nfree-lazily-at 0x0\nfree-lazily-at 0x1\nfree-lazily-at 0x2\nfree-lazily-at 0x3\n"
           "free-lazily-at 0x4\nfree-lazily-at 0x5\n",
           around<OutOfRange>());
  list.add("throws_int", "exception", "throws an int when asked for what was just purged",
           "space 0x0..0x10\nbusy 0x0..0x1\nfree-lazily-at 0x0\npurge\nfind 0x0\n", around<ThrowsInt>());
  list.add("bad_alloc", "exception", "lets the memory resource's std::bad_alloc out",
           "space 0x0..0x10\nfail-metadata 1\nalloc a0 size=1\n", around<BadAlloc>());
  list.add("equal_blocks", "hang", "goes to and fro between two free blocks of the same size",
           "space 0x0..0x3\nbusy 0x0..0x1\nbusy 0x1..0x2\nfree-at 0x0\nalloc a0 size=1\n", over<EqualBlocks>());
  list.add("purge_ring", "hang", "never comes to the end when it purges two areas",
           "space 0x0..0x10\nbusy 0x0..0x1\nbusy 0x1..0x2\nfree-lazily-at 0x0\nfree-lazily-at 0x1\npurge\n",
           around<PurgeRing>());
  list.add("deadlock", "hang", "waits for its own lock when a hook frees",
           "space 0x0..0x1\nalloc a0 size=1\non-exhaustion a0\nalloc a1 size=1\n", around<Deadlock>());
  list.add("stopped", "hang", "stops its process where a free is refused", "space 0x0..0x1\nfree-at 0x0\n",
           around<Stopped>());
  list.add("waiting_list", "memory-limit", "takes memory without end when there is no place for the third time",
           "space 0x0..0x1\nbusy 0x0..0x1\nalloc a0 size=1\nalloc a1 size=1\nalloc a2 size=1\n", around<WaitingList>());
  return std::move(list.faults);
}

}  // namespace vmapcheck
