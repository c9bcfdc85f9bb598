// SPDX-License-Identifier: Apache-2.0
#include "harness/reduce/numbers.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <utility>
#include <variant>

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

  void space();
  void gaps();
  void granule();
  void op(std::size_t i);
  void window(std::size_t i, const Range& within, const std::function<Range&(Op&)>& of);
  void placement(std::size_t i, Range range);
  void congruent(std::size_t i, const Congruent& op);

  void add(std::uint64_t now, const Set& set);
  void add_in_granules(std::uint64_t value, const Set& set);
  void add_alignment(Size align, const Set& set);

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
void Dials::add_alignment(Size align, const Set& set) {
  if (!std::has_single_bit(align)) return add(align, set);
  add(static_cast<std::uint64_t>(std::countr_zero(align)),
      [set](Trace& trace, std::uint64_t n) { set(trace, Size{1} << n); });
}

// ---- The space

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
    std::visit(
        Overloaded{[&](const Alloc& o) { mark_both(o.request.within); }, [&](const AllocAt& o) { mark_both(o.range); },
                   [&](const Congruent& o) { mark_both(o.within); }, [&](const FreeAt& o) { mark(o.address); },
                   [&](const FreeLazilyAt& o) { mark(o.address); }, [&](const Find& o) { mark(o.address); },
                   [](const auto&) {}},
        op);
  std::ranges::sort(marks);
  marks.erase(std::ranges::unique(marks).begin(), marks.end());
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

/// Between any two addresses that matter: what lies there is taken out, and all that lies behind it follows.
void Dials::gaps() {
  const std::vector<Address> marks = this->marks();
  if (marks.size() > marks_max) return;
  const Address first = marks[marks.size() > 2 ? 1 : 0];
  // The space begins later, and all else stays where it is.
  add((first - trace_.space.range.begin) / granule_,
      [first, g = granule_](Trace& trace, std::uint64_t n) { trace.space.range.begin = first - n * g; });
  for (std::size_t i = 0; i + 1 < marks.size(); ++i) {
    const Range gap{marks[i], marks[i + 1]};
    const auto take_out = [gap, g = granule_](Trace& trace, std::uint64_t n) {
      const Size part = gap.size() - n * g;
      trace = mapped(trace, [gap, part](Address a) {
        return a <= gap.begin ? a : a <= gap.begin + part ? gap.begin : a - part;
      });
      if (n > 0) return;
      // With all of it gone, nothing is where something was.
      std::erase_if(trace.space.busy, [](Range range) { return range.empty(); });
      std::erase_if(trace.ops, [](const Op& op) {
        const auto* const at = std::get_if<AllocAt>(&op);
        return at != nullptr && at->range.empty();
      });
    };
    add(gap.size() / granule_, take_out);
    // What was placed over it is smaller, then; also what found no place, if it is as large.
    std::vector<std::size_t> over;
    for (std::size_t k = 0; k < trace_.ops.size(); ++k)
      if (const auto* const alloc = std::get_if<Alloc>(&trace_.ops[k]);
          alloc != nullptr && alloc->request.size > 0 &&
          (placed_[k].empty() ? alloc->request.size >= gap.size() : placed_[k].contains(gap)))
        over.push_back(k);
    if (over.empty()) continue;
    add(gap.size() / granule_, [take_out, over, gap, g = granule_](Trace& trace, std::uint64_t n) {
      const Size part = gap.size() - n * g;
      for (const std::size_t k : over) {
        Size& size = std::get<Alloc>(trace.ops[k]).request.size;
        size = size > part ? size - part : g;
      }
      take_out(trace, n);
    });
  }
}

/// The granule alone, and with all its multiples.
void Dials::granule() {
  if (granule_ == 1) return;
  add(static_cast<std::uint64_t>(std::countr_zero(granule_)),
      [](Trace& trace, std::uint64_t n) { trace.space.granule = Size{1} << n; });
  add(static_cast<std::uint64_t>(std::countr_zero(granule_)), [g = granule_](Trace& trace, std::uint64_t n) {
    const Size by = g >> n;
    const auto less = [by, g](Size size) { return size % g == 0 ? size / by : size; };
    const auto less_aligned = [by](Size align) {
      return align == 0 ? 0 : align <= by ? 1 : align % by == 0 ? align / by : align;
    };
    trace = mapped(trace, [by](Address a) { return a / by; });
    trace.space.granule = g / by;
    if (trace.space.lazy_limit) trace.space.lazy_limit = *trace.space.lazy_limit / by;
    for (Op& op : trace.ops)
      std::visit(Overloaded{[&](Alloc& o) {
                              o.request.size = less(o.request.size);
                              o.request.align = less_aligned(o.request.align);
                            },
                            [&](Congruent& o) {
                              o.align = less_aligned(o.align);
                              for (vmap::Block& block : o.blocks) block = {less(block.offset), less(block.size)};
                            },
                            [](auto&) {}},
                 op);
  });
}

// ---- Ops

void Dials::op(std::size_t i) {
  std::visit(
      Overloaded{[&](const Alloc& o) {
                   add_in_granules(o.request.size,
                                   [i](Trace& t, std::uint64_t v) { std::get<Alloc>(t.ops[i]).request.size = v; });
                   add_alignment(o.request.align,
                                 [i](Trace& t, std::uint64_t v) { std::get<Alloc>(t.ops[i]).request.align = v; });
                   window(i, o.request.within, [](Op& op) -> Range& { return std::get<Alloc>(op).request.within; });
                 },
                 [&](const AllocAt& o) { placement(i, o.range); }, [&](const Congruent& o) { congruent(i, o); },
                 [&](const FreeAt& o) {
                   add_in_granules(o.address,
                                   [i](Trace& t, std::uint64_t v) { std::get<FreeAt>(t.ops[i]).address = v; });
                 },
                 [&](const FreeLazilyAt& o) {
                   add_in_granules(o.address,
                                   [i](Trace& t, std::uint64_t v) { std::get<FreeLazilyAt>(t.ops[i]).address = v; });
                 },
                 [&](const Find& o) {
                   add_in_granules(o.address, [i](Trace& t, std::uint64_t v) { std::get<Find>(t.ops[i]).address = v; });
                 },
                 [&](const FailMetadata& o) {
                   add(std::max<std::uint64_t>(o.countdown, 1) - 1,
                       [i](Trace& t, std::uint64_t n) { std::get<FailMetadata>(t.ops[i]).countdown = n + 1; });
                 },
                 [](const auto&) {}},
      trace_.ops[i]);
}

/// Each bound alone, and both by one offset.
void Dials::window(std::size_t i, const Range& within, const std::function<Range&(Op&)>& of) {
  add_in_granules(within.begin, [i, of](Trace& t, std::uint64_t v) { of(t.ops[i]).begin = v; });
  if (within.end == vmap::address_max) return;
  add_in_granules(within.end, [i, of](Trace& t, std::uint64_t v) { of(t.ops[i]).end = v; });
  if (within.begin >= within.end) return;
  add_in_granules(within.begin,
                  [i, of, size = within.size()](Trace& t, std::uint64_t v) { of(t.ops[i]) = {v, v + size}; });
}

/// Its size, and where it is. A range that is none has two numbers.
void Dials::placement(std::size_t i, Range range) {
  const auto of = [i](Trace& t) -> Range& { return std::get<AllocAt>(t.ops[i]).range; };
  if (range.begin >= range.end) {
    add_in_granules(range.begin, [of](Trace& t, std::uint64_t v) { of(t).begin = v; });
    add_in_granules(range.end, [of](Trace& t, std::uint64_t v) { of(t).end = v; });
    return;
  }
  add_in_granules(range.size(), [of](Trace& t, std::uint64_t v) { of(t).end = of(t).begin + v; });
  const Address begin = trace_.space.range.begin;
  if (range.begin <= begin) return;
  add_in_granules(range.begin - begin, [of, begin, size = range.size()](Trace& t, std::uint64_t v) {
    of(t) = {begin + v, begin + v + size};
  });
}

/// Each size and offset alone; a size, or the distance to the block before, with the offsets of all that follow.
void Dials::congruent(std::size_t i, const Congruent& op) {
  const auto of = [i](Trace& t) -> Congruent& { return std::get<Congruent>(t.ops[i]); };
  add_alignment(op.align, [of](Trace& t, std::uint64_t v) { of(t).align = v; });
  window(i, op.within, [](Op& o) -> Range& { return std::get<Congruent>(o).within; });
  for (std::size_t k = 0; k < op.blocks.size(); ++k) {
    const vmap::Block block = op.blocks[k];
    const auto pull = [of, block](Trace& t, Size by) {
      for (vmap::Block& other : of(t).blocks)
        if (other.offset > block.offset) other.offset -= std::min(by, other.offset);
    };
    add_in_granules(block.size, [of, k](Trace& t, std::uint64_t v) { of(t).blocks[k].size = v; });
    add_in_granules(block.size, [of, k, pull, block](Trace& t, std::uint64_t v) {
      pull(t, block.size - v);
      of(t).blocks[k].size = v;
    });
    add_in_granules(block.offset, [of, k](Trace& t, std::uint64_t v) { of(t).blocks[k].offset = v; });
    Size before = 0;  // where the block before it ends
    for (const vmap::Block& other : op.blocks)
      if (other.offset < block.offset) before = std::max(before, std::min(other.offset + other.size, block.offset));
    add_in_granules(block.offset - before, [of, k, pull, block, before](Trace& t, std::uint64_t v) {
      pull(t, block.offset - before - v);
      of(t).blocks[k].offset = before + v;
    });
  }
  // The last blocks, as many as can be spared.
  if (op.blocks.empty()) return;
  add(op.blocks.size() - 1, [of, label = op.label, parts = op.blocks.size()](Trace& t, std::uint64_t n) {
    of(t).blocks.resize(static_cast<std::size_t>(n) + 1);
    std::erase_if(t.ops, [&](const Op& other) {
      const auto is_gone = [&](Label used) { return used.id == label.id && used.part > n && used.part < parts; };
      return std::visit(
          Overloaded{[&](const Free& o) { return is_gone(o.label); },
                     [&](const FreeLazily& o) { return is_gone(o.label); },
                     [&](const OnExhaustion& o) { return is_gone(o.label); }, [](const auto&) { return false; }},
          other);
    });
  });
}

}  // namespace

bool has_every_dial(const Trace& trace, const Placements& placed) {
  return Dials(trace, placed).marks().size() <= marks_max;
}

std::vector<Dial> dials(const Trace& trace, const Placements& placed) { return Dials(trace, placed).all(); }

std::vector<std::uint64_t> first_values(std::uint64_t now) {
  std::vector<std::uint64_t> values{0, 1, now / 2, now - 1};
  std::erase_if(values, [now](std::uint64_t v) { return v >= now; });
  std::ranges::sort(values);
  values.erase(std::ranges::unique(values).begin(), values.end());
  return values;
}

std::vector<std::uint64_t> odd_values(std::uint64_t now) {
  std::vector<std::uint64_t> values;
  const std::uint64_t high = std::bit_floor(now);
  for (std::uint64_t bit = high >> 1; bit != 0; bit >>= 1) {
    const bool is_set = (now & bit) != 0;
    if (is_set) values.push_back(now & (2 * bit - 1));   // without the bits above
    if (is_set) values.push_back(now & ~(2 * bit - 1));  // without this and those below
    if (!is_set) values.push_back((now - high) + bit);   // the highest moved here
  }
  std::erase_if(values, [now](std::uint64_t v) { return v >= now; });
  std::ranges::sort(values);
  values.erase(std::ranges::unique(values).begin(), values.end());
  return values;
}

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
    std::visit(
        Overloaded{[&](Alloc& o) { move_window(o.request.within); }, [&](AllocAt& o) { move(o.range); },
                   [&](Congruent& o) { move_window(o.within); }, [&](FreeAt& o) { o.address = address(o.address); },
                   [&](FreeLazilyAt& o) { o.address = address(o.address); },
                   [&](Find& o) { o.address = address(o.address); }, [](auto&) {}},
        op);
  return candidate;
}

}  // namespace vmapcheck
