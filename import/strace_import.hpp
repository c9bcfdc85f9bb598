// SPDX-License-Identifier: Apache-2.0
//
// Turns what a real program did with its address space into traces: from the text of an strace log, one Trace for each
// address space, and a report in which every line and every call is counted, so that nothing disappears silently.
//
//     // From: strace -f -o cat.log -e trace=memory,process cat
//     const char* log = "mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7f0000000000\n";
//     const auto imported = import_strace(log, {.program = "cat"});
//     if (!imported) return;  // a ParseError: no memory call in the text
//     const ImportedProcess& largest = imported->processes.front();
//     std::fputs(describe(largest).c_str(), stderr);  // what is exact, what is approximated
//     std::fputs(print(largest.trace).c_str(), stdout);
//
// Which logs. `strace -f -e trace=memory`, to a file or to the terminal, with or without pids, time stamps (-t -tt -ttt
// -r -T), instruction pointers, stack traces and decoded descriptors; with flags as symbols or as numbers (those of
// x86-64). Calls may be cut in two by other threads (`<unfinished ...>`), and lines by strace's own messages. Other
// calls may be in the log. A last line without its newline is taken as cut off and not interpreted, since half an
// address is an address; only an exit is complete without it.
//
// What a call becomes. Sizes are rounded up to pages; the page is the granule.
//
//     call                        recorded                          first-fit
//     mmap, without MAP_FIXED     alloc-at where the kernel put it  alloc: the allocator chooses
//     mmap, MAP_FIXED[_NOREPLACE] alloc-at; what it covers is       alloc-at; but nothing inside the area of an alloc,
//                                 freed first                       which stays as it is (approximated)
//     munmap of whole areas       free, each                        free, each
//     munmap of a part            free, then alloc-at what is left  nothing until the last byte of the area goes
//                                                                   (approximated); as recorded for an alloc-at
//     mremap, larger, in place    alloc-at of the part beyond      alloc of the new size, free (approximated)
//     mremap, moved               alloc-at, then free               alloc of the new size, then free
//     mremap, smaller             as munmap of the end              as munmap of the end
//     brk                         alloc-at of each growth; shrinks  the same
//                                 as munmap
//     shmat, shmdt                as mmap and munmap                the same; of one page (approximated) where the log
//                                                                   does not show the shmget that knows the size
//     execve, the last exit       free of everything that is busy   the same
//
// `recorded` is exact: after the ops of a call, the busy bytes are the bytes that the calls in the log have mapped.
// Areas are what was mapped at once, not mappings as the kernel would merge them. `first_fit` keeps sizes, order and
// lifetimes and leaves the choice of the place to the allocator under test; fixed placements and the heap keep their
// distances in a zone of their own above all that can be chosen, at the recorded address plus a constant, so that they
// never collide. Placement hints and MAP_32BIT are given up there (approximated).
//
// What a log does not say. The mappings made by execve itself (program, stack, vdso), the growth of stacks and the
// rings of io_setup have no call that states a range: they are not in the trace, and unmapping them is counted and does
// nothing. mprotect, madvise and the like have no meaning for ranges. They are counted by name, and so are calls that
// failed.
//
// When a call takes effect. Where other threads' lines stand between its halves, a call releases at its first half and
// acquires at its second: what munmap gives up may be handed out before it returns, and nobody knows what mmap gets
// before it returns.
//
// Processes. A trace has one space, so each address space becomes a trace of its own, named by the pid that began it;
// threads share one. With the process calls in the log (-e trace=memory,process) this is exact: CLONE_VM shares, fork
// copies (the child's trace begins with what it inherited, if it ever changes it), execve starts anew. Without them:
//     1. a pid has become a new program if its first call is brk(NULL), or if brk(NULL) answers something other than
//        the known end of its heap;
//     2. else a pid that a SIGCHLD names is a process: a copy of the receiver of the signal;
//     3. else it is a thread of the process to whose mappings its first addresses belong, or of the one active last.
//        Of more than 256 processes only those that were active last are considered.
// A forked child whose parent never gets a SIGCHLD is mistaken for a thread.
//
// Where that leads to a contradiction (the kernel hands out what should be mapped) the trace follows the kernel, and
// the report counts it. An answer that no kernel can have given (a mapping off a page or beyond 2^60, a heap that
// ends there or below its begin) makes no op, and is counted as well.
//
// Cost: O(n log n) in the text and memory for about one record per line, plus what is written: the traces of forked
// children begin with all that they inherited (see StraceOptions::choose), and in first-fit traces a fixed placement
// costs the areas that lie in it. A call that is cut more than 64 times has no result.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "import/strace_log.hpp"
#include "model/op.hpp"
#include "model/trace.hpp"

namespace vmapcheck {

/// Who decides where a mapping lies that the program left to the kernel.
enum class Placement : std::uint8_t {
  recorded,   ///< the kernel did: its addresses are kept
  first_fit,  ///< the allocator under test will
};

/// "recorded" and "first-fit".
[[nodiscard]] std::string_view name(Placement);
[[nodiscard]] std::optional<Placement> placement_named(std::string_view);

struct StraceOptions {
  Placement placement = Placement::recorded;
  Size page = 0x1000;        ///< bytes; a power of two: the page size of the machine that was traced
  std::string program = {};  ///< what was traced, for the first comment of each trace: "sort --parallel=4"
  /// Which of the processes gets its trace, by index. Without it all do: children of fork begin with all that they
  /// inherited, so that the traces of many can be far larger than the log.
  std::function<std::size_t(const std::vector<struct ImportedProcess>&)> choose = {};
  KeepImporting keep_going = {};
};

/// How often, by name or reason.
using Counts = std::map<std::string, std::size_t, std::less<>>;
[[nodiscard]] std::size_t sum(const Counts& counts);

/// What became of the calls of one address space. `calls` is the sum of the groups: translated, unchanged, no_meaning,
/// failed, unfinished, process_calls.
struct ImportReport {
  std::size_t calls = 0;
  std::size_t translated = 0;  ///< became ops
  std::size_t unchanged = 0;   ///< changed nothing that the trace knows of: brk(NULL), munmap of a hole
  Counts no_meaning;           ///< succeeded, but not about which ranges are in use: mprotect, madvise, ...
  Counts failed;               ///< changed nothing
  Counts unfinished;           ///< no result in the log; taken as without effect
  Counts process_calls;        ///< clone, fork, execve, exit, ...
  Counts exact;                ///< reasons for which one call became several ops, or ops came without a call
  Counts approximated;         ///< reasons for which the trace says something other than the log, or cannot know

  std::size_t threads = 0;   ///< pids that ran in this address space
  std::size_t programs = 0;  ///< one, and one more for each execve after which ranges were used again
};

struct ImportedProcess {
  std::uint32_t pid = 0;     ///< the first that ran in it; 0 if the log has no pids
  std::size_t op_count = 0;  ///< of its trace, also if that was not chosen
  Trace trace;
  std::vector<std::size_t> lines;  ///< for each op of the trace, the line of the log that it comes from
  ImportReport report;
};

struct StraceImport {
  std::vector<ImportedProcess> processes;  ///< all that made a call, most ops first; never empty
  LogReport log;
  bool interrupted = false;   ///< by keep_going(): the traces say what was done up to `last_line`
  std::size_t last_line = 0;  ///< the last whose calls were translated
  /// What was copied or looked at beyond a constant for each call: entries of mappings that processes share, and
  /// address spaces of which one is guessed. Linear in the log.
  std::size_t work = 0;
};

/// The traces in the text of an strace log. Any bytes are acceptable input. An error if no call in it is about ranges.
[[nodiscard]] std::expected<StraceImport, ParseError> import_strace(std::string_view text, const StraceOptions& = {});

/// What is in the log, as text of several lines, for people.
[[nodiscard]] std::string describe(const StraceImport&);
/// The report of one address space, likewise.
[[nodiscard]] std::string describe(const ImportedProcess&);
/// The same as the comments of its trace.
[[nodiscard]] std::vector<std::string> describe(const ImportReport&, const StraceOptions&);

}  // namespace vmapcheck
