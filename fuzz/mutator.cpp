// SPDX-License-Identifier: Apache-2.0
#include "fuzz/mutator.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "fuzz/records.hpp"
#include "harness/random/choices.hpp"
#include "harness/random/draw.hpp"
#include "harness/verify/executor.hpp"
#include "harness/verify/model_subject.hpp"
#include "model/trace.hpp"

namespace vmapcheck {
namespace {

/// A trace while it is changed. Every member function leaves it valid, if it finds something to change.
class Mutation {
 public:
  Mutation(const Trace& trace, std::uint64_t seed)
      : random_(seed), trace_{.comments = {}, .space = trace.space, .ops = trace.ops} {
    if (labels_of(trace.ops) >= Label::whole / 2) trace_ = relabel(trace_);  // no room for new ones above
    label_next_ = labels_of(trace_.ops);
  }

  void change();
  void cross_with(const Trace& other);
  [[nodiscard]] Trace finish(std::size_t size_max) &&;

 private:
  struct Run {
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  void draw();
  void remove();
  void repeat();
  void move();
  void exchange();
  void change_op();
  void change_space();

  bool change_kind(Op& op);
  bool change_label(std::size_t index);
  bool change_window(Op& op);
  bool change_blocks(Op& op);
  bool change_number(Op& op);
  Size changed_size(Size size);
  Size changed_align();
  Address changed_address(Address address);
  std::uint64_t boundary();
  std::optional<std::uint64_t> number_elsewhere(Meaning wanted);

  void change_range(Space& space);
  void change_busy(Space& space);
  void settle_in(Space space);

  void insert(std::size_t position, std::vector<Op> ops);
  std::vector<Op> adopted(std::span<const Op> ops, bool foreign);
  Label some_area(std::size_t position);
  Run some_run(std::size_t length_max);

  std::uint64_t below(std::uint64_t n) { return random_.below(n); }
  bool one_in(std::uint64_t n) { return vmapcheck::one_in(random_, n); }
  Size granule() const { return trace_.space.granule; }
  std::vector<Op>& ops() { return trace_.ops; }
  static std::uint32_t labels_of(const std::vector<Op>& ops);

  Random random_;
  Trace trace_;
  std::uint32_t label_next_ = 0;  ///< no op has one from here on
};

// ---- What ops have in common

/// Calls visit(meaning, number) for each number in `op`: an end of a range is an address, what a block has is a size,
/// and an absent window has none.
template <class Visit>
void for_each_number(Op& op, Visit visit) {
  for_each_field(op, [&]<class Field>(Field, auto& value) {
    using Value = std::remove_cvref_t<decltype(value)>;
    if constexpr (std::is_same_v<Value, Range>) {
      if (Field::meaning == Meaning::window && value == vmap::everywhere) return;
      visit(Meaning::address, value.begin);
      visit(Meaning::address, value.end);
    } else if constexpr (std::is_same_v<Value, std::vector<vmap::Block>>) {
      for (vmap::Block& block : value) {
        visit(Meaning::size, block.offset);
        visit(Meaning::size, block.size);
      }
    } else if constexpr (std::is_same_v<Value, std::uint64_t>) {
      visit(Field::meaning, value);
    } else {
      static_assert(std::is_same_v<Value, Label>);
    }
  });
}

/// An op of that kind with the arguments of `op`, if it takes the same.
std::optional<Op> as_kind(std::size_t kind, const Op& op) {
  Op other = op_of_kind(kind);
  std::size_t lacking = 0;
  for_each_field(op, [&](auto, const auto&) { ++lacking; });
  bool takes_more = false;
  for_each_field(other, [&]<class Field>(Field, auto& value) {
    const auto* const given = find_field<Field::meaning>(op);
    takes_more = takes_more || given == nullptr;
    if (takes_more) return;
    value = *given;
    --lacking;
  });
  if (takes_more || lacking != 0) return std::nullopt;
  return other;
}

/// What `op` means in one space, in another one: sizes in granules, addresses in granules from the begin.
void rescale(Op& op, const Space& from, const Space& to) {
  for_each_number(op, [&](Meaning meaning, std::uint64_t& n) {
    const bool is_size = meaning == Meaning::size && vmap::is_aligned(n, from.granule);
    const bool is_align = meaning == Meaning::align && n >= from.granule && vmap::is_aligned(n, from.granule);
    if (is_size || is_align)
      n = n / from.granule * to.granule;
    else if (meaning == Meaning::address && from.range.begin <= n && n <= from.range.end)
      n = to.range.begin + (n - from.range.begin) / from.granule * to.granule + n % from.granule % to.granule;
  });
}

}  // namespace

// ---- The two functions

Trace mutate(const Trace& trace, std::size_t size_max, std::uint64_t seed) {
  Mutation mutation(trace, seed);
  mutation.change();
  return std::move(mutation).finish(size_max);
}

Trace cross(const Trace& first, const Trace& second, std::size_t size_max, std::uint64_t seed) {
  Mutation mutation(first, seed);
  mutation.cross_with(second);
  return std::move(mutation).finish(size_max);
}

namespace {

/// Once, or a few times: some faults need two changes that each alone look like nothing new.
void Mutation::change() {
  do {
    switch (below(16)) {
      case 0:
      case 1:
      case 2: draw(); break;
      case 3:
      case 4: remove(); break;
      case 5:
      case 6: repeat(); break;
      case 7: move(); break;
      case 8: exchange(); break;
      case 9: change_space(); break;
      default: change_op();
    }
  } while (one_in(3));
}

void Mutation::cross_with(const Trace& other) {
  std::vector<Op> theirs = other.ops;
  for (Op& op : theirs) rescale(op, other.space, trace_.space);
  const std::size_t begin = below(theirs.size() + 1);
  std::size_t end = theirs.size();
  const std::size_t position = below(ops().size() + 1);
  if (one_in(2))
    ops().resize(position);
  else
    end = begin + below(end - begin + 1);
  insert(position, adopted(std::span(theirs).subspan(begin, end - begin), true));
  if (one_in(16)) settle_in(other.space);
}

Trace Mutation::finish(std::size_t size_max) && {
  while (encoded_size_max(trace_) > size_max && !ops().empty()) {
    const std::size_t excess = (encoded_size_max(trace_) - size_max + record_bytes - 1) / record_bytes;
    const std::size_t length = std::min(excess, ops().size());
    const auto begin = ops().begin() + static_cast<std::ptrdiff_t>(below(ops().size() - length + 1));
    ops().erase(begin, begin + static_cast<std::ptrdiff_t>(length));
  }
  while (encoded_size_max(trace_) > size_max && !trace_.space.busy.empty()) trace_.space.busy.pop_back();
  return std::move(trace_);
}

// ---- Ops come, go and move

/// Ops of the grammar, drawn for the state that the model is in at their place.
void Mutation::draw() {
  static const SubjectFactory make = model_subject();
  auto executor = Executor::create(trace_.space, make, Checking::amortized);
  const std::size_t position = one_in(2) ? ops().size() : below(ops().size() + 1);
  for (std::size_t i = 0; i < position; ++i) static_cast<void>((*executor)->step(ops()[i]));
  Shape shape = draw_shape(random_);
  shape.space = trace_.space;
  const bool filling = !one_in(3);
  std::vector<Op> drawn;
  for (std::uint64_t n = 1 + below(one_in(4) ? 64 : 8); n > 0; --n) {
    drawn.push_back(
        draw_op(random_, shape, Population{(*executor)->model(), (*executor)->live(), label_next_, filling}));
    if (bound_label(drawn.back()) != nullptr) ++label_next_;
    static_cast<void>((*executor)->step(drawn.back()));
  }
  insert(position, std::move(drawn));
}

void Mutation::remove() {
  const Run run = some_run(one_in(4) ? ops().size() : 4);
  ops().erase(ops().begin() + static_cast<std::ptrdiff_t>(run.begin),
              ops().begin() + static_cast<std::ptrdiff_t>(run.end));
}

void Mutation::repeat() {
  const Run run = some_run(one_in(4) ? 64 : 8);
  const std::span<const Op> original = std::span(ops()).subspan(run.begin, run.end - run.begin);
  const std::size_t position = one_in(2) ? run.end : below(ops().size() + 1);
  std::vector<Op> copies;
  for (std::uint64_t times = one_in(4) ? 1 + below(8) : 1; times > 0; --times)
    std::ranges::move(adopted(original, false), std::back_inserter(copies));
  insert(position, std::move(copies));
}

void Mutation::move() {
  const Run run = some_run(8);
  const std::size_t to = below(ops().size() + 1);
  const auto at = [&](std::size_t index) { return ops().begin() + static_cast<std::ptrdiff_t>(index); };
  if (to < run.begin)
    std::rotate(at(to), at(run.begin), at(run.end));
  else if (to > run.end)
    std::rotate(at(run.begin), at(run.end), at(to));
}

void Mutation::exchange() {
  if (!ops().empty()) std::swap(ops()[below(ops().size())], ops()[below(ops().size())]);
}

void Mutation::insert(std::size_t position, std::vector<Op> inserted) {
  ops().insert(ops().begin() + static_cast<std::ptrdiff_t>(position), std::move_iterator(inserted.begin()),
               std::move_iterator(inserted.end()));
}

/// Copies that can stand beside everything in this trace. What `foreign` ops use and do not bind becomes an area of
/// this trace.
std::vector<Op> Mutation::adopted(std::span<const Op> originals, bool foreign) {
  std::vector<Op> copies(originals.begin(), originals.end());
  std::map<std::uint32_t, std::uint32_t> renamed;
  for (Op& op : copies) {
    if (Label* const used = used_label(op)) {
      if (const auto now = renamed.find(used->id); now != renamed.end())
        used->id = now->second;
      else if (foreign)
        *used = some_area(ops().size());
    }
    if (Label* const bound = bound_label(op)) bound->id = renamed[bound->id] = label_next_++;
  }
  return copies;
}

/// One that an op binds, mostly before `position`.
Label Mutation::some_area(std::size_t position) {
  const std::size_t start = position == 0 ? 0 : below(position);
  for (std::size_t i = 0; i < ops().size(); ++i) {
    const Op& op = ops()[(start + ops().size() - i) % ops().size()];
    const Label* const bound = bound_label(op);
    if (bound == nullptr) continue;
    const auto* const blocks = find_field<Meaning::blocks>(op);
    if (blocks == nullptr || blocks->empty()) return *bound;
    return {bound->id, static_cast<std::uint32_t>(below(blocks->size()))};
  }
  return {};
}

Mutation::Run Mutation::some_run(std::size_t length_max) {
  const std::size_t begin = below(ops().size() + 1);
  return {begin, begin + below(std::min(ops().size() - begin, length_max) + 1)};
}

std::uint32_t Mutation::labels_of(const std::vector<Op>& ops) {
  std::uint32_t next = 0;
  for (const Op& op : ops) for_each_label(op, [&](const Label& label) { next = std::max(next, label.id + 1); });
  return next;
}

// ---- One op changes

void Mutation::change_op() {
  if (ops().empty()) return;
  const std::size_t index = below(ops().size());
  Op& op = ops()[index];
  switch (below(8)) {
    case 0:
      if (change_kind(op)) return;
      break;
    case 1:
      if (change_window(op)) return;
      break;
    case 2:
      if (change_blocks(op)) return;
      break;
    default: break;
  }
  if (!change_label(index) && !change_number(op)) change_kind(op);
}

/// To one with the same arguments.
bool Mutation::change_kind(Op& op) {
  std::vector<Op> kindred;
  for (std::size_t kind = 0; kind < op_kind_count; ++kind)
    if (std::optional<Op> other = as_kind(kind, op)) kindred.push_back(*std::move(other));
  if (kindred.size() == 1) return false;
  op = kindred[below(kindred.size())];
  return true;
}

bool Mutation::change_label(std::size_t index) {
  Label* const label = used_label(ops()[index]);
  if (label == nullptr) return false;
  *label = some_area(index);
  return true;
}

bool Mutation::change_window(Op& op) {
  Range* const window = find_field<Meaning::window>(op);
  if (window == nullptr) return false;
  const Range space = trace_.space.range;
  *window = *window != vmap::everywhere && one_in(2) ? vmap::everywhere
                                                     : Range{changed_address(space.begin), changed_address(space.end)};
  if (window->begin > window->end && !one_in(16)) std::swap(window->begin, window->end);
  return true;
}

bool Mutation::change_blocks(Op& op) {
  auto* const found = find_field<Meaning::blocks>(op);
  if (found == nullptr) return false;
  std::vector<vmap::Block>& blocks = *found;
  if (blocks.size() >= 2 && one_in(2)) {
    std::swap(blocks[below(blocks.size())], blocks[below(blocks.size())]);
  } else if (!blocks.empty() && one_in(2)) {
    blocks.erase(blocks.begin() + static_cast<std::ptrdiff_t>(below(blocks.size())));
  } else {
    const vmap::Block last = blocks.empty() ? vmap::Block{} : blocks.back();
    blocks.push_back({last.offset + last.size + below(4) * granule(), (1 + below(4)) * granule()});
  }
  return true;
}

bool Mutation::change_number(Op& op) {
  std::uint64_t count = 0;
  for_each_number(op, [&](Meaning, std::uint64_t) { ++count; });
  if (count == 0) return false;
  std::uint64_t chosen = below(count);
  for_each_number(op, [&](Meaning meaning, std::uint64_t& number) {
    if (chosen-- != 0) return;
    switch (meaning) {
      case Meaning::size: number = changed_size(number); break;
      case Meaning::align: number = changed_align(); break;
      case Meaning::address: number = changed_address(number); break;
      case Meaning::count: number = 1 + below(6); break;
      case Meaning::label_bound:
      case Meaning::label_used:
      case Meaning::range:
      case Meaning::window:
      case Meaning::blocks: break;  // no numbers
    }
  });
  return true;
}

Size Mutation::changed_size(Size size) {
  switch (below(12)) {
    case 0: return size * 2;
    case 1: return vmap::align_down(size / 2, granule());
    case 2:
    case 3: return number_elsewhere(Meaning::size).value_or(size);
    case 4: return boundary();
    case 5: return size + below(3) - 1;
    case 6:
    case 7:
    case 8: return (1 + below(16)) * granule();
    default: return one_in(2) ? size + granule() : size - granule();
  }
}

Size Mutation::changed_align() {
  switch (below(8)) {
    case 0: return Size{1} << below(64);
    case 1: return boundary();
    case 2:
    case 3: return 1;
    default: return granule() << below(8);
  }
}

Address Mutation::changed_address(Address address) {
  const Range space = trace_.space.range;
  switch (below(12)) {
    case 0: return boundary();
    case 1: return address + below(3) - 1;
    case 2: return one_in(2) ? space.begin : space.end;
    case 3:
    case 4:
    case 5: return number_elsewhere(Meaning::address).value_or(address);
    case 6:
    case 7:
    case 8: return vmap::align_down(space.begin + below(space.size()), granule());
    default: {
      const Size by = (1 + below(4)) * granule();
      return one_in(2) ? address + by : address - by;
    }
  }
}

/// On or just beside where arithmetic ends or changes sign.
std::uint64_t Mutation::boundary() {
  const std::uint64_t edges[] = {0, vmap::address_max, vmap::align_down(vmap::address_max, granule()), Address{1} << 63,
                                 granule()};
  const std::uint64_t edge = edges[below(std::size(edges))];
  switch (below(4)) {
    case 0: return edge + below(3) - 1;
    case 1: return edge + (below(5) - 2) * granule();
    default: return edge;
  }
}

std::optional<std::uint64_t> Mutation::number_elsewhere(Meaning wanted) {
  std::optional<std::uint64_t> found;
  std::uint64_t seen = 0;
  for (int tries = 0; tries < 4 && !found && !ops().empty(); ++tries) {
    for_each_number(ops()[below(ops().size())], [&](Meaning meaning, std::uint64_t number) {
      if (meaning == wanted && one_in(++seen)) found = number;
    });
  }
  return found;
}

// ---- The space changes

void Mutation::change_space() {
  Space space = trace_.space;
  switch (below(4)) {
    case 0:
      if (space.lazy_limit && one_in(3))
        space.lazy_limit.reset();
      else
        space.lazy_limit = below(one_in(2) ? 3 : 32) * granule();
      break;
    case 1: change_busy(space); break;
    default: change_range(space);
  }
  settle_in(std::move(space));
}

/// Granule, length and place. Busy ranges keep their places in the space as far as they then fit.
void Mutation::change_range(Space& space) {
  constexpr std::uint64_t most = 1 << 20;
  std::uint64_t granules = std::min(space.range.size() / space.granule, most);
  const Space before = space;
  if (one_in(4)) {
    constexpr Size granules_of[] = {1, 2, 16, 0x1000, 0x10'0000};
    space.granule = granules_of[below(std::size(granules_of))];
  }
  switch (below(6)) {
    case 0: granules = granules * 2; break;
    case 1: granules = (granules + 1) / 2; break;
    case 2: granules = granules + below(9) - std::min<std::uint64_t>(granules - 1, 4); break;
    default: break;
  }
  granules = std::min(granules, std::max<std::uint64_t>(1, vmap::address_max / 4 / space.granule));
  const Size size = granules * space.granule;
  const Address top = vmap::align_down(vmap::address_max, space.granule);
  switch (below(8)) {
    case 0: space.range.begin = 0; break;
    case 1: space.range.begin = top - size; break;
    case 2: space.range.begin = Address{1} << 63; break;
    case 3: space.range.begin = (1 + below(512)) * space.granule; break;
    default: space.range.begin = std::min(vmap::align_down(space.range.begin, space.granule), top - size);
  }
  space.range.end = one_in(32) ? top : space.range.begin + size;
  for (Range& busy : space.busy) {
    Op op = AllocAt{{}, busy};
    rescale(op, before, space);
    busy = std::get<AllocAt>(op).range;
  }
}

void Mutation::change_busy(Space& space) {
  if (!space.busy.empty() && one_in(2)) {
    space.busy.erase(space.busy.begin() + static_cast<std::ptrdiff_t>(below(space.busy.size())));
    return;
  }
  const Address begin = vmap::align_down(space.range.begin + below(space.range.size()), granule());
  const std::uint64_t granules = std::min((space.range.end - begin) / granule(), 1 + below(4));
  space.busy.push_back({begin, begin + granules * granule()});
}

/// Mostly the ops move along.
void Mutation::settle_in(Space space) {
  space = sound(std::move(space));
  if (!one_in(8))
    for (Op& op : ops()) rescale(op, trace_.space, space);
  trace_.space = std::move(space);
}

}  // namespace
}  // namespace vmapcheck
