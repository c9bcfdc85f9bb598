// SPDX-License-Identifier: Apache-2.0
#include "subjects/red_black_cost.hpp"

#include <algorithm>
#include <string>
#include <variant>

namespace vmapcheck {
namespace {

using vmap::Coalescing;
using vmap::FitType;
using vmap::Invariant;
using vmap::TreeCase;
using vmap::Violation;

/// What leads to an address looks first at where the tree was changed last. Who says that it visited nothing has not
/// counted.
std::uint64_t descent_min(std::uint64_t nodes) { return nodes != 0 ? 1 : 0; }

/// And then goes down.
std::uint64_t descent_max(std::uint64_t nodes) { return 1 + height_max(nodes); }

/// The search for a congruent base: with m blocks, each of `passed` free blocks lowers the base at most m times, and
/// between two lowerings at most m blocks are looked at; each look is one descent, and each lowering one climb and one
/// descent more.
std::uint64_t congruent_cost_max(std::uint64_t height, std::uint64_t blocks, std::uint64_t passed) {
  const std::uint64_t lowerings = blocks * passed;
  return ((lowerings + 1) * blocks + lowerings + 2 * (lowerings + 1)) * height;
}

/// By kind of op: at least, in the trees as they were before the step, if it succeeds; at most, in the largest trees
/// that there may be in between.
struct VisitsOf {
  std::uint64_t free_blocks, free_min, busy_min, lazy_min;  // before the step
  std::uint64_t free_max, areas_max;
  std::uint64_t attempts, misfits;
  vmap::RowAlignments rows;  // before the step

  Visits operator()(const Alloc& op) const {
    const bool has_row = op.request.align > 1 && std::ranges::find(rows, op.request.align) != rows.end();
    return {1 + busy_min, searches(has_row ? std::min(misfits, row_misfits_max) : misfits) + areas_max};
  }
  Visits operator()(const AllocAt&) const { return {free_min + busy_min, attempts * free_max + areas_max}; }
  Visits operator()(const Congruent& op) const {
    // A block is looked at once to be settled, once to count nodes, once to be placed: in a tree that loses no more
    // than these.
    const std::uint64_t m = op.blocks.size();
    const std::uint64_t lowering = misfits == 0 ? 0 : attempts * congruent_cost_max(free_max, m, misfits);
    return {m * (2 * free_min + descent_min(free_blocks - std::min(free_blocks, m)) + busy_min),
            attempts * search_cost_max(free_max, 0) + lowering + m * (2 * free_max + areas_max)};
  }
  Visits operator()(const Free&) const { return {busy_min + free_min, two_descents()}; }
  Visits operator()(const FreeAt&) const { return {busy_min + free_min, two_descents()}; }
  Visits operator()(const FreeLazily&) const { return {busy_min + lazy_min, two_descents()}; }
  Visits operator()(const FreeLazilyAt&) const { return {busy_min + lazy_min, two_descents()}; }
  Visits operator()(const Purge&) const { return {0, two_descents()}; }
  Visits operator()(const Find&) const { return {busy_min, areas_max}; }
  Visits operator()(const OnExhaustion&) const { return {0, two_descents()}; }
  Visits operator()(const FailMetadata&) const { return {0, two_descents()}; }

  [[nodiscard]] std::uint64_t searches(std::uint64_t passed) const {
    return attempts * search_cost_max(free_max - 1, passed);  // a search begins at the root
  }
  /// Among areas, and then among free blocks or lazily freed areas.
  [[nodiscard]] std::uint64_t two_descents() const { return areas_max + std::max(free_max, areas_max); }
};

template <class Counts, class Kind>
std::uint64_t grown(const Counts& after, const Counts& before, Kind kind) {
  return after[static_cast<std::size_t>(kind)] - before[static_cast<std::size_t>(kind)];
}

class RedBlackCost final : public CostBound {
 public:
  [[nodiscard]] Visits visits(const Step& step, const Observation& seen, std::uint64_t misfits) const override {
    const vmap::Stats& before = seen.stats_before;
    const VisitsOf visits_of{.free_blocks = before.free_blocks,
                             .free_min = descent_min(before.free_blocks),
                             .busy_min = descent_min(before.busy_areas),
                             .lazy_min = descent_min(before.lazy_areas),
                             .free_max = descent_max(step.free_blocks_max()),
                             .areas_max = descent_max(step.areas_max()),
                             .attempts = step.attempts,
                             .misfits = misfits,
                             .rows = before.rows};
    Visits visits = std::visit(visits_of, *step.op);
    visits.max += step.purged * visits_of.free_max + step.hooks_called * (visits_of.areas_max + visits_of.free_max);
    if (step.released || std::holds_alternative<Skipped>(seen.answer))
      visits.min = 0;
    else if (step.failed)
      visits.min = seen.answer == Answer(vmap::Error::not_busy) ? visits_of.busy_min : 0;
    return visits;
  }

  [[nodiscard]] std::optional<Violation> work(const Step& step, const Observation& seen) const override {
    const auto fits = [&](FitType fit) { return grown(seen.stats.fits, seen.stats_before.fits, fit); };
    const auto merges = [&](Coalescing kind) {
      return grown(seen.stats.coalescings, seen.stats_before.coalescings, kind);
    };
    const std::uint64_t split = fits(FitType::no_edge);
    const std::uint64_t links = split + merges(Coalescing::none);
    const std::uint64_t erases = fits(FitType::full) + merges(Coalescing::both);

    // What changes where it lies is recomputed, at least; a remainder's parent, too. Each change climbs at most three
    // times.
    const std::uint64_t moved = fits(FitType::left_edge) + fits(FitType::right_edge) + merges(Coalescing::previous) +
                                merges(Coalescing::next) + merges(Coalescing::both);
    const std::uint64_t changes = moved + links + erases;
    const std::uint64_t propagated = seen.stats.nodes_propagated - seen.stats_before.nodes_propagated;
    if (propagated < moved + 2 * split || propagated > 3 * changes * height_max(step.free_blocks_max()))
      return Violation{Invariant::cost, std::to_string(propagated) + " nodes recomputed by " + std::to_string(changes) +
                                            " changes of free blocks"};

    const auto cases = [&](TreeCase first, TreeCase last) {
      std::uint64_t n = 0;
      for (auto i = static_cast<std::size_t>(first); i <= static_cast<std::size_t>(last); ++i)
        n += grown(seen.stats.tree_cases, seen.stats_before.tree_cases, i);
      return n;
    };
    // Of an erased node that had two children it is not said whether a black one was lacking.
    const std::uint64_t lacking = cases(TreeCase::erase_black_leaf, TreeCase::erase_black_leaf) +
                                  cases(TreeCase::erase_next_is_child, TreeCase::erase_next_is_deeper);
    const bool right = cases(TreeCase::erase_red_leaf, TreeCase::erase_next_is_deeper) == erases &&
                       cases(TreeCase::link_inner_left, TreeCase::link_outer_right) <= links &&
                       (links != 0 || cases(TreeCase::link_recolour_left, TreeCase::link_recolour_right) == 0) &&
                       cases(TreeCase::fix_recolour_end_left, TreeCase::fix_outer_nephew_right) <= lacking &&
                       cases(TreeCase::fix_red_sibling_left, TreeCase::fix_red_sibling_right) <= lacking &&
                       (lacking != 0 || cases(TreeCase::fix_recolour_up_left, TreeCase::fix_recolour_up_right) == 0);
    if (right) return std::nullopt;
    return Violation{Invariant::answer, "stats().tree_cases are not those of " + std::to_string(links) +
                                            " blocks linked to the tree, and " + std::to_string(erases) +
                                            " erased from it"};
  }
};

}  // namespace

const CostBound& red_black_cost() {
  static const RedBlackCost cost;
  return cost;
}

}  // namespace vmapcheck
