// SPDX-License-Identifier: Apache-2.0
//
// The reference model, which everything else is compared with, agrees with a bitmap that tries every place; and what it
// judges to be an answer is exactly what the promises admit.

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/verify/describe.hpp"
#include "model/reference_model.hpp"
#include "model/trace.hpp"
#include "properties/bitmap_model.hpp"

namespace vmapcheck {
namespace {

using vmap::address_max;
using vmap::Allocation;
using vmap::Block;
using vmap::Error;
using vmap::FitType;
using vmap::Request;
using vmap::Result;

std::uint64_t pick(std::uint64_t from, std::uint64_t to) { return *rc::gen::inRange(from, to + 1); }
bool one_in(std::uint64_t n) { return pick(1, n) == 1; }

/// A small space with granules of 1 or 4096 at the bottom, in the middle or at the top of the addresses.
Space any_space(std::uint64_t granules_max) {
  const Size granule = one_in(2) ? 1 : 4096;
  const std::uint64_t granules = pick(1, granules_max);
  const Address top = address_max / granule;  // the last boundary that a range can end on, in granules
  const Address first = *rc::gen::element<Address>(0, 1, 5, 64, top / 2 - 3, top - granules - 1, top - granules);
  return {.range = {first * granule, (first + granules) * granule}, .granule = granule, .lazy_limit = {}, .busy = {}};
}

/// In and around the space; on a granule, or not.
Address any_address(const Space& space) {
  if (one_in(20)) return *rc::gen::element<Address>(0, address_max);
  const std::uint64_t granules = space.range.size() / space.granule;
  const Address on_granule =
      space.range.begin + pick(0, granules + 2) * space.granule;  // may wrap to 0: an address, too
  return one_in(5) ? on_granule + pick(0, 4) - 2 : on_granule;
}

Range any_window(const Space& space) {
  if (one_in(2)) return vmap::everywhere;
  const Range window{any_address(space), any_address(space)};
  return window.begin <= window.end || one_in(10) ? window : Range{window.end, window.begin};
}

Size any_size(const Space& space, std::uint64_t granules_max) {
  if (one_in(20)) return *rc::gen::element<Size>(0, 1, address_max, address_max / space.granule * space.granule);
  return pick(1, granules_max) * space.granule;
}

Size any_alignment() {
  if (one_in(20)) return *rc::gen::element<Size>(0, 3, 6, address_max);
  return Size{1} << (one_in(4) ? pick(0, 63) : pick(0, 16));
}

Request any_request(const Space& space) {
  return {.size = any_size(space, 9), .align = any_alignment(), .within = any_window(space)};
}

/// Blocks side by side, or far apart: then bases of different gaps compete.
Congruent any_congruent(const Space& space) {
  Congruent op{.label = {}, .align = any_alignment(), .within = any_window(space), .blocks = {}};
  const std::uint64_t distance_max = one_in(2) ? 2 : 20;
  Size offset = one_in(4) ? pick(0, 40) * space.granule : 0;
  for (std::uint64_t blocks = one_in(20) ? 0 : pick(1, 4); blocks > 0; --blocks) {
    op.blocks.push_back({offset, any_size(space, one_in(2) ? 1 : 3)});
    offset += op.blocks.back().size + pick(0, distance_max) * space.granule;
  }
  if (one_in(10)) offset = op.blocks.empty() ? 0 : op.blocks.back().offset;
  if (one_in(8)) op.blocks.push_back({offset + pick(0, 1), space.granule});
  if (one_in(2)) std::ranges::reverse(op.blocks);
  return op;
}

// What the contract says of arguments, written down once more.

bool is_power(Size n) {
  while (n > 1 && n % 2 == 0) n /= 2;
  return n == 1;
}

bool sound(const Space& space, const Request& request) {
  return request.size != 0 && request.size % space.granule == 0 && is_power(request.align) &&
         request.within.begin <= request.within.end;
}

bool sound(const Space& space, Range range) {
  return range.begin < range.end && range.begin % space.granule == 0 && range.end % space.granule == 0 &&
         space.range.begin <= range.begin && range.end <= space.range.end;
}

bool sound(const Space& space, const Congruent& op) {
  using Wide = BitmapModel::Wide;
  if (op.blocks.empty() || !is_power(op.align) || op.within.begin > op.within.end) return false;
  for (const Block& a : op.blocks) {
    if (a.size == 0 || a.size % space.granule != 0 || a.offset % space.granule != 0) return false;
    if (Wide{a.offset} + a.size > address_max) return false;
    for (const Block& b : op.blocks)
      if (&a != &b && a.offset < Wide{b.offset} + b.size && b.offset < Wide{a.offset} + a.size) return false;
  }
  return true;
}

// The bitmap's answers.

Result<Allocation> answer(const BitmapModel& bitmap, const Space& space, const Request& request) {
  if (!sound(space, request)) return std::unexpected(Error::invalid_argument);
  const std::optional<Range> range = bitmap.lowest(request);
  if (!range) return std::unexpected(Error::no_space);
  return Allocation{*range, bitmap.fit_of(*range)};
}

Result<Allocation> answer(const BitmapModel& bitmap, const Space& space, Range range) {
  if (!sound(space, range)) return std::unexpected(Error::invalid_argument);
  if (!bitmap.is_free(range.begin, range.end)) return std::unexpected(Error::no_space);
  return Allocation{range, bitmap.fit_of(range)};
}

Result<Address> answer(const BitmapModel& bitmap, const Space& space, const Congruent& op) {
  if (!sound(space, op)) return std::unexpected(Error::invalid_argument);
  const std::optional<Address> base = bitmap.highest_base(op);
  if (!base) return std::unexpected(Error::no_space);
  return *base;
}

/// The model and the bitmap, to which the same happens.
struct Pair {
  Space space;
  ReferenceModel model{space};
  BitmapModel bitmap{space};
  std::vector<Address> begins{};
  std::vector<Range> lazy{};

  void occupy(Range range) {
    model.occupy(range, std::nullopt);
    bitmap.occupy(range);
    begins.push_back(range.begin);
  }

  /// A busy area leaves the list of begins; nullopt if there is none.
  std::optional<Range> take_out() {
    if (begins.empty()) return std::nullopt;
    std::swap(begins[pick(0, begins.size() - 1)], begins.back());
    const Range area = bitmap.busy_area_at(begins.back()).value();
    begins.pop_back();
    return area;
  }

  /// `gap` is one, and holds what became free.
  void demand_gap_around(Range freed, Range gap) const {
    RC_ASSERT(std::ranges::count(bitmap.gaps(), gap) == 1);
    RC_ASSERT(gap.contains(freed));
  }

  /// The last area that was freed lazily becomes free.
  void purge_one() {
    if (lazy.empty()) return;
    const Range gap = model.purge_one();
    bitmap.vacate(lazy.back());
    demand_gap_around(lazy.back(), gap);
    lazy.pop_back();
  }

  /// Something happens, so that the next question meets another state.
  void change() {
    switch (pick(0, 9)) {
      case 0: {
        RC_ASSERT(model.purge() == bitmap.lazy_bytes());
        bitmap.purge();
        lazy.clear();
        return;
      }
      case 1: return purge_one();
      case 2:
        if (const std::optional<Range> area = take_out()) {
          RC_ASSERT(model.retire(area->begin) == *area);
          bitmap.retire(*area);
          lazy.push_back(*area);
        }
        return;
      case 3:
      case 4:
        if (const std::optional<Range> area = take_out()) {
          const Range gap = model.vacate(area->begin);
          bitmap.vacate(*area);
          demand_gap_around(*area, gap);
        }
        return;
      default: {
        const Address begin = any_address(space);
        const Range range{begin, begin + pick(1, one_in(2) ? 1 : 5) * space.granule};
        if (sound(space, range) && bitmap.is_free(range.begin, range.end)) occupy(range);
      }
    }
  }
};

template <class Question>
void agrees_in_every_state(Question question) {
  Pair pair{any_space(64)};
  for (int step = 0; step < 200; ++step) {
    pair.change();
    question(pair);
  }
}

RC_GTEST_PROP(Model, PlacesAnAllocationWhereTheBitmapFindsTheLowestPlace, ()) {
  agrees_in_every_state([](const Pair& pair) {
    const Request request = any_request(pair.space);
    RC_LOG() << print(Op{Alloc{{}, request}}) << '\n';
    RC_ASSERT(describe(pair.model.predict(request)) == describe(answer(pair.bitmap, pair.space, request)));
  });
}

RC_GTEST_PROP(Model, PlacesARangeIfTheBitmapHasItFree, ()) {
  agrees_in_every_state([](const Pair& pair) {
    const Range range{any_address(pair.space), any_address(pair.space)};
    RC_ASSERT(describe(pair.model.predict(range)) == describe(answer(pair.bitmap, pair.space, range)));
    if (sound(pair.space, range)) RC_ASSERT(pair.model.is_free(range) == pair.bitmap.is_free(range.begin, range.end));
  });
}

RC_GTEST_PROP(Model, PlacesCongruentBlocksAtTheHighestBaseThatTheBitmapFinds, ()) {
  agrees_in_every_state([](const Pair& pair) {
    const Congruent op = any_congruent(pair.space);
    RC_LOG() << print(Op{op}) << '\n';
    RC_ASSERT(describe(pair.model.predict(op)) == describe(answer(pair.bitmap, pair.space, op)));
  });
}

RC_GTEST_PROP(Model, HoldsWhatTheBitmapHolds, ()) {
  agrees_in_every_state([](const Pair& pair) {
    const Address address = any_address(pair.space);
    const std::optional<Range> area = pair.bitmap.busy_area_at(address);
    RC_ASSERT(pair.model.find(address) == area);
    RC_ASSERT((pair.model.busy_at(address) != nullptr) == (area && area->begin == address));
    RC_ASSERT(pair.model.gaps() == pair.bitmap.gaps());
    RC_ASSERT(pair.model.busy_bytes() == pair.bitmap.busy_bytes());
    RC_ASSERT(pair.model.lazy_bytes() == pair.bitmap.lazy_bytes());
    RC_ASSERT(pair.model.lazy_areas() == pair.lazy.size());
    RC_ASSERT(std::ranges::equal(pair.model.lazy(), pair.lazy, {}, {}, &Range::begin));
    for (auto entry = pair.model.areas().begin(); entry != pair.model.areas().end(); ++entry) {
      const bool is_lazy = std::ranges::count(pair.lazy, Range{entry->first, entry->second.end}) == 1;
      RC_ASSERT(entry->second.lazy == is_lazy);
      RC_ASSERT(pair.bitmap.free_before(entry->first) == pair.model.gap_before(entry));
      RC_ASSERT(pair.bitmap.free_after(entry->second.end) == pair.model.gap_after(entry));
    }
  });
}

TEST(Model, BeginsWithTheAreasThatWereBusyFromTheStartAndKeepsTheLabelsOfOthers) {
  const Space space{.range = {0x10, 0x50}, .granule = 0x10, .lazy_limit = {}, .busy = {{0x40, 0x50}, {0x10, 0x20}}};
  ReferenceModel model(space);
  EXPECT_EQ(model.gaps(), (std::vector<Range>{{0x20, 0x40}}));
  EXPECT_EQ(model.find(0x4f), (Range{0x40, 0x50}));
  EXPECT_EQ(model.find(0x1f), (Range{0x10, 0x20}));
  EXPECT_EQ(model.busy_bytes(), 0x20u);
  EXPECT_FALSE(model.busy_at(0x40)->label.has_value());
  model.occupy({0x20, 0x30}, Label{7, 1});
  EXPECT_EQ(model.busy_at(0x20)->label, (Label{7, 1}));
}

// ---- Judging: every answer that can be given, against the promises

/// What the promises admit as an answer to a request, in the words of the contract.
bool admissible(const Pair& pair, const Request& request, const Result<Allocation>& actual, const Promises& promises) {
  if (!sound(pair.space, request)) return !actual && actual.error() == Error::invalid_argument;
  const std::optional<Range> lowest = pair.bitmap.lowest(request);
  if (!actual) return actual.error() == Error::no_space && (!lowest || !promises.complete);
  const Range range = actual->range;
  if (range.begin > range.end || range.size() != request.size) return false;
  if (!pair.bitmap.satisfies(request, range.begin)) return false;
  return (!promises.lowest || range == lowest) && (!promises.fit_type || actual->fit == pair.bitmap.fit_of(range));
}

std::vector<Result<Allocation>> all_answers(const Space& space, Size size) {
  std::vector<Result<Allocation>> answers;
  for (const Error error : {Error::invalid_argument, Error::no_space, Error::not_busy, Error::out_of_memory})
    answers.emplace_back(std::unexpected(error));
  const std::uint64_t granules = space.range.size() / space.granule;
  for (std::uint64_t i = 0; i <= granules; ++i)
    for (const Size length : {size, size + space.granule, size - space.granule, Size{0}})
      for (const FitType fit : {FitType::full, FitType::left_edge, FitType::right_edge, FitType::no_edge}) {
        const Address begin = space.range.begin + i * space.granule;
        answers.emplace_back(Allocation{{begin, begin + length}, fit});
        if (space.granule > 1) answers.emplace_back(Allocation{{begin + 1, begin + 1 + length}, fit});
      }
  return answers;
}

RC_GTEST_PROP(Model, JudgesByThePromisesAndByNothingElse, ()) {
  Pair pair{any_space(16)};
  for (int step = 0; step < 8; ++step) pair.change();
  const Request request{.size = any_size(pair.space, 3), .align = any_alignment(), .within = any_window(pair.space)};
  RC_LOG() << print(Op{Alloc{{}, request}}) << '\n';
  const Result<Allocation> expected = pair.model.predict(request);
  for (const Result<Allocation>& actual : all_answers(pair.space, request.size))
    for (unsigned kept = 0; kept < 8; ++kept) {
      const Promises promises{.lowest = (kept & 1) != 0, .complete = (kept & 2) != 0, .fit_type = (kept & 4) != 0};
      const std::optional<std::string> objection = pair.model.judge(request, expected, actual, promises);
      if (objection.has_value() == admissible(pair, request, actual, promises))
        RC_FAIL(describe(actual) + (objection ? " was rejected: " + *objection : " was accepted"));
    }
}

TEST(Model, SaysWhatItExpectedWhatItGotAndWhy) {
  ReferenceModel model({.range = {0, 16}, .granule = 4, .lazy_limit = {}, .busy = {}});
  model.occupy({0, 4}, std::nullopt);
  const auto judge = [&](const Request& request, Result<Allocation> actual, const Promises& promises) {
    return model.judge(request, model.predict(request), actual, promises).value_or("");
  };
  const Promises any_place{.lowest = false};
  const Request two{.size = 8, .align = 8, .within = {4, 16}};
  const auto at = [](Address begin, Address end) { return Allocation{{begin, end}, FitType::right_edge}; };
  EXPECT_EQ(judge(two, at(8, 16), {}), "");
  EXPECT_EQ(judge(two, std::unexpected(Error::no_space), {}), "expected 0x8..0x10 right_edge, actual no_space");
  EXPECT_EQ(judge(two, at(8, 12), any_place), "expected 0x8..0x10 right_edge, actual 0x8..0xc right_edge: wrong size");
  EXPECT_EQ(judge(two, at(4, 12), any_place), "expected 0x8..0x10 right_edge, actual 0x4..0xc right_edge: misaligned");
  EXPECT_EQ(judge(two, at(0, 8), any_place),
            "expected 0x8..0x10 right_edge, actual 0x0..0x8 right_edge: outside the window");
  EXPECT_EQ(judge({.size = 8}, at(0, 8), any_place),
            "expected 0x4..0xc left_edge, actual 0x0..0x8 right_edge: not free");
  EXPECT_EQ(judge({.size = 8}, at(4, 12), any_place),
            "expected 0x4..0xc left_edge, actual 0x4..0xc right_edge: wrong fit type");
  EXPECT_EQ(judge({.size = 16}, at(0, 16), any_place),
            "expected no_space, actual 0x0..0x10 right_edge: no placement exists");
}

}  // namespace
}  // namespace vmapcheck
