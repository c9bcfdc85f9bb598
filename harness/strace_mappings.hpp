// SPDX-License-Identifier: Apache-2.0
//
// One address space of a traced program: what its calls become. strace_import.hpp says what that is for each call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "harness/strace_import.hpp"
#include "harness/strace_log.hpp"
#include "model/op.hpp"

namespace vmapcheck::strace {

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

}  // namespace vmapcheck::strace
