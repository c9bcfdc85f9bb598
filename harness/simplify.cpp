// SPDX-License-Identifier: Apache-2.0
#include "harness/simplify.hpp"

#include <algorithm>
#include <functional>
#include <iterator>
#include <optional>
#include <utility>

#include "model/trace.hpp"

namespace vmapcheck {
namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

/// The label that an op binds, or nothing.
std::optional<Label> bound_by(const Op& op) {
  return std::visit(Overloaded{[](const Alloc& o) { return std::optional(o.label); },
                               [](const AllocAt& o) { return std::optional(o.label); },
                               [](const Congruent& o) { return std::optional(o.label); },
                               [](const auto&) { return std::optional<Label>(); }},
                    op);
}

/// The label that an op uses, or null.
Label* used_by(Op& op) {
  return std::visit(
      Overloaded{[](Free& o) { return &o.label; }, [](FreeLazily& o) { return &o.label; },
                 [](OnExhaustion& o) { return &o.label; }, [](auto&) { return static_cast<Label*>(nullptr); }},
      op);
}

std::size_t length_of(const Trace& trace) { return trace.ops.size() + trace.space.busy.size(); }

/// What one move makes of a trace, collected.
class Moves {
 public:
  Moves(const Trace& trace, const Placements& placed)
      : trace_(trace), placed_(placed), granule_(trace.space.granule), now_(simplicity(trace)) {}

  std::vector<Trace> all();

 private:
  void delete_ops();
  void delete_busy();
  void begin_busy();
  void simplify_space();
  void take_out_granules();
  void simplify_op(std::size_t i);
  void simplify_request(std::size_t i, const Alloc& op);
  void simplify_placement(std::size_t i, const AllocAt& op);
  void simplify_congruent(std::size_t i, const Congruent& op);
  void name_by_label(std::size_t i, Address begin, bool lazily);
  void merge_placements();
  void reorder();
  void free_the_same_again();

  void add(Trace candidate);
  void replace(std::size_t i, Op op);
  Trace without(std::initializer_list<std::size_t> ops) const;
  Trace mapped(const std::function<Address(Address)>& address) const;
  std::vector<Size> lower(Size size) const;

  const Trace& trace_;
  const Placements& placed_;
  Size granule_;
  Simplicity now_;
  std::vector<std::pair<Simplicity, Trace>> found_;
};

std::vector<Trace> Moves::all() {
  delete_ops();
  delete_busy();
  begin_busy();
  simplify_space();
  take_out_granules();
  for (std::size_t i = 0; i < trace_.ops.size(); ++i) simplify_op(i);
  merge_placements();
  reorder();
  free_the_same_again();
  std::ranges::sort(found_, {}, &std::pair<Simplicity, Trace>::first);
  std::vector<Trace> traces;
  const Simplicity* last = nullptr;
  for (auto& [measure, candidate] : found_) {
    if (last == nullptr || *last != measure) traces.push_back(std::move(candidate));
    last = &measure;
  }
  return traces;
}

void Moves::add(Trace candidate) {
  candidate.comments.clear();
  if (!defect(candidate.space).empty()) return;
  candidate = relabel(candidate);
  Simplicity measure = simplicity(candidate);
  if (measure < now_) found_.emplace_back(std::move(measure), std::move(candidate));
}

void Moves::replace(std::size_t i, Op op) {
  Trace candidate = trace_;
  candidate.ops[i] = std::move(op);
  add(std::move(candidate));
}

Trace Moves::without(std::initializer_list<std::size_t> ops) const {
  Trace candidate{{}, trace_.space, {}};
  for (std::size_t i = 0; i < trace_.ops.size(); ++i)
    if (std::ranges::find(ops, i) == ops.end()) candidate.ops.push_back(trace_.ops[i]);
  return candidate;
}

// ---- Deletion
// ----------------------------------------------------------------------------------------------------------

void Moves::delete_ops() {
  constexpr std::size_t pairs_max = 40, triples_max = 16;
  const std::size_t n = trace_.ops.size();
  for (std::size_t i = 0; i < n; ++i) {
    add(without({i}));
    for (std::size_t j = i + 1; j < n && n <= pairs_max; ++j) {
      add(without({i, j}));
      for (std::size_t k = j + 1; k < n && n <= triples_max; ++k) add(without({i, j, k}));
    }
  }
}

void Moves::delete_busy() {
  for (std::size_t i = 0; i < trace_.space.busy.size(); ++i) {
    Trace candidate = trace_;
    candidate.space.busy.erase(candidate.space.busy.begin() + static_cast<std::ptrdiff_t>(i));
    add(std::move(candidate));
  }
}

/// What an op allocates is busy from the start, and is freed by its address: one op less. Also two that are busy as
/// one.
void Moves::begin_busy() {
  const auto make_busy = [&](Trace& trace, std::size_t i) {
    const auto label = bound_by(trace.ops[i]);
    if (!label || placed_[i].empty() || std::holds_alternative<Congruent>(trace.ops[i])) return false;
    for (Op& op : trace.ops) {
      const Label* const used = used_by(op);
      if (used == nullptr || *used != *label) continue;
      if (std::holds_alternative<OnExhaustion>(op)) return false;
      if (std::holds_alternative<Free>(op))
        op = FreeAt{placed_[i].begin};
      else
        op = FreeLazilyAt{placed_[i].begin};
    }
    trace.space.busy.push_back(placed_[i]);
    return true;
  };
  // In the order in which they became busy, which may shape the subject's tree; then in that of addresses.
  const auto add_both = [&](Trace candidate) {
    add(candidate);
    std::ranges::sort(candidate.space.busy, {}, &Range::begin);
    add(std::move(candidate));
  };
  if (!std::ranges::is_sorted(trace_.space.busy, {}, &Range::begin)) add_both(trace_);
  Trace every = trace_;
  std::size_t moved = 0;
  for (std::size_t i = trace_.ops.size(); i-- > 0;) {
    Trace one = trace_;
    if (!make_busy(one, i)) continue;
    one.ops.erase(one.ops.begin() + static_cast<std::ptrdiff_t>(i));
    add_both(std::move(one));
    make_busy(every, i);
    every.ops.erase(every.ops.begin() + static_cast<std::ptrdiff_t>(i));
    ++moved;
  }
  if (moved > 1) {
    std::ranges::reverse(every.space.busy.end() - static_cast<std::ptrdiff_t>(moved), every.space.busy.end());
    add_both(std::move(every));
  }
  for (std::size_t i = 0; i + 1 < trace_.space.busy.size(); ++i) {
    Trace merged = trace_;
    auto& busy = merged.space.busy;
    std::ranges::sort(busy, {}, &Range::begin);
    busy[i].end = busy[i + 1].end;
    busy.erase(busy.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    add(std::move(merged));
  }
}

// ---- The space
// ---------------------------------------------------------------------------------------------------------

/// Every address moved; an end of a window that is beyond the space stays beyond it.
Trace Moves::mapped(const std::function<Address(Address)>& address) const {
  Trace candidate = trace_;
  const auto move = [&](Range& range) { range = {address(range.begin), address(range.end)}; };
  const auto move_window = [&](Range& window) {
    if (window.begin != 0) window.begin = window.begin <= trace_.space.range.begin ? 0 : address(window.begin);
    if (window.end != vmap::address_max && window.end <= trace_.space.range.end) window.end = address(window.end);
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

void Moves::simplify_space() {
  const Space& space = trace_.space;
  if (space.lazy_limit) {
    Trace candidate = trace_;
    candidate.space.lazy_limit.reset();
    add(candidate);
    for (const Size limit : {Size{0}, granule_, *space.lazy_limit / 2 / granule_ * granule_}) {
      candidate.space.lazy_limit = limit;
      add(candidate);
    }
  }
  for (const Address begin : {Address{0}, granule_})
    if (space.range.begin > begin) {
      const Size by = space.range.begin - begin;
      add(mapped([by](Address a) { return a < by ? 0 : a - by; }));
    }
  if (granule_ > 1) {
    const Size unit = granule_;
    const auto shrunk = [unit](Size size) { return size % unit == 0 ? size / unit : size; };
    Trace candidate = mapped([unit](Address a) { return a / unit; });
    candidate.space.granule = 1;
    if (candidate.space.lazy_limit) candidate.space.lazy_limit = *candidate.space.lazy_limit / unit;
    for (Op& op : candidate.ops)
      std::visit(Overloaded{[&](Alloc& o) {
                              o.request.size = shrunk(o.request.size);
                              o.request.align = o.request.align <= unit ? 1 : shrunk(o.request.align);
                            },
                            [&](Congruent& o) {
                              o.align = o.align <= unit ? 1 : shrunk(o.align);
                              for (vmap::Block& block : o.blocks) block = {shrunk(block.offset), shrunk(block.size)};
                            },
                            [](auto&) {}},
                 op);
    add(std::move(candidate));
  }
}

/// Between any two addresses that matter: all of what lies there, half of it, all but a granule, or one granule.
void Moves::take_out_granules() {
  const Range space = trace_.space.range;
  std::vector<Address> marks{space.begin, space.end};
  const auto mark = [&](Address a) {
    if (space.begin <= a && a <= space.end) marks.push_back(vmap::align_down(a, granule_));
  };
  for (const Range range : trace_.space.busy) mark(range.begin), mark(range.end);
  for (const Range range : placed_)
    if (!range.empty()) mark(range.begin), mark(range.end);
  for (const Op& op : trace_.ops)
    std::visit(Overloaded{[&](const Alloc& o) { mark(o.request.within.begin), mark(o.request.within.end); },
                          [&](const AllocAt& o) { mark(o.range.begin), mark(o.range.end); },
                          [&](const Congruent& o) { mark(o.within.begin), mark(o.within.end); },
                          [&](const FreeAt& o) { mark(o.address); }, [&](const FreeLazilyAt& o) { mark(o.address); },
                          [&](const Find& o) { mark(o.address); }, [](const auto&) {}},
               op);
  std::ranges::sort(marks);
  marks.erase(std::ranges::unique(marks).begin(), marks.end());
  constexpr std::size_t marks_max = 64;
  if (marks.size() > marks_max) return;
  for (std::size_t i = 0; i + 1 < marks.size(); ++i) {
    const Address begin = marks[i];
    const Size all = marks[i + 1] - begin;
    for (const Size part : {all, all - granule_, all / 2 / granule_ * granule_, granule_}) {
      if (part == 0 || part > all) continue;
      const auto out = [begin, part](Address a) { return a <= begin ? a : a <= begin + part ? begin : a - part; };
      Trace candidate = mapped(out);
      add(candidate);
      // With all of it gone, nothing is where something was.
      Trace sparser = candidate;
      std::erase_if(sparser.space.busy, [](Range range) { return range.empty(); });
      std::erase_if(sparser.ops, [](const Op& op) {
        const auto* const at = std::get_if<AllocAt>(&op);
        return at != nullptr && at->range.empty();
      });
      if (sparser != candidate) add(std::move(sparser));
      // What was placed over it is smaller, then.
      bool covered = false;
      for (std::size_t k = 0; k < candidate.ops.size(); ++k)
        if (auto* const alloc = std::get_if<Alloc>(&candidate.ops[k]);
            alloc != nullptr && placed_[k].contains(Range{begin, begin + part}) && alloc->request.size > part)
          alloc->request.size -= part, covered = true;
      if (covered) add(std::move(candidate));
    }
  }
}

// ---- Single ops
// --------------------------------------------------------------------------------------------------------

/// Sizes below `size`, on the granule if it is.
std::vector<Size> Moves::lower(Size size) const {
  std::vector<Size> sizes{granule_, 0, 1};
  if (size % granule_ == 0 && size > granule_) {
    sizes.push_back(size / 2 / granule_ * granule_);
    sizes.push_back(size - granule_);
    sizes.push_back(2 * granule_);
  } else {
    sizes.push_back(size / 2);
  }
  std::erase_if(sizes, [size](Size s) { return s >= size; });
  return sizes;
}

void Moves::simplify_op(std::size_t i) {
  std::visit(
      Overloaded{[&](const Alloc& o) { simplify_request(i, o); }, [&](const AllocAt& o) { simplify_placement(i, o); },
                 [&](const Congruent& o) { simplify_congruent(i, o); }, [&](const Free&) {},
                 [&](const FreeLazily& o) { replace(i, Free{o.label}); },
                 [&](const FreeAt& o) {
                   name_by_label(i, o.address, false);
                   for (const Address a : lower(o.address)) replace(i, FreeAt{a});
                 },
                 [&](const FreeLazilyAt& o) {
                   name_by_label(i, o.address, true);
                   replace(i, FreeAt{o.address});
                   for (const Address a : lower(o.address)) replace(i, FreeLazilyAt{a});
                 },
                 [&](const Purge&) {},
                 [&](const Find& o) {
                   for (const Address a : lower(o.address)) replace(i, Find{a});
                   replace(i, Find{vmap::align_down(o.address, granule_)});
                 },
                 [&](const OnExhaustion&) {},
                 [&](const FailMetadata& o) {
                   for (const std::uint64_t n : {std::uint64_t{1}, o.countdown / 2, o.countdown - 1})
                     if (n > 0) replace(i, FailMetadata{n});
                 }},
      trace_.ops[i]);
}

void Moves::simplify_request(std::size_t i, const Alloc& op) {
  const auto with = [&](auto change) {
    Alloc changed = op;
    change(changed.request);
    replace(i, changed);
  };
  const vmap::Request request = op.request;
  for (const Size size : lower(request.size)) with([&](vmap::Request& r) { r.size = size; });
  for (Size align = request.align / 2; align > 0; align = align > 8 ? align / 8 : align / 2)
    with([&](vmap::Request& r) { r.align = align; });
  with([&](vmap::Request& r) { r.align = 1; });
  with([&](vmap::Request& r) { r.within = vmap::everywhere; });
  with([&](vmap::Request& r) { r.align = 1, r.within = vmap::everywhere; });
  with([&](vmap::Request& r) { r.within.begin = 0; });
  with([&](vmap::Request& r) { r.within.end = vmap::address_max; });
  for (const Range bounds :
       {Range{vmap::align_down(request.within.begin, granule_), request.within.end},
        Range{request.within.begin, vmap::align_down(request.within.end, granule_)},
        Range{trace_.space.range.begin, request.within.end}, Range{request.within.begin, trace_.space.range.end}})
    with([&](vmap::Request& r) { r.within = bounds; });
  if (!placed_[i].empty()) replace(i, AllocAt{op.label, placed_[i]});
}

void Moves::simplify_placement(std::size_t i, const AllocAt& op) {
  const Range range = op.range;
  if (range.begin >= range.end) return;
  replace(i, Alloc{op.label, {.size = range.size(), .align = 1, .within = vmap::everywhere}});
  for (const Size size : lower(range.size())) {
    replace(i, AllocAt{op.label, {range.begin, range.begin + size}});
    replace(i, AllocAt{op.label, {range.end - size, range.end}});
  }
  const Address begin = trace_.space.range.begin;
  for (const Address at : {begin, range.begin - granule_, begin + granule_})
    if (at < range.begin) replace(i, AllocAt{op.label, {at, at + range.size()}});
}

void Moves::simplify_congruent(std::size_t i, const Congruent& op) {
  const auto with = [&](auto change) {
    Congruent changed = op;
    change(changed);
    replace(i, std::move(changed));
  };
  with([](Congruent& c) { c.align = 1; });
  with([](Congruent& c) { c.align /= 2; });
  with([](Congruent& c) { c.within = vmap::everywhere; });
  with([](Congruent& c) { c.within.begin = 0; });
  with([](Congruent& c) { c.within.end = vmap::address_max; });
  Size offset_min = op.blocks.empty() ? 0 : op.blocks.front().offset;  // none at all is an error to try, too
  for (const vmap::Block& block : op.blocks) offset_min = std::min(offset_min, block.offset);
  if (offset_min > 0)
    with([&](Congruent& c) {
      for (vmap::Block& block : c.blocks) block.offset -= offset_min;
    });
  for (std::size_t k = 0; k < op.blocks.size(); ++k) {
    for (const Size size : lower(op.blocks[k].size)) with([&](Congruent& c) { c.blocks[k].size = size; });
    for (const Size offset : lower(op.blocks[k].offset)) with([&](Congruent& c) { c.blocks[k].offset = offset; });
  }
  // A block less: those behind it change their names.
  for (std::size_t k = 0; op.blocks.size() > 1 && k < op.blocks.size(); ++k) {
    Trace candidate = trace_;
    auto& blocks = std::get<Congruent>(candidate.ops[i]).blocks;
    blocks.erase(blocks.begin() + static_cast<std::ptrdiff_t>(k));
    std::erase_if(candidate.ops, [&](Op& other) {
      Label* const label = used_by(other);
      if (label == nullptr || label->id != op.label.id || label->part == Label::whole) return false;
      if (label->part == k) return true;
      if (label->part > k) --label->part;
      return false;
    });
    add(std::move(candidate));
  }
  if (op.blocks.size() == 1) {
    Trace candidate = trace_;
    candidate.ops[i] = Alloc{op.label, {.size = op.blocks[0].size, .align = op.align, .within = op.within}};
    for (Op& other : candidate.ops)
      if (Label* const label = used_by(other); label != nullptr && label->id == op.label.id) label->part = Label::whole;
    add(candidate);
    candidate.ops[i] = AllocAt{op.label, placed_[i]};
    if (!placed_[i].empty()) add(std::move(candidate));
  }
}

void Moves::name_by_label(std::size_t i, Address begin, bool lazily) {
  for (std::size_t k = 0; k < i; ++k) {
    const auto label = bound_by(trace_.ops[k]);
    if (!label || placed_[k].empty() || placed_[k].begin != begin) continue;
    if (lazily) replace(i, FreeLazily{*label});
    replace(i, Free{*label});
  }
}

// ---- Several ops
// -------------------------------------------------------------------------------------------------------

/// Two placements become one over both; what was done to one of them is done to it, or what was done to the other.
void Moves::merge_placements() {
  constexpr std::size_t ops_max = 24;
  if (trace_.ops.size() > ops_max) return;
  for (std::size_t i = 0; i < trace_.ops.size(); ++i) {
    for (std::size_t k = i + 1; k < trace_.ops.size(); ++k) {
      const auto label_i = bound_by(trace_.ops[i]), label_k = bound_by(trace_.ops[k]);
      const bool both = label_i && label_k && !placed_[i].empty() && !placed_[k].empty();
      if (!both || std::holds_alternative<Congruent>(trace_.ops[i]) || std::holds_alternative<Congruent>(trace_.ops[k]))
        continue;
      const Range hull{std::min(placed_[i].begin, placed_[k].begin), std::max(placed_[i].end, placed_[k].end)};
      for (const auto& [kept, gone] : {std::pair{*label_i, *label_k}, std::pair{*label_k, *label_i}}) {
        Trace candidate = trace_;
        candidate.ops[i] = AllocAt{kept, hull};
        candidate.ops.erase(candidate.ops.begin() + static_cast<std::ptrdiff_t>(k));
        std::erase_if(candidate.ops, [&](Op& op) {
          const Label* const label = used_by(op);
          return label != nullptr && *label == gone;
        });
        add(std::move(candidate));
      }
    }
  }
}

void Moves::reorder() {
  constexpr std::size_t ops_max = 24;
  for (std::size_t i = 0; i + 1 < trace_.ops.size() && trace_.ops.size() <= ops_max; ++i) {
    Trace candidate = trace_;
    std::swap(candidate.ops[i], candidate.ops[i + 1]);
    add(std::move(candidate));
  }
}

/// One area is freed and placed again and again, where a trace frees another each time: of what is busy from the start
/// only the first that is freed is needed.
void Moves::free_the_same_again() {
  Trace candidate = trace_;
  std::optional<Label> newest;
  for (Op& op : candidate.ops) {
    if (auto* const alloc = std::get_if<Alloc>(&op))
      alloc->request = {.size = granule_, .align = 1, .within = vmap::everywhere};
    if (!std::holds_alternative<Congruent>(op))
      if (const auto label = bound_by(op)) newest = label;
    if (!newest) continue;
    if (std::holds_alternative<Free>(op) || std::holds_alternative<FreeAt>(op)) op = Free{*newest};
    if (std::holds_alternative<FreeLazily>(op) || std::holds_alternative<FreeLazilyAt>(op)) op = FreeLazily{*newest};
  }
  add(candidate);
  const auto is_freed = [&](Range range) {
    return std::ranges::any_of(candidate.ops, [&](const Op& op) {
      const auto* const at = std::get_if<FreeAt>(&op);
      const auto* const lazily = std::get_if<FreeLazilyAt>(&op);
      return (at != nullptr && at->address == range.begin) || (lazily != nullptr && lazily->address == range.begin);
    });
  };
  std::erase_if(candidate.space.busy, [&](Range range) { return !is_freed(range); });
  add(std::move(candidate));
}

}  // namespace

Simplicity simplicity(const Trace& trace) {
  Simplicity measure;
  measure.length = length_of(trace);
  measure.ops = trace.ops.size();
  const Trace bare{{}, trace.space, trace.ops};
  measure.text = print(bare);
  measure.bytes = measure.text.size();
  measure.words =
      static_cast<std::size_t>(std::ranges::count(measure.text, '=') + std::ranges::count(measure.text, '+'));
  measure.span = trace.space.range.size() / trace.space.granule;
  return measure;
}

Trace concretised(const Trace& trace, const Placements& placed) {
  Trace concrete{{}, trace.space, trace.ops};
  for (std::size_t i = 0; i + 1 < concrete.ops.size(); ++i)
    if (const auto* const alloc = std::get_if<Alloc>(&concrete.ops[i]); alloc != nullptr && !placed[i].empty())
      concrete.ops[i] = AllocAt{alloc->label, placed[i]};
  return concrete;
}

std::vector<Trace> simpler(const Trace& trace, const Placements& placed) { return Moves(trace, placed).all(); }

}  // namespace vmapcheck
