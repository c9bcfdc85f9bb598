// SPDX-License-Identifier: Apache-2.0
//
// The events of the log are run one after the other. Importer knows which task runs in which address space, and the
// Mappings of an address space know what is mapped in it and write its trace.
#include "harness/strace_import.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <memory>
#include <numeric>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

namespace vmapcheck {
namespace {

using namespace strace;

StraceImport run(Log log, const StraceOptions& options);

}  // namespace

std::expected<StraceImport, ParseError> import_strace(std::string_view text, const StraceOptions& options) {
  if (!vmap::is_power_of_two(options.page) || options.page > address_limit)
    return std::unexpected(
        ParseError{1, 1, fmt::format("expected a power of two as page size, found {}", options.page)});
  Log log = read_log(text);
  if (!log.any_range_call)
    return std::unexpected(ParseError{
        1, 1,
        fmt::format(
            "expected the log of an strace that shows memory calls, such as 'mmap(NULL, 4096, ...) = 0x...', found "
            "none in {} lines",
            log.report.lines)});
  return run(std::move(log), options);
}

std::string_view name(Placement placement) { return placement == Placement::recorded ? "recorded" : "first-fit"; }

std::optional<Placement> placement_named(std::string_view text) {
  for (const Placement placement : {Placement::recorded, Placement::first_fit})
    if (name(placement) == text) return placement;
  return std::nullopt;
}

namespace {

/// Does the first half of a call in two already have its effect? (For mremap see there.)
bool acts_at_entry(Kind kind) { return kind == Kind::unmap || kind == Kind::shm_detach; }

// ---- one address space: calls to ops -------------------------------------------------------------------------------

/// What is mapped in one address space, as pieces at real addresses, and the trace that says how that came about.
///
///     real addresses   [ a1 ][ a1 ]....[ a1 ][ a4 ]     pieces; a label may stand for several
///     anchored         one piece is one area of the trace, at the recorded address
///     floating         first-fit only: the allocator placed the area, and what is left of the mapping keeps it busy
class Mappings {
 public:
  Mappings(std::uint32_t pid, const StraceOptions& options) : options_{options} { out_.pid = pid; }

  void run(const Event& event, const std::unordered_map<std::uint64_t, Size>& shm_sizes);
  void restart(std::size_t line, bool new_program);  ///< execve, or the last exit: everything goes
  void inherit(const Mappings& parent);

  [[nodiscard]] bool mapped(Address address) const;
  [[nodiscard]] bool mapped(Range range) const;
  /// Does the answer of brk(NULL) belong to another program than the one that is known, if to any?
  [[nodiscard]] bool contradicts_heap(Address answer) const {
    return heap_end_ && *heap_end_ != answer && answer < address_limit;
  }

  [[nodiscard]] ImportReport& report() { return out_.report; }
  [[nodiscard]] ImportedProcess finish();

  std::vector<TaskId> members;      ///< who runs in it now
  std::size_t active_at = 0;        ///< line of the last event
  std::set<std::uint32_t> threads;  ///< tasks that ever ran in it

 private:
  struct Piece {
    Address end = 0;
    std::uint32_t area = 0;
  };
  /// What a label stands for.
  struct Area {
    Size size = 0;
    Size align = 1;
    Size mapped = 0;  ///< bytes of it that are still mapped
    bool floating = false;
  };

  void run_map(const Event& event);
  void run_unmap(const Event& event);
  void run_attach(const Event& event, const std::unordered_map<std::uint64_t, Size>& shm_sizes);
  void run_detach(const Event& event);
  void run_remap(const Event& event);
  void run_brk(const Event& event);

  void map_where_chosen(Range range, Size align);
  void map_fixed(Range range, std::string_view reason);
  void place_at(Range range);
  void place_floating(Range range, Size align);
  Size unmap(Range range, std::string_view reason);
  void drop(std::map<Address, Piece>::iterator piece, Range cut, std::string_view reason);
  void materialize();

  [[nodiscard]] std::optional<Range> pages(Address begin, Size size, Size page) const;
  [[nodiscard]] std::map<Address, Piece>::const_iterator first_overlap(Range range) const;
  std::uint32_t new_area(Area area);
  void emit(Op op);
  void exact(std::string_view reason) { ++out_.report.exact[std::string{reason}]; }
  void approximated(std::string_view reason) { ++out_.report.approximated[std::string{reason}]; }
  [[nodiscard]] std::vector<std::string> comments() const;

  const StraceOptions& options_;
  ImportedProcess out_;
  std::size_t line_ = 0;

  std::map<Address, Piece> pieces_;    ///< by begin; disjoint
  std::vector<Area> areas_;            ///< by label
  std::optional<Address> heap_begin_;  ///< if the log shows it
  std::optional<Address> heap_end_;    ///< as brk gives it, not rounded
  std::unordered_map<Address, Size> attached_;
  std::set<TaskId> half_done_;  ///< tasks in the middle of an mremap whose first half became ops
  Size floating_total_ = 0;     ///< bytes that first fit can need at most
  bool in_use_ = false;         ///< the program that runs now made a range call
  bool inherited_ = false;      ///< pieces_ and areas_ are the parent's; no op has been written
};

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
  trace.comments = comments();
  return std::move(out_);
}

// ---- second pass: whose address space ------------------------------------------------------------------------------

class Importer {
 public:
  Importer(Log log, const StraceOptions& options)
      : log_{std::move(log)}, options_{options}, home_(log_.tasks.size()), leader_(log_.tasks.size()) {
    std::iota(leader_.begin(), leader_.end(), TaskId{0});
  }
  StraceImport run();

 private:
  void run(const Event& event);
  void run_clone(Mappings& parent, const Event& event);
  void run_exec(const Event& event);
  void leave(TaskId task, std::size_t line);
  void count(ImportReport& report, const Event& event) const;
  static bool brk_refused(const Event& event);

  Mappings& home(const Event& event);
  void guess_home(const Event& event);
  Mappings& begin_space(TaskId task);
  void join(TaskId task, Mappings& space);

  Log log_;
  const StraceOptions& options_;
  std::vector<std::unique_ptr<Mappings>> spaces_;
  std::vector<Mappings*> home_;  ///< by task; null before its first event and after its exit
  std::vector<TaskId> leader_;   ///< by task: who began the process that it is a thread of
  std::unordered_map<std::uint64_t, Size> shm_sizes_;
};

StraceImport run(Log log, const StraceOptions& options) { return Importer{std::move(log), options}.run(); }

StraceImport Importer::run() {
  for (const Event& event : log_.events) run(event);
  StraceImport imported;
  for (const auto& space : spaces_)
    if (space->report().calls != 0) imported.processes.push_back(space->finish());
  std::ranges::sort(imported.processes, [](const ImportedProcess& a, const ImportedProcess& b) {
    return std::tuple{b.trace.ops.size(), b.report.calls, a.pid} <
           std::tuple{a.trace.ops.size(), a.report.calls, b.pid};
  });
  imported.log = std::move(log_.report);
  return imported;
}

void Importer::run(const Event& event) {
  if (event.kind == Kind::exit) return leave(event.task, event.line);
  Mappings* space = &home(event);
  const bool first_half = event.phase != Phase::exit;
  // A program that the log did not announce: nobody who knows where the heap ends gets another answer.
  if (event.kind == Kind::brk && event.address == 0 && event.returned && !event.failed && first_half &&
      space->contradicts_heap(event.result)) {
    run_exec(event);
    space = home_[event.task];
  }
  space->active_at = event.line;
  if (first_half) count(space->report(), event);
  if (!event.returned || event.failed || brk_refused(event)) return;

  switch (event.kind) {
    case Kind::exec:  // in its first half: the parent of a vfork may go on before the second is written
      if (first_half) run_exec(event);
      break;
    case Kind::clone:  // in its first half: the child may run before the second is written
      if (first_half) run_clone(*space, event);
      break;
    case Kind::shm_get: shm_sizes_[event.result] = event.size; break;
    default:
      if (is_range_call(event.kind)) space->run(event, shm_sizes_);
  }
}

/// Counts a call in its group, in its first half or as a whole. Whether a range call changed anything is known when it
/// has run.
void Importer::count(ImportReport& report, const Event& event) const {
  const std::string& name = log_.names[event.name];
  ++report.calls;
  if (!event.returned && event.kind != Kind::process)
    ++report.unfinished[name];
  else if (event.failed || brk_refused(event))
    ++report.failed[name];
  else if (event.kind == Kind::clone || event.kind == Kind::exec || event.kind == Kind::process)
    ++report.process_calls[name];
  else if (!is_range_call(event.kind))
    ++report.no_meaning[name];
  if (name == "io_setup" && event.returned && !event.failed)
    ++report.approximated["the ring of io_setup is not in the trace"];
}

bool Importer::brk_refused(const Event& event) {
  return event.kind == Kind::brk && event.returned && event.address != 0 && event.result != event.address;
}

void Importer::run_clone(Mappings& parent, const Event& event) {
  const auto child = static_cast<TaskId>(event.result);
  if (child >= home_.size() || home_[child] || child == event.task) return;
  if (event.flags & same_group) leader_[child] = leader_[event.task];
  if ((event.flags & shares_space) || log_.names[event.name] == "vfork") return join(child, parent);
  begin_space(child).inherit(parent);
}

/// The threads of the process end; who else runs in its address space (the parent of a vfork) stays there.
void Importer::run_exec(const Event& event) {
  Mappings& old = *home_[event.task];
  const TaskId leader = leader_[event.task];
  std::erase_if(old.members, [&](TaskId member) {
    const bool ends = leader_[member] == leader;
    if (ends) home_[member] = nullptr;
    return ends;
  });
  leader_[event.task] = event.task;
  if (!old.members.empty()) {
    begin_space(event.task);
    return;
  }
  old.restart(event.line, true);
  join(event.task, old);
}

void Importer::leave(TaskId task, std::size_t line) {
  Mappings* space = std::exchange(home_[task], nullptr);
  if (!space) return;
  std::erase(space->members, task);
  if (space->members.empty()) space->restart(line, false);
}

Mappings& Importer::home(const Event& event) {
  if (!home_[event.task]) guess_home(event);
  return *home_[event.task];
}

/// For a task of which no clone was seen.
void Importer::guess_home(const Event& event) {
  const Task& task = log_.tasks[event.task];
  const bool asks_for_heap = event.kind == Kind::brk && event.address == 0;
  if (asks_for_heap || event.kind == Kind::exec) {
    begin_space(event.task);
    return;
  }
  if (task.parent != no_task && home_[task.parent]) {
    const Mappings& parent = *home_[task.parent];
    begin_space(event.task).inherit(parent);
    return;
  }
  Mappings* best = nullptr;
  std::pair<std::ptrdiff_t, std::size_t> best_score;
  for (const auto& space : spaces_) {
    if (space->members.empty()) continue;
    const auto known = [&](Address address) { return space->mapped(address); };
    const auto taken = [&](Range range) { return space->mapped(range); };
    const std::pair score{
        std::ranges::count_if(task.refers_to, known) - 2 * std::ranges::count_if(task.obtained, taken),
        space->active_at};
    if (!best || score > best_score) {
      best = space.get();
      best_score = score;
    }
  }
  if (!best) {
    begin_space(event.task);
    return;
  }
  leader_[event.task] = leader_[best->members.front()];
  join(event.task, *best);
}

Mappings& Importer::begin_space(TaskId task) {
  spaces_.push_back(std::make_unique<Mappings>(log_.tasks[task].pid, options_));
  join(task, *spaces_.back());
  return *spaces_.back();
}

void Importer::join(TaskId task, Mappings& space) {
  home_[task] = &space;
  space.members.push_back(task);
  space.threads.insert(task);
}

// ---- the report as text --------------------------------------------------------------------------------------------

std::size_t sum(const Counts& counts) {
  std::size_t total = 0;
  for (const auto& [what, count] : counts) total += count;
  return total;
}

/// "mprotect 12, madvise 3": the most frequent first.
std::string list(const Counts& counts) {
  std::vector<std::pair<std::string_view, std::size_t>> sorted(counts.begin(), counts.end());
  std::ranges::sort(
      sorted, [](const auto& a, const auto& b) { return std::pair{b.second, a.first} < std::pair{a.second, b.first}; });
  std::string text;
  for (const auto& [what, count] : sorted) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", what, count);
  return text.empty() ? "nothing" : text;
}

/// `text` on one line: no byte that a comment could not hold.
std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text.substr(0, 200)) {
    const bool printable = ' ' < c && c <= '~';
    if (printable || (!line.empty() && line.back() != ' ')) line.push_back(printable ? c : ' ');
  }
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

/// Appends `text`, broken after commas and full stops.
void wrap(std::vector<std::string>& lines, std::string_view text) {
  constexpr std::size_t width = 110;
  for (std::string_view indent; !text.empty(); indent = "  ") {
    std::size_t length = text.size();
    if (length > width) {
      const std::size_t comma = text.rfind(", ", width);
      length = comma != std::string_view::npos ? comma + 1 : std::min(text.find(' ', width), text.size());
    }
    lines.push_back(fmt::format("{}{}", indent, text.substr(0, length)));
    text.remove_prefix(std::min(length + 1, text.size()));
  }
}

std::vector<std::string> Mappings::comments() const {
  const ImportReport& report = out_.report;
  const auto counted = [](std::size_t n, std::string_view noun) {
    return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
  };
  std::vector<std::string> lines;
  const std::string program = one_line(options_.program);
  wrap(lines, fmt::format("{}: what it did with its address space, from {} of {}{}.",
                          program.empty() ? "A recorded program" : program, counted(report.calls, "system call"),
                          counted(report.threads, "thread"),
                          report.programs > 1 ? fmt::format(" running {}", counted(report.programs, "program")) : ""));
  wrap(lines,
       fmt::format("Placement {}. {} became ops, {} changed nothing, {} failed, {} have no result, {} concern "
                   "processes, {} have no meaning for ranges ({}).",
                   name(options_.placement), report.translated, report.unchanged, sum(report.failed),
                   sum(report.unfinished), sum(report.process_calls), sum(report.no_meaning), list(report.no_meaning)));
  wrap(lines, fmt::format("Exact: {}.", list(report.exact)));
  wrap(lines, fmt::format("Approximated: {}.", list(report.approximated)));
  return lines;
}

}  // namespace

std::string describe(const StraceImport& imported) {
  const LogReport& log = imported.log;
  std::string text = fmt::format("{} lines: {} of calls, {} signals, {} exits, {} notes, {} unparsable{}\n", log.lines,
                                 log.call_lines, log.signals, log.exits, log.notes, log.unparsable,
                                 log.cut_off ? ", the last is cut off and was not interpreted" : "");
  if (!log.unparsable_lines.empty()) {
    text += "unparsable:";
    for (const std::size_t line : log.unparsable_lines) text += fmt::format(" {}", line);
    text += log.unparsable > log.unparsable_lines.size() ? " ...\n" : "\n";
  }
  text += fmt::format("{} calls in {} address space{}; {} interleaved with other lines\n", log.calls,
                      imported.processes.size(), imported.processes.size() == 1 ? "" : "s", log.interleaved);
  if (log.pid_guessed != 0)
    text += fmt::format("{} lines without a pid while several processes ran\n", log.pid_guessed);
  for (const ImportedProcess& process : imported.processes) {
    const ImportReport& report = process.report;
    text +=
        fmt::format("pid {}: {} ops from {} calls, {} thread{}, {} program{}\n",
                    process.pid == 0 ? "unknown" : std::to_string(process.pid), process.trace.ops.size(), report.calls,
                    report.threads, report.threads == 1 ? "" : "s", report.programs, report.programs == 1 ? "" : "s");
    text += fmt::format("  became ops         {}\n  changed nothing    {}\n", report.translated, report.unchanged);
    const auto row = [&](std::string_view title, const Counts& counts) {
      if (!counts.empty()) text += fmt::format("  {:<18} {}\n", title, list(counts));
    };
    row("no meaning", report.no_meaning);
    row("failed", report.failed);
    row("no result", report.unfinished);
    row("process calls", report.process_calls);
    row("exact", report.exact);
    row("approximated", report.approximated);
  }
  return text;
}

}  // namespace vmapcheck
