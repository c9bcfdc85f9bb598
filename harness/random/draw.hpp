// SPDX-License-Identifier: Apache-2.0
//
// The grammar of ops: which spaces, and which ops on them, over any source of choices.
//
// A case has a Shape, drawn first, which makes cases differ from one another more than ops within a case do (swarm
// testing: Groce et al., "Swarm testing", 2012): the place and size of the space, the granule, how many areas it fills
// up to, which kinds of op are off and which are heavily favoured, which sizes, alignments and windows are frequent.
// Within the case, ops aim at what exists: exact-fit holes, windows that cut a free block, placements at either edge of
// one, frees on both sides of an area. Filling and draining take turns, so that a case passes through hundreds of free
// blocks where its space has room for them.
//
//     Random random(7);
//     const Shape shape = draw_shape(random);   // the space of a case, and what is frequent in it
//     Generator generator(random, shape);
//     // then, for an Executor on shape.space: executor.step(generator.next(executor))
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "harness/random/choices.hpp"
#include "harness/verify/executor.hpp"
#include "model/op_kinds.hpp"
#include "model/reference_model.hpp"

namespace vmapcheck {

struct Shape {
  Space space;
  std::array<std::uint32_t, op_kind_count> weights{};  ///< by Op::index(); 0 is off
  std::uint32_t live_max = 16;                         ///< areas at which filling turns into draining
  std::optional<std::uint32_t> live_min;               ///< and draining into filling; without it half of the above
  std::uint64_t granules_max = 4;                      ///< of an ordinary size
  std::uint32_t exact_fit_in = 8;                      ///< one size in so many is that of an existing hole
  std::uint32_t align_in = 4;                          ///< one alignment in so many is above the granule
  std::uint32_t window_in = 4;                         ///< one request in so many has a window
  std::uint32_t bad_in = 40;                           ///< one argument in so many is invalid
};

/// The weights of an ordinary case, by Op::index().
inline constexpr auto weights_usual = kind_table<std::uint32_t>(Overloaded{
    [](OpKind<Alloc>) { return 40; },
    [](OpKind<AllocAt>) { return 10; },
    [](OpKind<Congruent>) { return 4; },
    [](OpKind<Free>) { return 40; },
    [](OpKind<FreeAt>) { return 3; },
    [](OpKind<FreeLazily>) { return 6; },
    [](OpKind<FreeLazilyAt>) { return 1; },
    [](OpKind<Purge>) { return 1; },
    [](OpKind<Find>) { return 3; },
    [](OpKind<OnExhaustion>) { return 1; },
    [](OpKind<FailMetadata>) { return 1; },
});

template <Choices C>
[[nodiscard]] Space draw_space(C& choices, std::uint64_t granules) {
  Space space;
  constexpr Size granules_of[] = {1, 0x1000, 0x1000, 16, 0x10'0000};
  space.granule = granules_of[choices.below(std::size(granules_of))];
  const Size size = granules * space.granule;
  const Address top = vmap::align_down(vmap::address_max, space.granule);
  switch (choices.below(7)) {
    case 0: space.range = {0, size}; break;
    case 1: space.range = {top - size, top}; break;
    case 2: space.range = {Address{1} << 63, (Address{1} << 63) + size}; break;
    case 3: space.range = {0, top}; break;
    default: {
      const Address begin = (1 + choices.below(512)) * space.granule;
      space.range = {begin, begin + size};
    }
  }
  if (one_in(choices, 3)) space.lazy_limit = choices.below(16) * space.granule;
  if (one_in(choices, 6)) {
    // A comb of busy areas, which has hundreds of free blocks from the start where there is room.
    const Size stride = (2 + choices.below(3)) * space.granule;
    Address begin = space.range.begin + choices.below(2) * space.granule;
    for (std::uint64_t i = choices.below(640); i > 0 && space.range.end - begin > stride; --i, begin += stride)
      space.busy.push_back({begin, begin + space.granule});
  } else if (one_in(choices, 4)) {
    // A few, in no particular order.
    for (std::uint64_t i = choices.below(4); i > 0; --i) {
      const Address begin = space.range.begin + choices.below(granules) * space.granule;
      const Range range{begin, begin + space.granule};
      if (space.range.contains(range) && std::ranges::none_of(space.busy, [&](Range b) { return b.overlaps(range); }))
        space.busy.push_back(range);
    }
  }
  return space;
}

template <Choices C>
[[nodiscard]] Shape draw_shape(C& choices) {
  Shape shape;
  constexpr std::uint32_t live_of[] = {4, 12, 40, 120, 400, 900};
  shape.live_max = live_of[choices.below(std::size(live_of))];
  constexpr std::uint64_t granules_of[] = {1, 2, 4, 16};
  shape.granules_max = granules_of[choices.below(std::size(granules_of))];
  // Room for what is to live: scarce, fair or ample.
  const std::uint64_t wanted = shape.live_max * (shape.granules_max + 1) / 2;
  const std::uint64_t granules = std::max<std::uint64_t>(8, wanted * (2 + choices.below(5)) / 3);
  shape.space = draw_space(choices, granules);

  for (std::size_t kind = 0; kind < op_kind_count; ++kind) {
    constexpr std::uint32_t factors[] = {0, 0, 1, 1, 1, 1, 1, 8};
    shape.weights[kind] = weights_usual[kind] * factors[choices.below(std::size(factors))];
  }
  // Spent hooks are called for ever.
  shape.weights[op_kind<OnExhaustion>] =
      std::min(shape.weights[op_kind<OnExhaustion>], weights_usual[op_kind<OnExhaustion>]);
  // Something to allocate, and something to free.
  if (shape.weights[op_kind<Alloc>] == 0 && shape.weights[op_kind<AllocAt>] == 0)
    shape.weights[op_kind<Alloc>] = weights_usual[op_kind<Alloc>];
  if (shape.weights[op_kind<Free>] == 0 && shape.weights[op_kind<FreeLazily>] == 0)
    shape.weights[op_kind<Free>] = weights_usual[op_kind<Free>];

  constexpr std::uint32_t often[] = {2, 4, 16, 1000};
  shape.exact_fit_in = often[choices.below(std::size(often))];
  shape.align_in = often[choices.below(std::size(often))];
  shape.window_in = often[choices.below(std::size(often))];
  constexpr std::uint32_t bad[] = {20, 200, 1000};
  shape.bad_in = bad[choices.below(std::size(bad))];
  return shape;
}

/// What ops can aim at.
struct Population {
  const ReferenceModel& model;
  const std::vector<Executor::Live>& live;
  std::uint32_t label_next = 0;
  bool filling = true;
};

/// The grammar, one function for each thing that is drawn.
template <Choices C>
class Grammar {
 public:
  Grammar(C& choices, const Shape& shape, const Population& population)
      : choices_(choices), shape_(shape), space_(population.model.space()), population_(population) {}

  Op op();

 private:
  std::uint64_t below(std::uint64_t n) { return choices_.below(n); }
  bool one_in(std::uint64_t n) { return vmapcheck::one_in(choices_, n); }

  std::size_t kind();
  Size size();
  Size align();
  Range window();
  Range placement();
  Address address();
  ReferenceModel::Areas::const_iterator area();
  Range hole();
  Congruent congruent(Label label);
  Label label();

  C& choices_;
  const Shape& shape_;
  const Space& space_;
  const Population& population_;
};

template <Choices C>
[[nodiscard]] Op draw_op(C& choices, const Shape& shape, const Population& population) {
  return Grammar<C>(choices, shape, population).op();
}

/// Ops for one case, drawn while it runs.
template <Choices C>
class Generator {
 public:
  Generator(C& choices, Shape shape) : choices_(choices), shape_(std::move(shape)) {}

  [[nodiscard]] const Shape& shape() const { return shape_; }

  [[nodiscard]] Op next(const Executor& executor) {
    const std::size_t live = executor.live().size();
    if (live >= shape_.live_max) filling_ = false;
    if (live <= shape_.live_min.value_or(shape_.live_max / 2)) filling_ = true;
    Op op = draw_op(choices_, shape_, {executor.model(), executor.live(), label_next_, filling_});
    if (bound_label(op) != nullptr) ++label_next_;
    // Each hook is called at every exhaustion, spent or not: with many a long case would do nothing else.
    if (std::holds_alternative<OnExhaustion>(op) && ++hooks_ == hooks_max) shape_.weights[op.index()] = 0;
    return op;
  }

 private:
  C& choices_;
  Shape shape_;
  static constexpr std::uint32_t hooks_max = 64;

  std::uint32_t label_next_ = 0;
  std::uint32_t hooks_ = 0;
  bool filling_ = true;
};

// ---- The grammar

template <Choices C>
Op Grammar<C>::op() {
  const Label bound{population_.label_next};
  Op op = op_of_kind(kind());
  std::visit(
      Overloaded{[&](Alloc& o) { o = {bound, {size(), align(), window()}}; },
                 [&](AllocAt& o) { o = {bound, placement()}; }, [&](Congruent& o) { o = congruent(bound); },
                 [&](Free& o) { o.label = label(); }, [&](FreeAt& o) { o.address = address(); },
                 [&](FreeLazily& o) { o.label = label(); }, [&](FreeLazilyAt& o) { o.address = address(); },
                 [](Purge&) {}, [&](Find& o) { o.address = address(); }, [&](OnExhaustion& o) { o.label = label(); },
                 [&](FailMetadata& o) { o.countdown = 1 + below(4); }},
      op);
  return op;
}

/// By weight; while filling most frees become allocations, while draining most allocations become frees.
template <Choices C>
std::size_t Grammar<C>::kind() {
  std::uint32_t sum = 0;
  for (const std::uint32_t weight : shape_.weights) sum += weight;
  std::uint64_t pick = below(sum);
  std::size_t kind = 0;
  while (pick >= shape_.weights[kind]) pick -= shape_.weights[kind++];
  const std::size_t alloc = shape_.weights[op_kind<Alloc>] != 0 ? op_kind<Alloc> : op_kind<AllocAt>;
  const std::size_t free = shape_.weights[op_kind<Free>] != 0 ? op_kind<Free> : op_kind<FreeLazily>;
  if (population_.filling && kind == free && !one_in(3)) return alloc;
  if (!population_.filling && kind == alloc && !one_in(3)) return free;
  return kind;
}

template <Choices C>
Size Grammar<C>::size() {
  const Size granule = space_.granule;
  if (one_in(shape_.bad_in)) {
    switch (below(4)) {
      case 0: return 0;
      case 1: return granule / 2 + below(granule);
      case 2: return vmap::address_max - below(3) * granule;
      default:
        return vmap::align_down(vmap::address_max, granule) - below(3) * granule;  // valid, and as large as can be
    }
  }
  if (one_in(shape_.exact_fit_in)) {
    if (const Range gap = hole(); !gap.empty()) {
      // The hole, or a little less or more than it.
      const Size less = std::min(gap.size() - granule, below(2) * granule);
      return one_in(4) && gap.size() <= vmap::address_max - 2 * granule ? gap.size() + granule : gap.size() - less;
    }
  }
  if (one_in(64)) return (1 + below(std::max<std::uint64_t>(1, space_.range.size() / granule))) * granule;
  return (1 + below(shape_.granules_max)) * granule;
}

template <Choices C>
Size Grammar<C>::align() {
  if (one_in(shape_.bad_in)) return below(2) == 0 ? 0 : 3 * space_.granule;
  if (!one_in(shape_.align_in)) return one_in(2) ? 1 : space_.granule;
  if (one_in(8)) return Size{1} << below(64);
  const std::uint64_t shift = below(6);
  return space_.granule << shift;
}

/// Cut out of a hole's surroundings, an edge of the space, or anywhere.
template <Choices C>
Range Grammar<C>::window() {
  if (!one_in(shape_.window_in)) return vmap::everywhere;
  const Range space = space_.range;
  const Size granule = space_.granule;
  if (one_in(shape_.bad_in)) return {space.end, space.begin + below(granule + 1)};
  const auto near = [&](Address address) {  // on, or up to three granules or some bytes beside it
    const std::uint64_t by = one_in(3) ? below(granule) : below(4) * granule;
    if (one_in(2)) return address > by ? address - by : 0;
    return address < vmap::address_max - by ? address + by : vmap::address_max;
  };
  const auto ordered = [](Address a, Address b) { return Range{std::min(a, b), std::max(a, b)}; };
  switch (below(5)) {
    case 0: return {0, near(hole().end)};
    case 1: return {near(hole().begin), vmap::address_max};
    case 2: {
      const Range gap = hole();
      const Address end = near(gap.end);
      return ordered(near(gap.begin), end);
    }
    case 3: {
      const Address end = near(hole().end);
      return ordered(near(hole().begin), end);
    }
    default: return ordered(space.begin + below(space.size()), space.begin + below(space.size()));
  }
}

/// For an exact placement: in a hole, at either edge of it or inside; over an area; anywhere.
template <Choices C>
Range Grammar<C>::placement() {
  const Size granule = space_.granule;
  if (one_in(shape_.bad_in)) {
    const Address begin = address();
    if (one_in(2)) return {begin, begin};
    return {begin + granule / 2, vmap::address_max - begin > 4 * granule ? begin + below(4) * granule : begin};
  }
  const Range gap = hole();
  const std::uint64_t granules = gap.size() / granule;
  if (granules == 0 || one_in(10)) {
    const Address begin = vmap::align_down(address(), granule);
    const Size room = vmap::align_down(vmap::address_max, granule) - begin;
    return {begin, begin + std::min(room, (1 + below(shape_.granules_max)) * granule)};
  }
  const std::uint64_t length = std::min(granules, 1 + below(shape_.granules_max));
  const std::uint64_t rest = granules - length;
  switch (below(5)) {
    case 0: return granules <= 64 ? gap : Range{gap.begin, gap.begin + length * granule};
    case 1: return {gap.begin, gap.begin + length * granule};
    case 2: return {gap.end - length * granule, gap.end};
    default: {
      const Address begin = gap.begin + below(std::min<std::uint64_t>(rest, 64) + 1) * granule;
      return {begin, begin + length * granule};
    }
  }
}

/// Beside the begin or the end of an area; or anywhere, also outside the space.
template <Choices C>
Address Grammar<C>::address() {
  const Range space = space_.range;
  if (const auto aim = area(); aim != population_.model.areas().end() && !one_in(4)) {
    const auto& [begin, what] = *aim;
    switch (below(6)) {
      case 0: return begin + 1;
      case 1: return begin == 0 ? 0 : begin - 1;
      case 2: return what.end;
      case 3: return what.end - 1;
      default: return begin;
    }
  }
  if (one_in(8)) return below(2) == 0 ? space.end : vmap::address_max - below(3);
  // One draw after another: the order in which arguments are evaluated is the compiler's.
  const Size step = one_in(4) ? 1 : space_.granule;
  return vmap::align_down(space.begin + below(space.size()), step);
}

/// One that a label names, or one that was busy from the start, or the end.
template <Choices C>
ReferenceModel::Areas::const_iterator Grammar<C>::area() {
  const ReferenceModel::Areas& areas = population_.model.areas();
  const std::vector<Executor::Live>& live = population_.live;
  if (!space_.busy.empty() && (live.empty() || one_in(4)))
    return areas.find(space_.busy[below(space_.busy.size())].begin);
  return live.empty() ? areas.end() : areas.find(live[below(live.size())].begin);
}

/// A free block beside some area, the first or the last one; may be empty.
template <Choices C>
Range Grammar<C>::hole() {
  const ReferenceModel& model = population_.model;
  const auto beside = area();
  if (beside == model.areas().end() || one_in(8))
    return model.gap_before(one_in(2) ? model.areas().begin() : model.areas().end());
  return one_in(2) ? model.gap_after(beside) : model.gap_before(beside);
}

template <Choices C>
Congruent Grammar<C>::congruent(Label label) {
  Congruent op{.label = label, .align = align(), .within = window(), .blocks = {}};
  Size offset = one_in(3) ? below(8) * space_.granule : 0;
  for (std::uint64_t i = 1 + below(4); i > 0; --i) {
    const Size length = (1 + below(std::min<std::uint64_t>(shape_.granules_max, 4))) * space_.granule;
    op.blocks.push_back({offset, length});
    offset += length + below(4) * space_.granule;
  }
  if (one_in(2)) std::ranges::reverse(op.blocks);
  if (one_in(shape_.bad_in)) {
    vmap::Block& victim = op.blocks[below(op.blocks.size())];
    switch (below(6)) {
      case 0: op.blocks.clear(); break;
      case 1: victim.size = 0; break;
      case 2: victim.offset = vmap::align_down(vmap::address_max, space_.granule); break;
      case 3: victim.offset += space_.granule / 2; break;
      case 4: victim.size += space_.granule / 2; break;
      default: {
        const vmap::Block copy = victim;
        op.blocks.push_back(copy);
      }
    }
  }
  return op;
}

/// Mostly one that is live.
template <Choices C>
Label Grammar<C>::label() {
  if (population_.live.empty() || one_in(50)) return {static_cast<std::uint32_t>(below(population_.label_next + 1u))};
  return population_.live[below(population_.live.size())].label;
}

}  // namespace vmapcheck
