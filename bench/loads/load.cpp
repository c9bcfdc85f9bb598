// SPDX-License-Identifier: Apache-2.0
#include "bench/loads/load.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <map>
#include <optional>
#include <utility>
#include <variant>

#include "harness/random/choices.hpp"

namespace vmapcheck::bench {
namespace {

using enum LoadOp::Kind;

constexpr Size granule = 0x1000;
constexpr Address space_begin = Address{1} << 40;  // aligned for whatever is asked
constexpr std::uint32_t granules_max = 64;         // of an area
constexpr std::size_t rounds_min = std::size_t{1} << 14;
constexpr std::size_t burst = 64;  // areas that come and go together: lifo, lazy

/// Adds ops to a load that is being made.
class Maker {
 public:
  Maker(Load& made, std::uint64_t seed) : load(made), random(seed) {
    load.slots = load.live;
    load.ops_per_round = 2;
  }

  void space(std::uint64_t granules) {
    load.space.range = {space_begin, space_begin + granules * granule};
    load.space.granule = granule;
  }
  void whole_space() { space(4 * granules_max / 2 * load.live); }  // four times what the areas take

  std::uint32_t size() { return 1 + below(granules_max); }
  std::uint32_t any_slot() { return below(load.live); }
  std::uint32_t below(std::uint64_t n) { return static_cast<std::uint32_t>(random.below(n)); }
  [[nodiscard]] std::size_t rounds() const { return std::max(load.live, rounds_min); }

  /// A slot that is freed and allocated again, by what `allocation` makes of the slot. In turn all, or any.
  template <class Allocation>
  void fill_and_replace(Allocation allocation, bool in_turn = false) {
    for (std::uint32_t slot = 0; slot < load.live; ++slot) load.setup.push_back(allocation(slot));
    for (std::size_t i = 0; i < rounds(); ++i) {
      const std::uint32_t slot = in_turn ? static_cast<std::uint32_t>(i % load.live) : any_slot();
      load.ops.push_back({free, 0, slot});
      load.ops.push_back(allocation(slot));
    }
    load.warm_up = load.live;
  }

  LoadOp of_any_size(std::uint32_t slot) { return {allocate, 0, slot, size()}; }

  Load& load;
  Random random;
};

void churn(Maker& maker) {
  maker.whole_space();
  maker.fill_and_replace([&](std::uint32_t slot) { return maker.of_any_size(slot); });
}

void one_granule(Maker& maker) {
  maker.whole_space();
  maker.fill_and_replace([](std::uint32_t slot) { return LoadOp{allocate, 0, slot, 1}; });
}

void fifo(Maker& maker) {
  maker.whole_space();
  maker.fill_and_replace([&](std::uint32_t slot) { return maker.of_any_size(slot); }, true);
}

void lifo(Maker& maker) {
  Load& load = maker.load;
  maker.whole_space();
  for (std::uint32_t slot = 0; slot < load.live; ++slot) load.setup.push_back(maker.of_any_size(slot));
  const auto deep = static_cast<std::uint32_t>(std::min(burst, load.live));
  const auto top = static_cast<std::uint32_t>(load.live);
  for (std::size_t i = 0; i < rounds_min; i += deep) {
    for (std::uint32_t slot = top; slot > top - deep; --slot) load.ops.push_back({free, 0, slot - 1});
    for (std::uint32_t slot = top - deep; slot < top; ++slot) load.ops.push_back(maker.of_any_size(slot));
  }
  load.ops_per_round = 2 * deep;
  load.units_per_round = deep;
}

void holes(Maker& maker) {
  Load& load = maker.load;
  maker.whole_space();
  const auto all = static_cast<std::uint32_t>(load.live);
  for (std::uint32_t slot = 0; slot < all; ++slot) load.setup.push_back({allocate, 0, slot, 1});
  for (std::uint32_t slot = 0; slot < all; slot += 2) load.ops.push_back({free, 0, slot});
  for (std::uint32_t slot = 0; slot < all; slot += 2) load.ops.push_back({allocate, 0, slot, 1});
  load.ops_per_round = load.ops.size();
  load.units_per_round = load.ops.size() / 2;
}

void windows(Maker& maker) {
  Load& load = maker.load;
  maker.whole_space();
  const std::uint64_t granules = load.space.range.size() / granule;
  maker.fill_and_replace([&](std::uint32_t slot) {
    const std::uint64_t wide = std::max<std::uint64_t>(granules >> maker.below(5), 64 * granules_max);
    const Address begin = space_begin + maker.random.below(granules - wide + 1) * granule;
    load.ranges.push_back({begin, begin + wide * granule});
    return LoadOp{allocate, 0, slot, maker.size(), static_cast<std::uint32_t>(load.ranges.size() - 1)};
  });
}

void aligned(Maker& maker) {
  maker.whole_space();
  maker.fill_and_replace([&](std::uint32_t slot) {
    const auto align = static_cast<std::uint8_t>(maker.below(2) == 0 ? 0 : 1 + maker.below(6));
    return LoadOp{allocate, align, slot, maker.size()};
  });
}

/// Holes that are long enough, none of which can be aligned: the granule that could be has the area before the hole.
///
///     #...............#...............#...............     16 granules each
void adversarial(Maker& maker) {
  constexpr std::uint8_t align_log2 = 4;
  constexpr std::uint32_t period = 1u << align_log2;
  Load& load = maker.load;
  const auto all = static_cast<std::uint32_t>(load.live);
  maker.space(4 * period * load.live);
  for (std::uint32_t slot = 0; slot < all; ++slot) {
    load.setup.push_back({allocate, 0, slot, 1});
    load.setup.push_back({allocate, 0, all + slot, period - 1});
  }
  for (std::uint32_t slot = all; slot < 2 * all; ++slot) load.setup.push_back({free, 0, slot});
  load.slots = 2 * load.live;
  for (std::size_t i = 0; i < rounds_min; ++i) {
    load.ops.push_back({allocate, align_log2, all, 1 + maker.below(period - 1)});
    load.ops.push_back({free, 0, all});
  }
  load.warm_up = 16;  // an allocator that adapts itself has done so
}

void find_any(Maker& maker) {
  churn(maker);
  Load& load = maker.load;
  load.setup.insert(load.setup.end(), load.ops.begin(), load.ops.end());
  load.ops.clear();
  for (std::size_t i = 0; i < maker.rounds(); ++i) load.ops.push_back({find, 0, maker.any_slot()});
  load.ops_per_round = load.warm_up = 1;
  load.unit = "find";
}

/// The space is as many stripes as a group has blocks; a group has an area in each, at the same distance.
void congruent_groups(Maker& maker) {
  constexpr std::uint32_t blocks = 4, longest = 16;
  Load& load = maker.load;
  const auto groups = std::max<std::uint32_t>(1, static_cast<std::uint32_t>(load.live / blocks));
  const std::uint64_t stripe = 4 * longest / 2 * groups;
  maker.space(blocks * stripe);
  for (std::uint32_t granules = 1; granules <= longest; ++granules) {
    auto& shape = load.shapes.emplace_back();
    for (std::uint32_t block = 0; block < blocks; ++block)
      shape.push_back({block * stripe * granule, granules * granule});
  }
  const auto placed = [&](std::uint32_t group) {
    return LoadOp{congruent, 0, group * blocks, 0, maker.below(longest)};
  };
  for (std::uint32_t group = 0; group < groups; ++group) load.setup.push_back(placed(group));
  for (std::size_t i = 0; i < maker.rounds() / blocks; ++i) {
    const std::uint32_t group = maker.below(groups);
    for (std::uint32_t block = 0; block < blocks; ++block) load.ops.push_back({free, 0, group * blocks + block});
    load.ops.push_back(placed(group));
  }
  load.live = load.slots = std::size_t{groups} * blocks;
  load.ops_per_round = blocks + 1;
  load.warm_up = groups;
  load.unit = "group";
}

void lazy(Maker& maker) {
  Load& load = maker.load;
  maker.whole_space();
  for (std::uint32_t slot = 0; slot < load.live; ++slot) load.setup.push_back(maker.of_any_size(slot));
  for (std::size_t i = 0; i < maker.rounds(); i += burst) {
    for (std::size_t k = 0; k < burst; ++k) {
      const std::uint32_t slot = maker.any_slot();
      load.ops.push_back({free_lazily, 0, slot});
      load.ops.push_back(maker.of_any_size(slot));
    }
    load.ops.push_back({purge});
  }
  load.ops_per_round = 2 * burst + 1;
  load.units_per_round = burst;
  load.warm_up = std::max<std::size_t>(1, load.live / burst);
}

struct Named {
  std::string_view name;
  void (*make)(Maker&);
};

constexpr std::array<Named, 11> all_loads{{{"churn", churn},
                                           {"one-granule", one_granule},
                                           {"lifo", lifo},
                                           {"fifo", fifo},
                                           {"holes", holes},
                                           {"windows", windows},
                                           {"aligned", aligned},
                                           {"adversarial", adversarial},
                                           {"find", find_any},
                                           {"congruent", congruent_groups},
                                           {"lazy", lazy}}};

void note_needs(Load& load) {
  for (const std::vector<LoadOp>* ops : {&load.setup, &load.ops})
    for (const LoadOp& op : *ops) {
      load.needs.allocate_at |= op.kind == allocate_at;
      load.needs.congruent |= op.kind == congruent;
      load.needs.lazy |= op.kind == free_lazily || op.kind == purge;
      load.needs.find |= op.kind == find;
      load.needs_places |= op.align_log2 != 0 || op.place != 0 || op.kind == allocate_at || op.kind == congruent;
    }
}

/// Makes a load of a trace, op by op. Labels become slots; those that are free again are reused.
class Reader {
 public:
  explicit Reader(Load& load) : load_(load) {}

  bool operator()(const Alloc& op) {
    const Size granules = op.request.size / load_.space.granule;
    const Size align = std::max<Size>(1, op.request.align / load_.space.granule);
    if (granules > std::numeric_limits<std::uint32_t>::max() || !std::has_single_bit(align)) return false;
    load_.ops.push_back({allocate, static_cast<std::uint8_t>(std::countr_zero(align)), bind(op.label),
                         static_cast<std::uint32_t>(granules), place_of(op.request.within)});
    return true;
  }
  bool operator()(const AllocAt& op) {
    load_.ops.push_back({allocate_at, 0, bind(op.label), 0, place_of(op.range)});
    return true;
  }
  bool operator()(const Free& op) { return release(op.label, free); }
  bool operator()(const FreeLazily& op) { return release(op.label, free_lazily); }
  bool operator()(const Purge&) {
    load_.ops.push_back({purge});
    return true;
  }
  template <class Other>
  bool operator()(const Other&) {
    return false;
  }

  void free_all() {
    while (!slots_.empty()) release(slots_.begin()->first, free);
    if (std::ranges::find(load_.ops, free_lazily, &LoadOp::kind) != load_.ops.end()) load_.ops.push_back({purge});
  }

 private:
  std::uint32_t bind(Label label) {
    if (unused_.empty()) unused_.push_back(static_cast<std::uint32_t>(load_.slots++));
    const std::uint32_t slot = slots_[label] = unused_.back();
    unused_.pop_back();
    load_.live = std::max(load_.live, slots_.size());
    return slot;
  }
  bool release(Label label, LoadOp::Kind kind) {
    const auto found = slots_.find(label);
    if (found == slots_.end()) return true;  // it frees what is not there: nothing
    load_.ops.push_back({kind, 0, found->second});
    unused_.push_back(found->second);
    slots_.erase(found);
    return true;
  }
  std::uint32_t place_of(Range range) {
    if (range == vmap::everywhere) return 0;
    load_.ranges.push_back(range);
    return static_cast<std::uint32_t>(load_.ranges.size() - 1);
  }

  Load& load_;
  std::map<Label, std::uint32_t> slots_;
  std::vector<std::uint32_t> unused_;
};

}  // namespace

Load make_load(std::string_view name, std::size_t live, std::uint64_t seed) {
  Load load;
  load.name = name;
  load.unit = "pair";
  load.live = live;
  Maker maker(load, seed);
  std::ranges::find(all_loads, name, &Named::name)->make(maker);
  note_needs(load);
  return load;
}

Load load_of(const Trace& trace, std::string name) {
  Load load;
  load.unit = "op";
  load.space = trace.space;
  Reader read(load);
  for (const Op& op : trace.ops)
    if (!trace.space.busy.empty() || !std::visit(read, op)) return {};
  read.free_all();
  load.name = std::move(name);
  load.ops_per_round = load.units_per_round = load.ops.size();
  note_needs(load);
  return load;
}

}  // namespace vmapcheck::bench
