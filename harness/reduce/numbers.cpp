// SPDX-License-Identifier: Apache-2.0
#include "harness/reduce/numbers.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <utility>
#include <variant>

#include "model/op_kinds.hpp"
#include "vmap/range.hpp"

namespace vmapcheck {
namespace {

/// Of more addresses, what lies between them has no dials.
constexpr std::size_t marks_max = 64;

class Dials {
 public:
  Dials(const Trace& trace, const Placements& placed) : trace_(trace), placed_(placed), granule_(trace.space.granule) {}

  std::vector<Dial> all();
  [[nodiscard]] std::vector<Address> marks() const;

 private:
  using Set = std::function<void(Trace&, std::uint64_t)>;
  using RangeIn = std::function<Range&(Trace&)>;
  using BlocksIn = std::function<Blocks&(Trace&)>;

  void space();
  void gaps();
  void gap(Range gap);
  void granule();
  void op(std::size_t i);
  void window(const Range& within, const RangeIn& in);
  void placement(const Range& range, const RangeIn& in);
  void blocks(const Blocks& blocks, std::uint32_t label, const BlocksIn& in);

  void add(std::uint64_t now, const Set& set);
  void add_in_granules(std::uint64_t value, const Set& set);
  void add_power_of_two(Size value, const Set& set);

  const Trace& trace_;
  const Placements& placed_;
  Size granule_;
  std::vector<Dial> found_;
};

std::vector<Dial> Dials::all() {
  space();
  gaps();
  granule();
  for (std::size_t i = 0; i < trace_.ops.size(); ++i) op(i);
  return std::move(found_);
}

void Dials::add(std::uint64_t now, const Set& set) {
  if (now == 0) return;
  found_.push_back({now, [&trace = trace_, set](std::uint64_t n) {
                      Trace candidate{{}, trace.space, trace.ops};
                      set(candidate, n);
                      return candidate;
                    }});
}

/// What is on granules stays there.
void Dials::add_in_granules(std::uint64_t value, const Set& set) {
  const Size unit = value % granule_ == 0 ? granule_ : 1;
  add(value / unit, [set, unit](Trace& trace, std::uint64_t n) { set(trace, n * unit); });
}

/// Powers of two stay powers of two.
void Dials::add_power_of_two(Size value, const Set& set) {
  if (!std::has_single_bit(value)) return add(value, set);
  add(static_cast<std::uint64_t>(std::countr_zero(value)),
      [set](Trace& trace, std::uint64_t n) { set(trace, Size{1} << n); });
}

// ---- The space

/// Every address of a trace moved; an end of a window that is beyond the space stays beyond it.
Trace mapped(const Trace& trace, const std::function<Address(Address)>& address) {
  Trace candidate{{}, trace.space, trace.ops};
  const auto move = [&](Range& range) { range = {address(range.begin), address(range.end)}; };
  const Address begin = address(trace.space.range.begin);
  const auto move_window = [&](Range& window) {
    window.begin = window.begin <= trace.space.range.begin ? std::min(window.begin, begin) : address(window.begin);
    if (window.end != vmap::address_max && window.end <= trace.space.range.end) window.end = address(window.end);
  };
  move(candidate.space.range);
  for (Range& range : candidate.space.busy) move(range);
  for (Op& op : candidate.ops)
    for_each_field(op, [&](auto field, auto& value) {
      if constexpr (field.meaning == Meaning::window) move_window(value);
      if constexpr (field.meaning == Meaning::range) move(value);
      if constexpr (field.meaning == Meaning::address) value = address(value);
    });
  return candidate;
}

/// The addresses that matter, in order, on granules: few enough to look between any two.
std::vector<Address> Dials::marks() const {
  const Range space = trace_.space.range;
  std::vector<Address> marks{space.begin, space.end};
  const auto mark = [&](Address a) {
    if (space.begin <= a && a <= space.end) marks.push_back(vmap::align_down(a, granule_));
  };
  const auto mark_both = [&](Range range) { mark(range.begin), mark(range.end); };
  for (const Range range : trace_.space.busy) mark_both(range);
  for (const Range range : placed_)
    if (!range.empty()) mark_both(range);
  for (const Op& op : trace_.ops)
    for_each_field(op, [&](auto field, const auto& value) {
      if constexpr (field.meaning == Meaning::window || field.meaning == Meaning::range) mark_both(value);
      if constexpr (field.meaning == Meaning::address) mark(value);
    });
  make_set(marks);
  return marks;
}

void Dials::space() {
  const Space& space = trace_.space;
  // All addresses by one offset.
  add(space.range.begin / granule_, [begin = space.range.begin, g = granule_](Trace& trace, std::uint64_t n) {
    const Size by = begin - n * g;
    trace = mapped(trace, [by](Address a) { return a < by ? 0 : a - by; });
  });
  if (space.lazy_limit)
    add_in_granules(*space.lazy_limit, [](Trace& trace, std::uint64_t v) { trace.space.lazy_limit = v; });
}

void Dials::gaps() {
  const std::vector<Address> marks = this->marks();
  if (marks.size() > marks_max) return;
  const Address first = marks[marks.size() > 2 ? 1 : 0];
  // The space begins later, and all else stays where it is.
  add((first - trace_.space.range.begin) / granule_,
      [first, g = granule_](Trace& trace, std::uint64_t n) { trace.space.range.begin = first - n * g; });
  for (std::size_t i = 0; i + 1 < marks.size(); ++i) gap({marks[i], marks[i + 1]});
}

/// What lies between two addresses that matter is taken out, and all that lies behind it follows.
void Dials::gap(Range gap) {
  const auto take_out = [gap, g = granule_](Trace& trace, std::uint64_t n) {
    const Size part = gap.size() - n * g;
    trace = mapped(trace, [gap, part](Address a) {
      return a <= gap.begin ? a : a <= gap.begin + part ? gap.begin : a - part;
    });
    if (n > 0) return;
    // With all of it gone, nothing is where something was.
    std::erase_if(trace.space.busy, [](Range range) { return range.empty(); });
    std::erase_if(trace.ops, [](const Op& op) {
      const auto* const range = find_field<Meaning::range>(op);
      return range != nullptr && range->empty();
    });
  };
  add(gap.size() / granule_, take_out);
  // Together with the sizes of what was placed over it, and of what is as large and found no place.
  std::vector<std::size_t> over;
  for (std::size_t k = 0; k < trace_.ops.size(); ++k)
    if (const auto* const size = find_field<Meaning::size>(trace_.ops[k]);
        size != nullptr && *size > 0 && (placed_[k].empty() ? *size >= gap.size() : placed_[k].contains(gap)))
      over.push_back(k);
  if (over.empty()) return;
  add(gap.size() / granule_, [take_out, over, gap, g = granule_](Trace& trace, std::uint64_t n) {
    const Size part = gap.size() - n * g;
    for (const std::size_t k : over) {
      Size& size = *find_field<Meaning::size>(trace.ops[k]);
      size = size > part ? size - part : g;
    }
    take_out(trace, n);
  });
}

/// The granule alone, and with all its multiples.
void Dials::granule() {
  if (granule_ == 1) return;
  add_power_of_two(granule_, [](Trace& trace, std::uint64_t v) { trace.space.granule = v; });
  add_power_of_two(granule_, [g = granule_](Trace& trace, std::uint64_t v) {
    const Size by = g / v;
    const auto less = [by, g](Size size) { return size % g == 0 ? size / by : size; };
    trace = mapped(trace, [by](Address a) { return a / by; });
    trace.space.granule = v;
    if (trace.space.lazy_limit) trace.space.lazy_limit = *trace.space.lazy_limit / by;
    for (Op& op : trace.ops)
      for_each_field(op, [&](auto field, auto& value) {
        if constexpr (field.meaning == Meaning::size) value = less(value);
        if constexpr (field.meaning == Meaning::align)
          value = value == 0 ? 0 : value <= by ? 1 : value % by == 0 ? value / by : value;
        if constexpr (field.meaning == Meaning::blocks)
          for (vmap::Block& block : value) block = {less(block.offset), less(block.size)};
      });
  });
}

// ---- Ops

/// Of each field, what its meaning allows.
void Dials::op(std::size_t i) {
  std::visit(
      [&]<class T>(const T& op) {
        for_each_field_of(op, [&](auto field, const auto& value) {
          constexpr Meaning meaning = field.meaning;
          const auto in = [i, field](Trace& t) -> auto& { return field.of(std::get<T>(t.ops[i])); };
          const auto set = [in](Trace& t, auto v) { in(t) = v; };
          if constexpr (meaning == Meaning::size || meaning == Meaning::address)
            add_in_granules(value, set);
          else if constexpr (meaning == Meaning::align)
            add_power_of_two(value, set);
          else if constexpr (meaning == Meaning::count)
            add(std::max<std::uint64_t>(value, 1) - 1, [set](Trace& t, std::uint64_t n) { set(t, n + 1); });
          else if constexpr (meaning == Meaning::window)
            window(value, in);
          else if constexpr (meaning == Meaning::range)
            placement(value, in);
          else if constexpr (meaning == Meaning::blocks)
            blocks(value, bound_label(trace_.ops[i])->id, in);
          else
            static_assert(meaning == Meaning::label_bound || meaning == Meaning::label_used);
        });
      },
      trace_.ops[i]);
}

/// Each bound alone, and both by one offset.
void Dials::window(const Range& within, const RangeIn& in) {
  add_in_granules(within.begin, [in](Trace& t, std::uint64_t v) { in(t).begin = v; });
  if (within.end == vmap::address_max) return;
  add_in_granules(within.end, [in](Trace& t, std::uint64_t v) { in(t).end = v; });
  if (within.begin >= within.end) return;
  add_in_granules(within.begin, [in, size = within.size()](Trace& t, std::uint64_t v) { in(t) = {v, v + size}; });
}

/// Its size, and where it is. A range that is none has two numbers.
void Dials::placement(const Range& range, const RangeIn& in) {
  if (range.begin >= range.end) {
    add_in_granules(range.begin, [in](Trace& t, std::uint64_t v) { in(t).begin = v; });
    add_in_granules(range.end, [in](Trace& t, std::uint64_t v) { in(t).end = v; });
    return;
  }
  add_in_granules(range.size(), [in](Trace& t, std::uint64_t v) { in(t).end = in(t).begin + v; });
  const Address begin = trace_.space.range.begin;
  if (range.begin <= begin) return;
  add_in_granules(range.begin - begin, [in, begin, size = range.size()](Trace& t, std::uint64_t v) {
    in(t) = {begin + v, begin + v + size};
  });
}

/// Each size and offset alone; a size, or the distance to the block before, with the offsets of all that follow; and
/// the number of blocks.
void Dials::blocks(const Blocks& blocks, std::uint32_t label, const BlocksIn& in) {
  for (std::size_t k = 0; k < blocks.size(); ++k) {
    const vmap::Block block = blocks[k];
    const auto pull = [in, block](Trace& t, Size by) {
      for (vmap::Block& other : in(t))
        if (other.offset > block.offset) other.offset -= std::min(by, other.offset);
    };
    add_in_granules(block.size, [in, k](Trace& t, std::uint64_t v) { in(t)[k].size = v; });
    add_in_granules(block.size, [in, k, pull, block](Trace& t, std::uint64_t v) {
      pull(t, block.size - v);
      in(t)[k].size = v;
    });
    add_in_granules(block.offset, [in, k](Trace& t, std::uint64_t v) { in(t)[k].offset = v; });
    Size before = 0;  // where the block before it ends
    for (const vmap::Block& other : blocks)
      if (other.offset < block.offset) before = std::max(before, std::min(other.offset + other.size, block.offset));
    add_in_granules(block.offset - before, [in, k, pull, block, before](Trace& t, std::uint64_t v) {
      pull(t, block.offset - before - v);
      in(t)[k].offset = before + v;
    });
  }
  if (blocks.empty()) return;
  // With the last blocks go the ops that use them.
  add(blocks.size() - 1, [in, label, parts = blocks.size()](Trace& t, std::uint64_t n) {
    in(t).resize(static_cast<std::size_t>(n) + 1);
    std::erase_if(t.ops, [&](const Op& other) {
      const Label* const used = used_label(other);
      return used != nullptr && used->id == label && used->part > n && used->part < parts;
    });
  });
}

/// The values below `now`, in order, each once.
std::vector<std::uint64_t> below(std::uint64_t now, std::vector<std::uint64_t> values) {
  std::erase_if(values, [now](std::uint64_t v) { return v >= now; });
  make_set(values);
  return values;
}

}  // namespace

bool has_every_dial(const Trace& trace, const Placements& placed) {
  return Dials(trace, placed).marks().size() <= marks_max;
}

std::vector<Dial> dials(const Trace& trace, const Placements& placed) { return Dials(trace, placed).all(); }

std::vector<std::uint64_t> first_values(std::uint64_t now) { return below(now, {0, 1, now / 2, now - 1}); }

std::vector<std::uint64_t> odd_values(std::uint64_t now) {
  std::vector<std::uint64_t> values;
  const std::uint64_t high = std::bit_floor(now);
  for (std::uint64_t bit = high >> 1; bit != 0; bit >>= 1) {
    const bool is_set = (now & bit) != 0;
    if (is_set) values.push_back(now & (2 * bit - 1));   // without the bits above
    if (is_set) values.push_back(now & ~(2 * bit - 1));  // without this and those below
    if (!is_set) values.push_back((now - high) + bit);   // the highest moved here
  }
  return below(now, std::move(values));
}

}  // namespace vmapcheck
