// SPDX-License-Identifier: Apache-2.0
//
// The text of an strace log as events: one per call, or one per half where other lines cut a call in two.
// strace_import.hpp says which logs are understood.
//
// The whole text is read first, so that both halves of a call know its result, a fork knows which task its child is,
// and a task knows its parent if a SIGCHLD ever names it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "vmap/range.hpp"

namespace vmapcheck {

/// What the log consisted of. `lines` is the sum of the groups: call_lines, signals, exits, notes, unparsable, and
/// cut_off.
struct LogReport {
  std::size_t lines = 0;
  std::size_t call_lines = 0;  ///< whole calls and halves of calls
  std::size_t signals = 0;
  std::size_t exits = 0;
  std::size_t notes = 0;       ///< empty lines, stack traces, strace's own messages
  std::size_t unparsable = 0;  ///< for example the program's own output
  std::size_t cut_off = 0;     ///< 1 if the last line has no newline

  std::vector<std::size_t> unparsable_lines;  ///< the numbers of the first few
  std::size_t calls = 0;                      ///< in all processes
  std::size_t interleaved = 0;                ///< calls between whose halves other lines stand
  std::size_t pid_guessed = 0;                ///< lines without a pid while several processes ran
};

/// How far an import has come: first all lines are read, then their calls are translated.
struct ImportProgress {
  enum Stage : std::uint8_t { reading, translating } stage = reading;
  std::size_t done = 0, all = 0;  ///< bytes while reading, then calls
};
/// Asked now and then; false ends the import where it is.
using KeepImporting = std::function<bool(const ImportProgress&)>;

namespace strace {

using vmap::Address;
using vmap::Range;
using vmap::Size;

using TaskId = std::uint32_t;
inline constexpr TaskId no_task = std::numeric_limits<TaskId>::max();

/// Ranges of real machines end below 2^57. What a log says beyond this limit is damage; below it, sums of a few ranges
/// do not wrap.
inline constexpr Address address_limit = Address{1} << 60;

enum class Kind : std::uint8_t {
  map,
  unmap,
  remap,
  brk,
  shm_get,
  shm_attach,
  shm_detach,
  clone,
  exec,
  process,
  exit,
  other
};

/// A call that other lines cut in two is two events; both know all that was said about it.
enum class Phase : std::uint8_t { whole, entry, exit };

enum Flag : std::uint32_t {
  fixed = 1,
  fixed_no_replace = 2,
  grows_down = 4,
  low = 8,
  huge = 16,
  keeps_old = 32,
  shares_space = 64,
  same_group = 128,
};

struct Event {
  Kind kind = Kind::other;
  Phase phase = Phase::whole;
  bool returned = false;  ///< a result is in the log
  bool failed = false;
  std::uint32_t name = 0;  ///< index of the call's name
  TaskId task = 0;
  std::uint32_t flags = 0;
  std::size_t line = 0;
  Address address = 0;
  Size size = 0;      ///< bytes as written; for mremap the old size
  Size size_new = 0;  ///< of mremap; with huge pages the size of one page
  std::uint64_t result = 0;
};

/// A pid from its first line to its exit; a pid that is used again is another task.
struct Task {
  std::uint32_t pid = 0;
  std::size_t last_line = 0;  ///< of its last event
  TaskId parent = no_task;    ///< whom a SIGCHLD told about it

  /// What its first calls refer to, and what its first mappings got: this tells whose thread it is.
  std::vector<Address> refers_to;
  std::vector<Range> obtained;
  bool new_program = false;  ///< its brk(NULL) was seen: what follows says nothing about its parent
};

struct Log {
  std::vector<std::string> names;
  std::vector<Task> tasks;
  std::vector<Event> events;
  LogReport report;
  bool any_range_call = false;
  bool interrupted = false;  ///< what follows the last line was not read
};

/// Any bytes are acceptable input. O(n log n) in the text.
[[nodiscard]] Log read_log(std::string_view text, const KeepImporting& keep_going = {});

/// mmap, munmap, mremap, brk, shmat, shmdt: the calls that change which ranges are mapped.
[[nodiscard]] bool is_range_call(Kind kind);

}  // namespace strace
}  // namespace vmapcheck
