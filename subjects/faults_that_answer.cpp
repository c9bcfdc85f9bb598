// SPDX-License-Identifier: Apache-2.0
//
// Faults that live on: they answer wrongly, or lose the structure. Each says in one line what is wrong; what it breaks
// is in the list at the end.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "subjects/faulty_parts.hpp"

namespace vmapcheck {
namespace {

using vmap::Allocation;
using vmap::Coalescing;
using vmap::Error;
using vmap::FitType;
using vmap::FreeSpace;
using vmap::Node;
using vmap::Place;
using vmap::Request;
using vmap::Result;
using vmap::Side;
using vmap::Stats;
using vmap::TreeCase;

// ---- The search

/// Passes by the hole that the last free made, if the request would fill it exactly.
struct ExactHole : RemembersFreed {
  [[nodiscard]] std::optional<Fit> lowest_fit(Size size, Size align, Range window) const {
    const auto fit = FreeSpace::lowest_fit(size, align, window);
    if (!fit || fit->block->range != freed_ || fit->block->range.size() != size) return fit;
    const Address end = fit->block->range.end;
    return FreeSpace::lowest_fit(size, align, {end, std::max(window.end, end)});
  }
};

/// Rounds up from the begin of the block in which it placed last, where the window begins later.
struct WindowBegin : FreeSpace {
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

/// Knows the last window again by its begin alone, and then takes its end.
struct WindowEnd : FreeSpace {
  [[nodiscard]] std::optional<Fit> lowest_fit(Size size, Size align, Range window) const {
    if (!window_ || window_->begin != window.begin) window_ = window;
    return FreeSpace::lowest_fit(size, align, *window_);
  }

 private:
  mutable std::optional<Range> window_;
};

/// Starts where a smaller request was placed, until a free makes room below; and goes by the size of the area freed,
/// instead of the block that it became.
struct HoleCache : FreeSpace {
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

/// A search that found nothing is repeated as often as one found nothing before.
struct Retries : FreeSpace {
  [[nodiscard]] std::optional<Fit> lowest_fit(Size size, Size align, Range window) const {
    auto fit = FreeSpace::lowest_fit(size, align, window);
    for (std::uint64_t i = 0; !fit && i < failures_; ++i) fit = FreeSpace::lowest_fit(size, align, window);
    if (!fit) ++failures_;
    return fit;
  }

 private:
  mutable std::uint64_t failures_ = 0;
};

// ---- Split and merge

/// Does not merge downwards with a block that the last free made of one area.
struct Unmerged : FreeSpace {
  Merge add(Node& area) {
    const Place place = vmap::place_of(tree_, area.range.begin, visited_);
    const bool previous = place.previous != nullptr && place.previous->range.end == area.range.begin;
    const bool next = place.next != nullptr && place.next->range.begin == area.range.end;
    if (!previous && next && place.next->range == alone_) {
      tree_.link(place.parent, place.side, area);
      return {{area.range.begin, place.next->range.end}, Coalescing::next, {nullptr, nullptr}};
    }
    const Merge merge = FreeSpace::add(area);
    alone_.reset();
    if (merge.coalescing == Coalescing::none) alone_ = merge.block;
    return merge;
  }

 private:
  std::optional<Range> alone_;
};

/// Takes from the left edge of the block that the last free made without propagating its new size.
struct LeftEdgeAugment : RemembersFreed {
  Node* carve(Node& block, Range placement, Node* remainder) {
    if (block.range != freed_ || classify(block.range, placement) != FitType::left_edge)
      return FreeSpace::carve(block, placement, remainder);
    block.range.begin = placement.end;
    return nullptr;
  }
};

/// Splits the block that the last free made, and leaves the second part's previous link as it was.
struct Thread : RemembersFreed {
  Node* carve(Node& block, Range placement, Node* remainder) {
    const bool split = block.range == freed_ && classify(block.range, placement) == FitType::no_edge;
    Node* const unneeded = FreeSpace::carve(block, placement, remainder);
    if (split) Surgeon::set_neighbour(block, Side::left, remainder->previous());
    return unneeded;
  }
};

/// Takes all of the block that the last free made, and leaves its only child linked to it as its parent.
struct ParentLink : RemembersFreed {
  Node* carve(Node& block, Range placement, Node* remainder) {
    const bool full = block.range == freed_ && classify(block.range, placement) == FitType::full;
    Node* const left = block.child(Side::left);
    Node* const right = block.child(Side::right);
    Node* const child = left == nullptr ? right : right == nullptr ? left : nullptr;
    Node* const unneeded = FreeSpace::carve(block, placement, remainder);
    if (full && child != nullptr) Surgeon::set_parent(*child, &block);
    return unneeded;
  }
};

/// A rotation that ends a recolouring leaves out the old root's side of the new root's maximum:
///
///        G             P   <- of P and x only
///      P   u    ->   x   G
///     x  c              c u
struct Rotation : FreeSpace {
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

// ---- What is answered

/// Places over the last granule of the area that it placed last.
struct AtLastGranule : Around<> {
  using Around<>::Around;
  Result<Allocation> allocate(const Request& request) { return remembered(Inner::allocate(request)); }
  Result<Allocation> allocate_at(Range range) {
    const bool over =
        last_ && range.begin == last_->end - granule && range.end > last_->end && find(range.begin) == last_;
    if (!over) return remembered(Inner::allocate_at(range));
    auto result = Inner::allocate_at({last_->end, range.end});
    if (result) result->range = range;
    return result;
  }

 private:
  Result<Allocation> remembered(Result<Allocation> result) {
    if (result) last_ = result->range;
    return result;
  }
  std::optional<Range> last_;
};

/// Never looks for a congruent base above the one that it found last.
struct CongruentCeiling : Around<> {
  using Around<>::Around;
  Result<Address> allocate_congruent(std::span<const vmap::Block> blocks, Size align, Range within) {
    Size reach = 0;
    for (const vmap::Block& block : blocks)
      if (block.size <= vmap::address_max - block.offset) reach = std::max(reach, block.offset + block.size);
    if (base_ && within.begin < within.end && reach <= vmap::address_max - *base_)
      within.end = std::min(within.end, std::max(within.begin, *base_ + reach));
    const auto result = Inner::allocate_congruent(blocks, align, within);
    if (result) base_ = *result;
    return result;
  }

 private:
  std::optional<Address> base_;
};

/// A congruent placement that fails undoes the last one that did not.
struct CongruentRollback : Around<> {
  using Around<>::Around;
  Result<Address> allocate_congruent(std::span<const vmap::Block> blocks, Size align, Range within) {
    const auto result = Inner::allocate_congruent(blocks, align, within);
    if (result) {
      undo_.clear();
      for (const vmap::Block& block : blocks) undo_.push_back(*result + block.offset);
    } else {
      for (const Address begin : std::exchange(undo_, {}))
        if (const auto area = find(begin); area && area->begin == begin) (void)Inner::free(begin);
    }
    return result;
  }

 private:
  std::vector<Address> undo_;
};

/// Merges over a lazily freed area that begins where the free block ends.
struct MergeOverLazy : Around<> {
  using Around<>::Around;
  Result<Range> free(Address begin) {
    auto result = Inner::free(begin);
    bool touches = false;
    for_each_lazy([&](Range area) { touches = touches || (result && area.begin == result->end); });
    if (!touches) return result;
    purge();
    for_each_free([&](Range block) {
      if (block.contains(begin)) *result = block;
    });
    return result;
  }
};

/// What is lazily freed can be lazily freed again.
struct SecondLazyFree : Around<> {
  using Around<>::Around;
  Result<Range> free_lazily(Address begin) {
    auto result = Inner::free_lazily(begin);
    for_each_lazy([&](Range area) {
      if (!result && area.begin == begin) result = area;
    });
    return result;
  }
};

/// A purge of several areas forgets the last.
struct PurgeForgets : Around<> {
  using Around<>::Around;
  Size purge() {
    std::optional<Range> last;
    for_each_lazy([&](Range area) { last = area; });
    const bool several = stats().lazy_areas > 1;
    const Size bytes = Inner::purge();
    if (!several || !allocate_at(*last)) return bytes;
    (void)free_lazily(last->begin);
    return bytes - last->size();
  }
};

/// Goes on adding up for the limit what a purge on the limit has freed.
struct LimitSum : Around<> {
  using Around<>::Around;
  Result<Range> free_lazily(Address begin) {
    const auto result = Inner::free_lazily(begin);
    if (result) sum_ += result->size();
    if (lazy_limit && sum_ > *lazy_limit) Inner::purge();
    return result;
  }
  Size purge() {
    sum_ = 0;
    return Inner::purge();
  }

 private:
  Size sum_ = 0;
};

/// Finds areas among the two placed last at first, and a free drops only the newer one of them.
struct FindFreed : Around<> {
  using Around<>::Around;
  Result<Allocation> allocate(const Request& request) { return remembered(Inner::allocate(request)); }
  Result<Allocation> allocate_at(Range range) { return remembered(Inner::allocate_at(range)); }
  Result<Range> free(Address begin) {
    drop(begin);
    return Inner::free(begin);
  }
  Result<Range> free_lazily(Address begin) {
    drop(begin);
    return Inner::free_lazily(begin);
  }
  [[nodiscard]] std::optional<Range> find(Address address) const {
    const std::optional<Range> found = Inner::find(address);  // counted as any other
    for (const auto& area : recent_)
      if (area && area->contains(address)) return area;
    return found;
  }

 private:
  Result<Allocation> remembered(Result<Allocation> result) {
    if (result) recent_ = {result->range, recent_[0]};
    return result;
  }
  void drop(Address begin) {
    if (recent_[0] && recent_[0]->begin == begin) recent_[0].reset();
  }
  std::array<std::optional<Range>, 2> recent_;
};

/// Finds the area that it found last at its end, too.
struct FindEnd : Around<> {
  using Around<>::Around;
  [[nodiscard]] std::optional<Range> find(Address address) const {
    const std::optional<Range> found = Inner::find(address);
    if (last_ && address == last_->end && !found) return last_;
    last_ = found;
    return found;
  }

 private:
  mutable std::optional<Range> last_;
};

/// Remembers the fit type by the request: the same once more has the same.
struct FitTypeCache : Around<> {
  using Around<>::Around;
  Result<Allocation> allocate(const Request& request) {
    auto result = Inner::allocate(request);
    if (!result) return result;
    if (request_ == request)
      result->fit = fit_;
    else
      fit_ = result->fit;
    request_ = request;
    return result;
  }

 private:
  std::optional<Request> request_;
  FitType fit_ = FitType::full;
};

/// Refuses to free what begins where one of the last four frees was, unless allocate() has placed it again.
struct FreeFilter : Around<> {
  using Around<>::Around;
  Result<Allocation> allocate(const Request& request) {
    const auto result = Inner::allocate(request);
    if (result) std::ranges::replace(freed_, std::optional(result->range.begin), std::nullopt);
    return result;
  }
  Result<Range> free(Address begin) {
    // Where nothing was placed since, it is right, and counted as it should.
    if (std::ranges::find(freed_, begin) != freed_.end() && find(begin)) return std::unexpected(Error::not_busy);
    const auto result = Inner::free(begin);
    if (result) freed_[oldest_++ % freed_.size()] = begin;
    return result;
  }

 private:
  std::array<std::optional<Address>, 4> freed_;
  std::size_t oldest_ = 0;
};

/// Has room for twelve areas that were allocated one by one.
struct TwelveAreas : Around<> {
  using Around<>::Around;
  Result<Allocation> allocate(const Request& request) { return entered(Inner::allocate(request)); }
  Result<Allocation> allocate_at(Range range) { return entered(Inner::allocate_at(range)); }
  Result<Range> free(Address begin) {
    std::erase(areas_, begin);
    return Inner::free(begin);
  }
  Result<Range> free_lazily(Address begin) {
    std::erase(areas_, begin);
    return Inner::free_lazily(begin);
  }

 private:
  Result<Allocation> entered(Result<Allocation> result) {
    if (!result) return result;
    if (areas_.size() < 12) {
      areas_.push_back(result->range.begin);
      return result;
    }
    (void)Inner::free(result->range.begin);
    return std::unexpected(Error::no_space);
  }
  std::vector<Address> areas_;
};

/// Takes the second lowest place the fourth time in a row that an allocation follows a free.
struct Policy : Around<> {
  using Around<>::Around;
  Result<Allocation> allocate(const Request& request) {
    streak_ = std::exchange(was_free_, false) ? streak_ + 1 : 0;
    const auto lowest = Inner::allocate(request);
    was_free_ = false;  // a hook may have freed
    if (!lowest || streak_ < 4) return lowest;
    const Range above{lowest->range.end, std::max(lowest->range.end, request.within.end)};
    bool room = false;
    for_each_free([&](Range block) {
      room = room || vmap::lowest_placement(intersection(block, above), request.size, std::max(request.align, granule));
    });
    if (!room) return lowest;
    const auto second = Inner::allocate({request.size, request.align, above});
    if (second) (void)Inner::free(lowest->range.begin);
    return second ? second : lowest;
  }
  Result<Range> free(Address begin) {
    const auto result = Inner::free(begin);
    was_free_ = result.has_value();
    return result;
  }

 private:
  int streak_ = 0;
  bool was_free_ = false;
};

// ---- Hooks, memory, and what it says of itself

/// Calls a hook that released something once more.
struct HookTwice : Around<> {
  using Around<>::Around;
  auto on_exhaustion(std::function<bool()> hook) {
    return Inner::on_exhaustion([hook = std::move(hook)] {
      const bool released = hook();
      if (released) hook();
      return released;
    });
  }
};

/// Out of memory, it loses a block that it got, until it is destroyed.
struct OutOfMemoryLeak : Around<> {
  using Around<>::Around;
  Result<Allocation> allocate(const Request& request) { return losing(Inner::allocate(request)); }
  Result<Allocation> allocate_at(Range range) { return losing(Inner::allocate_at(range)); }

 private:
  Result<Allocation> losing(Result<Allocation> result) {
    if (result || result.error() != Error::out_of_memory) return result;
    try {
      lost_.emplace_back(metadata, sizeof(Node));
    } catch (const std::bad_alloc&) {}
    return result;
  }
  std::vector<MetadataBlock> lost_;
};

/// Out of memory, it keeps the first granule of what it was to place.
struct OutOfMemoryPart : Around<> {
  using Around<>::Around;
  Result<Allocation> allocate(const Request& request) {
    const auto result = Inner::allocate(request);
    if (result || result.error() != Error::out_of_memory) return result;
    if (!Inner::allocate({granule, request.align, request.within})) ++uncounted_;
    return result;
  }
  [[nodiscard]] Stats stats() const {
    Stats stats = Inner::stats();
    stats.failures[static_cast<std::size_t>(Error::out_of_memory)] -= uncounted_;
    return stats;
  }

 private:
  std::uint64_t uncounted_ = 0;  ///< where there was no memory for the granule either
};

/// Sorts every four areas that it freed in a scratch block of metadata.
struct FreeAllocates : Around<> {
  using Around<>::Around;
  Result<Range> free(Address begin) {
    const auto result = Inner::free(begin);
    if (!result || ++frees_ % 4 != 0) return result;
    try {
      const MetadataBlock scratch(metadata, 4 * sizeof(Range));
    } catch (const std::bad_alloc&) {}
    return result;
  }

 private:
  std::uint64_t frees_ = 0;
};

/// Lists what was lazily freed until purge() is called, also when an allocation has purged it.
struct LazyListed : Around<> {
  using Around<>::Around;
  Result<Range> free_lazily(Address begin) {
    const auto result = Inner::free_lazily(begin);
    if (result) listed_.insert(std::ranges::upper_bound(listed_, begin, {}, &Range::begin), *result);
    if (stats().lazy_areas == 0) listed_.clear();
    return result;
  }
  Size purge() {
    listed_.clear();
    return Inner::purge();
  }
  template <class Visit>
  void for_each_lazy(Visit visit) const {
    for (const Range area : listed_) visit(area);
  }

 private:
  std::vector<Range> listed_;
};

/// Says of the lazily freed bytes the most that there ever were.
struct StatsPeak : Around<> {
  using Around<>::Around;
  Result<Range> free_lazily(Address begin) {
    const auto result = Inner::free_lazily(begin);
    peak_ = std::max(peak_, Inner::stats().lazy_bytes);
    return result;
  }
  [[nodiscard]] Stats stats() const {
    Stats stats = Inner::stats();
    stats.lazy_bytes = peak_;
    return stats;
  }

 private:
  Size peak_ = 0;
};

/// Counts the free blocks after every call but purge().
struct BlockCount : Around<> {
  using Around<>::Around;
  Size purge() {
    counted_ = Inner::stats();
    return Inner::purge();
  }
  Result<Allocation> allocate(const Request& request) { return recounted(Inner::allocate(request)); }
  Result<Allocation> allocate_at(Range range) { return recounted(Inner::allocate_at(range)); }
  Result<Address> allocate_congruent(std::span<const vmap::Block> blocks, Size align, Range within) {
    return recounted(Inner::allocate_congruent(blocks, align, within));
  }
  Result<Range> free(Address begin) { return recounted(Inner::free(begin)); }
  Result<Range> free_lazily(Address begin) { return recounted(Inner::free_lazily(begin)); }
  [[nodiscard]] Stats stats() const {
    Stats stats = Inner::stats();
    if (counted_) stats.free_blocks = counted_->free_blocks;
    return stats;
  }

 private:
  template <class T>
  Result<T> recounted(Result<T> result) {
    counted_.reset();
    return result;
  }
  std::optional<Stats> counted_;  ///< before a purge that nothing followed
};

/// Its verify() takes two lazily freed areas that touch for an overlap.
struct Verify : Around<> {
  using Around<>::Around;
  [[nodiscard]] std::optional<vmap::Violation> verify() const {
    auto violation = Inner::verify();
    std::optional<Address> end;
    for_each_lazy([&](Range area) {
      if (!violation && end == area.begin) violation = {vmap::Invariant::overlap, "two lazily freed areas touch"};
      end = area.end;
    });
    return violation;
  }
};

}  // namespace

std::vector<FaultySubject> faults_that_answer() {
  FaultyList list;
  list.add("exact_hole", "answer", "passes by a hole just freed that fits exactly",
           "space 0x0..0x10\nbusy 0x0..0x1\nbusy 0x1..0x2\nfree-at 0x0\nalloc a0 size=1\n", over<ExactHole>());
  list.add("window_begin", "answer", "rounds up from the begin of the block in which it placed last, not the window's",
           "space 0x0..0x10\nalloc a0 size=1\nalloc a1 size=1 within=0x4..0x10\n", over<WindowBegin>());
  list.add("window_end", "answer", "takes the end of the last window for that of one with the same begin",
           "space 0x0..0x10\nalloc a0 size=1\nalloc a1 size=2 within=0x0..0x2\n", over<WindowEnd>());
  list.add("hole_cache", "answer", "keeps the start of the search when small areas merge to a hole below it",
           "space 0x0..0x10\nbusy 0x1..0x2\nbusy 0x3..0x4\nalloc a0 size=3\nfree-at 0x1\nalloc a1 size=3\n",
           over<HoleCache>());
  list.add("retries", "cost", "repeats a search in vain once for each before",
           "space 0x0..0x23\nbusy 0x1..0x2\nbusy 0x4..0x5\nbusy 0x9..0xa\nbusy 0xb..0xc\nbusy 0xd..0xe\n"
           "busy 0x11..0x12\nbusy 0x14..0x15\nbusy 0x17..0x18\nalloc a0 size=4 align=0x10 within=0x9..0x21\n"
           "alloc a1 size=4 align=0x10 within=0x9..0x21\nalloc a2 size=4 align=0x10 within=0x9..0x21\n"
           "alloc a3 size=4 align=0x10 within=0x9..0x21\n",
           over<Retries>());
  list.may_be_shorter();
  list.add("unmerged", "coalescing", "does not merge downwards with a block just made of one area",
           "space 0x0..0x10\nbusy 0x0..0x1\nbusy 0x1..0x2\nbusy 0x2..0x3\nfree-at 0x1\nfree-at 0x0\n",
           over<Unmerged>());
  list.add("left_edge_augment", "augment", "does not propagate when it takes the left edge of a block just freed",
           "space 0x0..0x10\nbusy 0x0..0x2\nbusy 0x2..0x3\nfree-at 0x0\nalloc a0 size=1\n", over<LeftEdgeAugment>());
  list.add("thread", "tree", "loses a previous link when it splits a block just freed",
           "space 0x0..0x10\nbusy 0x0..0x3\nbusy 0x3..0x4\nfree-at 0x0\nalloc-at a0 0x1..0x2\n", over<Thread>());
  list.add("parent_link", "tree", "leaves a parent link behind when it takes all of a block just freed",
           "space 0x0..0x10\nbusy 0x1..0x2\nbusy 0x2..0x3\nfree-at 0x2\nalloc-at a0 0x2..0x10\n", over<ParentLink>());
  list.add("rotation", "answer", "forgets a subtree's maximum in a rotation; closed, so that only answers tell",
           "space 0x0..0x19\nbusy 0x11..0x12\nbusy 0x2..0x3\nbusy 0xe..0xf\nbusy 0x3..0x4\nbusy 0xb..0xd\n"
           "busy 0x9..0xa\nbusy 0x6..0x8\nbusy 0x4..0x5\nfree-at 0x3\nalloc a0 size=4\n",
           around<Closed<Rotation>, Rotation>());
  list.add("at_last_granule", "answer", "places over the last granule of the area placed last",
           "space 0x0..0x10\nalloc a0 size=1\nalloc-at a1 0x0..0x2\n", around<AtLastGranule>());
  list.add("congruent_ceiling", "answer", "looks for no congruent base above the last one",
           "space 0x0..0x10\ncongruent a0 within=0x0..0x4 blocks=0x0+0x1\ncongruent a1 blocks=0x0+0x1\n",
           around<CongruentCeiling>());
  list.add("congruent_rollback", "atomicity", "a congruent placement that fails undoes the last one that did not",
           "space 0x0..0x10\ncongruent a0 blocks=0x0+0x1\ncongruent a1 blocks=0x0+0x10\n", around<CongruentRollback>());
  list.add("merge_over_lazy", "answer", "merges with the next block over a lazily freed area",
           "space 0x0..0x10\nbusy 0x0..0x1\nbusy 0x1..0x2\nfree-lazily-at 0x1\nfree-at 0x0\n", around<MergeOverLazy>());
  list.add("second_lazy_free", "answer", "accepts a second lazy free",
           "space 0x0..0x10\nbusy 0x0..0x1\nfree-lazily-at 0x0\nfree-lazily-at 0x0\n", around<SecondLazyFree>());
  list.add("purge_forgets", "answer", "a purge of several areas forgets the last",
           "space 0x0..0x10\nbusy 0x0..0x1\nbusy 0x1..0x2\nfree-lazily-at 0x0\nfree-lazily-at 0x1\npurge\n",
           around<PurgeForgets>());
  list.add("limit_sum", "partition", "goes on adding up what a purge on the limit has freed",
           "space 0x0..0x10 lazy-limit=1\nbusy 0x0..0x2\nbusy 0x2..0x3\nfree-lazily-at 0x0\nfree-lazily-at 0x2\n",
           around<LimitSum>());
  list.add("find_freed", "answer", "finds an area that was freed after the next was placed",
           "space 0x0..0x10\nalloc a0 size=1\nalloc a1 size=1\nfree a0\nfind 0x0\n", around<FindFreed>());
  list.add("find_end", "answer", "finds the area that it found last at its end, too",
           "space 0x0..0x10\nbusy 0x0..0x1\nfind 0x0\nfind 0x1\n", around<FindEnd>());
  list.add("fit_type", "answer", "says the last fit type again for the same request",
           "space 0x0..0x2\nalloc a0 size=1\nalloc a1 size=1\n", around<FitTypeCache>());
  list.add("free_filter", "answer", "refuses to free what was placed again where a free was",
           "space 0x0..0x10\nbusy 0x0..0x1\nfree-at 0x0\nalloc-at a0 0x0..0x1\nfree a0\n", around<FreeFilter>());
  list.add("twelve_areas", "answer", "has room for twelve areas that were allocated one by one",
           "space 0x0..0x10\nalloc a0 size=1\nalloc a1 size=1\nalloc a2 size=1\nalloc a3 size=1\nalloc a4 size=1\n"
           "alloc a5 size=1\nalloc a6 size=1\nalloc a7 size=1\nalloc a8 size=1\nalloc a9 size=1\nalloc a10 size=1\n"
           "alloc a11 size=1\nalloc a12 size=1\n",
           around<TwelveAreas>());
  list.add("policy", "answer", "takes the second lowest place the fourth time that an allocation follows a free",
           "space 0x0..0x10\nbusy 0x0..0x1\nfree-at 0x0\nalloc a0 size=1\nfree a0\nalloc a1 size=1\nfree a1\n"
           "alloc a2 size=1\nfree a2\nalloc a3 size=1\n",
           around<Policy>());
  list.add("hook_twice", "answer", "calls a hook that released something once more",
           "space 0x0..0x1\nalloc a0 size=1\non-exhaustion a0\nalloc a1 size=1\n", around<HookTwice>());
  list.add("oom_leak", "memory", "loses a block of metadata when out of memory",
           "space 0x0..0x10\nfail-metadata 1\nalloc a0 size=1\n", around<OutOfMemoryLeak>());
  list.add("oom_part", "atomicity", "keeps the first granule of what it was to place when out of memory",
           "space 0x0..0x10\nfail-metadata 1\nalloc a0 size=1\n", around<OutOfMemoryPart>());
  list.add("free_allocates", "memory", "asks for metadata at every fourth free",
           "space 0x0..0x10\nbusy 0x0..0x1\nbusy 0x1..0x2\nbusy 0x2..0x3\nbusy 0x3..0x4\nfree-at 0x0\nfree-at 0x1\n"
           "free-at 0x2\nfree-at 0x3\n",
           around<FreeAllocates>());
  list.add("lazy_listed", "overlap", "lists as lazily freed what an allocation has purged",
           "space 0x0..0x2\nbusy 0x0..0x2\nfree-lazily-at 0x0\nalloc a0 size=1\n", around<LazyListed>());
  list.add("stats_peak", "answer", "says of the lazily freed bytes the most that there ever were",
           "space 0x0..0x10\nbusy 0x0..0x1\nfree-lazily-at 0x0\npurge\n", around<StatsPeak>());
  list.add("block_count", "classification", "does not count the free blocks again after a purge",
           "space 0x0..0x10\nbusy 0x0..0x1\nbusy 0x1..0x2\nfree-lazily-at 0x0\npurge\n", around<BlockCount>());
  list.add("verify", "answer", "its verify() takes two lazily freed areas that touch for an overlap",
           "space 0x0..0x10\nbusy 0x0..0x1\nbusy 0x1..0x2\nfree-lazily-at 0x0\nfree-lazily-at 0x1\n", around<Verify>());
  return std::move(list.faults);
}

}  // namespace vmapcheck
