// SPDX-License-Identifier: Apache-2.0
#include "harness/strace_mappings.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <iterator>
#include <utility>

#include <fmt/format.h>

namespace vmapcheck::strace {
namespace {

/// Does the first half of a call in two already have its effect? (For mremap see there.)
bool acts_at_entry(Kind kind) { return kind == Kind::unmap || kind == Kind::shm_detach; }

}  // namespace

/// A call that succeeded. In two halves, it acts in one of them; mremap may in both, and is counted in the second.
void Mappings::run(const Event& event, const std::unordered_map<std::uint64_t, Size>& shm_sizes) {
  const bool acts = event.phase == Phase::whole || event.kind == Kind::remap ||
                    (event.phase == Phase::entry) == acts_at_entry(event.kind);
  if (!acts) return;
  line_ = event.line;
  if (!std::exchange(in_use_, true)) ++out_.report.programs;
  if (event.kind != Kind::brk || event.address != 0) materialize();
  const std::size_t ops_before = out_.trace.ops.size();
  switch (event.kind) {
    case Kind::map: run_map(event); break;
    case Kind::unmap: run_unmap(event); break;
    case Kind::remap: run_remap(event); break;
    case Kind::brk: run_brk(event); break;
    case Kind::shm_attach: run_attach(event, shm_sizes); break;
    case Kind::shm_detach: run_detach(event); break;
    default: return;
  }
  bool changed = out_.trace.ops.size() != ops_before;
  if (event.kind == Kind::remap && event.phase == Phase::entry) {
    if (changed) half_done_.insert(event.task);
    return;
  }
  if (event.kind == Kind::remap && half_done_.erase(event.task) != 0) changed = true;
  ++(changed ? out_.report.translated : out_.report.unchanged);
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
  attached_[event.result] = size;
  if (event.flags & fixed)
    map_fixed(*range, "shmat");
  else
    map_where_chosen(*range, options_.page);
}

void Mappings::run_detach(const Event& event) {
  const auto found = attached_.find(event.address);
  if (found == attached_.end()) return approximated("shmdt of a segment whose shmat is not in the log");
  if (const std::optional<Range> range = pages(event.address, found->second, options_.page)) unmap(*range, "shmdt");
  attached_.erase(found);
}

/// Acquires first: both places are mapped while the kernel moves the pages. The first half of a call in two only
/// releases.
void Mappings::run_remap(const Event& event) {
  const std::optional<Range> before =
      event.size == 0 ? Range{event.address, event.address} : pages(event.address, event.size, options_.page);
  const std::optional<Range> after = pages(event.result, event.size_new, options_.page);
  if (!before || !after) return approximated("ranges that no kernel gives");
  const bool releases = event.phase != Phase::exit;
  const bool acquires = event.phase != Phase::entry;
  const bool in_place = before->begin == after->begin && !before->empty();
  const bool keeps = before->empty() || (event.flags & keeps_old);
  const auto piece = first_overlap(*before);
  const bool floating = piece != pieces_.end() && areas_[piece->second.area].floating;

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
  if (in_place) {  // a floating area cannot grow: say it as a move, whose two halves belong together
    if (!acquires) return;
    approximated("growth in place as a new placement");
    if (const Range beyond{before->end, after->end}; mapped(beyond)) {
      approximated("mappings that the kernel placed over one that should exist");
      unmap(beyond, "mremap");
    }
    const std::uint32_t area = new_area({after->size(), options_.page, after->size(), true});
    unmap(*before, "mremap");
    pieces_[after->begin] = {after->end, area};
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

/// brk(NULL) of a program whose heap is unknown says where that begins. An end below the begin is refused by every
/// kernel, so that a log which has one is not to be believed.
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
  if (options_.placement == Placement::recorded)
    place_at(range);
  else
    place_floating(range, align);
}

/// Frees what the range covers, but keeps the parts of floating areas: they have moved, and are busy as they should be.
void Mappings::map_fixed(Range range, std::string_view reason) {
  std::vector<Range> rest;
  Address begin = range.begin;
  bool kept = false;
  for (auto piece = first_overlap(range); piece != pieces_.end() && piece->first < range.end; ++piece) {
    if (!areas_[piece->second.area].floating) continue;
    kept = true;
    if (begin < piece->first) rest.push_back({begin, piece->first});
    begin = std::min(piece->second.end, range.end);
  }
  if (begin < range.end) rest.push_back({begin, range.end});
  if (kept) approximated("fixed placements inside first-fit areas");
  for (const Range part : rest) {
    unmap(part, reason);
    place_at(part);
  }
}

void Mappings::place_at(Range range) {
  const std::uint32_t area = new_area({range.size(), options_.page, range.size(), false});
  emit(AllocAt{{area}, range});
  pieces_[range.begin] = {range.end, area};
}

void Mappings::place_floating(Range range, Size align) {
  if (floating_total_ > address_limit) return approximated("allocations beyond any space");
  const std::uint32_t area = new_area({range.size(), align, range.size(), true});
  pieces_[range.begin] = {range.end, area};
}

/// Returns how many bytes were mapped.
Size Mappings::unmap(Range range, std::string_view reason) {
  Size bytes = 0;
  for (auto piece = first_overlap(range); piece != pieces_.end() && piece->first < range.end;) {
    const Address begin = piece->first;
    const Range cut = intersection(range, Range{begin, piece->second.end});
    bytes += cut.size();
    drop(pieces_.find(begin), cut, reason);
    piece = pieces_.lower_bound(cut.end);
  }
  return bytes;
}

/// Takes `cut`, a part of it or all, from a piece.
void Mappings::drop(std::map<Address, Piece>::iterator piece, Range cut, std::string_view reason) {
  const Range whole{piece->first, piece->second.end};
  const std::uint32_t label = piece->second.area;
  pieces_.erase(piece);
  const std::array<Range, 2> left{Range{whole.begin, cut.begin}, Range{cut.end, whole.end}};
  if (!areas_[label].floating) {
    emit(Free{{label}});
    if (cut != whole) exact(fmt::format("areas split by {}", reason));
    for (const Range part : left)
      if (!part.empty()) place_at(part);
    return;
  }
  for (const Range part : left)
    if (!part.empty()) pieces_[part.begin] = {part.end, label};
  areas_[label].mapped -= cut.size();
  if (areas_[label].mapped == 0)
    emit(Free{{label}});
  else
    approximated(fmt::format("first-fit areas cut by {}, busy until their last byte goes", reason));
}

void Mappings::restart(std::size_t line, bool new_program) {
  line_ = line;
  if (!inherited_) {
    std::set<std::uint32_t> labels;
    for (const auto& [begin, piece] : pieces_) labels.insert(piece.area);
    for (const std::uint32_t label : labels) emit(Free{{label}});
    if (!labels.empty()) exact(new_program ? "everything freed by execve" : "everything freed by the last exit");
  } else {
    areas_.clear();  // no op has named them
  }
  inherited_ = false;
  pieces_.clear();
  attached_.clear();
  heap_begin_.reset();
  heap_end_.reset();
  in_use_ = false;
}

void Mappings::inherit(const Mappings& parent) {
  pieces_ = parent.pieces_;
  areas_ = parent.areas_;
  heap_begin_ = parent.heap_begin_;
  heap_end_ = parent.heap_end_;
  attached_ = parent.attached_;
  inherited_ = true;
}

/// Writes what a forked child inherited, before the first call that may change it.
void Mappings::materialize() {
  if (!std::exchange(inherited_, false)) return;
  const std::vector<Area> theirs = std::exchange(areas_, {});
  if (pieces_.empty()) return;
  std::map<std::uint32_t, std::uint32_t> ours;
  for (auto& [begin, piece] : pieces_) {
    const Area& area = theirs[piece.area];
    const auto [found, added] = ours.try_emplace(piece.area, static_cast<std::uint32_t>(areas_.size()));
    if (added && area.floating)
      new_area(area);
    else if (added)
      emit(AllocAt{{new_area({area.size, area.align, area.size, false})}, {begin, piece.end}});
    piece.area = found->second;
  }
  exact("areas inherited by fork");
}

/// The pages that the bytes lie in; nothing if a kernel cannot have said so.
std::optional<Range> Mappings::pages(Address begin, Size size, Size page) const {
  if (begin < address_limit && size <= address_limit && vmap::is_aligned(begin, options_.page)) {
    const std::optional<Size> rounded = vmap::align_up(size, page);
    if (size != 0 && rounded && *rounded <= address_limit - begin) return Range{begin, begin + *rounded};
  }
  return std::nullopt;
}

std::map<Address, Mappings::Piece>::const_iterator Mappings::first_overlap(Range range) const {
  auto piece = pieces_.upper_bound(range.begin);
  if (piece != pieces_.begin() && std::prev(piece)->second.end > range.begin) --piece;
  return piece != pieces_.end() && piece->first < range.end ? piece : pieces_.end();
}

bool Mappings::mapped(Address address) const { return mapped(Range{address, address + 1}); }
bool Mappings::mapped(Range range) const { return first_overlap(range) != pieces_.end(); }

std::uint32_t Mappings::new_area(Area area) {
  const auto label = static_cast<std::uint32_t>(areas_.size());
  areas_.push_back(area);
  if (area.floating) {
    floating_total_ += area.size + area.align;
    emit(Alloc{{label}, {.size = area.size, .align = area.align <= options_.page ? 1 : area.align}});
  }
  return label;
}

void Mappings::emit(Op op) {
  out_.trace.ops.push_back(std::move(op));
  out_.lines.push_back(line_);
}

/// Puts the trace into the smallest usual space that holds it; first fit gets a zone of its own below what is anchored.
///
///     recorded    0 [ ............. as recorded ............. ]
///     first-fit   0 [ whatever first fit can need ][ as recorded, moved by a constant ]
ImportedProcess Mappings::finish() {
  Trace& trace = out_.trace;
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
  out_.report.threads = threads.size();
  trace.comments = describe(out_.report, options_);
  return std::move(out_);
}

}  // namespace vmapcheck::strace
