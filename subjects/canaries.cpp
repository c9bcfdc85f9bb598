// SPDX-License-Identifier: Apache-2.0
#include "subjects/canaries.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "subjects/index_subject.hpp"
#include "subjects/vmap_subject.hpp"

namespace vmapcheck {
namespace {

using vmap::FitType;
using vmap::FreeSpace;
using vmap::Invariant;
using vmap::Node;
using vmap::Side;

// ---- Faults in the free-space index

/// answer: takes the second lowest placement where there is one. Its second search is not counted: it breaks no bound.
struct SecondLowest : FreeSpace {
  [[nodiscard]] std::optional<Fit> lowest_fit(Size size, Size align, Range window) const {
    const auto lowest = FreeSpace::lowest_fit(size, align, window);
    if (!lowest) return lowest;
    const std::uint64_t visited = visited_;
    const auto second =
        FreeSpace::lowest_fit(size, align, {lowest->begin + size, std::max(window.end, lowest->begin + size)});
    visited_ = visited;
    return second ? second : lowest;
  }
};

/// overlap: what is carved off the left edge stays free, too.
struct KeepsLeftEdge : FreeSpace {
  Node* carve(Node& block, Range placement, Node* remainder) {
    const bool left_edge = classify(block.range, placement) == FitType::left_edge;
    Node* const unneeded = FreeSpace::carve(block, placement, remainder);
    if (left_edge) {
      block.range.begin = placement.begin;
      tree_.propagate(block);
    }
    return unneeded;
  }
};

/// partition: the remainder of a split loses its last part.
struct LosesRemainder : FreeSpace {
  Node* carve(Node& block, Range placement, Node* remainder) {
    Node* const unneeded = FreeSpace::carve(block, placement, remainder);
    if (remainder != nullptr && remainder->range.size() > placement.size()) {
      remainder->range.end -= placement.size();
      tree_.propagate(*remainder);
    }
    return unneeded;
  }
};

/// coalescing: says that it merged with the previous block, and did not.
struct ForgetsToMerge : FreeSpace {
  Merge add(Node& area) {
    const vmap::Place place = vmap::place_of(tree_, area.range.begin, visited_);
    const bool previous = place.previous != nullptr && place.previous->range.end == area.range.begin;
    const bool next = place.next != nullptr && place.next->range.begin == area.range.end;
    if (!previous || next) return FreeSpace::add(area);
    tree_.link(place.parent, place.side, area);
    return {{place.previous->range.begin, area.range.end}, vmap::Coalescing::previous, {nullptr, nullptr}};
  }
};

/// tree: a node that is linked below a red parent turns it black.
struct Recolours : FreeSpace {
  struct Surgeon : vmap::FreeTree {
    using vmap::FreeTree::set_red;
  };
  Merge add(Node& area) {
    const Merge merge = FreeSpace::add(area);
    if (merge.coalescing == vmap::Coalescing::none && area.is_red()) Surgeon::set_red(area, false);
    return merge;
  }
};

/// augment: above a block that merged with both neighbours, the largest size stays what it was.
struct ForgetsToPropagate : FreeSpace {
  Merge add(Node& area) {
    const Merge merge = FreeSpace::add(area);
    if (merge.coalescing != vmap::Coalescing::both) return merge;
    Node* const block = vmap::last_at_or_below(tree_, merge.block.begin, visited_);
    if (Node* const parent = block->parent(); parent != nullptr && parent->subtree_max_size == block->range.size())
      parent->subtree_max_size -= area.range.size();
    return merge;
  }
};

/// memory: does not hand back the second node of a merge.
struct LosesNode : FreeSpace {
  Merge add(Node& area) {
    Merge merge = FreeSpace::add(area);
    merge.unneeded[1] = nullptr;
    return merge;
  }
};

/// cost: looks at one block after another.
struct LinearSearch : FreeSpace {
  [[nodiscard]] std::optional<Fit> lowest_fit(Size size, Size align, Range window) const {
    for (Node* block = tree_.outermost(Side::left); block != nullptr; block = block->next()) {
      visited_ += 4;  // as a list that is four times as long would need
      if (const auto begin = vmap::lowest_placement(intersection(block->range, window), size, align))
        return Fit{block, *begin};
    }
    return std::nullopt;
  }
};

/// cost: makes rows, and searches without them.
struct SearchesWithoutRows : FreeSpace {
  [[nodiscard]] std::optional<Fit> lowest_fit(Size size, Size align, Range window) const {
    const auto is_long_enough = [=](const Node* subtree) { return vmap::SubtreeMaxSize::of(subtree) >= size; };
    return lowest_fit_where(is_long_enough, size, align, window);
  }
};

// ---- Faults around it

/// classification: counts the second part of a split twice.
struct CountsTwice : VmapSubject<FreeSpace> {
  explicit CountsTwice(VmapSubject<FreeSpace> sound) : VmapSubject<FreeSpace>(std::move(sound)) {}
  [[nodiscard]] vmap::Stats stats() const {
    vmap::Stats stats = VmapSubject<FreeSpace>::stats();
    if (stats.fits[static_cast<std::size_t>(FitType::no_edge)] % 8 == 7) ++stats.free_blocks;
    return stats;
  }
};

/// atomicity: makes room when there is none, and fails all the same.
struct FreesOnFailure : VmapSubject<FreeSpace> {
  explicit FreesOnFailure(VmapSubject<FreeSpace> sound) : VmapSubject<FreeSpace>(std::move(sound)) {}
  vmap::Result<vmap::Allocation> allocate(const vmap::Request& request) {
    auto result = VmapSubject<FreeSpace>::allocate(request);
    if (result || result.error() != vmap::Error::no_space) return result;
    std::optional<Range> victim;
    for_each_busy([&](Range area) { victim = area; });
    if (victim) (void)free(victim->begin);
    return result;
  }
};

}  // namespace

std::vector<SubjectEntry> canaries() {
  std::vector<SubjectEntry> entries;
  const auto add = [&](Invariant invariant, std::string summary, SubjectFactory make, FreeIndexFactory index = {}) {
    entries.push_back({"canary_" + std::string(name(invariant)), SubjectKind::canary, std::move(summary),
                       std::move(make), std::move(index)});
  };
  const auto add_index = [&]<class Index>(Invariant invariant, std::string summary) {
    add(invariant, std::move(summary), over<Index>(), index_factory<Index>());
  };
  add_index.operator()<SecondLowest>(Invariant::answer, "takes the second lowest placement");
  add_index.operator()<KeepsLeftEdge>(Invariant::overlap, "what is carved off the left edge stays free, too");
  add_index.operator()<LosesRemainder>(Invariant::partition, "the remainder of a split loses its last part");
  add_index.operator()<ForgetsToMerge>(Invariant::coalescing, "forgets to merge with the previous block");
  add(Invariant::classification, "counts the second part of a split twice", around<CountsTwice>());
  add_index.operator()<Recolours>(Invariant::tree, "blackens a node that was linked red");
  add_index.operator()<ForgetsToPropagate>(Invariant::augment,
                                           "forgets to propagate after a merge with both neighbours");
  add(Invariant::atomicity, "frees an area when an allocation fails", around<FreesOnFailure>());
  add_index.operator()<LosesNode>(Invariant::memory, "loses a node when a block merges with both neighbours");
  add_index.operator()<LinearSearch>(Invariant::cost, "looks at one free block after another");
  entries.push_back({"canary_row_cost", SubjectKind::canary, "makes rows for alignments, and searches without them",
                     over<SearchesWithoutRows, 0>()});
  return entries;
}

}  // namespace vmapcheck
