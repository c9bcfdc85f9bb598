// SPDX-License-Identifier: Apache-2.0
//
// The tests of `bench kernel`, as a command line names them. What they do is in bench/kernel/tests.hpp.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

namespace vmapcheck::tool {

/// Bit i of a mask is the i-th of them.
struct KernelTest {
  std::string_view name;
  std::string_view meaning;                                             ///< of one loop
  std::uint64_t loops_max = std::numeric_limits<std::uint64_t>::max();  ///< of one run
  bool fails = false;                                                   ///< by design
  bool ours = false;                                                    ///< was not among those that were published
};
inline constexpr std::array<KernelTest, 13> kernel_tests{{
    {.name = "fix_size", .meaning = "one page"},
    {.name = "full_fit", .meaning = "one page, into one of 16,384 holes that it fills"},
    {.name = "long_busy_list", .meaning = "100 pages and one page, behind 15,000 areas of one page"},
    {.name = "hole_in_front", .meaning = "the same, and in front of the areas a hole of three pages", .ours = true},
    {.name = "random_size", .meaning = "1 to 100 pages"},
    {.name = "fix_align", .meaning = "five pages at a multiple of 32 KiB"},
    {.name = "random_size_align", .meaning = "1 to 10 pages at a random alignment up to 4 MiB"},
    {.name = "align_shift",
     .meaning = "one page at alignments from 2^0 on, until one is too large, as it should be",
     .loops_max = 1,
     .fails = true},
    {.name = "pcpu",
     .meaning = "a congruent pair of areas far apart, at most 35,000; then all are freed",
     .loops_max = 35'000},
    {.name = "lazy_free", .meaning = "one page, freed lazily; after each 500 a purge"},
    {.name = "lazy_free_batch", .meaning = "1 to 100 pages; after each 500 all are freed lazily, and a purge"},
    {.name = "map_ram", .meaning = "1 to 32 pages, in place of the oldest of 1,024 such areas"},
    {.name = "eight_workers",
     .meaning = "by eight workers in turn, in one thread, among 16,000 areas with holes",
     .ours = true},
}};
inline constexpr std::uint64_t kernel_tests_all = (std::uint64_t{1} << kernel_tests.size()) - 1;

}  // namespace vmapcheck::tool
