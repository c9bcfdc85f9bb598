// SPDX-License-Identifier: Apache-2.0
#include "harness/verify/invariants.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

#include "harness/verify/cost.hpp"

namespace vmapcheck {
namespace {

using vmap::Invariant;
using Why = std::optional<std::string>;

/// What is the model's own layout needs no closer look.
template <class Look>
CheckResult on_layout(const Observation& seen, Look look) {
  if (!seen.has_layout) return Checked::no;
  if (seen.layout_right) return Checked::yes;
  if (Why why = look(seen.layout)) return std::unexpected(*std::move(why));
  return Checked::yes;
}

/// The model's areas, and the gaps between them.
Layout layout_of(const ReferenceModel& model) {
  Layout layout;
  for (const auto& [begin, area] : model.areas()) (area.lazy ? layout.lazy : layout.busy).push_back({begin, area.end});
  layout.free = model.gaps();
  return layout;
}

/// Atomicity is broken. It comes late: until then, what must differ for that reason is not compared.
bool failure_changed_layout(const Observation& seen, const Step& step) {
  return step.failed && seen.has_layout && !seen.layout_right;
}

// ---- overlap, partition, coalescing

CheckResult overlap(const ReferenceModel& model, const Observation& seen, const Step&) {
  return on_layout(seen, [&](const Layout& layout) { return broken_overlap(layout, model.space()); });
}

CheckResult partition(const ReferenceModel& model, const Observation& seen, const Step&) {
  return on_layout(seen, [&](const Layout& layout) { return broken_partition(layout, model.space()); });
}

CheckResult coalescing(const ReferenceModel&, const Observation& seen, const Step&) {
  return on_layout(seen, [](const Layout& layout) { return broken_coalescing(layout); });
}

/// The other half of partition: of a layout that is sound in itself.
CheckResult as_answered(const ReferenceModel& model, const Observation& seen, const Step& step) {
  if (!seen.has_layout || seen.layout_right || step.failed) return Checked::no;
  return std::unexpected("not the layout that the answers add up to: " + difference(layout_of(model), seen.layout));
}

// ---- classification

CheckResult classification(const ReferenceModel&, const Observation& seen, const Step& step) {
  if ((!seen.has_stats && !seen.has_layout) || failure_changed_layout(seen, step)) return Checked::no;
  const std::size_t expected = step.expected.free_blocks;
  const std::size_t actual = seen.has_stats ? seen.stats.free_blocks : seen.layout.free.size();
  if (actual == expected) return Checked::yes;
  return std::unexpected("from " + std::to_string(step.free_blocks_before) + " free blocks, expected " +
                         std::to_string(expected) + ", actual " + std::to_string(actual));
}

// ---- tree, augment, atomicity

CheckResult tree(const ReferenceModel&, const Observation& seen, const Step& step) {
  if (!seen.has_tree) return Checked::no;
  if (seen.tree.tree) return std::unexpected(*seen.tree.tree);
  if (seen.has_layout && !failure_changed_layout(seen, step) && seen.blocks != seen.layout.free)
    return std::unexpected("the tree does not hold the free blocks that are listed");
  return Checked::yes;
}

CheckResult augment(const ReferenceModel&, const Observation& seen, const Step&) {
  if (!seen.has_tree) return Checked::no;
  if (seen.tree.augment) return std::unexpected(*seen.tree.augment);
  return Checked::yes;
}

/// A search that fails may yet have made a row, for which nodes are moved: then the same tree in other nodes.
bool same_tree(const TreeHashes& before, const Observation& seen) {
  return seen.switched_rows() ? before.tree == seen.tree.hashes.tree : before.nodes == seen.tree.hashes.nodes;
}

CheckResult atomicity(const ReferenceModel& model, const Observation& seen, const Step& step) {
  if (!step.failed) return Checked::no;
  if (failure_changed_layout(seen, step))
    return std::unexpected("the call failed and changed the layout: " + difference(layout_of(model), seen.layout));
  if (!step.released && seen.has_tree && seen.hashes_before && !same_tree(*seen.hashes_before, seen))
    return std::unexpected("the call failed and changed the tree of free blocks");
  return seen.has_layout ? Checked::yes : Checked::no;
}

// ---- memory, cost

CheckResult memory(const ReferenceModel&, const Observation& seen, const Step& step) {
  const bool freeing = std::holds_alternative<Range>(seen.answer) || std::holds_alternative<Purged>(seen.answer);
  if (seen.requests != 0 && freeing)
    return std::unexpected("a free asked for metadata memory " + std::to_string(seen.requests) + " times");
  if (!seen.has_stats) return Checked::yes;
  const vmap::Stats& stats = seen.stats;
  if (stats.nodes_alive != step.expected.nodes_alive)
    return std::unexpected("nodes alive: " + expected_actual(std::to_string(step.expected.nodes_alive),
                                                             std::to_string(stats.nodes_alive)));
  if (seen.metadata_blocks != stats.nodes_alive + stats.nodes_spare)
    return std::unexpected(std::to_string(seen.metadata_blocks) + " nodes taken from the resource, " +
                           std::to_string(stats.nodes_alive) + " alive, " + std::to_string(stats.nodes_spare) +
                           " spare: a node is lost");
  if (seen.requests != 0 && !step.failed && stats.nodes_spare != 0 && !seen.switched_rows())
    return std::unexpected("metadata was asked for while " + std::to_string(stats.nodes_spare) + " nodes were spare");
  return Checked::yes;
}

/// See CostBound::visits(). Without an index of gaps they are counted in the model.
std::uint64_t misfits_of(const ReferenceModel& model, const GapIndex* gap_index, const Observation& seen,
                         const Step& step) {
  const std::uint64_t everything = step.free_blocks_max() + 1;
  const auto* const alloc = std::get_if<Alloc>(step.op);
  if (alloc == nullptr || step.attempts > 1) return everything;
  const vmap::Request& request = alloc->request;
  const auto* const placed = std::get_if<vmap::Allocation>(&seen.answer);
  const Address before = placed != nullptr ? placed->range.begin : vmap::address_max;
  std::uint64_t misfits = 0;
  if (gap_index == nullptr) {
    for (const Range gap : model.gaps())
      if (gap.begin < before && gap.size() >= request.size && gap.overlaps(request.within)) ++misfits;
    return misfits;
  }
  const auto next = [&](Address from) { return gap_index->first_above(from, request.size); };
  for (auto gap = next(request.within.begin); gap && gap->begin < before && gap->overlaps(request.within);
       gap = next(gap->end))
    ++misfits;
  return misfits;
}

CheckResult cost(const ReferenceModel& model, const Observation& seen, const Step& step) {
  if (!seen.has_stats || seen.cost == nullptr) return Checked::no;
  const std::uint64_t visited = seen.visited();
  Visits allowed = seen.cost->visits(step, seen, 0);
  if (visited < allowed.min)
    return std::unexpected(std::to_string(visited) + " nodes visited, which must be at least " +
                           std::to_string(allowed.min) + ": they are not counted");
  if (visited <= allowed.max) return Checked::yes;
  const std::uint64_t misfits = misfits_of(model, step.gap_index, seen, step);
  allowed = seen.cost->visits(step, seen, misfits);
  if (visited <= allowed.max) return Checked::yes;
  // Before the subject is convicted: an index that counts wrongly is vmapcheck's own failure.
  if (const std::uint64_t in_model = misfits_of(model, nullptr, seen, step); in_model != misfits)
    throw std::logic_error("the index of gaps counts " + std::to_string(misfits) +
                           " free blocks that do not hold the request, the reference model " +
                           std::to_string(in_model));
  return std::unexpected(std::to_string(visited) + " nodes visited among " + std::to_string(step.free_blocks_before) +
                         " free blocks, at most " + std::to_string(allowed.max) + " allowed");
}

constexpr Check of_layout[] = {{Invariant::overlap, overlap},
                               {Invariant::partition, partition},
                               {Invariant::coalescing, coalescing},
                               {Invariant::partition, as_answered}};
constexpr Check of_count[] = {{Invariant::classification, classification}};
constexpr Check of_tree[] = {{Invariant::tree, tree}, {Invariant::augment, augment}, {Invariant::atomicity, atomicity}};
constexpr Check of_account[] = {{Invariant::memory, memory}, {Invariant::cost, cost}};

}  // namespace

constinit const Checks checks{.layout = of_layout, .count = of_count, .tree = of_tree, .account = of_account};

// ---- answer: stats()

std::string expected_actual(const std::string& expected, const std::string& actual) {
  return "expected " + expected + ", actual " + actual;
}

namespace {

template <class T>
std::uint64_t sum(const T& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

/// Of areas that are purged together, the kinds depend on the order in which the subject frees them. There are as many
/// as areas, and free blocks become more by each that touches none, and fewer by each that touches two.
Why untrue_coalescings_of_purge(const Observation& seen, const Step& step) {
  std::array<std::uint64_t, vmap::coalescing_count> purged{};
  for (std::size_t i = 0; i < purged.size(); ++i) purged[i] = seen.stats.coalescings[i] - step.expected.coalescings[i];
  const std::size_t before = step.free_blocks_before_purge, after = step.free_blocks_after_purge;
  const auto count = [&](vmap::Coalescing kind) { return purged[static_cast<std::size_t>(kind)]; };
  if (sum(purged) == step.purged && before + count(vmap::Coalescing::none) == after + count(vmap::Coalescing::both))
    return std::nullopt;
  return "stats().coalescings are not those of a purge of " + std::to_string(step.purged) + " areas, which made " +
         std::to_string(after) + " free blocks of " + std::to_string(before);
}

}  // namespace

std::optional<std::string> untrue_counter(const Observation& seen, const Step& step) {
  if (!seen.has_stats) return std::nullopt;
  if (step.purged != 0)
    if (Why why = untrue_coalescings_of_purge(seen, step)) return why;
  const vmap::Stats& expected = step.expected;
  const vmap::Stats& actual = seen.stats;
  struct {
    const char* what = nullptr;
    std::uint64_t expected = 0;
    std::uint64_t actual = 0;
  } wrong;  // the first; in words only when there is one
  const auto compare = [&](const char* what, std::uint64_t e, std::uint64_t a) {
    if (e != a && wrong.what == nullptr) wrong = {what, e, a};
  };
  const auto compare_all = [&](const char* what, const auto& e, const auto& a) {
    for (std::size_t i = 0; i < e.size(); ++i) compare(what, e[i], a[i]);
  };
  compare("busy_bytes", expected.busy_bytes, actual.busy_bytes);
  compare("lazy_bytes", expected.lazy_bytes, actual.lazy_bytes);
  compare("free_bytes", expected.free_bytes, actual.free_bytes);
  compare("busy_areas", expected.busy_areas, actual.busy_areas);
  compare("lazy_areas", expected.lazy_areas, actual.lazy_areas);
  compare("hooks", expected.hooks, actual.hooks);
  compare("hooks_called", expected.hooks_called, actual.hooks_called);
  compare("purges", expected.purges, actual.purges);
  compare_all("fits", expected.fits, actual.fits);
  compare_all("failures", expected.failures, actual.failures);
  if (step.purged == 0) compare_all("coalescings", expected.coalescings, actual.coalescings);
  if (seen.has_layout) {
    Size largest = 0;
    for (const Range range : seen.layout.free) largest = std::max(largest, range.size());
    compare("largest_free", largest, actual.largest_free);
  }
  if (wrong.what == nullptr) return std::nullopt;
  return std::string("stats().") + wrong.what + ": " +
         expected_actual(std::to_string(wrong.expected), std::to_string(wrong.actual));
}

bool has_counted(const vmap::Stats& stats) {
  return stats.nodes_visited + stats.nodes_propagated + stats.purges + stats.hooks_called + sum(stats.fits) +
             sum(stats.coalescings) + sum(stats.failures) + sum(stats.tree_cases) !=
         0;
}

// ---- What is right as it is

bool is_right(const Layout& layout, const ReferenceModel& model, const std::vector<Range>& gaps) {
  auto busy = layout.busy.begin();
  auto lazy = layout.lazy.begin();
  for (const auto& [begin, area] : model.areas()) {
    auto& next = area.lazy ? lazy : busy;
    const auto end = area.lazy ? layout.lazy.end() : layout.busy.end();
    if (next == end || *next++ != Range{begin, area.end}) return false;
  }
  return busy == layout.busy.end() && lazy == layout.lazy.end() && layout.free == gaps;
}

bool is_right(const Near& near, const ReferenceModel& model, Address begin) {
  const auto after = model.areas().upper_bound(begin);
  const bool is_area = after != model.areas().begin() && begin < std::prev(after)->second.end;
  if (!is_area) return near.at_or_before == model.gap_before(after);
  const auto area = std::prev(after);
  const Range left = model.gap_before(area);
  const Range right = model.gap_before(after);
  return (left.empty() ? !near.at_or_before || near.at_or_before->end < area->first : near.at_or_before == left) &&
         (right.empty() ? !near.after || near.after->begin > right.end : near.after == right);
}

}  // namespace vmapcheck
