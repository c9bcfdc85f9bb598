// SPDX-License-Identifier: Apache-2.0
//
// Each fault is a struct around our allocator, or around its free-space index, with its line of the catalogue inside:
// what is wrong, what that shows, and a trace that shows it. The list of them is at the end.
//
// What is undefined in those that die is on purpose, and meant to happen under every optimizer: addresses and bounds
// come from run time, endless loops write to volatile objects. Where memory is corrupted, what follows at once makes
// the death sure: the same trace always dies in the same way. (Of the C library this asks only for glibc's own check of
// its heap.)
#include "subjects/faulty.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <concepts>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <expected>
#include <functional>
#include <memory>
#include <memory_resource>
#include <new>
#include <optional>
#include <semaphore>
#include <span>
#include <utility>
#include <vector>

#include "harness/isolate/isolation.hpp"
#include "harness/verify/model_subject.hpp"
#include "subjects/vmap_subject.hpp"

namespace vmapcheck {
namespace {

using vmap::Allocation;
using vmap::Coalescing;
using vmap::Error;
using vmap::FitType;
using vmap::FreeSpace;
using vmap::Node;
using vmap::Request;
using vmap::Result;
using vmap::Stats;
using vmap::TreeCase;

// ---- What faults are made of

/// A line of the catalogue.
struct Fault {
  std::string_view name;   ///< without "fault_"
  std::string_view shows;  ///< FaultySubject::shows
  std::string_view summary;
  std::string_view trace;  ///< without its first line
  bool shortest = true;
};

/// Our allocator, for a fault to be put around: the fault declares again what it answers differently.
template <class Index = FreeSpace>
struct Around : VmapSubject<Index> {
  Around(VmapSubject<Index> sound, const SubjectConfig& config)
      : VmapSubject<Index>(std::move(sound)), space(config.space), metadata(config.metadata) {}

  Space space;
  std::pmr::memory_resource* metadata;
};

/// Whether freeing `area` merged it with both neighbours.
bool merged_with_both(const Result<Range>& freed, const std::optional<Range>& area) {
  return freed && freed->begin < area->begin && area->end < freed->end;
}

// ---- Those that answer: the search and the tree

/// Starts where a smaller request was placed, until a free makes room below; and goes by the size of the area freed,
/// instead of the block that it became.
struct HoleCache : FreeSpace {
  static constexpr Fault fault{
      "hole_cache", "answer", "keeps the start of the search when small areas merge to a hole below it",
      "space 0x0..0x10\nbusy 0x1..0x2\nbusy 0x3..0x4\nalloc a0 size=3\nfree-at 0x1\nalloc a1 size=3\n"};

  [[nodiscard]] std::optional<Fit> lowest_fit(Size size, Size align, Range window) const {
    const bool hit = cache_ && size >= cache_->size && align >= cache_->align && window == cache_->window;
    const auto fit =
        FreeSpace::lowest_fit(size, align, hit ? Range{cache_->begin, std::max(cache_->begin, window.end)} : window);
    if (fit) cache_ = Cache{fit->begin, size, align, window};
    return fit;
  }
  Merge add(Node& area) {
    const Size size = area.range.size();
    const Merge merge = FreeSpace::add(area);
    if (cache_ && merge.block.begin < cache_->begin && size >= cache_->size) cache_.reset();
    return merge;
  }

 private:
  struct Cache {
    Address begin = 0;  ///< below it is no place for `size` at `align` in `window`
    Size size = 0;
    Size align = 0;
    Range window;
  };
  mutable std::optional<Cache> cache_;
};

struct WindowBegin : FreeSpace {
  static constexpr Fault fault{"window_begin", "answer",
                               "rounds up from the begin of the block in which it placed last, not the window's",
                               "space 0x0..0x10\nalloc a0 size=1\nalloc a1 size=1 within=0x4..0x10\n"};

  [[nodiscard]] std::optional<Fit> lowest_fit(Size size, Size align, Range window) const {
    auto fit = FreeSpace::lowest_fit(size, align, window);
    if (fit && last_end_ == fit->block->range.begin && window.begin > *last_end_) {
      const Address end = fit->block->range.end;  // what it found lies below the window
      fit = FreeSpace::lowest_fit(size, align, {end, std::max(window.end, end)});
    }
    if (fit) last_end_ = fit->begin + size;
    return fit;
  }

 private:
  mutable std::optional<Address> last_end_;
};

template <class Index = FreeSpace>
struct Retries : Index {
  static constexpr Fault fault{"retries", "cost", "repeats a search in vain once for each search in vain before",
                               "space 0x0..0x23\nbusy 0x1..0x2\nbusy 0x4..0x5\nbusy 0x9..0xa\nbusy 0xb..0xc\n"
                               "busy 0xd..0xe\nbusy 0x11..0x12\nbusy 0x14..0x15\nbusy 0x17..0x18\n"
                               "alloc a0 size=4 align=0x10 within=0x9..0x21\n"
                               "alloc a1 size=4 align=0x10 within=0x9..0x21\n"
                               "alloc a2 size=4 align=0x10 within=0x9..0x21\n"
                               "alloc a3 size=4 align=0x10 within=0x9..0x21\n",
                               false};

  [[nodiscard]] std::optional<typename Index::Fit> lowest_fit(Size size, Size align, Range window) const {
    auto fit = Index::lowest_fit(size, align, window);
    for (std::uint64_t i = 0; !fit && i < failures_; ++i) fit = Index::lowest_fit(size, align, window);
    if (!fit) ++failures_;
    return fit;
  }

 private:
  mutable std::uint64_t failures_ = 0;
};

/// A rotation that ends a recolouring leaves out the old root's side of the new root's maximum:
///
///        G             P   <- of P and x only
///      P   u    ->   x   G
///     x  c              c u
struct ForgetsInRotation : FreeSpace {
  Merge add(Node& area) {
    const auto before = tree_.cases();
    const Merge merge = FreeSpace::add(area);
    const auto happened = [&](TreeCase left) {
      const auto i = static_cast<std::size_t>(left);
      return tree_.cases()[i] - before[i] + (tree_.cases()[i + 1] - before[i + 1]);
    };
    const std::uint64_t recolourings = happened(TreeCase::link_recolour_left);
    if (merge.coalescing != Coalescing::none || recolourings == 0 || happened(TreeCase::link_outer_left) == 0)
      return merge;
    Node* x = &area;
    for (std::uint64_t i = 0; i < 2 * recolourings; ++i) x = x->parent();  // each moved the question two levels up
    Node& top = *x->parent();
    top.subtree_max_size = std::max(top.range.size(), x->subtree_max_size);
    return merge;
  }
};
struct Rotation : Around<ForgetsInRotation> {
  using Around::Around;
  static constexpr Fault fault{
      "rotation", "answer", "forgets a subtree's maximum in a rotation; closed, so that only answers tell",
      "space 0x0..0x19\nbusy 0x11..0x12\nbusy 0x2..0x3\nbusy 0xe..0xf\nbusy 0x3..0x4\nbusy 0xb..0xd\n"
      "busy 0x9..0xa\nbusy 0x6..0x8\nbusy 0x4..0x5\nfree-at 0x3\nalloc a0 size=4\n"};

  void tree() const = delete;
  void stats() const = delete;
  void verify() const = delete;
};

// ---- Those that answer: what is placed and freed

template <class Base = Around<>>
struct CongruentRollback : Base {
  using Base::Base;
  static constexpr Fault fault{"congruent_rollback", "atomicity",
                               "a congruent placement that fails undoes the last one that did not",
                               "space 0x0..0x10\ncongruent a0 blocks=0x0+0x1\ncongruent a1 blocks=0x0+0x10\n"};

  Result<Address> allocate_congruent(std::span<const vmap::Block> blocks, Size align, Range within) {
    const auto result = Base::allocate_congruent(blocks, align, within);
    if (result) {
      undo_.clear();
      for (const vmap::Block& block : blocks) undo_.push_back(*result + block.offset);
    } else {
      for (const Address begin : std::exchange(undo_, {}))
        if (const auto area = this->find(begin); area && area->begin == begin) (void)Base::free(begin);
    }
    return result;
  }

 private:
  std::vector<Address> undo_;
};

struct PurgeForgets : Around<> {
  using Around::Around;
  static constexpr Fault fault{
      "purge_forgets", "answer", "a purge of several areas forgets the last",
      "space 0x0..0x10\nbusy 0x0..0x1\nbusy 0x1..0x2\nfree-lazily-at 0x0\nfree-lazily-at 0x1\npurge\n"};

  Size purge() {
    std::optional<Range> last;
    for_each_lazy([&](Range area) { last = area; });
    const bool several = stats().lazy_areas > 1;
    const Size bytes = Around::purge();
    if (!several || !allocate_at(*last)) return bytes;
    (void)free_lazily(last->begin);
    return bytes - last->size();
  }
};

/// Believes that nothing is busy where one of the last four frees began, unless allocate() has placed it again.
struct FreeFilter : Around<> {
  using Around::Around;
  static constexpr Fault fault{"free_filter", "answer", "refuses to free what was placed again where a free was",
                               "space 0x0..0x10\nbusy 0x0..0x1\nfree-at 0x0\nalloc-at a0 0x0..0x1\nfree a0\n"};

  Result<Allocation> allocate(const Request& request) {
    const auto result = Around::allocate(request);
    if (result) std::ranges::replace(freed_, std::optional(result->range.begin), std::nullopt);
    return result;
  }
  Result<Range> free(Address begin) {
    // Where nothing was placed since, it is right, and counted as it should.
    if (std::ranges::find(freed_, begin) != freed_.end() && find(begin)) return std::unexpected(Error::not_busy);
    const auto result = Around::free(begin);
    if (result) freed_[oldest_++ % freed_.size()] = begin;
    return result;
  }

 private:
  std::array<std::optional<Address>, 4> freed_;
  std::size_t oldest_ = 0;
};

struct SpaceEnd : Around<> {
  using Around::Around;
  static constexpr Fault fault{"space_end", "answer",
                               "says of the second free at the top of the space that its block ends a granule below",
                               "space 0x0..0x10\nbusy 0xe..0xf\nbusy 0xf..0x10\nfree-at 0xf\nfree-at 0xe\n"};

  Result<Range> free(Address begin) {
    auto result = Around::free(begin);
    if (result && result->end == space.range.end && ++frees_ == 2) result->end -= space.granule;
    return result;
  }

 private:
  int frees_ = 0;
};

struct TwelveAreas : Around<> {
  using Around::Around;
  static constexpr Fault fault{"twelve_areas", "answer", "has room for twelve areas that were allocated one by one",
                               "space 0x0..0x10\nalloc a0 size=1\nalloc a1 size=1\nalloc a2 size=1\nalloc a3 size=1\n"
                               "alloc a4 size=1\nalloc a5 size=1\nalloc a6 size=1\nalloc a7 size=1\nalloc a8 size=1\n"
                               "alloc a9 size=1\nalloc a10 size=1\nalloc a11 size=1\nalloc a12 size=1\n"};

  Result<Allocation> allocate(const Request& request) { return entered(Around::allocate(request)); }
  Result<Allocation> allocate_at(Range range) { return entered(Around::allocate_at(range)); }
  Result<Range> free(Address begin) {
    std::erase(areas_, begin);
    return Around::free(begin);
  }
  Result<Range> free_lazily(Address begin) {
    std::erase(areas_, begin);
    return Around::free_lazily(begin);
  }

 private:
  Result<Allocation> entered(Result<Allocation> result) {
    if (!result) return result;
    if (areas_.size() < 12) {
      areas_.push_back(result->range.begin);
      return result;
    }
    (void)Around::free(result->range.begin);
    return std::unexpected(Error::no_space);
  }
  std::vector<Address> areas_;
};

struct Policy : Around<> {
  using Around::Around;
  static constexpr Fault fault{
      "policy", "answer", "takes the second lowest place the fourth time in a row that an allocation follows a free",
      "space 0x0..0x10\nbusy 0x0..0x1\nfree-at 0x0\nalloc a0 size=1\nfree a0\nalloc a1 size=1\nfree a1\n"
      "alloc a2 size=1\nfree a2\nalloc a3 size=1\n"};

  Result<Allocation> allocate(const Request& request) {
    streak_ = std::exchange(was_free_, false) ? streak_ + 1 : 0;
    const auto lowest = Around::allocate(request);
    was_free_ = false;  // a hook may have freed
    if (!lowest || streak_ < 4) return lowest;
    const Range above{lowest->range.end, std::max(lowest->range.end, request.within.end)};
    bool room = false;
    for_each_free([&](Range block) {
      room = room ||
             vmap::lowest_placement(intersection(block, above), request.size, std::max(request.align, space.granule));
    });
    if (!room) return lowest;
    const auto second = Around::allocate({request.size, request.align, above});
    if (second) (void)Around::free(lowest->range.begin);
    return second ? second : lowest;
  }
  Result<Range> free(Address begin) {
    const auto result = Around::free(begin);
    was_free_ = result.has_value();
    return result;
  }

 private:
  int streak_ = 0;
  bool was_free_ = false;
};

// ---- Those that answer: metadata

struct OutOfMemoryPart : Around<> {
  using Around::Around;
  static constexpr Fault fault{"oom_part", "atomicity",
                               "keeps the first granule of what it was to place when out of memory",
                               "space 0x0..0x10\nfail-metadata 1\nalloc a0 size=1\n"};

  Result<Allocation> allocate(const Request& request) {
    const auto result = Around::allocate(request);
    if (result || result.error() != Error::out_of_memory) return result;
    if (!Around::allocate({space.granule, request.align, request.within})) ++uncounted_;
    return result;
  }
  [[nodiscard]] Stats stats() const {
    Stats stats = Around::stats();
    stats.failures[static_cast<std::size_t>(Error::out_of_memory)] -= uncounted_;
    return stats;
  }

 private:
  std::uint64_t uncounted_ = 0;  ///< where there was no memory for the granule either
};

/// Sorts every four areas that it freed in a scratch block of metadata.
template <class Base = Around<>>
struct FreeAllocates : Base {
  using Base::Base;
  static constexpr Fault fault{"free_allocates", "memory", "asks for metadata at every fourth free",
                               "space 0x0..0x10\nbusy 0x0..0x1\nbusy 0x1..0x2\nbusy 0x2..0x3\nbusy 0x3..0x4\n"
                               "free-at 0x0\nfree-at 0x1\nfree-at 0x2\nfree-at 0x3\n"};

  Result<Range> free(Address begin) {
    const auto result = Base::free(begin);
    if (!result || ++frees_ % 4 != 0) return result;
    try {
      this->metadata->deallocate(this->metadata->allocate(4 * sizeof(Range)), 4 * sizeof(Range));
    } catch (const std::bad_alloc&) {}
    return result;
  }

 private:
  std::uint64_t frees_ = 0;
};

// ---- Those that die: pointers that lead nowhere

struct NullRoot : Around<> {
  using Around::Around;
  static constexpr Fault fault{"null_root", "SIGSEGV", "follows a null pointer after the last free block was taken",
                               "space 0x0..0x1\nalloc a0 size=1\nalloc a1 size=1\n"};

  Result<Allocation> allocate(const Request& request) {
    if (root_) [[maybe_unused]]
      const volatile Address begin = (*root_)->range.begin;
    const auto result = Around::allocate(request);
    root_ = tree().root();
    return result;
  }

 private:
  std::optional<const Node*> root_;  ///< that the last allocation left
};

/// Measures the tree, and takes the root to be its own parent.
struct Recursion : Around<> {
  using Around::Around;
  static constexpr Fault fault{"recursion", "SIGSEGV", "recurses without end at the third split",
                               "space 0x0..0x10\nalloc-at a0 0x2..0x3\nalloc-at a1 0x4..0x5\nalloc-at a2 0x6..0x7\n"};

  Result<Allocation> allocate(const Request& request) { return counted(Around::allocate(request)); }
  Result<Allocation> allocate_at(Range range) { return counted(Around::allocate_at(range)); }

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

struct Destructor : Around<> {
  using Around::Around;
  static constexpr Fault fault{
      "destructor", "SIGSEGV", "walks past the end of a list when destroyed with two areas lazily freed",
      "space 0x0..0x10\nbusy 0x0..0x1\nbusy 0x1..0x2\nfree-lazily-at 0x0\nfree-lazily-at 0x1\n"};

  Destructor(Destructor&&) = default;
  Destructor& operator=(Destructor&&) = delete;
  ~Destructor() {
    if (stats().lazy_areas < 2) return;
    for (const Node* node = tree().root();; node = node->next()) [[maybe_unused]]
      const volatile Address begin = node->range.begin;
  }
};

// ---- Those that die: corrupted memory

/// A log of areas:
///
///     | slot 0 | slot 1 | slot 2 | slot 3 | newest |
///
/// Each slot is an address; `newest` leads to the slot written last.
struct LogLink : Around<> {
  using Around::Around;
  static constexpr Fault fault{
      "log_link", "SIGSEGV", "the end mark of a full log overwrites a pointer, which the next free follows",
      "space 0x0..0x10\nalloc a0 size=1\nalloc a1 size=1\nalloc a2 size=1\nalloc a3 size=1\nfree a0\n"};

  Result<Allocation> allocate(const Request& request) {
    const auto result = Around::allocate(request);
    if (!result || used_ == std::size(log_.slots)) return result;
    log_.newest = log_.slots + used_;
    write(used_++, result->range.begin);
    write(used_, vmap::address_max);  // the end mark
    return result;
  }
  Result<Range> free(Address begin) {
    if (log_.newest != nullptr) [[maybe_unused]]
      const volatile Address newest = *log_.newest;
    used_ = 0;
    log_.newest = nullptr;
    return Around::free(begin);
  }

 private:
  /// Slots lie one after another, and the link behind them.
  void write(std::size_t slot, Address address) {
    std::memcpy(reinterpret_cast<std::byte*>(&log_) + slot * sizeof(Address), &address, sizeof address);
  }
  struct {
    Address slots[4];
    Address* newest;
  } log_{};
  std::size_t used_ = 0;
};

/// A log of four pages, each for one area. It is given back when it is full, and glibc finds the header of what lies
/// behind it overwritten.
struct LogEnd : Around<> {
  using Around::Around;
  static constexpr Fault fault{"log_end", "SIGABRT",
                               "the end mark of a full log goes beyond the end of its block on the heap",
                               "space 0x0..0x10\nalloc a0 size=1\nalloc a1 size=1\nalloc a2 size=1\nalloc a3 size=1\n"};

  Result<Allocation> allocate(const Request& request) {
    const auto result = Around::allocate(request);
    if (!result) return result;
    log_.resize(page_count * page_size);
    write(used_++, result->range);
    write(used_, {vmap::address_max, vmap::address_max});
    if (used_ == page_count) {
      log_ = std::vector<std::byte>();
      used_ = 0;
    }
    return result;
  }

 private:
  static constexpr std::size_t page_count = 4;
  static constexpr std::size_t page_size = 512;  // large enough that glibc does not keep freed blocks unchecked

  void write(std::size_t page, Range range) { std::memcpy(log_.data() + page * page_size, &range, sizeof range); }
  std::vector<std::byte> log_;
  std::size_t used_ = 0;
};

/// So large a directory is mapped by itself: once it is given back, there is nothing at its address.
struct Directory : Around<> {
  using Around::Around;
  static constexpr Fault fault{"directory", "SIGSEGV",
                               "writes to a directory that it gave back at a merge with both neighbours",
                               "space 0x0..0x10\nbusy 0x1..0x2\nfree-at 0x1\nalloc a0 size=1\n"};

  Result<Allocation> allocate(const Request& request) {
    const auto result = Around::allocate(request);
    if (result) slots_[slot_of(result->range.begin)] = result->range.end;
    return result;
  }
  Result<Range> free(Address begin) {
    const auto area = find(begin);
    const auto result = Around::free(begin);
    if (merged_with_both(result, area)) directory_.reset();
    return result;
  }

 private:
  static constexpr std::size_t slot_count = std::size_t{1} << 23;  // 64 MiB, of which only what is used is touched

  static std::size_t slot_of(Address begin) { return static_cast<std::size_t>((begin * 0x9e37'79b9'7f4a'7c15u) >> 41); }
  std::unique_ptr<Address[]> directory_ = std::make_unique_for_overwrite<Address[]>(slot_count);
  volatile Address* slots_ = directory_.get();
};

/// Moves the entries of an empty table on the stack down: 0 - 1 of them.
struct StackTable : Around<> {
  using Around::Around;
  static constexpr Fault fault{"stack_table", "SIGSEGV", "overwrites the stack at a second purge",
                               "space 0x0..0x10\npurge\npurge\n"};

  Size purge() {
    volatile Address table[8] = {};
    std::size_t filled = 0;
    for_each_lazy([&](Range area) {
      if (filled < std::size(table)) table[filled++] = area.begin;
    });
    if (std::exchange(again_, true)) move_down(table, filled - 1);
    return Around::purge();
  }

 private:
  /// Too many entries run over all that follows, until nothing is mapped there.
  [[gnu::noinline]] static void move_down(volatile Address* table, std::size_t count) {
    for (std::size_t i = 0; i != count; ++i) table[i] = table[i + 1];
  }
  bool again_ = false;
};

// ---- Those that die: it stops itself

struct Assertion : Around<> {
  using Around::Around;
  static constexpr Fault fault{"assertion", "SIGABRT",
                               "asserts at a merge with both neighbours that nothing is lazily freed",
                               "space 0x0..0x10\nbusy 0x1..0x2\nbusy 0x3..0x4\nfree-lazily-at 0x1\nfree-at 0x3\n"};

  Result<Range> free(Address begin) {
    const auto area = find(begin);
    const auto result = Around::free(begin);
    if (merged_with_both(result, area) && stats().lazy_areas != 0) std::abort();
    return result;
  }
};

struct Import : Around<> {
  static constexpr Fault fault{"import", "SIGABRT", "throws from a noexcept function when made with three busy ranges",
                               "space 0x0..0x10\nbusy 0x0..0x1\nbusy 0x1..0x2\nbusy 0x2..0x3\n"};

  Import(VmapSubject<FreeSpace> sound, const SubjectConfig& config) : Around(std::move(sound), config) {
    for (std::size_t i = 0; i < config.space.busy.size(); ++i) enter(i, config.space.busy[i]);
  }

 private:
  void enter(std::size_t i, Range range) noexcept { table_.at(i) = range; }
  std::array<Range, 2> table_;
};

struct Division : Around<> {
  using Around::Around;
  static constexpr Fault fault{"division", "SIGFPE",
                               "divides by the number of areas that were allocated one by one and are left",
                               "space 0x0..0x10\nalloc a0 size=1\nfree a0\n"};

  Result<Allocation> allocate(const Request& request) {
    const auto result = Around::allocate(request);
    if (result) areas_.push_back(result->range.begin);
    return result;
  }
  Result<Range> free(Address begin) {
    if (std::erase(areas_, begin) != 0) [[maybe_unused]]
      const volatile Size average = stats().busy_bytes / areas_.size();
    return Around::free(begin);
  }
  Result<Range> free_lazily(Address begin) {
    std::erase(areas_, begin);
    return Around::free_lazily(begin);
  }

 private:
  std::vector<Address> areas_;
};

template <class Base = Around<>>
struct ExitsZero : Base {
  using Base::Base;
  static constexpr Fault fault{"exit_zero", "exit",
                               "exits with status 0, as if all were well, when a purge rescues an allocation",
                               "space 0x0..0x1\nbusy 0x0..0x1\nfree-lazily-at 0x0\nalloc a0 size=1\n"};

  Result<Allocation> allocate(const Request& request) {
    const std::uint64_t purges = this->stats().purges;
    const auto result = Base::allocate(request);
    if (result && this->stats().purges != purges) std::exit(0);
    return result;
  }
};

struct OutOfRange : Around<> {
  using Around::Around;
  static constexpr Fault fault{
      "out_of_range", "exception", "lets std::out_of_range out at the sixth lazy free",
      "space 0x0..0x10\nbusy 0x0..0x1\nbusy 0x1..0x2\nbusy 0x2..0x3\nbusy 0x3..0x4\nbusy 0x4..0x5\n"
      "busy 0x5..0x6\nfree-lazily-at 0x0\nfree-lazily-at 0x1\nfree-lazily-at 0x2\nfree-lazily-at 0x3\n"
      "free-lazily-at 0x4\nfree-lazily-at 0x5\n"};

  Result<Range> free_lazily(Address begin) {
    const auto result = Around::free_lazily(begin);
    if (result) sizes_.at(used_++) = result->size();
    return result;
  }

 private:
  std::array<Size, 5> sizes_{};
  std::size_t used_ = 0;
};

struct ThrowsInt : Around<> {
  using Around::Around;
  static constexpr Fault fault{"throws_int", "exception", "throws an int when asked for what the last purge freed",
                               "space 0x0..0x10\nbusy 0x0..0x1\nfree-lazily-at 0x0\npurge\nfind 0x0\n"};

  Size purge() {
    purged_.clear();
    for_each_lazy([&](Range area) { purged_.push_back(area); });
    return Around::purge();
  }
  [[nodiscard]] std::optional<Range> find(Address address) const {
    const auto area = Around::find(address);
    if (!area && std::ranges::any_of(purged_, [&](Range range) { return range.contains(address); })) throw 7;
    return area;
  }

 private:
  std::vector<Range> purged_;
};

// ---- Those that die: no end

/// Walks the ring of lazily freed areas by their number, instead of one by one.
struct PurgeRing : Around<> {
  using Around::Around;
  static constexpr Fault fault{
      "purge_ring", "hang", "never comes to the end when it purges two areas",
      "space 0x0..0x10\nbusy 0x0..0x1\nbusy 0x1..0x2\nfree-lazily-at 0x0\nfree-lazily-at 0x1\npurge\n"};

  Size purge() {
    if (const std::size_t count = stats().lazy_areas; count != 0) {
      volatile std::size_t at = 1 % count;
      while (at != 0) at = (at + count) % count;
    }
    return Around::purge();
  }
};

/// Locks both allocate() and free(), and calls hooks with the lock held.
struct Deadlock : Around<> {
  using Around::Around;
  static constexpr Fault fault{"deadlock", "hang", "waits, asleep, for its own lock when a hook frees",
                               "space 0x0..0x1\nalloc a0 size=1\non-exhaustion a0\nalloc a1 size=1\n"};

  Result<Allocation> allocate(const Request& request) {
    lock_->acquire();
    const auto result = Around::allocate(request);
    lock_->release();
    return result;
  }
  Result<Range> free(Address begin) {
    lock_->acquire();
    const auto result = Around::free(begin);
    lock_->release();
    return result;
  }

 private:
  std::unique_ptr<std::binary_semaphore> lock_ = std::make_unique<std::binary_semaphore>(1);
};

struct Stopped : Around<> {
  using Around::Around;
  static constexpr Fault fault{"stopped", "hang", "stops its process where a free is refused",
                               "space 0x0..0x1\nfree-at 0x0\n"};

  Result<Range> free(Address begin) {
    const auto result = Around::free(begin);
    if (!result) (void)std::raise(SIGSTOP);
    return result;
  }
};

struct WaitingList : Around<> {
  using Around::Around;
  static constexpr Fault fault{"waiting_list", "memory-limit",
                               "takes memory without end when there is no place for the third time",
                               "space 0x0..0x1\nbusy 0x0..0x1\nalloc a0 size=1\nalloc a1 size=1\nalloc a2 size=1\n"};

  Result<Allocation> allocate(const Request& request) {
    const auto result = Around::allocate(request);
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

// ---- The catalogue

template <class Faulty>
[[nodiscard]] SubjectFactory made() {
  if constexpr (std::derived_from<Faulty, FreeSpace>)
    return over<Faulty>();
  else
    return around<Faulty>();
}

template <class... Faulty>
[[nodiscard]] std::vector<FaultySubject> catalogue() {
  const auto listed = [](const Fault& fault, SubjectFactory make) {
    return FaultySubject{.entry = {.name = "fault_" + std::string(fault.name),
                                   .kind = SubjectKind::faulty,
                                   .summary = std::string(fault.summary),
                                   .make = std::move(make)},
                         .shows = fault.shows,
                         .trace = "vmapcheck-trace 1\n" + std::string(fault.trace),
                         .shortest = fault.shortest};
  };
  return {listed(Faulty::fault, made<Faulty>())...};
}

// ---- The specimens

/// Five of them, each with a signature of its own, one of which kills: what a campaign must tell apart and get past.
using FiveFaults = ExitsZero<FreeAllocates<CongruentRollback<Around<Retries<HoleCache>>>>>;

/// Finds nothing, where it is this process's turn.
struct Flaky : VmapSubject<FreeSpace> {
  Flaky(VmapSubject<FreeSpace> sound, bool wrong) : VmapSubject<FreeSpace>(std::move(sound)), wrong_(wrong) {}
  [[nodiscard]] std::optional<Range> find(Address address) const {
    return wrong_ ? std::nullopt : VmapSubject<FreeSpace>::find(address);
  }

 private:
  bool wrong_;
};

SubjectFactory flaky() {
  /// Processes that have made one; shared by a driver and all its children. (The number of a process would not do: a
  /// child that starts a thread takes two of them.)
  const auto processes = std::make_shared<SharedArray<std::atomic<std::uint64_t>>>(1);
  struct Turn {
    pid_t process = 0;  ///< that has made one: a fork finds that of its parent
    bool wrong = false;
  };
  const auto turn = std::make_shared<Turn>();
  return factory([processes, turn](const SubjectConfig& config) -> std::expected<Flaky, std::string> {
    auto sound = VmapSubject<FreeSpace>::create(config);
    if (!sound) return std::unexpected(std::move(sound.error()));
    if (std::exchange(turn->process, ::getpid()) != ::getpid()) turn->wrong = ++(*processes)[0] % 2 == 1;
    return Flaky(*std::move(sound), turn->wrong);
  });
}

struct WornOut : ModelSubject {
  using ModelSubject::ModelSubject;
  Result<Allocation> allocate(const Request& request) {
    if (allocations_ >= 6) return std::unexpected(Error::no_space);
    const auto result = ModelSubject::allocate(request);
    if (result) ++allocations_;
    return result;
  }

 private:
  int allocations_ = 0;
};

}  // namespace

std::span<const FaultySubject> faulty_subjects() {
  static const std::vector<FaultySubject> all =
      catalogue<HoleCache, WindowBegin, Retries<>, Rotation, CongruentRollback<>, PurgeForgets, FreeFilter, SpaceEnd,
                TwelveAreas, Policy, OutOfMemoryPart, FreeAllocates<>,
                // Those that die:
                NullRoot, Recursion, Destructor, LogLink, LogEnd, Directory, StackTable, Assertion, Import, Division,
                ExitsZero<>, OutOfRange, ThrowsInt, PurgeRing, Deadlock, Stopped, WaitingList>();
  return all;
}

std::vector<SubjectEntry> faulty_specimens() {
  return {{"five_faults", SubjectKind::specimen, "five faults at once: a campaign must tell them apart",
           around<FiveFaults>()},
          {"flaky", SubjectKind::specimen, "finds nothing in every second process: its failures do not come again",
           flaky()},
          {"worn_out", SubjectKind::specimen, "refuses all after six allocations: its state is not seen",
           factory([](const SubjectConfig& config) { return WornOut(config); })}};
}

}  // namespace vmapcheck
