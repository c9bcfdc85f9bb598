// SPDX-License-Identifier: Apache-2.0
#include "harness/reduce/simplify.hpp"

#include <initializer_list>
#include <optional>
#include <utility>
#include <variant>

#include "model/op_kinds.hpp"
#include "model/trace.hpp"

namespace vmapcheck {
namespace {

template <class T>
void erase_at(std::vector<T>& list, std::size_t i) {
  list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
}

/// The label of the one area that an op of a run placed, or null.
const Label* placed_label(const Op& op, Range placed) { return placed.empty() ? nullptr : area_label(op); }

/// What one move makes of a trace, collected.
class Moves {
 public:
  Moves(const Trace& trace, const Placements& placed)
      : trace_(trace), placed_(placed), granule_(trace.space.granule), now_(simplicity(trace)) {}

  std::vector<Trace> all();

 private:
  void delete_ops();
  void simpler_space();
  void begin_busy();
  void simpler_arguments(std::size_t i);
  void simpler_kinds(std::size_t i);
  void name_by_label(std::size_t i, const Op& op);
  void fewer_blocks(std::size_t i, const Congruent& op);
  void merge_placements();
  void reorder();
  void free_the_same_again();

  void add(Trace candidate);
  template <class Change>
  void add_changed(Change change);
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
  simpler_space();
  begin_busy();
  for (std::size_t i = 0; i < trace_.ops.size(); ++i) {
    simpler_arguments(i);
    simpler_kinds(i);
  }
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

template <class Change>
void Moves::add_changed(Change change) {
  Trace candidate = trace_;
  change(candidate);
  add(std::move(candidate));
}

void Moves::replace(std::size_t i, Op op) {
  add_changed([&](Trace& trace) { trace.ops[i] = std::move(op); });
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

// ---- The space

/// Without a range that is busy, or without the limit; what is busy in the order of addresses, and two neighbours as
/// one.
void Moves::simpler_space() {
  const std::size_t n = trace_.space.busy.size();
  for (std::size_t i = 0; i < n; ++i) add_changed([&](Trace& trace) { erase_at(trace.space.busy, i); });
  add_changed([](Trace& trace) { trace.space.lazy_limit.reset(); });
  const auto sort = [](Trace& trace) { std::ranges::sort(trace.space.busy, {}, &Range::begin); };
  add_changed(sort);
  for (std::size_t i = 0; i + 1 < n; ++i)
    add_changed([&](Trace& trace) {
      sort(trace);
      trace.space.busy[i].end = trace.space.busy[i + 1].end;
      erase_at(trace.space.busy, i + 1);
    });
}

/// What an op allocates is busy from the start, and is freed by its address: one op less. Each alone, and all.
void Moves::begin_busy() {
  const auto make_busy = [&](Trace& trace, std::size_t i) {
    const Label* const label = placed_label(trace.ops[i], placed_[i]);
    if (label == nullptr) return false;
    for (Op& op : trace.ops) {
      const Label* const used = used_label(op);
      if (used == nullptr || *used != *label) continue;
      auto named = by_address(op, placed_[i].begin);
      if (!named) return false;
      op = *std::move(named);
    }
    trace.space.busy.push_back(placed_[i]);
    erase_at(trace.ops, i);
    return true;
  };
  // In the order in which they became busy, which may shape the subject's tree; then in that of addresses.
  const auto add_both = [&](Trace candidate) {
    add(candidate);
    std::ranges::sort(candidate.space.busy, {}, &Range::begin);
    add(std::move(candidate));
  };
  Trace every = trace_;
  std::ptrdiff_t moved = 0;
  for (std::size_t i = trace_.ops.size(); i-- > 0;) {
    Trace one = trace_;
    if (!make_busy(one, i)) continue;
    add_both(std::move(one));
    make_busy(every, i);
    ++moved;
  }
  if (moved < 2) return;
  std::ranges::reverse(every.space.busy.end() - moved, every.space.busy.end());
  add_both(std::move(every));
}

// ---- Single ops

/// The same kind of op without a window, or with a bound of it that is none or the space's; or also without an
/// alignment. What leads to lower numbers is left to the dials of numbers.hpp.
void Moves::simpler_arguments(std::size_t i) {
  const Range space = trace_.space.range;
  std::visit(
      [&]<class T>(const T& op) {
        T bare = op;
        for_each_field_of(op, [&](auto field, const auto& value) {
          constexpr Meaning meaning = field.meaning;
          if constexpr (meaning == Meaning::align) {
            field.of(bare) = 1;
          } else if constexpr (meaning == Meaning::window) {
            for (const Range window : {vmap::everywhere, Range{space.begin, value.end}, Range{value.begin, space.end},
                                       Range{value.begin, vmap::address_max}}) {
              T changed = op;
              field.of(changed) = window;
              replace(i, std::move(changed));
            }
            field.of(bare) = vmap::everywhere;
          } else {
            static_assert(meaning == Meaning::label_bound || meaning == Meaning::label_used ||  // relabel() does that
                          meaning == Meaning::size || meaning == Meaning::address || meaning == Meaning::range ||
                          meaning == Meaning::count || meaning == Meaning::blocks);
          }
        });
        replace(i, std::move(bare));
      },
      trace_.ops[i]);
}

/// Another kind of op that does nearly the same, for those that have one.
void Moves::simpler_kinds(std::size_t i) {
  std::visit(
      Overloaded{[&](const Alloc& op) {
                   if (!placed_[i].empty()) replace(i, AllocAt{op.label, placed_[i]});
                 },
                 [&](const AllocAt& op) {
                   if (op.range.begin < op.range.end)
                     replace(i, Alloc{op.label, {op.range.size(), 1, vmap::everywhere}});
                 },
                 [&](const Congruent& op) { fewer_blocks(i, op); }, [&](const FreeAt& op) { name_by_label(i, op); },
                 [&](const FreeLazily& op) { replace(i, Free{op.label}); },
                 [&](const FreeLazilyAt& op) {
                   name_by_label(i, op);
                   name_by_label(i, FreeAt{op.address});
                   replace(i, FreeAt{op.address});
                 },
                 [](const auto&) {}},  // it has none
      trace_.ops[i]);
}

/// In place of op `i`, what does the same to an area that an op before has placed there, by its label.
void Moves::name_by_label(std::size_t i, const Op& op) {
  for (std::size_t k = 0; k < i; ++k)
    if (const Label* const label = bound_label(trace_.ops[k]);
        label != nullptr && !placed_[k].empty() && placed_[k].begin == *find_field<Meaning::address>(op))
      replace(i, *by_label(op, *label));
}

/// One block less; one block alone as an ordinary placement.
void Moves::fewer_blocks(std::size_t i, const Congruent& op) {
  // The blocks behind the one that is left out change their names.
  for (std::size_t k = 0; op.blocks.size() > 1 && k < op.blocks.size(); ++k)
    add_changed([&](Trace& trace) {
      erase_at(*blocks_of(trace.ops[i]), k);
      std::erase_if(trace.ops, [&](Op& other) {
        Label* const label = used_label(other);
        if (label == nullptr || label->id != op.label.id || label->part == Label::whole) return false;
        if (label->part == k) return true;
        if (label->part > k) --label->part;
        return false;
      });
    });
  if (op.blocks.size() != 1) return;
  Trace candidate = trace_;
  for (Op& other : candidate.ops)
    if (Label* const label = used_label(other); label != nullptr && label->id == op.label.id)
      label->part = Label::whole;
  candidate.ops[i] = Alloc{op.label, {op.blocks[0].size, op.align, op.within}};
  add(candidate);
  candidate.ops[i] = AllocAt{op.label, placed_[i]};
  if (!placed_[i].empty()) add(std::move(candidate));
}

// ---- Several ops

/// Of more ops, not each two are tried together.
constexpr std::size_t paired_ops_max = 24;

/// Two placements become one over both; what was done to one of them is done to it, or what was done to the other.
void Moves::merge_placements() {
  if (trace_.ops.size() > paired_ops_max) return;
  for (std::size_t i = 0; i < trace_.ops.size(); ++i) {
    for (std::size_t k = i + 1; k < trace_.ops.size(); ++k) {
      const Label* const first = placed_label(trace_.ops[i], placed_[i]);
      const Label* const second = placed_label(trace_.ops[k], placed_[k]);
      if (first == nullptr || second == nullptr) continue;
      const Range hull{std::min(placed_[i].begin, placed_[k].begin), std::max(placed_[i].end, placed_[k].end)};
      for (const auto& [kept, gone] : {std::pair{*first, *second}, std::pair{*second, *first}})
        add_changed([&](Trace& trace) {
          trace.ops[i] = AllocAt{kept, hull};
          erase_at(trace.ops, k);
          std::erase_if(trace.ops, [&](const Op& op) {
            const Label* const label = used_label(op);
            return label != nullptr && *label == gone;
          });
        });
    }
  }
}

void Moves::reorder() {
  if (trace_.ops.size() > paired_ops_max) return;
  for (std::size_t i = 0; i + 1 < trace_.ops.size(); ++i)
    add_changed([&](Trace& trace) { std::swap(trace.ops[i], trace.ops[i + 1]); });
}

/// One area is freed and placed again and again, where a trace frees another each time: of what is busy from the start
/// only the first that is freed is needed.
void Moves::free_the_same_again() {
  Trace candidate = trace_;
  std::optional<Label> newest;
  for (Op& op : candidate.ops) {
    if (auto* const alloc = std::get_if<Alloc>(&op)) alloc->request = {granule_, 1, vmap::everywhere};
    if (const Label* const label = area_label(op)) newest = *label;
    if (!newest) continue;
    if (by_address(op, 0)) *used_label(op) = *newest;
    if (auto named = by_label(op, *newest)) op = *std::move(named);
  }
  add(candidate);
  const auto is_freed = [&](Range range) {
    return std::ranges::any_of(candidate.ops, [&](const Op& op) {
      return by_label(op, {}) && *find_field<Meaning::address>(op) == range.begin;
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
    if (const Label* const label = placed_label(concrete.ops[i], placed[i]))
      concrete.ops[i] = AllocAt{*label, placed[i]};
  return concrete;
}

std::vector<Trace> simpler(const Trace& trace, const Placements& placed) { return Moves(trace, placed).all(); }

}  // namespace vmapcheck
