// SPDX-License-Identifier: Apache-2.0
//
// What is to be run, after all defaults; and what came of it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "bench/kernel/target.hpp"
#include "harness/random/choices.hpp"
#include "harness/verify/subject.hpp"
#include "subjects/registry.hpp"
#include "tools/bench_options.hpp"

namespace vmapcheck::bench {

using Nanoseconds = std::chrono::nanoseconds;

struct Settings {
  const SubjectEntry& subject;
  std::vector<std::size_t> tests;  ///< places in tool::kernel_tests, in their order
  std::uint64_t loops = 0;
  std::uint64_t repeats = 0;
  std::size_t workers = 1;
  bool shuffled = false;  ///< each worker has an order of its own
  std::uint64_t seed = 0;
};

[[nodiscard]] inline const tool::KernelTest& test_at(std::size_t place) { return tool::kernel_tests[place]; }

[[nodiscard]] inline std::uint64_t loops_of(std::size_t test, std::uint64_t loops) {
  return std::min(loops, test_at(test).loops_max);
}

/// The seed of one run of a test. Runs that differ in anything have others.
[[nodiscard]] inline std::uint64_t seed_of_run(std::uint64_t seed, std::size_t worker, std::size_t test,
                                               std::uint64_t repeat) {
  for (const std::uint64_t part : {std::uint64_t{worker}, std::uint64_t{test}, repeat})
    seed = Random(seed + part).next();
  return seed;
}

/// What the runs of a test came to, of all workers.
struct Tally {
  std::uint64_t passed = 0;
  std::uint64_t failed = 0;
  Nanoseconds elapsed{};  ///< all runs together
  std::string skipped;    ///< why, if it was

  [[nodiscard]] std::uint64_t runs() const { return passed + failed; }
  void add(const Tally& other);
  void count(bool has_passed, Nanoseconds took) {
    ++(has_passed ? passed : failed);
    elapsed += took;
  }
};

/// Why a subject with those functions cannot run a test; empty if it can.
[[nodiscard]] std::string_view why_not(std::size_t test, const Features& features);
/// Why one cannot that does not have what only some have.
[[nodiscard]] std::string_view lacking(std::size_t test);

/// The subject on the space of the tests. A Stop if it cannot be made.
[[nodiscard]] std::unique_ptr<AnySubject> make_subject(const SubjectEntry& subject, const Space& space);

[[nodiscard]] std::int64_t microseconds(Nanoseconds time);
/// The line of a test, with its newline; empty if no run of it was done.
[[nodiscard]] std::string summary_of(std::size_t test, std::uint64_t loops, const Tally& tally);
/// Of the tests; `tallies` are as Settings::tests.
[[nodiscard]] nlohmann::ordered_json json_of(const Settings& settings, const std::vector<Tally>& tallies);
/// Exit::violation if a test failed that should not.
[[nodiscard]] tool::Exit status_of(const Settings& settings, const std::vector<Tally>& tallies, bool interrupted);
/// "ok", "failed", "interrupted"
[[nodiscard]] std::string_view verdict_name(tool::Exit status);
/// Says which tests failed that should not, and how much is done if it was interrupted.
void explain(const Settings& settings, const std::vector<Tally>& tallies, bool interrupted);

}  // namespace vmapcheck::bench
