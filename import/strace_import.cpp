// SPDX-License-Identifier: Apache-2.0
//
// The events of the log are run one after the other. Importer knows which task runs in which address space, and the
// Mappings of an address space know what is mapped in it and write its trace.
#include "import/strace_import.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <list>
#include <memory>
#include <numeric>
#include <tuple>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "import/strace_mappings.hpp"

namespace vmapcheck {
namespace {

using namespace strace;

/// How many address spaces a guess looks at: those that were active last.
constexpr std::size_t guess_max = 256;

StraceImport run(Log log, const StraceOptions& options);

}  // namespace

std::expected<StraceImport, ParseError> import_strace(std::string_view text, const StraceOptions& options) {
  if (!vmap::is_power_of_two(options.page) || options.page > address_limit)
    return std::unexpected(
        ParseError{1, 1, fmt::format("expected a power of two as page size, found {}", options.page)});
  Log log = read_log(text, options.keep_going);
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

class Importer {
 public:
  Importer(Log log, const StraceOptions& options)
      : log_{std::move(log)}, options_{options}, home_(log_.tasks.size()), leader_(log_.tasks.size()) {
    std::iota(leader_.begin(), leader_.end(), TaskId{0});
  }
  StraceImport run();

 private:
  bool run_events();
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
  std::list<Mappings*> living_;  ///< those that have members, the one active last first
  std::size_t looked_at_ = 0;    ///< of living_, by guesses
  std::size_t line_ = 0;         ///< of the last event that was run
  std::vector<Mappings*> home_;  ///< by task; null before its first event and after its exit
  std::vector<TaskId> leader_;   ///< by task: the task that began its process
  std::unordered_map<std::uint64_t, Size> shm_sizes_;
};

StraceImport run(Log log, const StraceOptions& options) { return Importer{std::move(log), options}.run(); }

StraceImport Importer::run() {
  StraceImport imported;
  imported.interrupted = !run_events() || log_.interrupted;
  imported.last_line = line_;
  std::vector<std::size_t> order;  // of spaces_
  imported.work = looked_at_;
  for (std::size_t i = 0; i < spaces_.size(); ++i) {
    imported.work += spaces_[i]->entries_copied();
    if (spaces_[i]->report().calls != 0) order.push_back(i);
  }
  std::ranges::sort(order, [this](std::size_t i, std::size_t j) {
    Mappings &a = *spaces_[i], &b = *spaces_[j];
    return std::tuple{b.op_count(), b.report().calls, a.pid(), i} <
           std::tuple{a.op_count(), a.report().calls, b.pid(), j};
  });
  for (const std::size_t i : order) imported.processes.push_back(spaces_[i]->finish());
  const std::size_t only = options_.choose ? options_.choose(imported.processes) : order.size();
  for (std::size_t i = 0; i < order.size(); ++i)
    if (!options_.choose || i == only) spaces_[order[i]]->write_trace(imported.processes[i]);
  imported.log = std::move(log_.report);
  return imported;
}

/// False if it was ended before the last.
bool Importer::run_events() {
  constexpr std::size_t events_at_once = 4096;
  for (std::size_t i = 0; i < log_.events.size(); ++i) {
    if (i % events_at_once == 0 && options_.keep_going &&
        !options_.keep_going({ImportProgress::translating, i, log_.events.size()}))
      return false;
    run(log_.events[i]);
    line_ = log_.events[i].line;
  }
  line_ = log_.report.lines - log_.report.cut_off;
  return true;
}

void Importer::run(const Event& event) {
  if (event.kind == Kind::exit) return leave(event.task, event.line);
  Mappings* space = &home(event);
  const bool first_half = event.phase != Phase::exit;
  // Another answer than the known end of the heap: a program that the log did not announce.
  if (event.kind == Kind::brk && event.address == 0 && event.returned && !event.failed && first_half &&
      space->contradicts_heap(event.result)) {
    run_exec(event);
    space = home_[event.task];
  }
  living_.splice(living_.begin(), living_, space->living);
  if (first_half) count(space->report(), event);
  if (!event.returned || event.failed || brk_refused(event)) return;

  switch (event.kind) {
    case Kind::exec:  // at its first half: the parent of a vfork may go on before the second is written
      if (first_half) run_exec(event);
      break;
    case Kind::clone:  // at its first half: the child may run before the second is written
      if (first_half) run_clone(*space, event);
      break;
    case Kind::shm_get: shm_sizes_[event.result] = event.size; break;
    default:
      if (is_range_call(event.kind)) space->run(event, shm_sizes_);
  }
}

/// Counts a call in its group, once: at its first half. Whether a range call changed anything is known only when it has
/// run.
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

/// The threads of the process end. Others that run in its address space (the parent of a vfork) stay there.
void Importer::run_exec(const Event& event) {
  Mappings& old = *home_[event.task];
  const TaskId leader = leader_[event.task];
  const auto thread = old.members.lower_bound({leader, 0});
  auto other = thread;
  for (; other != old.members.end() && other->first == leader; ++other) home_[other->second] = nullptr;
  old.members.erase(thread, other);
  leader_[event.task] = event.task;
  if (!old.members.empty()) {
    begin_space(event.task);
    return;
  }
  living_.erase(old.living);
  old.restart(event.line, true);
  join(event.task, old);
}

void Importer::leave(TaskId task, std::size_t line) {
  Mappings* space = std::exchange(home_[task], nullptr);
  if (!space) return;
  space->members.erase({leader_[task], task});
  if (!space->members.empty()) return;
  space->restart(line, false);
  living_.erase(space->living);
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
  std::ptrdiff_t best_score = 0;
  std::size_t candidates = 0;
  const auto all_known = std::ssize(task.refers_to);
  for (Mappings* const space : living_) {
    if (++candidates > guess_max || (best && best_score == all_known)) break;
    const auto known = [&](Address address) { return space->mapped(address); };
    const auto taken = [&](Range range) { return space->mapped(range); };
    const auto score = std::ranges::count_if(task.refers_to, known) - 2 * std::ranges::count_if(task.obtained, taken);
    if (best && score <= best_score) continue;
    best = space;
    best_score = score;
  }
  looked_at_ += candidates;
  if (!best) {
    begin_space(event.task);
    return;
  }
  leader_[event.task] = best->members.begin()->first;
  join(event.task, *best);
}

Mappings& Importer::begin_space(TaskId task) {
  spaces_.push_back(std::make_unique<Mappings>(log_.tasks[task].pid, options_));
  join(task, *spaces_.back());
  return *spaces_.back();
}

void Importer::join(TaskId task, Mappings& space) {
  home_[task] = &space;
  if (space.members.empty()) space.living = living_.insert(living_.end(), &space);
  space.members.insert({leader_[task], task});
  space.threads.insert(task);
}

}  // namespace
}  // namespace vmapcheck
