// SPDX-License-Identifier: Apache-2.0
#include "import/strace_mappings.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

namespace vmapcheck::strace {
namespace {

/// True if a call that is cut in two has its effect at its first half. (run_remap() says when mremap has.)
bool acts_at_entry(Kind kind) { return kind == Kind::unmap || kind == Kind::shm_detach; }

}  // namespace

/// A call that succeeded. One that is cut in two acts at one of its halves; mremap may act at both, and is counted at
/// the second.
void Mappings::run(const Event& event, const std::unordered_map<std::uint64_t, Size>& shm_sizes) {
  const bool acts = event.phase == Phase::whole || event.kind == Kind::remap ||
                    (event.phase == Phase::entry) == acts_at_entry(event.kind);
  if (!acts) return;
  line_ = event.line;
  if (!std::exchange(in_use_, true)) ++report_.programs;
  if (event.kind != Kind::brk || event.address != 0) materialize();
  const std::size_t ops_before = ops_.size();
  switch (event.kind) {
    case Kind::map: run_map(event); break;
    case Kind::unmap: run_unmap(event); break;
    case Kind::remap: run_remap(event); break;
    case Kind::brk: run_brk(event); break;
    case Kind::shm_attach: run_attach(event, shm_sizes); break;
    case Kind::shm_detach: run_detach(event); break;
    default: return;
  }
  bool changed = ops_.size() != ops_before;
  if (event.kind == Kind::remap && event.phase == Phase::entry) {
    if (changed) half_done_.insert(event.task);
    return;
  }
  if (event.kind == Kind::remap && half_done_.erase(event.task) != 0) changed = true;
  ++(changed ? report_.translated : report_.unchanged);
}

void Mappings::run_map(const Event& event) {
  const Size page = event.flags & huge ? std::max(event.size_new, options_.page) : options_.page;
  const std::optional<Range> range = pages(event.result, event.size, page);
  if (!range) return approximated("ranges that no kernel gives");
  if (event.flags & grows_down) approximated("growth of MAP_GROWSDOWN mappings is not in the log");
  // A kernel that does not know MAP_FIXED_NOREPLACE takes it as a hint.
  const bool no_replace = (event.flags & fixed_no_replace) && event.result == event.address;
  if ((event.flags & fixed) || no_replace) return map_fixed(*range, "a fixed mapping");
  if (options_.placement == Placement::first_fit) {
    if (event.address != 0 && event.address == event.result) approximated("hints that the kernel followed");
    if (event.flags & low) approximated("MAP_32BIT given up");
  }
  map_where_chosen(*range, page);
}

void Mappings::run_unmap(const Event& event) {
  const std::optional<Range> range = pages(event.address, event.size, options_.page);
  if (!range) return approximated("ranges that no kernel gives");
  if (unmap(*range, "munmap") != range->size()) approximated("munmap of bytes that no call in the log mapped");
}

void Mappings::run_attach(const Event& event, const std::unordered_map<std::uint64_t, Size>& shm_sizes) {
  const auto known = shm_sizes.find(event.size);
  if (known == shm_sizes.end()) approximated("shmat of unknown size: one page");
  const Size size = known == shm_sizes.end() ? options_.page : known->second;
  const std::optional<Range> range = pages(event.result, size, options_.page);
  if (!range) return approximated("ranges that no kernel gives");
  attached_.set(event.result, size);
  if (event.flags & fixed)
    map_fixed(*range, "shmat");
  else
    map_where_chosen(*range, options_.page);
}

void Mappings::run_detach(const Event& event) {
  const Size* const size = attached_.find(event.address);
  if (!size) return approximated("shmdt of a segment whose shmat is not in the log");
  if (const std::optional<Range> range = pages(event.address, *size, options_.page)) unmap(*range, "shmdt");
  attached_.erase(event.address);
}

/// Acquires before it releases, since both places are mapped while the kernel moves the pages. But if it is cut in two,
/// its first half releases.
void Mappings::run_remap(const Event& event) {
  const std::optional<Range> before =
      event.size == 0 ? Range{event.address, event.address} : pages(event.address, event.size, options_.page);
  const std::optional<Range> after = pages(event.result, event.size_new, options_.page);
  if (!before || !after) return approximated("ranges that no kernel gives");
  const bool releases = event.phase != Phase::exit;
  const bool acquires = event.phase != Phase::entry;
  const bool in_place = before->begin == after->begin && !before->empty();
  const bool keeps = before->empty() || (event.flags & keeps_old);
  const MappingEntry* const mapping = first_overlap(*before);
  const bool floating = mapping && mapping->value.floating;

  if (in_place && after->end <= before->end) {
    if (releases && after->end < before->end) unmap({after->end, before->end}, "mremap");
    return;
  }
  if (in_place && !floating) {
    if (!acquires) return;
    const Range beyond{before->end, after->end};
    if (mapped(beyond)) {
      approximated("mappings that the kernel placed over one that should exist");
      unmap(beyond, "mremap");
    }
    return place_at(beyond);
  }
  if (in_place) {  // a floating area cannot grow in place: its growth is a move, whose two halves belong together
    if (!acquires) return;
    approximated("growth in place as a new placement");
    if (const Range beyond{before->end, after->end}; mapped(beyond)) {
      approximated("mappings that the kernel placed over one that should exist");
      unmap(beyond, "mremap");
    }
    const AreaNumber area = place_floating(*after, options_.page);
    unmap(*before, "mremap");
    state_.mappings.set(after->begin, {after->end, area, true});
    return;
  }
  if (acquires) {
    if (event.flags & fixed)
      map_fixed(*after, "mremap");
    else
      map_where_chosen(*after, options_.page);
  }
  if (releases && !keeps) unmap(*before, "mremap");
}

/// If the heap is unknown, the answer of brk(NULL) is its begin. Every kernel refuses an end below the begin, so a log
/// that has one is damaged.
void Mappings::run_brk(const Event& event) {
  if (event.result >= address_limit || (heap_begin_ && event.result < *heap_begin_))
    return approximated("ranges that no kernel gives");
  const std::optional<Address> before = std::exchange(heap_end_, event.result);
  if (event.address == 0) {
    if (!before) heap_begin_ = event.result;
    return;
  }
  if (!before) return approximated("growth of a heap that began before the log");
  const Address from = *vmap::align_up(*before, options_.page);
  const Address to = *vmap::align_up(event.result, options_.page);
  if (to < from && unmap({to, from}, "brk") != from - to && !heap_begin_)
    approximated("shrinking of a heap that began before the log");
  if (from < to) {
    if (mapped(Range{from, to})) approximated("mappings that the kernel placed over one that should exist");
    map_fixed({from, to}, "brk");
  }
}

void Mappings::map_where_chosen(Range range, Size align) {
  if (mapped(range)) {
    approximated("mappings that the kernel placed over one that should exist");
    unmap(range, "a mapping");
  }
  if (options_.placement == Placement::recorded) return place_at(range);
  if (floating_total_ > address_limit) return approximated("allocations beyond any space");
  state_.mappings.set(range.begin, {range.end, place_floating(range, align), true});
}

/// Frees what the range covers and places it, except where floating areas are: they lie elsewhere in the trace.
void Mappings::map_fixed(Range range, std::string_view reason) {
  std::vector<Range> rest;
  Address begin = range.begin;
  bool kept = false;
  const MappingEntry* mapping = first_overlap(range);
  for (; mapping && mapping->key < range.end; mapping = state_.mappings.first_after(mapping->key)) {
    if (!mapping->value.floating) continue;
    kept = true;
    if (begin < mapping->key) rest.push_back({begin, mapping->key});
    begin = std::min(mapping->value.end, range.end);
  }
  if (begin < range.end) rest.push_back({begin, range.end});
  if (kept) approximated("fixed placements inside first-fit areas");
  for (const Range part : rest) {
    unmap(part, reason);
    place_at(part);
  }
}

void Mappings::place_at(Range range) {
  const AreaNumber area = next_area_++;
  emit(AllocAt{{area}, range});
  state_.mappings.set(range.begin, {range.end, area, false});
  ++state_.anchored;
}

/// The caller has made room, or is about to.
Mappings::AreaNumber Mappings::place_floating(Range range, Size align) {
  const AreaNumber area = next_area_++;
  state_.floats.set(area, {range.size(), align, range.size()});
  state_.floating_total += range.size() + align;
  floating_total_ += range.size() + align;
  emit(Alloc{{area}, {.size = range.size(), .align = align <= options_.page ? 1 : align}});
  return area;
}

/// Returns how many bytes were mapped.
Size Mappings::unmap(Range range, std::string_view reason) {
  Size bytes = 0;
  for (const MappingEntry* mapping = first_overlap(range); mapping; mapping = first_overlap(range)) {
    const Range cut = intersection(range, Range{mapping->key, mapping->value.end});
    bytes += cut.size();
    drop(*mapping, cut, reason);
    range.begin = cut.end;
  }
  return bytes;
}

/// Takes `cut` out of a mapping: all of it, or a part.
void Mappings::drop(MappingEntry mapping, Range cut, std::string_view reason) {
  const Range whole{mapping.key, mapping.value.end};
  const AreaNumber area = mapping.value.area;
  state_.mappings.erase(mapping.key);
  const std::array<Range, 2> left{Range{whole.begin, cut.begin}, Range{cut.end, whole.end}};
  if (!mapping.value.floating) {
    --state_.anchored;
    emit(Free{{area}});
    if (cut != whole) exact(fmt::format("areas split by {}", reason));
    for (const Range part : left)
      if (!part.empty()) place_at(part);
    return;
  }
  for (const Range part : left)
    if (!part.empty()) state_.mappings.set(part.begin, {part.end, area, true});
  Float rest = *state_.floats.find(area);
  rest.mapped -= cut.size();
  if (rest.mapped != 0) {
    state_.floats.set(area, rest);
    return approximated(fmt::format("first-fit areas cut by {}, busy until their last byte goes", reason));
  }
  state_.floats.erase(area);
  state_.floating_total -= rest.size + rest.align;
  emit(Free{{area}});
}

void Mappings::restart(std::size_t line, bool new_program) {
  line_ = line;
  if (!inherited_ && state_.areas() != 0) {
    add_batch(false);
    exact(new_program ? "everything freed by execve" : "everything freed by the last exit");
  }
  if (std::exchange(inherited_, false)) first_own_ = next_area_;  // no op has named what it inherited
  state_ = {};
  attached_ = {};
  heap_begin_.reset();
  heap_end_.reset();
  in_use_ = false;
}

void Mappings::inherit(const Mappings& parent) {
  state_ = parent.state_;
  next_area_ = first_own_ = parent.next_area_;
  heap_begin_ = parent.heap_begin_;
  heap_end_ = parent.heap_end_;
  attached_ = parent.attached_;
  inherited_ = true;
}

/// Puts what a forked child inherited into its trace, before the first call that may change it.
void Mappings::materialize() {
  if (!std::exchange(inherited_, false) || state_.areas() == 0) return;
  add_batch(true);
  floating_total_ += state_.floating_total;
  exact("areas inherited by fork");
}

void Mappings::add_batch(bool binds) {
  batches_.push_back({ops_.size(), line_, binds, state_});
  ops_in_batches_ += state_.areas();
}

/// The pages that the bytes lie in. Nothing if no kernel can have given these bytes.
std::optional<Range> Mappings::pages(Address begin, Size size, Size page) const {
  if (begin < address_limit && size <= address_limit && vmap::is_aligned(begin, options_.page)) {
    const std::optional<Size> rounded = vmap::align_up(size, page);
    if (size != 0 && rounded && *rounded <= address_limit - begin) return Range{begin, begin + *rounded};
  }
  return std::nullopt;
}

const Mappings::MappingEntry* Mappings::first_overlap(Range range) const {
  const MappingEntry* mapping = state_.mappings.last_to(range.begin);
  if (!mapping || mapping->value.end <= range.begin) mapping = state_.mappings.first_after(range.begin);
  return mapping && mapping->key < range.end ? mapping : nullptr;
}

bool Mappings::mapped(Address address) const { return mapped(Range{address, address + 1}); }
bool Mappings::mapped(Range range) const { return first_overlap(range) != nullptr; }

void Mappings::emit(Op op) {
  ops_.push_back(std::move(op));
  lines_.push_back(line_);
}

std::size_t Mappings::entries_copied() const {
  return state_.mappings.copied() + state_.floats.copied() + attached_.copied();
}

ImportedProcess Mappings::finish() {
  report_.threads = threads.size();
  return {.pid = pid_, .op_count = op_count(), .trace = {}, .lines = {}, .report = report_};
}

/// Puts the trace into the smallest usual space that holds it; first fit gets a zone of its own below what is anchored.
///
///     recorded    0 [ ............. as recorded ............. ]
///     first-fit   0 [ whatever first fit can need ][ as recorded, moved by a constant ]
void Mappings::write_trace(ImportedProcess& to) const {
  Trace& trace = to.trace;
  trace.ops.reserve(to.op_count);
  to.lines.reserve(to.op_count);
  std::unordered_map<AreaNumber, std::uint32_t> inherited;
  const auto label = [&](AreaNumber area) {
    return area < first_own_ ? inherited.at(area) : static_cast<std::uint32_t>(inherited.size()) + area - first_own_;
  };
  const auto write_batch = [&](const Batch& batch) {
    std::vector<std::uint32_t> freed;
    batch.state.mappings.each([&](Address begin, const Mapping& mapping) {
      if (!batch.binds) return freed.push_back(label(mapping.area));
      const auto [at, added] = inherited.try_emplace(mapping.area, static_cast<std::uint32_t>(inherited.size()));
      if (!added) return;
      if (!mapping.floating) return trace.ops.push_back(AllocAt{{at->second}, {begin, mapping.end}});
      const Float& area = *batch.state.floats.find(mapping.area);
      trace.ops.push_back(
          Alloc{{at->second}, {.size = area.size, .align = area.align <= options_.page ? 1 : area.align}});
    });
    std::ranges::sort(freed);
    freed.erase(std::ranges::unique(freed).begin(), freed.end());
    for (const std::uint32_t one : freed) trace.ops.push_back(Free{{one}});
    to.lines.resize(trace.ops.size(), batch.line);
  };
  auto batch = batches_.begin();
  for (std::size_t i = 0; i <= ops_.size(); ++i) {
    for (; batch != batches_.end() && batch->before == i; ++batch) write_batch(*batch);
    if (i == ops_.size()) break;
    Op op = ops_[i];
    std::visit(
        [&](auto& kind) {
          if constexpr (requires { kind.label; }) kind.label.id = label(kind.label.id);
        },
        op);
    trace.ops.push_back(std::move(op));
    to.lines.push_back(lines_[i]);
  }

  Address end_max = 0;
  for (const Op& op : trace.ops)
    if (const AllocAt* at = std::get_if<AllocAt>(&op)) end_max = std::max(end_max, at->range.end);
  Address end = 0;
  if (end_max != 0 || options_.placement == Placement::recorded)
    for (const int bits : {32, 47, 48, 56, 60})
      if (end = Address{1} << bits; end_max <= end) break;
  if (options_.placement == Placement::first_fit) {
    const Address zone = std::bit_ceil(std::max({2 * end, floating_total_, Address{1} << 32}));
    for (Op& op : trace.ops)
      if (AllocAt* at = std::get_if<AllocAt>(&op)) at->range = {at->range.begin + zone, at->range.end + zone};
    end += zone;
  }
  trace.space.range = {0, end};
  trace.space.granule = options_.page;
  trace.comments = describe(to.report, options_);
}

}  // namespace vmapcheck::strace
