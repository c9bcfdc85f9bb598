// SPDX-License-Identifier: Apache-2.0
//
// One address space of a traced program, and what its calls become. strace_import.hpp says what each call becomes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "import/forked_map.hpp"
#include "import/strace_import.hpp"
#include "import/strace_log.hpp"
#include "model/op.hpp"

namespace vmapcheck::strace {

/// What is mapped in one address space, at real addresses, and the trace that says how that came about.
///
///     real addresses   [ a1 ][ a1 ]....[ a1 ][ a4 ]     mappings; a label may stand for several
///     anchored         one mapping is one area of the trace, at the recorded address
///     floating         first-fit only: the allocator placed the area, and what is left of the mapping keeps it busy
///
/// A parent of many mappings may have many children. So what a fork copies is shared until it changes, and ops that
/// bind or free everything are written out only if somebody wants the trace.
class Mappings {
 public:
  Mappings(std::uint32_t pid, const StraceOptions& options) : pid_{pid}, options_{options} {}

  void run(const Event& event, const std::unordered_map<std::uint64_t, Size>& shm_sizes);
  void restart(std::size_t line, bool new_program);  ///< execve, or the last exit: everything goes
  void inherit(const Mappings& parent);

  [[nodiscard]] bool mapped(Address address) const;
  [[nodiscard]] bool mapped(Range range) const;
  /// True if brk(NULL) can have this answer only in another program than the one that is known.
  [[nodiscard]] bool contradicts_heap(Address answer) const {
    return heap_end_ && *heap_end_ != answer && answer < address_limit;
  }

  [[nodiscard]] std::uint32_t pid() const { return pid_; }
  [[nodiscard]] ImportReport& report() { return report_; }
  [[nodiscard]] std::size_t op_count() const { return ops_.size() + ops_in_batches_; }
  [[nodiscard]] std::size_t entries_copied() const;
  [[nodiscard]] ImportedProcess finish();       ///< without its trace
  void write_trace(ImportedProcess& to) const;  ///< the trace of what finish() gave

  std::set<std::pair<TaskId, TaskId>> members;  ///< who runs in it now: leader of the process, and task
  std::list<Mappings*>::iterator living;        ///< its place among those that have members
  std::set<TaskId> threads;                     ///< tasks that ever ran in it

 private:
  /// Numbers areas. A forked child goes on counting; write_trace() makes labels of the numbers.
  using AreaNumber = std::uint32_t;
  struct Mapping {
    Address end = 0;
    AreaNumber area = 0;
    bool floating = false;
  };
  /// A floating area.
  struct Float {
    Size size = 0;
    Size align = 1;
    Size mapped = 0;  ///< bytes of it that are still mapped
  };
  struct State {
    ForkedMap<Address, Mapping> mappings;  ///< by begin; disjoint
    ForkedMap<AreaNumber, Float> floats;
    std::size_t anchored = 0;  ///< mappings that do not float
    Size floating_total = 0;   ///< bytes that first fit needs for `floats`
    [[nodiscard]] std::size_t areas() const { return anchored + floats.size(); }
  };
  /// An op for each area of a state, in front of an op of ops_.
  struct Batch {
    std::size_t before = 0;
    std::size_t line = 0;
    bool binds = false;  ///< places what a fork copied; else frees everything
    State state;
  };
  using MappingEntry = ForkedMap<Address, Mapping>::Entry;

  void run_map(const Event& event);
  void run_unmap(const Event& event);
  void run_attach(const Event& event, const std::unordered_map<std::uint64_t, Size>& shm_sizes);
  void run_detach(const Event& event);
  void run_remap(const Event& event);
  void run_brk(const Event& event);

  void map_where_chosen(Range range, Size align);
  void map_fixed(Range range, std::string_view reason);
  void place_at(Range range);
  AreaNumber place_floating(Range range, Size align);
  Size unmap(Range range, std::string_view reason);
  void drop(MappingEntry mapping, Range cut, std::string_view reason);
  void materialize();
  void add_batch(bool binds);

  [[nodiscard]] std::optional<Range> pages(Address begin, Size size, Size page) const;
  [[nodiscard]] const MappingEntry* first_overlap(Range range) const;
  void emit(Op op);
  void exact(std::string_view reason) { ++report_.exact[std::string{reason}]; }
  void approximated(std::string_view reason) { ++report_.approximated[std::string{reason}]; }

  std::uint32_t pid_;
  const StraceOptions& options_;
  ImportReport report_;
  std::size_t line_ = 0;

  std::vector<Op> ops_;  ///< with area numbers for labels
  std::vector<std::size_t> lines_;
  std::vector<Batch> batches_;
  std::size_t ops_in_batches_ = 0;

  State state_;
  AreaNumber next_area_ = 0;
  AreaNumber first_own_ = 0;           ///< smaller ones are the parent's
  std::optional<Address> heap_begin_;  ///< if the log shows it
  std::optional<Address> heap_end_;    ///< as brk gives it, not rounded
  ForkedMap<Address, Size> attached_;
  std::set<TaskId> half_done_;  ///< tasks in the middle of an mremap whose first half became ops
  Size floating_total_ = 0;     ///< bytes that first fit can need at most
  bool in_use_ = false;         ///< the program that runs now made a range call
  bool inherited_ = false;      ///< the state is the parent's; no op has been written
};

}  // namespace vmapcheck::strace
