// SPDX-License-Identifier: Apache-2.0
#include "harness/explore/index_world.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "harness/verify/describe.hpp"
#include "harness/verify/layout.hpp"
#include "model/trace.hpp"
#include "vmap/request.hpp"

namespace vmapcheck {
namespace {

using vmap::Address;
using vmap::Coalescing;
using vmap::FitType;
using vmap::Invariant;
using vmap::Violation;

/// The label, in a trace, of the search that failed.
constexpr std::uint32_t alloc_label = 999'999;

/// Granules, one bit each.
using Bits = std::uint32_t;

/// Granules [begin, end).
struct Run {
  unsigned begin = 0;
  unsigned end = 0;
  [[nodiscard]] Bits bits() const { return ((Bits{1} << (end - begin)) - 1) << begin; }
};

/// A carve or an add of a run. As a move it is a number.
struct Change {
  bool adds = false;
  Run run;

  [[nodiscard]] Move move() const { return static_cast<Move>((adds ? 1u << 10 : 0u) | run.begin << 5 | run.end); }
  static Change of(Move move) { return {(move >> 10) != 0, {move >> 5 & 31u, move & 31u}}; }
};

/// The longest run around `granule` of granules that are all free or all not.
Run run_around(Bits bits, unsigned granule, unsigned granules) {
  const bool kind = bits >> granule & 1u;
  const auto alike = [&](unsigned g) { return (bits >> g & 1u) == (kind ? 1u : 0u); };
  Run run{granule, granule + 1};
  while (run.begin > 0 && alike(run.begin - 1)) --run.begin;
  while (run.end < granules && alike(run.end)) ++run.end;
  return run;
}

std::optional<Violation> broken(Invariant invariant, std::string detail) {
  return Violation{invariant, std::move(detail)};
}

class IndexWorld final : public World {
 public:
  IndexWorld(const FreeIndexFactory& make, const IndexWorldOptions& options, Whereabouts& here)
      : options_(options), granules_(static_cast<unsigned>(options.granules)), here_(here) {
    index_ = make(space(), options.granules / 2 + 2);
    exercised_.shows_all = index_->transparent();
    free_ = Run{0, granules_}.bits();
    marks_.resize(explore_depth_max + 1);
  }

  std::optional<Violation> enter(std::span<const Move> path) override;
  [[nodiscard]] StateKey key() const override { return key_; }
  void expand(Explorer& explorer) override;
  [[nodiscard]] Exercised exercised() const override { return exercised_; }
  std::optional<Violation> finish() override { return std::nullopt; }

 private:
  struct Mark {
    std::vector<std::byte> bytes;
    Bits free = 0;
    StateKey key = 0;
  };

  [[nodiscard]] Address at(unsigned granule) const { return options_.base + options_.granule * granule; }
  [[nodiscard]] Range range_of(Run run) const { return {at(run.begin), at(run.end)}; }
  [[nodiscard]] Range space() const { return {at(0), at(granules_)}; }
  [[nodiscard]] std::size_t free_blocks() const {
    return static_cast<std::size_t>(std::popcount(free_ & ~(free_ << 1)));
  }

  std::optional<Violation> perform(const Change& change);
  std::optional<Violation> carve(Run run);
  std::optional<Violation> add(Run run);
  std::optional<Violation> check();
  std::optional<Violation> check_blocks();
  void mark(std::size_t depth);
  void rewind(std::size_t depth);
  void try_all(Explorer& explorer, bool adds, Run inside);
  std::optional<Violation> search_everything();
  std::optional<Violation> search(Size size, Size align, Range window, Bits fits);
  [[nodiscard]] std::optional<Range> block_range(Bits candidates) const;

  IndexWorldOptions options_;
  unsigned granules_;
  Whereabouts& here_;
  std::unique_ptr<AnyFreeIndex> index_;
  Bits free_ = 0;
  StateKey key_ = 0;
  std::size_t blocks_before_ = 0;
  std::uint64_t visited_before_ = 0;
  struct {
    std::size_t expected = 0;
    std::size_t actual = 0;
  } handed_back_;  ///< nodes that the last change handed back
  std::vector<Range> blocks_;
  std::vector<Move> path_;
  std::vector<Mark> marks_;  ///< marks_[d] is the state after the first d moves of path_
  std::size_t marked_ = 0;   ///< how many marks are valid
  std::string line_;         ///< the search that failed
  Exercised exercised_{.sees_tree = true};
};

void IndexWorld::mark(std::size_t depth) {
  const std::span<const std::byte> bytes = index_->memory();
  Mark& mark = marks_[depth];
  mark.bytes.assign(bytes.begin(), bytes.end());
  mark.free = free_;
  mark.key = key_;
}

void IndexWorld::rewind(std::size_t depth) {
  const Mark& mark = marks_[depth];
  std::memcpy(index_->memory().data(), mark.bytes.data(), mark.bytes.size());
  free_ = mark.free;
  key_ = mark.key;
}

/// Goes on from the last mark that the ways to the state before and to this one share.
std::optional<Violation> IndexWorld::enter(std::span<const Move> path) {
  if (marked_ == 0) {
    if (auto violation = check()) return violation;
    mark(0);
    marked_ = 1;
  }
  const std::size_t common = static_cast<std::size_t>(std::ranges::mismatch(path, path_).in1 - path.begin());
  const std::size_t depth = std::min(common, marked_ - 1);
  rewind(depth);
  path_.assign(path.begin(), path.end());
  marked_ = depth + 1;
  for (std::size_t i = depth; i < path.size(); ++i) {
    here_.length = static_cast<std::uint32_t>(i);
    here_.moves[i] = path[i];
    if (auto violation = perform(Change::of(path[i]))) return violation;
    mark(i + 1);
    marked_ = i + 2;
  }
  here_.length = static_cast<std::uint32_t>(path.size());
  if (options_.searches && depth == path.size()) {  // no move was made: blocks_ is of another state
    visited_before_ = index_->visited();
    return check();
  }
  return std::nullopt;
}

void IndexWorld::expand(Explorer& explorer) {
  if (options_.searches)
    if (auto violation = search_everything()) return explorer.failed(line_, *std::move(violation));
  for (unsigned granule = 0; granule < granules_;) {
    const bool adds = (free_ >> granule & 1u) == 0;
    const Run run = run_around(free_, granule, granules_);
    try_all(explorer, adds, run);
    granule = run.end;
  }
}

/// Tries every range inside a run, which is a free block or not free.
void IndexWorld::try_all(Explorer& explorer, bool adds, Run inside) {
  const std::size_t depth = path_.size();
  for (unsigned begin = inside.begin; begin < inside.end; ++begin)
    for (unsigned end = begin + 1; end <= inside.end; ++end) {
      const Change change{adds, {begin, end}};
      here_.moves[depth] = change.move();
      const vmap::TreeCaseCounts before = index_->cases();
      auto violation = perform(change);
      const vmap::TreeCaseCounts& after = index_->cases();
      for (std::size_t i = 0; i < after.size(); ++i) exercised_.coverage.tree_cases[i] += after[i] - before[i];
      if (violation)
        explorer.failed(change.move(), *std::move(violation));
      else
        explorer.arrived(change.move(), key_);
      rewind(depth);
    }
}

/// Changes the index, and checks the invariants in their order.
std::optional<Violation> IndexWorld::perform(const Change& change) {
  blocks_before_ = free_blocks();
  visited_before_ = index_->visited();
  if (auto violation = change.adds ? add(change.run) : carve(change.run)) return violation;
  return check();
}

std::optional<Violation> IndexWorld::carve(Run run) {
  const Run block = run_around(free_, run.begin, granules_);
  const FitType fit = vmap::classify(range_of(block), range_of(run));
  const AnyFreeIndex::Carved carved = index_->carve(range_of(run));
  free_ &= ~run.bits();
  ++exercised_.coverage.fits[static_cast<std::size_t>(fit)];
  if (carved.block != range_of(block))
    return broken(Invariant::answer, "the free block around " + describe(range_of(run)) + ": expected " +
                                         describe(range_of(block)) + ", actual " + describe(carved.block));
  handed_back_ = {fit == FitType::full ? 1u : 0u, carved.handed_back ? 1u : 0u};
  return std::nullopt;
}

std::optional<Violation> IndexWorld::add(Run run) {
  free_ |= run.bits();
  const Run block = run_around(free_, run.begin, granules_);
  const bool previous = block.begin != run.begin;
  const bool next = block.end != run.end;
  const Coalescing coalescing = previous ? next ? Coalescing::both : Coalescing::previous
                                : next   ? Coalescing::next
                                         : Coalescing::none;
  const AnyFreeIndex::Merged merged = index_->add(range_of(run));
  ++exercised_.coverage.coalescings[static_cast<std::size_t>(coalescing)];
  if (merged.block != range_of(block))
    return broken(Invariant::answer, "the free block that resulted: expected " + describe(range_of(block)) +
                                         ", actual " + describe(merged.block));
  if (merged.coalescing != coalescing)
    return broken(Invariant::answer,
                  "coalescing: expected " + std::string(vmap::coalescing_names[static_cast<std::size_t>(coalescing)]) +
                      ", actual " + std::string(vmap::coalescing_names[static_cast<std::size_t>(merged.coalescing)]));
  handed_back_ = {(previous ? 1u : 0u) + (next ? 1u : 0u), merged.handed_back};
  return std::nullopt;
}

std::optional<Violation> IndexWorld::check() {
  TreeFinding finding = index_->check_tree(options_.granules + 2, blocks_);
  if (auto violation = check_blocks()) return violation;
  if (finding.tree) return broken(Invariant::tree, *std::move(finding.tree));
  if (finding.augment) return broken(Invariant::augment, *std::move(finding.augment));
  if (handed_back_.expected != handed_back_.actual)
    return broken(Invariant::memory, "nodes handed back: expected " + std::to_string(handed_back_.expected) +
                                         ", actual " + std::to_string(handed_back_.actual));
  if (index_->nodes() != blocks_.size())
    return broken(Invariant::memory, std::to_string(index_->nodes()) + " nodes in use for " +
                                         std::to_string(blocks_.size()) + " free blocks");
  const std::uint64_t visited = index_->visited() - visited_before_;
  const std::uint64_t visits_max = index_->change_visits_max(blocks_before_);
  if (visited > visits_max)
    return broken(Invariant::cost, std::to_string(visited) + " nodes visited among " + std::to_string(blocks_before_) +
                                       " free blocks, at most " + std::to_string(visits_max) + " allowed");
  key_ = finding.structure << granules_ | free_;
  return std::nullopt;
}

/// overlap, partition, coalescing, classification: the blocks of the tree are those that there should be.
std::optional<Violation> IndexWorld::check_blocks() {
  Bits expected = free_;
  bool equal = blocks_.size() == free_blocks();
  for (std::size_t i = 0; equal && i < blocks_.size(); ++i) {
    const Run run = run_around(free_, static_cast<unsigned>(std::countr_zero(expected)), granules_);
    equal = blocks_[i] == range_of(run);
    expected &= ~run.bits();
  }
  if (equal) return std::nullopt;
  Layout held{.busy = {}, .lazy = {}, .free = blocks_};
  Layout wanted;
  for (unsigned granule = 0; granule < granules_;) {
    const Run run = run_around(free_, granule, granules_);
    (free_ >> granule & 1u ? wanted.free : held.busy).push_back(range_of(run));
    granule = run.end;
  }
  wanted.busy = held.busy;
  const Space space{.range = this->space(), .granule = options_.granule, .lazy_limit = {}, .busy = {}};
  if (auto why = broken_overlap(held, space)) return broken(Invariant::overlap, *std::move(why));
  if (auto why = broken_partition(held, space)) return broken(Invariant::partition, *std::move(why));
  if (auto why = broken_coalescing(held)) return broken(Invariant::coalescing, *std::move(why));
  return broken(Invariant::partition, difference(wanted, held));
}

// ---- Searches

/// Makes every search in this state. Windows begin and end on each granule and, where a granule has room for it, one
/// byte beside it; alignments go from one granule to beyond the space, and to 2^63.
std::optional<Violation> IndexWorld::search_everything() {
  line_.clear();
  std::vector<Address> edges{0, vmap::address_max};
  for (unsigned granule = 0; granule <= granules_; ++granule) {
    edges.push_back(at(granule));
    if (options_.granule == 1) continue;
    edges.push_back(at(granule) + (granule < granules_ ? 1 : 0));
    edges.push_back(at(granule) - (granule > 0 ? 1 : 0));
  }
  std::ranges::sort(edges);
  edges.erase(std::ranges::unique(edges).begin(), edges.end());

  std::vector<Size> aligns{Size{1} << 63};
  for (Size align = options_.granule; align != 0 && align / 2 < options_.granule * granules_; align *= 2)
    aligns.push_back(align);

  for (unsigned length = 1; length <= granules_; ++length) {
    Bits starts = free_;  // of runs of that length
    for (unsigned i = 1; i < length; ++i) starts &= free_ >> i;
    for (const Size align : aligns) {
      Bits fits = 0;
      for (unsigned granule = 0; granule < granules_; ++granule)
        if ((starts >> granule & 1u) != 0 && at(granule) % align == 0) fits |= Bits{1} << granule;
      for (const Address begin : edges)
        for (const Address end : edges)
          if (begin <= end)
            if (auto violation = search(options_.granule * length, align, {begin, end}, fits)) return violation;
    }
  }
  for (unsigned granule = 0; granule < granules_; ++granule) {
    const Bits upto = free_ & ((Bits{2} << granule) - 1);
    const auto expected =
        upto == 0
            ? std::nullopt
            : std::optional(range_of(run_around(free_, static_cast<unsigned>(std::bit_width(upto)) - 1, granules_)));
    const auto actual = index_->last_at_or_below(at(granule));
    ++exercised_.searches;
    if (actual != expected)
      return broken(Invariant::answer, "the last free block at or below " + describe(at(granule)) + ": expected " +
                                           describe(expected) + ", actual " + describe(actual));
  }
  std::vector<Range> before;
  for (const Range block : blocks_) {
    for (unsigned length = 1; length <= granules_; ++length) {
      const Size size = options_.granule * length;
      const auto found = std::find_if(before.rbegin(), before.rend(), [&](Range b) { return b.size() >= size; });
      const auto expected = found == before.rend() ? std::nullopt : std::optional(*found);
      const auto actual = index_->previous_at_least(block.begin, size);
      ++exercised_.searches;
      if (actual != expected)
        return broken(Invariant::answer, "the last free block of " + describe(size) + " before " + describe(block) +
                                             ": expected " + describe(expected) + ", actual " + describe(actual));
    }
    before.push_back(block);
  }
  return std::nullopt;
}

/// `fits` has the granules at which that size and alignment have a place, without the window.
std::optional<Violation> IndexWorld::search(Size size, Size align, Range window, Bits fits) {
  std::optional<AnyFreeIndex::Fit> expected;
  std::uint64_t misfits = 0;
  for (Bits left = fits; left != 0; left &= left - 1) {
    const unsigned granule = static_cast<unsigned>(std::countr_zero(left));
    if (at(granule) < window.begin) continue;
    if (at(granule) < window.end && window.end - at(granule) >= size)
      expected = {at(granule), range_of(run_around(free_, granule, granules_))};
    break;
  }
  for (const Range block : blocks_)
    if ((!expected || block.begin < expected->begin) && block.size() >= size && block.overlaps(window)) ++misfits;
  const std::uint64_t before = index_->visited();
  const auto actual = index_->lowest_fit(size, align, window);
  const std::uint64_t visited = index_->visited() - before;
  ++exercised_.searches;
  const auto request = [&] {
    return "the lowest fit of " + describe(size) + ", align " + describe(align) + ", within " + describe(window);
  };
  const bool right = actual == expected;
  const std::uint64_t visits_max = index_->search_visits_max(blocks_.size(), misfits);
  if (right && visited <= visits_max) return std::nullopt;
  line_ = print(Op{Alloc{Label{alloc_label}, {.size = size, .align = align, .within = window}}});
  if (!right) {
    const auto text = [](const std::optional<AnyFreeIndex::Fit>& fit) {
      return fit ? describe(fit->begin) + " in " + describe(fit->block) : std::string("nothing");
    };
    return broken(Invariant::answer, request() + ": expected " + text(expected) + ", actual " + text(actual));
  }
  return broken(Invariant::cost, request() + ": " + std::to_string(visited) + " nodes visited, at most " +
                                     std::to_string(visits_max) + " allowed");
}

// ---- As a trace

/// Says carves and adds of any range in ops that allocate and free areas of one granule, so that any range can be
/// freed. The order of granules keeps the trees the same. A carve of several granules begins at the right end if that
/// is the block's, else at the left: there it leaves the block in the same form as one carve of all. An add goes from
/// the neighbour on the left to the right, or from that on the right to the left.
Trace trace_of(std::span<const Move> moves, const IndexWorldOptions& options) {
  const auto granules = static_cast<unsigned>(options.granules);
  const auto at = [&](unsigned granule) { return options.base + options.granule * granule; };
  Trace trace{.comments = {},
              .space = {.range = {at(0), at(granules)}, .granule = options.granule, .lazy_limit = {}, .busy = {}},
              .ops = {}};
  Bits free = Run{0, granules}.bits();
  std::vector<Label> labels(granules);
  std::uint32_t next = 0;
  for (const Move move : moves) {
    const Change change = Change::of(move);
    const Run run = change.run;
    const Run around =
        change.adds ? run_around(free | run.bits(), run.begin, granules) : run_around(free, run.begin, granules);
    const bool backwards = change.adds ? around.begin == run.begin && around.end != run.end
                                       : around.begin != run.begin && around.end == run.end;
    for (unsigned i = 0; i < run.end - run.begin; ++i) {
      const unsigned granule = backwards ? run.end - 1 - i : run.begin + i;
      if (change.adds) {
        trace.ops.push_back(Free{labels[granule]});
      } else {
        labels[granule] = Label{next++};
        trace.ops.push_back(AllocAt{labels[granule], {at(granule), at(granule + 1)}});
      }
    }
    free = change.adds ? free | run.bits() : free & ~run.bits();
  }
  return trace;
}

}  // namespace

Territory index_territory(FreeIndexFactory make, const IndexWorldOptions& options) {
  return {.world = [make = std::move(make),
                    options](Whereabouts& here) -> std::expected<std::unique_ptr<World>, std::string> {
            return std::make_unique<IndexWorld>(make, options, here);
          },
          .trace = [options](std::span<const Move> moves) { return trace_of(moves, options); },
          .moves_max = options.granules*(options.granules + 1) / 2,
          .layout = [options](StateKey key) { return key & ((std::uint64_t{1} << options.granules) - 1); }};
}

}  // namespace vmapcheck
