// SPDX-License-Identifier: Apache-2.0
#include "harness/reduce/simplify.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "model/trace.hpp"

namespace vmapcheck {
namespace {

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
  void drop_lazy_limit();
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
  drop_lazy_limit();
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

void Moves::drop_lazy_limit() {
  if (!trace_.space.lazy_limit) return;
  Trace candidate = trace_;
  candidate.space.lazy_limit.reset();
  add(std::move(candidate));
}

// ---- Single ops

void Moves::simplify_op(std::size_t i) {
  std::visit(
      Overloaded{[&](const Alloc& o) { simplify_request(i, o); }, [&](const AllocAt& o) { simplify_placement(i, o); },
                 [&](const Congruent& o) { simplify_congruent(i, o); }, [&](const Free&) {},
                 [&](const FreeLazily& o) { replace(i, Free{o.label}); },
                 [&](const FreeAt& o) { name_by_label(i, o.address, false); },
                 [&](const FreeLazilyAt& o) {
                   name_by_label(i, o.address, true);
                   replace(i, FreeAt{o.address});
                 },
                 [&](const Purge&) {}, [&](const Find& o) { replace(i, Find{vmap::align_down(o.address, granule_)}); },
                 [&](const OnExhaustion&) {}, [&](const FailMetadata&) {}},
      trace_.ops[i]);
}

void Moves::simplify_request(std::size_t i, const Alloc& op) {
  const auto with = [&](auto change) {
    Alloc changed = op;
    change(changed.request);
    replace(i, changed);
  };
  const vmap::Request request = op.request;
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
}

void Moves::simplify_congruent(std::size_t i, const Congruent& op) {
  const auto with = [&](auto change) {
    Congruent changed = op;
    change(changed);
    replace(i, std::move(changed));
  };
  with([](Congruent& c) { c.align = 1; });
  with([](Congruent& c) { c.within = vmap::everywhere; });
  with([](Congruent& c) { c.within.begin = 0; });
  with([](Congruent& c) { c.within.end = vmap::address_max; });
  Size offset_min = op.blocks.empty() ? 0 : op.blocks.front().offset;  // none at all is an error to try, too
  for (const vmap::Block& block : op.blocks) offset_min = std::min(offset_min, block.offset);
  if (offset_min > 0)
    with([&](Congruent& c) {
      for (vmap::Block& block : c.blocks) block.offset -= offset_min;
    });
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
