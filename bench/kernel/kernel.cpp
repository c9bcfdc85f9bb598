// SPDX-License-Identifier: Apache-2.0
#include "bench/kernel/kernel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory_resource>
#include <nlohmann/json.hpp>
#include <thread>

#include "bench/kernel/comparison.hpp"
#include "bench/kernel/settings.hpp"
#include "bench/kernel/verification.hpp"
#include "bench/kernel/workers.hpp"
#include "harness/random/check.hpp"
#include "tools/amounts.hpp"
#include "tools/files.hpp"
#include "tools/interruption.hpp"
#include "tools/progress.hpp"
#include "tools/report.hpp"

namespace vmapcheck::bench {

using tool::Common;
using tool::Exit;
using tool::KernelOptions;
using tool::ordered_json;

namespace {

Settings settings_of(const Common& common, const KernelOptions& options);
Exit measure(const Common& common, const KernelOptions& options, const Settings& settings);

}  // namespace

Exit run_kernel(const Common& common, const KernelOptions& options) {
  const Settings settings = settings_of(common, options);
  if (!options.against.empty())
    return compare(common, settings, tool::subject_named(options.against), options.rounds.value_or(rounds_usual));
  if (options.verify) return verify(common, options, settings);
  return measure(common, options, settings);
}

namespace {

struct Mode {
  std::uint64_t loops, repeats;
  std::size_t workers;
};

Mode mode_of(const KernelOptions& options) {
  constexpr std::uint64_t loops_usual = 1'000'000, loops_of_smoke = 10'000, loops_verified = 5'000;
  const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
  Mode mode{.loops = loops_usual, .repeats = 3, .workers = 1};
  if (options.mode == "smoke") mode = {.loops = loops_of_smoke, .repeats = 10, .workers = 1};
  if (options.mode == "stress") mode = {.loops = loops_usual, .repeats = 20, .workers = cores};
  if (options.verify) mode.loops = loops_verified;
  return mode;
}

Settings settings_of(const Common& common, const KernelOptions& options) {
  const Mode mode = mode_of(options);
  Settings settings{.subject = tool::subject_named(common.subject),
                    .tests = {},
                    .loops = options.loops.value_or(mode.loops),
                    .repeats = options.repeat.value_or(mode.repeats),
                    .workers = options.workers.value_or(mode.workers),
                    .shuffled = options.mode == "stress",
                    .seed = tool::seed_of(common, seed_default)};
  const std::uint64_t mask = tool::tests_chosen(options);
  for (std::size_t i = 0; i < tool::kernel_tests.size(); ++i)
    if (mask >> i & 1) settings.tests.push_back(i);
  if (options.verify && settings.workers > 1)
    throw tool::Stop{Exit::usage, "--verify judges the ops of one worker: --workers 1, and no --mode stress"};
  return settings;
}

// ---- Measuring

struct Measured {
  std::vector<Tally> tests;  ///< as Settings::tests, of all workers
  std::vector<Nanoseconds> workers;
  bool interrupted = false;
};

Measured measured(const Settings& settings) {
  const std::unique_ptr<AnySubject> subject = make_subject(settings.subject, kernel_space());
  Measured all;
  tool::Progress progress;
  const auto reports = run_workers(*subject, settings, [&](const WorkersAt& at) {
    progress.update([&] {
      tool::Fields fields{fmt::format("measuring {}: {} of {} runs", settings.subject.name, at.runs_done, at.runs)};
      if (at.seconds_left > 0) fields.push_back(fmt::format("about {} left", tool::duration_text(at.seconds_left)));
      fields.emplace_back(test_at(at.test).name);
      return fields;
    });
    return !tool::interrupted();
  });
  all.tests.resize(settings.tests.size());
  for (const WorkerReport& report : reports) {
    for (std::size_t i = 0; i < all.tests.size(); ++i) all.tests[i].add(report.tests[i]);
    all.workers.push_back(report.elapsed);
  }
  all.interrupted = tool::interrupted();
  return all;
}

Exit measure(const Common& common, const KernelOptions& options, const Settings& settings) {
  const Measured all = measured(settings);
  if (common.json) {
    ordered_json json = json_of(settings, all.tests);
    json["mode"] = options.mode;
    json["workers"] = settings.workers;
    ordered_json totals = ordered_json::array();
    for (const Nanoseconds elapsed : all.workers) totals.push_back(microseconds(elapsed));
    json["usec_of_workers"] = std::move(totals);
    tool::out_json(json);
  } else {
    for (std::size_t i = 0; i < settings.tests.size(); ++i)
      tool::out(summary_of(settings.tests[i], settings.loops, all.tests[i]));
    for (std::size_t i = 0; i < all.workers.size(); ++i)
      tool::out(fmt::format("All tests took worker{}={} usec\n", i, microseconds(all.workers[i])));
  }
  return verdict(settings, all.tests, all.interrupted);
}

}  // namespace

// ---- What the ways to run have in common

std::string why_not(std::size_t test, const Features& features) {
  const std::string_view name = test_at(test).name;
  if (name == "pcpu" && !features.congruent) return "the subject does not place congruently";
  if (name.starts_with("lazy_free") && !features.lazy) return "the subject has no lazy frees";
  return "";
}

std::unique_ptr<AnySubject> make_subject(const SubjectEntry& subject, const Space& space) {
  constexpr std::size_t nodes_per_slab = 64;
  auto made =
      subject.make({.space = space, .metadata = std::pmr::new_delete_resource(), .nodes_per_slab = nodes_per_slab});
  if (!made) throw tool::Stop{Exit::subject, fmt::format("subject {}: {}", subject.name, tool::one_line(made.error()))};
  return *std::move(made);
}

void Tally::add(const Tally& other) {
  passed += other.passed;
  failed += other.failed;
  elapsed += other.elapsed;
  if (!other.skipped.empty()) skipped = other.skipped;
}

std::int64_t microseconds(Nanoseconds time) { return std::chrono::round<std::chrono::microseconds>(time).count(); }

std::string summary_of(std::size_t test, std::uint64_t loops, const Tally& tally) {
  const std::string_view name = test_at(test).name;
  if (!tally.skipped.empty()) return fmt::format("Skipped: {}: {}\n", name, tally.skipped);
  if (tally.runs() == 0) return "";
  return fmt::format("Summary: {} passed: {} failed: {} repeat: {} loops: {} avg: {} usec\n", name, tally.passed,
                     tally.failed, tally.runs(), loops_of(test, loops),
                     microseconds(tally.elapsed / static_cast<std::int64_t>(tally.runs())));
}

ordered_json json_of(const Settings& settings, const std::vector<Tally>& tallies) {
  ordered_json json{{"subject", settings.subject.name}, {"seed", settings.seed}, {"tests", ordered_json::array()}};
  for (std::size_t i = 0; i < settings.tests.size(); ++i) {
    const Tally& tally = tallies[i];
    ordered_json test{{"name", test_at(settings.tests[i]).name}};
    if (tally.skipped.empty())
      test.update({{"passed", tally.passed},
                   {"failed", tally.failed},
                   {"repeat", tally.runs()},
                   {"loops", loops_of(settings.tests[i], settings.loops)},
                   {"usec", microseconds(tally.elapsed)}});
    else
      test["skipped"] = tally.skipped;
    json["tests"].push_back(std::move(test));
  }
  return json;
}

Exit verdict(const Settings& settings, const std::vector<Tally>& tallies, bool interrupted) {
  std::vector<std::string_view> failed;
  std::uint64_t done = 0, runs = 0;
  for (std::size_t i = 0; i < settings.tests.size(); ++i) {
    const tool::KernelTest& test = test_at(settings.tests[i]);
    if (tallies[i].failed != 0 && !test.fails) failed.push_back(test.name);
    if (!tallies[i].skipped.empty()) continue;
    done += tallies[i].runs();
    runs += settings.repeats * settings.workers;
  }
  if (interrupted) tool::say(fmt::format("vmapcheck: interrupted: {} of {} runs are done", done, runs));
  if (!failed.empty())
    tool::say(fmt::format("vmapcheck: {} failed that should not: {}", tool::count_of(failed.size(), "test"),
                          fmt::join(failed, ", ")));
  return !failed.empty() ? Exit::violation : interrupted ? Exit::interrupted : Exit::ok;
}

}  // namespace vmapcheck::bench
