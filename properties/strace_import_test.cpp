// SPDX-License-Identifier: Apache-2.0
//
// Real programs as traces. Tables state what each call becomes; the properties state that recorded traces are exact
// (after every call, the busy pages are those of a set of pages that knows nothing of areas), that first-fit traces
// replay, that every line and call is counted, and that no damage to a log does more than change the counts.

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <ostream>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "import/forked_map.hpp"
#include "import/strace_import.hpp"
#include "model/reference_model.hpp"

namespace vmapcheck {

void PrintTo(Placement placement, std::ostream* out) { *out << name(placement); }

namespace {

constexpr Size page = 0x1000;

/// What holds for every import: nothing disappears, and every trace is one. Returns what does not hold, or nothing.
std::string unsound(const StraceImport& imported) {
  const LogReport& log = imported.log;
  if (log.lines != log.call_lines + log.signals + log.exits + log.notes + log.unparsable + log.cut_off)
    return "lines are not the sum of their groups\n" + describe(imported);
  std::size_t calls = 0;
  std::size_t ops_before = std::numeric_limits<std::size_t>::max();
  for (const ImportedProcess& process : imported.processes) {
    const ImportReport& report = process.report;
    const Trace& trace = process.trace;
    if (report.calls != report.translated + report.unchanged + sum(report.no_meaning) + sum(report.failed) +
                            sum(report.unfinished) + sum(report.process_calls))
      return "calls are not the sum of their groups\n" + describe(process);
    calls += report.calls;
    if (trace.ops.size() > std::exchange(ops_before, trace.ops.size())) return "the largest process is not the first";
    if (process.lines.size() != trace.ops.size() || !std::ranges::is_sorted(process.lines)) return "lines of ops";
    if (!defect(trace.space).empty()) return defect(trace.space);
    if (relabel(trace) != trace) return "labels are not in order\n" + print(trace);
    const auto again = parse_trace(print(trace));
    if (!again) return again.error().expected + '\n' + print(trace);
    if (*again != trace) return "reads otherwise\n" + print(trace);
  }
  if (calls != log.calls || imported.processes.empty()) return "calls of no process\n" + describe(imported);
  return "";
}

StraceImport import(std::string_view log, Placement placement = Placement::recorded) {
  const auto imported = import_strace(log, {.placement = placement, .program = "test"});
  if (!imported) {
    ADD_FAILURE() << imported.error().expected;
    return {};
  }
  EXPECT_EQ(unsound(*imported), "");
  return *imported;
}

std::string ops_of(const ImportedProcess& process) {
  std::string text;
  for (const Op& op : process.trace.ops) text += print(op) + '\n';
  return text;
}

/// The ops of the only process; the zone of what is anchored in a first-fit trace is taken away, for readable tables.
std::string ops(std::string_view log, Placement placement = Placement::recorded) {
  StraceImport imported = import(log, placement);
  if (imported.processes.size() != 1) return fmt::format("{} processes", imported.processes.size());
  Trace& trace = imported.processes[0].trace;
  const Address zone = placement == Placement::first_fit ? std::bit_floor(trace.space.range.end) : 0;
  for (Op& op : trace.ops)
    if (AllocAt* at = std::get_if<AllocAt>(&op)) at->range = {at->range.begin - zone, at->range.end - zone};
  return ops_of(imported.processes[0]);
}

// ---- what each call becomes

struct Translation {
  std::string_view name;
  std::string_view log;
  std::string_view recorded;
  std::string_view first_fit = recorded;
};

void PrintTo(const Translation& translation, std::ostream* out) { *out << translation.name; }

constexpr std::string_view four_pages =
    "mmap(NULL, 16384, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000010000\n";

// Each log begins with four pages at 0x7f0000010000, which are a0.
constexpr Translation translations[] = {
    {"a_size_is_rounded_up", "mmap(NULL, 4097, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7f0000000000\n",
     "alloc-at a1 0x7f0000000000..0x7f0000002000\n", "alloc a1 size=0x2000\n"},
    {"munmap_of_all", "munmap(0x7f0000010000, 16384) = 0\n", "free a0\n"},
    {"munmap_of_the_front", "munmap(0x7f0000010000, 1) = 0\n", "free a0\nalloc-at a1 0x7f0000011000..0x7f0000014000\n",
     ""},
    {"munmap_of_the_back", "munmap(0x7f0000013000, 4096) = 0\n",
     "free a0\nalloc-at a1 0x7f0000010000..0x7f0000013000\n", ""},
    {"munmap_of_the_middle", "munmap(0x7f0000011000, 8192) = 0\n",
     "free a0\nalloc-at a1 0x7f0000010000..0x7f0000011000\nalloc-at a2 0x7f0000013000..0x7f0000014000\n", ""},
    {"munmap_part_by_part", "munmap(0x7f0000012000, 8192) = 0\nmunmap(0x7f0000010000, 8192) = 0\n",
     "free a0\nalloc-at a1 0x7f0000010000..0x7f0000012000\nfree a1\n", "free a0\n"},
    {"munmap_over_areas_and_holes",
     "mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7f0000018000\nmunmap(0x7f0000013000, 24576) = 0\n",
     "alloc-at a1 0x7f0000018000..0x7f000001a000\nfree a0\nalloc-at a2 0x7f0000010000..0x7f0000013000\n"
     "free a1\nalloc-at a3 0x7f0000019000..0x7f000001a000\n",
     "alloc a1 size=0x2000\n"},
    {"munmap_of_nothing", "munmap(0x7f0000100000, 4096) = 0\n", ""},
    {"fixed_in_free_space", "mmap(0x400000, 4096, PROT_READ, MAP_PRIVATE|MAP_FIXED, 3, 0) = 0x400000\n",
     "alloc-at a1 0x400000..0x401000\n"},
    {"fixed_over_an_area", "mmap(0x7f0000011000, 4096, PROT_READ, MAP_PRIVATE|MAP_FIXED, 3, 0) = 0x7f0000011000\n",
     "free a0\nalloc-at a1 0x7f0000010000..0x7f0000011000\nalloc-at a2 0x7f0000012000..0x7f0000014000\n"
     "alloc-at a3 0x7f0000011000..0x7f0000012000\n",
     ""},
    {"fixed_beyond_an_area", "mmap(0x7f0000013000, 8192, PROT_READ, MAP_PRIVATE|MAP_FIXED, 3, 0) = 0x7f0000013000\n",
     "free a0\nalloc-at a1 0x7f0000010000..0x7f0000013000\nalloc-at a2 0x7f0000013000..0x7f0000015000\n",
     "alloc-at a1 0x7f0000014000..0x7f0000015000\n"},
    {"fixed_over_fixed",
     "mmap(0x400000, 8192, PROT_READ, MAP_FIXED, 3, 0) = 0x400000\n"
     "mmap(0x401000, 8192, PROT_READ, MAP_FIXED, 3, 0) = 0x401000\n",
     "alloc-at a1 0x400000..0x402000\nfree a1\nalloc-at a2 0x400000..0x401000\nalloc-at a3 0x401000..0x403000\n"},
    {"flags_as_numbers", "mmap(0x400000, 4096, 0x1, 0x12, 3, 0) = 0x400000\n", "alloc-at a1 0x400000..0x401000\n"},
    {"flags_as_both", "mmap(0x400000, 4096, 0x1 /* PROT_READ */, 0x12 /* MAP_PRIVATE|MAP_FIXED */, 3, 0) = 0x400000\n",
     "alloc-at a1 0x400000..0x401000\n"},
    {"no_replace", "mmap(0x400000, 4096, PROT_READ, MAP_PRIVATE|MAP_FIXED_NOREPLACE, 3, 0) = 0x400000\n",
     "alloc-at a1 0x400000..0x401000\n"},
    {"no_replace_unknown_to_the_kernel",
     "mmap(0x400000, 4096, PROT_READ, MAP_PRIVATE|MAP_FIXED_NOREPLACE, 3, 0) = 0x7f0000000000\n",
     "alloc-at a1 0x7f0000000000..0x7f0000001000\n", "alloc a1 size=0x1000\n"},
    {"a_hint", "mmap(0x7f0000000000, 4096, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7f0000000000\n",
     "alloc-at a1 0x7f0000000000..0x7f0000001000\n", "alloc a1 size=0x1000\n"},
    {"huge_pages", "mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_HUGETLB, -1, 0) = 0x7f0000200000\n",
     "alloc-at a1 0x7f0000200000..0x7f0000400000\n", "alloc a1 size=0x200000 align=0x200000\n"},
    {"huge_pages_of_a_size_in_bits",
     "mmap(NULL, 4096, PROT_READ, 0x400e2 /* MAP_PRIVATE|MAP_HUGETLB|25<<MAP_HUGE_SHIFT */, -1, 0) = 0x7f0002000000\n",
     "alloc-at a1 0x7f0002000000..0x7f0004000000\n", "alloc a1 size=0x2000000 align=0x2000000\n"},
    {"huge_pages_of_a_size_in_words",
     "mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_HUGETLB|MAP_HUGE_64KB, -1, 0) = 0x7f0002000000\n",
     "alloc-at a1 0x7f0002000000..0x7f0002010000\n", "alloc a1 size=0x10000 align=0x10000\n"},
    {"huge_pages_of_a_size_in_flags", "mmap(NULL, 4096, PROT_READ, 0x40040022, -1, 0) = 0x7f0002000000\n",
     "alloc-at a1 0x7f0002000000..0x7f0002010000\n", "alloc a1 size=0x10000 align=0x10000\n"},
    {"gigantic_pages",
     "mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_HUGETLB|30<<MAP_HUGE_SHIFT, -1, 0) = 0x7f0040000000\n",
     "alloc-at a1 0x7f0040000000..0x7f0080000000\n", "alloc a1 size=0x40000000 align=0x40000000\n"},
    {"mremap_smaller", "mremap(0x7f0000010000, 16384, 4096, MREMAP_MAYMOVE) = 0x7f0000010000\n",
     "free a0\nalloc-at a1 0x7f0000010000..0x7f0000011000\n", ""},
    {"mremap_of_equal_size", "mremap(0x7f0000010000, 16384, 16384, MREMAP_MAYMOVE) = 0x7f0000010000\n", ""},
    {"mremap_larger_in_place", "mremap(0x7f0000010000, 16384, 20480, 0) = 0x7f0000010000\n",
     "alloc-at a1 0x7f0000014000..0x7f0000015000\n", "alloc a1 size=0x5000\nfree a0\n"},
    {"mremap_moved", "mremap(0x7f0000010000, 16384, 20480, MREMAP_MAYMOVE) = 0x7f0000000000\n",
     "alloc-at a1 0x7f0000000000..0x7f0000005000\nfree a0\n", "alloc a1 size=0x5000\nfree a0\n"},
    {"mremap_of_a_part", "mremap(0x7f0000011000, 4096, 8192, MREMAP_MAYMOVE) = 0x7f0000000000\n",
     "alloc-at a1 0x7f0000000000..0x7f0000002000\nfree a0\nalloc-at a2 0x7f0000010000..0x7f0000011000\n"
     "alloc-at a3 0x7f0000012000..0x7f0000014000\n",
     "alloc a1 size=0x2000\n"},
    {"mremap_to_a_fixed_place",
     "mremap(0x7f0000010000, 16384, 4096, MREMAP_MAYMOVE|MREMAP_FIXED, 0x400000) = 0x400000\n",
     "alloc-at a1 0x400000..0x401000\nfree a0\n"},
    {"mremap_that_keeps_the_old",
     "mremap(0x7f0000010000, 16384, 16384, MREMAP_MAYMOVE|MREMAP_DONTUNMAP) = 0x7f0000000000\n",
     "alloc-at a1 0x7f0000000000..0x7f0000004000\n", "alloc a1 size=0x4000\n"},
    {"mremap_of_nothing_duplicates", "mremap(0x7f0000010000, 0, 4096, MREMAP_MAYMOVE) = 0x7f0000000000\n",
     "alloc-at a1 0x7f0000000000..0x7f0000001000\n", "alloc a1 size=0x1000\n"},
    {"brk_grows_and_shrinks",
     "brk(NULL) = 0x5000\nbrk(0x8001) = 0x8001\nbrk(0x8fff) = 0x8fff\nbrk(0xa000) = 0xa000\nbrk(0x7000) = 0x7000\n",
     "alloc-at a1 0x5000..0x9000\nalloc-at a2 0x9000..0xa000\nfree a1\nalloc-at a3 0x5000..0x7000\nfree a2\n"},
    {"brk_refused", "brk(NULL) = 0x5000\nbrk(0x800000000) = 0x5000\nbrk(0x6000) = 0x6000\n",
     "alloc-at a1 0x5000..0x6000\n"},
    {"shared_memory_of_known_size",
     "shmget(IPC_PRIVATE, 8192, 0600) = 4\nshmat(4, NULL, 0) = 0x7f0000000000\nshmdt(0x7f0000000000) = 0\n",
     "alloc-at a1 0x7f0000000000..0x7f0000002000\nfree a1\n", "alloc a1 size=0x2000\nfree a1\n"},
    {"shared_memory_of_unknown_size", "shmat(4, NULL, 0) = 0x7f0000000000\nshmdt(0x7f0000000000) = 0\n",
     "alloc-at a1 0x7f0000000000..0x7f0000001000\nfree a1\n", "alloc a1 size=0x1000\nfree a1\n"},
    {"a_shadow_stack", "map_shadow_stack(NULL, 8192, SHADOW_STACK_SET_TOKEN) = 0x7f0000000000\n",
     "alloc-at a1 0x7f0000000000..0x7f0000002000\n", "alloc a1 size=0x2000\n"},
    {"failures_change_nothing",
     "mmap(NULL, 0, PROT_READ, MAP_PRIVATE, 3, 0) = -1 EINVAL (Invalid argument)\n"
     "munmap(0x7f0000010000, 0) = -1 EINVAL (Invalid argument)\n"
     "mremap(0x7f0000010000, 4096, 8192, 0) = -1 ENOMEM (Cannot allocate memory)\n",
     ""},
    {"no_meaning_for_ranges",
     "mprotect(0x7f0000010000, 4096, PROT_READ) = 0\nmadvise(0x7f0000010000, 4096, MADV_DONTNEED) = 0\n"
     "mlock(0x7f0000010000, 4096) = 0\nmincore(0x7f0000010000, 4096, [0]) = 0\nmsync(0x7f0000010000, 1, MS_SYNC) = 0\n",
     ""},
    {"execve_frees_everything", "execve(\"/bin/true\", [\"true\", \"a) = -1\"], 0x7ffc00000000 /* 9 vars */) = 0\n",
     "free a0\n"},
    {"another_heap_is_another_program", "brk(NULL) = 0x5000\nbrk(0x6000) = 0x6000\nbrk(NULL) = 0x9000\n",
     "alloc-at a1 0x5000..0x6000\nfree a0\nfree a1\n"},
    {"the_last_exit_frees_everything", "+++ exited with 0 +++\n", "free a0\n"},
    {"an_exit_needs_no_newline", "+++ exited with 0 +++", "free a0\n"},
    {"the_kernel_is_right", "mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7f0000010000\n",
     "free a0\nalloc-at a1 0x7f0000011000..0x7f0000014000\nalloc-at a2 0x7f0000010000..0x7f0000011000\n",
     "alloc a1 size=0x1000\n"},
};

class StraceCall : public testing::TestWithParam<Translation> {};

TEST_P(StraceCall, BecomesOps) {
  const std::string log = std::string{four_pages}.append(GetParam().log);
  EXPECT_EQ(ops(log), fmt::format("alloc-at a0 0x7f0000010000..0x7f0000014000\n{}", GetParam().recorded));
  EXPECT_EQ(ops(log, Placement::first_fit), fmt::format("alloc a0 size=0x4000\n{}", GetParam().first_fit));
}

INSTANTIATE_TEST_SUITE_P(Strace, StraceCall, testing::ValuesIn(translations),
                         [](const auto& translation) { return std::string{translation.param.name}; });

// ---- forms of a line

TEST(StraceLine, MayHaveAnyOfTheUsualPrefixes) {
  for (const std::string_view who :
       {"", "812 ", "812   ", "812<sort> ", "[pid   812] ", "[pid 812<sort>] ", "> ", "> > 812 ", "\xef\xbb\xbf"})
    for (const std::string_view when : {"", "12:30:01 ", "12:30:01.000012 ", "1795364257.599921 ", "1795364257 ",
                                        "     0.000061 ", "12:30:01 (+     0.000012) ", "2026-01-31T12:30:01+0100 "})
      for (const std::string_view where : {"", "[   9] ", "[00007f0cc67629b3] ", "[????????????????] "})
        EXPECT_EQ(ops(fmt::format("{}{}{}{}", who, when, where, four_pages)),
                  "alloc-at a0 0x7f0000010000..0x7f0000014000\n")
            << who << when << where;
}

TEST(StraceLine, MayHaveAnyOfTheUsualEnds) {
  constexpr std::string_view result = " = 0x7f0000010000";
  for (const std::string_view form :
       {"mmap(NULL, 16384, PROT_READ, MAP_PRIVATE, 3</tmp/a) = 1>, 0){} <0.000024>",
        "mmap(NULL, 0x4000, PROT_READ, MAP_PRIVATE, 3<socket:[1->2]>, 0)      {} (INJECTED)",
        "mmap2(NULL, 16384, PROT_READ, MAP_PRIVATE, 3, 0){}\r", "mmap(0, 16384, 0x1, 0x2, 3, 0){}"}) {
    const std::string log = fmt::format("{}\n", fmt::format(fmt::runtime(form), result));
    EXPECT_EQ(ops(log), "alloc-at a0 0x7f0000010000..0x7f0000014000\n") << form;
  }
}

TEST(StraceLine, OtherLinesAreCounted) {
  const StraceImport imported = import(
      "strace: Process 7 attached\n"
      "7  execve(\"/bin/a\", [\"a\"], 0x7ffc /* 3 vars */) = 0\n"
      "7  brk(NULL) = 0x5000\n"
      " > /usr/lib/libc.so.6(mmap+0x13) [0x1000]\n"
      "the program says hello\n"
      "7  brk(lots) = 0x6000\n"
      "\n"
      "7  --- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=NULL} ---\n"
      "7  +++ killed by SIGSEGV (core dumped) +++\n"
      "8  brk(0x60");
  EXPECT_EQ(imported.log.lines, 10u);
  EXPECT_EQ(imported.log.call_lines, 2u);
  EXPECT_EQ(imported.log.notes, 3u);
  EXPECT_EQ(imported.log.signals, 1u);
  EXPECT_EQ(imported.log.exits, 1u);
  EXPECT_EQ(imported.log.unparsable, 2u);
  EXPECT_EQ(imported.log.unparsable_lines, (std::vector<std::size_t>{5, 6}));
  EXPECT_EQ(imported.log.cut_off, 1u);
}

TEST(StraceLine, MayBeCutInTwoByAThread) {
  // The munmap gives up its pages at its first half: another thread may get them before it returns.
  const StraceImport imported = import(
      "7 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7f0000000000\n"
      "7 clone3({flags=CLONE_VM|CLONE_THREAD, exit_signal=0} => {parent_tid=[8]}, 88) = 8\n"
      "7 munmap(0x7f0000000000, 4096 <unfinished ...>\n"
      "8 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0 <unfinished ...>\n"
      "8 <... mmap resumed>)              = 0x7f0000000000\n"
      "7 <... munmap resumed>)            = 0\n"
      "7 mmap(NULL, 8192,  <unfinished ...>\n"
      "8 mremap(0x7f0000000000, 4096, 8192, MREMAP_MAYMOVE <unfinished ...>\n"
      "7 <... mmap resumed> PROT_READ, MAP_PRIVATE, 3, 0) = 0x7f0000000000\n"
      "8 <... mremap resumed>) = 0x7f0000010000\n");
  ASSERT_EQ(imported.processes.size(), 1u);
  EXPECT_EQ(ops_of(imported.processes[0]),
            "alloc-at a0 0x7f0000000000..0x7f0000001000\nfree a0\nalloc-at a1 0x7f0000000000..0x7f0000001000\n"
            "free a1\nalloc-at a2 0x7f0000000000..0x7f0000002000\nalloc-at a3 0x7f0000010000..0x7f0000012000\n");
  EXPECT_EQ(imported.processes[0].lines, (std::vector<std::size_t>{1, 3, 5, 8, 9, 10}));
  EXPECT_EQ(imported.processes[0].report.approximated, Counts{});
  EXPECT_EQ(imported.processes[0].report.translated, 5u);
  EXPECT_EQ(imported.log.interleaved, 3u);
}

TEST(StraceLine, WithoutAResultIsCounted) {
  const StraceImport imported = import(
      "7 brk(NULL) = 0x5000\n7 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0) = ?\n7 munmap(0x5000, 4096 <unfinished "
      "...>\n"
      "7 <... munmap resumed> <unfinished ...>) = ?\n7 mremap(0x5000, 4096 <unfinished ...>) = ?\n"
      "7 exit_group(0) = ?\n7 +++ exited with 0 +++\n");
  EXPECT_EQ(imported.log.unparsable, 0u);
  EXPECT_EQ(imported.processes.at(0).report.unfinished, (Counts{{"mmap", 1}, {"mremap", 1}, {"munmap", 1}}));
  EXPECT_EQ(imported.processes.at(0).report.process_calls, (Counts{{"exit_group", 1}}));
}

TEST(StraceLine, MayBeCutByAMessageOfStrace) {
  const StraceImport imported = import(
      "brk(NULL) = 0x5000\n"
      "brk(0x6000strace: Process 9 attached\n"
      ") = 0x6000\n"
      "[pid     9] munmap(0x5000, 4096) = 0\n"
      "[pid     9] +++ exited with 0 +++\n"
      "+++ exited with 0 +++\n");
  ASSERT_EQ(imported.processes.size(), 1u);
  EXPECT_EQ(ops_of(imported.processes[0]), "alloc-at a0 0x5000..0x6000\nfree a0\n");
  EXPECT_EQ(imported.processes[0].report.threads, 2u);
  EXPECT_EQ(imported.log.unparsable, 0u);
}

// ---- whose address space

using ByPid = std::map<std::uint32_t, std::string>;

/// What becomes of process 7, whose heap is four pages, and of the others.
struct Related {
  std::string_view name;
  std::string_view log;
  ByPid ops;
};
void PrintTo(const Related& related, std::ostream* out) { *out << related.name; }

constexpr std::string_view heap_of_7 = "7 brk(NULL) = 0x5000\n7 brk(0x9000) = 0x9000\n";

const Related relations[] = {
    {"a_thread_shares_its_address_space",
     "7 clone(child_stack=0x7f00, flags=CLONE_VM|CLONE_FS|CLONE_THREAD, tls=0x7f <unfinished ...>\n"
     "8 munmap(0x6000, 4096) = 0\n"
     "7 <... clone resumed>) = 8\n"
     "8 +++ exited with 0 +++\n",
     {{7, "alloc-at a0 0x5000..0x9000\nfree a0\nalloc-at a1 0x5000..0x6000\nalloc-at a2 0x7000..0x9000\n"}}},
    {"a_forked_child_begins_with_a_copy",
     "7 clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD <unfinished ...>\n"
     "8 munmap(0x5000, 16384) = 0\n"
     "8 +++ exited with 0 +++\n"
     "7 <... clone resumed>, child_tidptr=0x7f00) = 8\n"
     "7 brk(0xa000) = 0xa000\n",
     {{7, "alloc-at a0 0x5000..0x9000\nalloc-at a1 0x9000..0xa000\n"}, {8, "alloc-at a0 0x5000..0x9000\nfree a0\n"}}},
    {"a_forked_child_that_changes_nothing_writes_nothing",
     "7 fork() = 8\n8 brk(NULL) = 0x9000\n8 exit_group(0) = ?\n8 +++ exited with 0 +++\n",
     {{7, "alloc-at a0 0x5000..0x9000\n"}, {8, ""}}},
    {"a_child_of_vfork_leaves_at_its_execve",
     "7 vfork( <unfinished ...>\n"
     "8 execve(\"/bin/a\", [\"a\"], 0x7f00 /* 0 vars */ <unfinished ...>\n"
     "7 <... vfork resumed>) = 8\n"
     "7 +++ exited with 0 +++\n"
     "8 <... execve resumed>) = 0\n"
     "8 brk(NULL) = 0xb000\n"
     "8 brk(0xc000) = 0xc000\n",
     {{7, "alloc-at a0 0x5000..0x9000\nfree a0\n"}, {8, "alloc-at a0 0xb000..0xc000\n"}}},
    {"a_thread_that_calls_execve_goes_on_as_the_first",
     "7 clone3({flags=CLONE_VM|CLONE_THREAD, exit_signal=0}, 88) = 8\n"
     "8 execve(\"/bin/a\", [\"a\"], 0x7f00 /* 0 vars */ <pid changed to 7 ...>\n"
     "7 +++ superseded by execve in pid 8 +++\n"
     "7 <... execve resumed>) = 0\n"
     "7 brk(NULL) = 0xb000\n"
     "7 brk(0xc000) = 0xc000\n",
     {{7, "alloc-at a0 0x5000..0x9000\nfree a0\nalloc-at a1 0xb000..0xc000\n"}}},
    {"without_clone_a_new_pid_that_asks_for_its_heap_is_a_program",
     "8 brk(NULL) = 0xb000\n8 brk(0xc000) = 0xc000\n",
     {{7, "alloc-at a0 0x5000..0x9000\n"}, {8, "alloc-at a0 0xb000..0xc000\n"}}},
    {"without_clone_a_pid_that_a_sigchld_names_is_a_copy",
     "8 munmap(0x5000, 16384) = 0\n8 +++ exited with 0 +++\n"
     "7 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=8, si_uid=0, si_status=0} ---\n",
     {{7, "alloc-at a0 0x5000..0x9000\n"}, {8, "alloc-at a0 0x5000..0x9000\nfree a0\n"}}},
    {"without_clone_a_thread_belongs_where_its_addresses_are",
     "8 brk(NULL) = 0xb000\n8 brk(0xc000) = 0xc000\n"
     "9 mprotect(0x6000, 4096, PROT_READ) = 0\n9 munmap(0x5000, 16384) = 0\n",
     {{7, "alloc-at a0 0x5000..0x9000\nfree a0\n"}, {8, "alloc-at a0 0xb000..0xc000\n"}}},
};

class StraceRelated : public testing::TestWithParam<Related> {};

TEST_P(StraceRelated, HaveTheAddressSpacesThatAreTheirs) {
  ByPid by_pid;
  for (const ImportedProcess& process : import(std::string{heap_of_7}.append(GetParam().log)).processes)
    by_pid[process.pid] = ops_of(process);
  EXPECT_EQ(by_pid, GetParam().ops);
}

INSTANTIATE_TEST_SUITE_P(Strace, StraceRelated, testing::ValuesIn(relations),
                         [](const auto& related) { return std::string{related.param.name}; });

TEST(StraceProcess, WithoutCloneNothingAfterTheHeapQuestionTellsWhoseThreadItWas) {
  const StraceImport imported =
      import(std::string{heap_of_7} +
             "8 brk(NULL) = 0xb000\n8 brk(0xc000) = 0xc000\n9 mprotect(0x6000, 4096, PROT_READ) = 0\n"
             "9 brk(NULL) = 0x1000\n9 munmap(0xb000, 1) = 0\n9 munmap(0xb000, 1) = 0\n");
  for (const ImportedProcess& process : imported.processes)
    EXPECT_EQ(process.report.no_meaning, process.pid == 7 ? (Counts{{"mprotect", 1}}) : Counts{}) << process.pid;
}

TEST(StraceProcess, AForkedChildInheritsWhatIsLeftOfAFirstFitArea) {
  const StraceImport imported = import(
      "7 mmap(NULL, 12288, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7f0000000000\n7 munmap(0x7f0000001000, 4096) = 0\n"
      "7 fork() = 8\n8 munmap(0x7f0000000000, 4096) = 0\n8 munmap(0x7f0000002000, 4096) = 0\n",
      Placement::first_fit);
  ASSERT_EQ(imported.processes.size(), 2u);
  EXPECT_EQ(imported.processes[0].pid, 8u);
  EXPECT_EQ(ops_of(imported.processes[0]), "alloc a0 size=0x3000\nfree a0\n");
  EXPECT_EQ(ops_of(imported.processes[1]), "alloc a0 size=0x3000\n");
}

TEST(StraceProcess, APidMayBeUsedAgain) {
  const StraceImport imported = import(std::string{heap_of_7} + "7 +++ exited with 0 +++\n7 brk(NULL) = 0x1000\n");
  ASSERT_EQ(imported.processes.size(), 2u);
  EXPECT_EQ(ops_of(imported.processes[0]), "alloc-at a0 0x5000..0x9000\nfree a0\n");
  EXPECT_EQ(ops_of(imported.processes[1]), "");
}

// ---- the space, the comments, the report

TEST(StraceTrace, IsOfTheSmallestUsualSpace) {
  const auto space = [](std::string_view address, Placement placement) {
    return import(fmt::format("mmap(NULL, 4096, 0x1, 0x12, 3, 0) = {}\n", address), placement)
        .processes.at(0)
        .trace.space;
  };
  EXPECT_EQ(space("0x8000", Placement::recorded).range, (Range{0, 0x1'0000'0000}));
  EXPECT_EQ(space("0x7fffffffe000", Placement::recorded).range, (Range{0, 0x8000'0000'0000}));
  EXPECT_EQ(space("0x800000000000", Placement::recorded).range, (Range{0, 0x1'0000'0000'0000}));
  EXPECT_EQ(space("0x8000", Placement::first_fit).range, (Range{0, 0x3'0000'0000}));
  EXPECT_EQ(space("0x8000", Placement::first_fit).granule, page);
}

TEST(StraceTrace, SaysWhatItIs) {
  const auto imported = import_strace(four_pages, {.program = "sort\n --parallel=4\x1b[0m"});
  ASSERT_TRUE(imported);
  EXPECT_EQ(imported->processes[0].trace.comments[0],
            "sort --parallel=4 [0m: what it did with its address space, from 1 system call of 1 thread.");
}

TEST(StraceTrace, NamesWhatIsApproximated) {
  const std::string log = std::string{four_pages} +
                          "munmap(0x7f0000010000, 1) = 0\nmmap(0x7f0000011000, 1, 0x1, 0x12, 3, 0) = 0x7f0000011000\n"
                          "munmap(0x7f0000800000, 4096) = 0\n";
  EXPECT_EQ(import(log).processes[0].report.approximated,
            (Counts{{"munmap of bytes that no call in the log mapped", 1}}));
  EXPECT_EQ(import(log).processes[0].report.exact,
            (Counts{{"areas split by a fixed mapping", 1}, {"areas split by munmap", 1}}));
  EXPECT_EQ(import(log, Placement::first_fit).processes[0].report.approximated,
            (Counts{{"first-fit areas cut by munmap, busy until their last byte goes", 1},
                    {"fixed placements inside first-fit areas", 1},
                    {"munmap of bytes that no call in the log mapped", 1}}));
}

TEST(StraceImport, NeedsAMemoryCall) {
  for (const std::string_view log :
       {"", "\n", "hello\n", "7 openat(AT_FDCWD, \"a\", O_RDONLY) = 3\n", "brk(NULL) = 0x5000"}) {
    const auto imported = import_strace(log);
    ASSERT_FALSE(imported) << log;
    EXPECT_NE(imported.error().expected.find("expected the log of an strace"), std::string::npos);
  }
  EXPECT_FALSE(import_strace(four_pages, {.page = 3}));
  EXPECT_EQ(placement_named("first-fit"), Placement::first_fit);
  EXPECT_EQ(placement_named("firstfit"), std::nullopt);
}

// ---- recorded traces are exact

using Pages = std::set<Address>;

constexpr Address page_up(Address address) { return vmap::align_up(address, page).value(); }
void map_pages(Pages& pages, Address begin, Size size) {
  for (Size offset = 0; offset < size; offset += page) pages.insert(begin + offset);
}
void unmap_pages(Pages& pages, Address begin, Size size) {
  for (Size offset = 0; offset < size; offset += page) pages.erase(begin + offset);
}

/// Performs the ops of a trace in the reference model.
class Replay {
 public:
  explicit Replay(const ImportedProcess& process) : process_{process}, model_{process.trace.space} {}

  /// Performs what became of the log's lines up to `line`, which never decreases.
  void go_to(std::size_t line) {
    for (; next_ < process_.lines.size() && process_.lines[next_] <= line; ++next_)
      if (const Op& op = process_.trace.ops[next_]; !succeeds(op)) failed += print(op) + '\n';
  }
  Pages busy_pages() const {
    Pages pages;
    for (const auto& [begin, area] : model_.areas()) map_pages(pages, begin, area.end - begin);
    return pages;
  }
  Size busy_bytes() const { return model_.busy_bytes(); }

  std::string failed;  ///< the ops that did not succeed

 private:
  bool succeeds(const Op& op) {
    if (const Free* free = std::get_if<Free>(&op)) {
      const auto live = live_.extract(free->label);
      if (live) model_.vacate(live.mapped());
      return !live.empty();
    }
    if (const Alloc* alloc = std::get_if<Alloc>(&op)) {
      const auto placed = model_.predict(alloc->request);
      return placed && occupy(placed->range, alloc->label);
    }
    const AllocAt* at = std::get_if<AllocAt>(&op);
    return at && model_.is_free(at->range) && occupy(at->range, at->label);
  }
  bool occupy(Range range, Label label) {
    model_.occupy(range, label);
    return live_.emplace(label, range.begin).second;
  }

  const ImportedProcess& process_;
  ReferenceModel model_;
  std::size_t next_ = 0;
  std::map<Label, Address> live_;
};

Replay replay_all(const ImportedProcess& process) {
  Replay replay{process};
  replay.go_to(std::numeric_limits<std::size_t>::max());
  return replay;
}

/// A kernel that knows pages only, and a program that makes arbitrary calls: three bytes a call. Writes the log.
class ToyKernel {
 public:
  void call(std::array<std::uint8_t, 3> choice);

  std::string log;
  std::vector<Pages> pages_after;  ///< each line

 private:
  static constexpr Address base = 0x7f00'0000'0000;
  static constexpr Size window = 48;  ///< pages
  static constexpr Address heap_begin = 0x5000'0000;

  [[nodiscard]] bool none(Address begin, Size size) const {
    const auto next = pages_.lower_bound(begin);
    return next == pages_.end() || *next >= begin + size;
  }
  [[nodiscard]] bool all(Address begin, Size size) const {
    for (Size offset = 0; offset < size; offset += page)
      if (!pages_.contains(begin + offset)) return false;
    return true;
  }
  /// Top down, as kernels do.
  [[nodiscard]] Address place(Size size) const {
    Address begin = base + window * page;
    do begin -= page;
    while (!none(begin, size));
    return begin;
  }
  template <class... Arguments>
  void line(std::string_view format, const Arguments&... arguments) {
    log += fmt::vformat(format, fmt::make_format_args(arguments...)) + '\n';
    pages_after.push_back(pages_);
  }

  void remap(Address begin, Size size, Size size_new, unsigned how);

  Pages pages_;
  Address heap_end_ = heap_begin;
  bool heap_known_ = false;
};

void ToyKernel::call(std::array<std::uint8_t, 3> choice) {
  const Address at = base + choice[1] % window * page;
  const Size size = (1 + choice[2] % 8) * page;
  const Size written = size - choice[2] % 3;
  switch (choice[0] % 8) {
    case 0: {
      const Address got = place(size);
      map_pages(pages_, got, size);
      return line("mmap(NULL, {}, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = {:#x}", written, got);
    }
    case 1:
      map_pages(pages_, at, size);
      return line("mmap({0:#x}, {1}, PROT_READ, MAP_PRIVATE|MAP_FIXED, 3, 0) = {0:#x}", at, written);
    case 2:
    case 3: unmap_pages(pages_, at, size); return line("munmap({:#x}, {}) = 0", at, written);
    case 4: return remap(at, size, (1 + choice[0] / 8 % 8) * page, choice[2] / 8);
    case 5: {
      if (!std::exchange(heap_known_, true)) line("brk(NULL) = {:#x}", heap_end_);
      const Address end = heap_begin + choice[1] * page / 16;
      if (end > heap_end_)
        map_pages(pages_, page_up(heap_end_), page_up(end) - page_up(heap_end_));
      else
        unmap_pages(pages_, page_up(end), page_up(heap_end_) - page_up(end));
      heap_end_ = end;
      return line("brk({0:#x}) = {0:#x}", end);
    }
    case 6: return line("mmap(NULL, {}, PROT_READ, MAP_PRIVATE, 3, 0) = -1 ENOMEM (Cannot allocate memory)", written);
    default: return line("mprotect({:#x}, {}, PROT_NONE) = 0", at, written);
  }
}

void ToyKernel::remap(Address begin, Size size, Size size_new, unsigned how) {
  if (!all(begin, size)) return line("mremap({:#x}, {}, {}, 0) = -1 EFAULT (Bad address)", begin, size, size_new);
  const bool keeps = how % 4 == 3 && size_new == size;
  if (!keeps && size_new <= size) {
    unmap_pages(pages_, begin + size_new, size - size_new);
    return line("mremap({0:#x}, {1}, {2}, MREMAP_MAYMOVE) = {0:#x}", begin, size, size_new);
  }
  if (how % 4 == 1) {
    const Address to =
        base + (window + 8 + how % 16) * page;  // above all that it may come from: the two may not overlap
    if (!keeps) unmap_pages(pages_, begin, size);
    map_pages(pages_, to, size_new);
    return line("mremap({0:#x}, {1}, {2}, MREMAP_MAYMOVE|MREMAP_FIXED, {3:#x}) = {3:#x}", begin, size, size_new, to);
  }
  if (!keeps && none(begin + size, size_new - size)) {
    map_pages(pages_, begin + size, size_new - size);
    return line("mremap({0:#x}, {1}, {2}, 0) = {0:#x}", begin, size, size_new);
  }
  const Address to = place(size_new);
  if (!keeps) unmap_pages(pages_, begin, size);
  map_pages(pages_, to, size_new);
  line("mremap({:#x}, {}, {}, MREMAP_MAYMOVE{}) = {:#x}", begin, size, size_new, keeps ? "|MREMAP_DONTUNMAP" : "", to);
}

ToyKernel run_program(const std::vector<std::array<std::uint8_t, 3>>& choices) {
  ToyKernel kernel;
  kernel.call({0, 0, 0});
  for (const std::array<std::uint8_t, 3> choice : choices) kernel.call(choice);
  return kernel;
}

RC_GTEST_PROP(StraceRecorded, BusyPagesAreTheMappedPagesAfterEveryCall,
              (const std::vector<std::array<std::uint8_t, 3>>& choices)) {
  const ToyKernel kernel = run_program(choices);
  const auto imported = import_strace(kernel.log);
  RC_ASSERT(imported.has_value());
  RC_LOG() << kernel.log;
  RC_ASSERT(unsound(*imported) == "");
  RC_ASSERT(imported->processes.size() == 1u);
  Replay replay{imported->processes[0]};
  for (std::size_t line = 0; const Pages& pages : kernel.pages_after) {
    replay.go_to(++line);
    RC_ASSERT(replay.busy_pages() == pages);
  }
  RC_ASSERT(replay.failed == "");
}

// ---- first-fit traces replay

RC_GTEST_PROP(StraceFirstFit, EveryOpSucceedsAndAtLeastWhatIsMappedIsBusy,
              (const std::vector<std::array<std::uint8_t, 3>>& choices)) {
  const ToyKernel kernel = run_program(choices);
  const auto imported = import_strace(kernel.log, {.placement = Placement::first_fit});
  RC_ASSERT(imported.has_value());
  RC_LOG() << kernel.log;
  RC_ASSERT(unsound(*imported) == "");
  const Replay replay = replay_all(imported->processes[0]);
  RC_ASSERT(replay.failed == "");
  RC_ASSERT(replay.busy_bytes() >= kernel.pages_after.back().size() * page);

  const auto ended = import_strace(kernel.log + "+++ exited with 0 +++\n", {.placement = Placement::first_fit});
  const Replay replay_ended = replay_all(ended->processes[0]);
  RC_ASSERT(replay_ended.failed == "");
  RC_ASSERT(replay_ended.busy_bytes() == 0u);
}

// ---- a real log

std::string python3_log() {
  std::ifstream file{VMAPCHECK_CORPUS_DIR "/../properties/data/python3.strace", std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

/// The pages after each line, read by other means than the importer's.
std::vector<Pages> pages_of_python3(const std::string& log) {
  std::vector<Pages> after;
  Pages pages;
  unsigned long long heap = 0;
  for (std::size_t begin = 0; begin < log.size(); begin = log.find('\n', begin) + 1) {
    const std::string line = log.substr(begin, log.find('\n', begin) - begin);
    const std::size_t equals = line.rfind("= 0x");
    unsigned long long a = 0, size = 0, size_new = 0, result = 0;
    if (equals != std::string::npos) std::sscanf(line.c_str() + equals, "= 0x%llx", &result);
    if (std::sscanf(line.c_str(), "%*d mmap(NULL, %llu", &size) == 1 ||
        std::sscanf(line.c_str(), "%*d mmap(0x%llx, %llu", &a, &size) == 2) {
      map_pages(pages, result, page_up(size));
    } else if (std::sscanf(line.c_str(), "%*d munmap(0x%llx, %llu", &a, &size) == 2) {
      unmap_pages(pages, a, page_up(size));
    } else if (std::sscanf(line.c_str(), "%*d mremap(0x%llx, %llu, %llu", &a, &size, &size_new) == 3) {
      unmap_pages(pages, a, page_up(size));
      map_pages(pages, result, page_up(size_new));
    } else if (line.find(" brk(") != std::string::npos) {
      if (heap != 0 && result > heap) map_pages(pages, page_up(heap), page_up(result) - page_up(heap));
      if (heap != 0 && result < heap) unmap_pages(pages, page_up(result), page_up(heap) - page_up(result));
      heap = result;
    } else if (line.find("+++ exited") != std::string::npos) {
      pages.clear();
    }
    after.push_back(pages);
  }
  return after;
}

TEST(StracePython3, IsExactAfterEveryLine) {
  const std::string log = python3_log();
  ASSERT_FALSE(log.empty());
  const StraceImport imported = import(log);
  ASSERT_EQ(imported.processes.size(), 1u);
  EXPECT_EQ(imported.log.unparsable, 0u);
  EXPECT_EQ(imported.processes[0].report.approximated, Counts{});
  EXPECT_EQ(imported.processes[0].report.translated, 219u);
  EXPECT_EQ(imported.processes[0].report.no_meaning, (Counts{{"mprotect", 7}}));
  Replay replay{imported.processes[0]};
  std::size_t line = 0;
  std::size_t most = 0;
  for (const Pages& pages : pages_of_python3(log)) {
    replay.go_to(++line);
    EXPECT_EQ(replay.busy_pages(), pages) << "after line " << line;
    most = std::max(most, pages.size());
  }
  EXPECT_GT(most, 10'000u);
  const StraceImport first_fit = import(log, Placement::first_fit);
  const Replay replay_first_fit = replay_all(first_fit.processes[0]);
  EXPECT_EQ(replay.failed + replay_first_fit.failed, "");
  EXPECT_EQ(replay_first_fit.busy_bytes(), 0u);
}

// ---- what it costs

std::string mmap_line(std::uint32_t pid, std::size_t number) {
  return fmt::format("{} mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0) = 0x{:x}\n", pid,
                     0x7f0000000000 + 2 * page * number);
}

/// A parent of `mappings` forks `children`; each does what `child` says.
template <class Child>
StraceImport family(std::size_t mappings, std::uint32_t children, Child child,
                    Placement placement = Placement::recorded) {
  std::string log;
  for (std::size_t i = 0; i < mappings; ++i) log += mmap_line(7, i);
  for (std::uint32_t pid = 100; pid < 100 + children; ++pid) {
    log += fmt::format("7 fork() = {}\n{}{} +++ exited with 0 +++\n", pid, child(pid), pid);
    log += fmt::format("7 munmap(0x{:x}, 4096) = 0\n{}", 0x7f0000000000, mmap_line(7, 0));
  }
  const auto imported = import_strace(log, {.placement = placement, .choose = [](const auto&) { return 0u; }});
  if (imported) return *imported;
  ADD_FAILURE() << imported.error().expected;
  return {};
}

TEST(StraceCost, AForkThatIsFollowedByExecveCopiesNothing) {
  const auto exec = [](std::uint32_t pid) { return fmt::format("{} execve(\"/bin/true\", [], 0) = 0\n", pid); };
  const StraceImport imported = family(5000, 500, exec);
  EXPECT_EQ(imported.processes.size(), 501u);
  EXPECT_EQ(imported.processes[0].op_count, 6000u);
  EXPECT_EQ(imported.work, 0u);
}

TEST(StraceCost, AForkedChildThatChangesSomethingCopiesLittle) {
  const auto change = [](std::uint32_t pid) { return mmap_line(pid, 9000); };
  for (const Placement placement : {Placement::recorded, Placement::first_fit}) {
    const StraceImport imported = family(5000, 200, change, placement);
    ASSERT_EQ(imported.processes.size(), 201u);
    EXPECT_EQ(std::ranges::count(imported.processes, 10'002u, &ImportedProcess::op_count), 200);
    EXPECT_LT(imported.work, 200u * 2000);  // not 200 * 5000
  }
}

TEST(StraceCost, AGuessLooksAtFewProcesses) {
  std::string log;
  for (std::uint32_t pid = 1000; pid < 3000; ++pid) log += fmt::format("{} brk(NULL) = 0x{:x}\n", pid, pid * page);
  for (std::uint32_t pid = 3000; pid < 5000; ++pid) log += fmt::format("{} munmap(0x1000, 4096) = 0\n", pid);
  EXPECT_LE(import(log).work, 2000u * 257);  // not 2000 * 2000
}

TEST(StraceCost, ACallThatIsCutTooOftenHasNoResult) {
  const auto cut = [](int times) {
    std::string log = "7 brk(NULL) = 0x5000\n7 mmap(NULL, 4096 <unfinished ...>\n8 brk(NULL) = 0x9000\n";
    for (int i = 1; i < times; ++i) log += "7 <... mmap resumed> <unfinished ...>\n";
    return log + "7 <... mmap resumed>, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7f0000000000\n";
  };
  EXPECT_EQ(import(cut(60)).processes[0].report.translated, 1u);
  EXPECT_EQ(import(cut(70)).processes[0].report.translated, 0u);
  const auto joined = [](int times) {
    std::string log = "brk(NULL) = 0x5000\n";
    for (int i = 0; i < times; ++i) log += fmt::format("brk( strace: Process {} attached\n", 100 + i);
    return import(log + "0x6000) = 0x6000\n").log.unparsable;
  };
  EXPECT_EQ(joined(1), 0u);
  EXPECT_GT(joined(70), 0u);
}

TEST(StraceCost, OnlyTheTraceThatIsChosenIsWritten) {
  const std::string log = mmap_line(7, 0) + "7 fork() = 8\n" + mmap_line(8, 1) + mmap_line(8, 2);
  const StraceImport all = import(log);
  const auto chosen = import_strace(log, {.program = "test", .choose = [](const auto& processes) {
                                            EXPECT_EQ(processes.size(), 2u);
                                            return 1u;
                                          }});
  ASSERT_TRUE(chosen);
  ASSERT_EQ(chosen->processes.size(), 2u);
  EXPECT_TRUE(chosen->processes[0].trace.ops.empty());
  EXPECT_EQ(chosen->processes[0].op_count, 3u);
  EXPECT_EQ(chosen->processes[1].trace, all.processes[1].trace);
  EXPECT_EQ(chosen->processes[1].lines, all.processes[1].lines);
}

TEST(StraceCost, AnImportThatIsEndedKeepsWhatItHas) {
  std::string log;
  for (std::size_t i = 0; i < 20'000; ++i) log += mmap_line(7, i);
  for (const auto stage : {ImportProgress::reading, ImportProgress::translating}) {
    const auto imported =
        import_strace(log, {.keep_going = [&](const ImportProgress& at) { return at.stage != stage || at.done == 0; }});
    ASSERT_TRUE(imported);
    EXPECT_TRUE(imported->interrupted);
    EXPECT_EQ(imported->last_line, 4096u);
    EXPECT_EQ(imported->processes[0].trace.ops.size(), 4096u);
    const auto again = parse_trace(print(imported->processes[0].trace));
    EXPECT_TRUE(again && *again == imported->processes[0].trace);
  }
}

RC_GTEST_PROP(ForkedMap, ACopyIsItsOwn, ()) {
  std::vector<std::pair<ForkedMap<unsigned, unsigned>, std::map<unsigned, unsigned>>> maps(1);
  for (unsigned i = 0; i < 1000; ++i) maps[0].first.set(3 * i, i), maps[0].second[3 * i] = i;
  const auto steps = *rc::gen::container<std::vector<std::array<unsigned, 3>>>(
      rc::gen::container<std::array<unsigned, 3>>(rc::gen::inRange(0u, 3000u)));
  for (const auto& [what, where, value] : steps) {
    auto& [forked, plain] = maps[value % maps.size()];
    if (what % 8 == 0 && maps.size() < 5) {
      maps.push_back(maps[value % maps.size()]);
    } else if (what % 8 < 4) {
      forked.set(where, value);
      plain[where] = value;
    } else {  // a run of keys, so that blocks become empty
      for (unsigned k = where; k < where + what % 300; ++k) forked.erase(k), plain.erase(k);
    }
  }
  for (const auto& [forked, plain] : maps) {
    RC_ASSERT(forked.size() == plain.size());
    std::map<unsigned, unsigned> listed;
    forked.each([&](unsigned k, unsigned value) { listed[k] = value; });
    RC_ASSERT(listed == plain);
    for (unsigned k = 0; k < 3100; k += 7) {
      const auto after = plain.upper_bound(k);
      const auto* const next = forked.first_after(k);
      RC_ASSERT((next != nullptr) == (after != plain.end()));
      RC_ASSERT((!next || next->key == after->first));
      const auto* const last = forked.last_to(k);
      RC_ASSERT((last != nullptr) == (after != plain.begin()));
      RC_ASSERT((!last || last->key == std::prev(after)->first));
      RC_ASSERT((forked.find(k) != nullptr) == plain.contains(k));
    }
  }
}

// ---- damage

constexpr std::string_view varied_log =
    "strace: Process 7 attached\n"
    "[pid     7] 12:30:01 execve(\"/bin/a\", [\"a\"], 0x7ffc /* 3 vars */) = 0\n"
    "[pid     7] 12:30:01 brk(NULL)    = 0x55d0fe0000\n"
    "[pid     7] 12:30:01 brk(0x55d0fe8000) = 0x55d0fe8000\n"
    "[pid     7] mmap(NULL, 16384, PROT_READ, MAP_PRIVATE|MAP_HUGETLB, 3</lib/a>, 0) = 0x7f0000200000\n"
    "[pid     7] clone(child_stack=NULL, flags=CLONE_CHILD_SETTIDstrace: Process 8 attached\n"
    ", child_tidptr=0x7f) = 8\n"
    "[pid     8] munmap(0x7f0000200000, 2097152 <unfinished ...>\n"
    "[pid     7] mmap(0x7f0000210000, 4096, PROT_READ, MAP_FIXED, 3, 0) = 0x7f0000210000 <0.000011>\n"
    "[pid     8] <... munmap resumed>) = 0\n"
    "[pid     8] +++ exited with 0 +++\n"
    "--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=8} ---\n"
    "mremap(0x7f0000210000, 4096, 8192, MREMAP_MAYMOVE) = 0x7f0000100000\n"
    "shmat(4, NULL, 0) = 0x7f0000000000\n"
    "shmdt(0x7f0000000000) = 0\n"
    "+++ exited with 0 +++\n";

/// What is wrong with what became of a log, or nothing.
std::string unsound(std::string_view log) {
  for (const Placement placement : {Placement::recorded, Placement::first_fit}) {
    const auto imported = import_strace(log, {.placement = placement});
    if (!imported) continue;
    if (const std::string what = unsound(*imported); !what.empty()) return what;
    for (const ImportedProcess& process : imported->processes) {
      const Replay replay = replay_all(process);
      if (!replay.failed.empty()) return replay.failed + print(process.trace);
    }
  }
  return "";
}

TEST(StraceDamage, ALogMayEndAnywhere) {
  for (std::size_t length = 0; length <= varied_log.size(); ++length) {
    ASSERT_EQ(unsound(varied_log.substr(0, length)), "");
    ASSERT_EQ(unsound(std::string{varied_log.substr(0, length)} + '\n'), "");
    ASSERT_EQ(unsound(varied_log.substr(length)), "");
  }
}

TEST(StraceDamage, AnyByteMayBeAnother) {
  for (std::size_t at = 0; at < varied_log.size(); ++at)
    for (const char other : {'\0', '\n', '0', 'f', ' ', ')', '=', '<', ',', '\xff'}) {
      std::string log{varied_log};
      log[at] = other;
      ASSERT_EQ(unsound(log), "");
    }
}

RC_GTEST_PROP(StraceDamage, LinesMayComeInAnyOrderAndAnyNumber, (const std::vector<std::uint8_t>& choices)) {
  std::vector<std::string_view> lines;
  for (std::size_t begin = 0; begin < varied_log.size(); begin = varied_log.find('\n', begin) + 1)
    lines.push_back(varied_log.substr(begin, varied_log.find('\n', begin) + 1 - begin));
  std::string log;
  for (const std::uint8_t choice : choices) log += lines[choice % lines.size()];
  RC_LOG() << log;
  RC_ASSERT(unsound(log) == "");
}

RC_GTEST_PROP(StraceDamage, AnyBytesAreAcceptable, (const std::string& bytes)) {
  RC_ASSERT(unsound(bytes) == "");
  RC_ASSERT(unsound(std::string{four_pages} + bytes + '\n' + std::string{four_pages}) == "");
}

TEST(StraceDamage, RangesThatNoKernelGivesAreCounted) {
  const std::string log = std::string{four_pages} +
                          "mmap(NULL, 18446744073709551615, 0x1, 0x2, -1, 0) = 0xfffffffffffff000\n"
                          "mmap(NULL, 4096, 0x1, 0x2, -1, 0) = 0x7f0000000123\n"
                          "munmap(0xfffffffffffff000, 18446744073709551615) = 0\n"
                          "mremap(0xfffffffffffff000, 4096, 18446744073709551615, 0x1) = 0xfffffffffffff000\n"
                          "brk(0xffffffffffffffff) = 0xffffffffffffffff\n"
                          "brk(NULL) = 0xffffffffffffffff\n";
  for (const Placement placement : {Placement::recorded, Placement::first_fit}) {
    const StraceImport imported = import(log, placement);
    EXPECT_EQ(imported.processes[0].trace.ops.size(), 1u);
    EXPECT_EQ(imported.processes[0].report.approximated.at("ranges that no kernel gives"), 6u);
  }
}

TEST(StraceDamage, AHeapThatNoKernelGivesIsCountedAndChangesNothing) {
  const std::string before =
      std::string{four_pages} + "brk(NULL) = 0x7f0000015000\nbrk(0x7f0000018000) = 0x7f0000018000\n";
  const std::string grown = "alloc-at a0 0x7f0000010000..0x7f0000014000\nalloc-at a1 0x7f0000015000..0x7f0000018000\n";
  const std::string further = "alloc-at a2 0x7f0000018000..0x7f0000019000\n";
  const Counts once{{"ranges that no kernel gives", 1}};
  const struct {
    std::string lines;
    std::string ops;
    Counts approximated;
  } heaps[] = {
      {"brk(0x7f0000015000) = 0x7f0000015000\n", "free a1\n", {}},  // the lowest end that is possible
      {"brk(0x7f0000014fff) = 0x7f0000014fff\n", "", once},
      {"brk(0x7f0000011000) = 0x7f0000011000\n", "", once},  // would take three of the four pages
      {"brk(0x1) = 0x1\n", "", once},
      {"brk(0x1000000000000000) = 0x1000000000000000\n", "", once},
      {"brk(0xffffffffffffffff) = 0xffffffffffffffff\n", "", once},
      {"brk(NULL) = 0xffffffffffffffff\n", "", once},
      // The heap goes on from where it ended.
      {"brk(0x1) = 0x1\nbrk(0x7f0000019000) = 0x7f0000019000\n", further, once},
      {"brk(0x1000000000000000) = 0x1000000000000000\nbrk(0x7f0000019000) = 0x7f0000019000\n", further, once},
  };
  for (const auto& heap : heaps) {
    EXPECT_EQ(ops(before + heap.lines), grown + heap.ops) << heap.lines;
    for (const Placement placement : {Placement::recorded, Placement::first_fit})
      EXPECT_EQ(import(before + heap.lines, placement).processes.at(0).report.approximated, heap.approximated)
          << heap.lines;
  }
}

TEST(StraceDamage, AHeapThatBeganBeforeTheLogMayShrinkBelowWhatIsKnownOfIt) {
  const std::string log =
      "brk(0x9000) = 0x9000\nbrk(0xb000) = 0xb000\nbrk(0x8000) = 0x8000\nbrk(0x7000) = 0x7000\n"
      "brk(0x9000) = 0x9000\n";
  EXPECT_EQ(ops(log), "alloc-at a0 0x9000..0xb000\nfree a0\nalloc-at a1 0x7000..0x9000\n");
  EXPECT_EQ(import(log).processes.at(0).report.approximated,
            (Counts{{"growth of a heap that began before the log", 1},
                    {"shrinking of a heap that began before the log", 2}}));
}

}  // namespace
}  // namespace vmapcheck
