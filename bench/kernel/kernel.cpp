// SPDX-License-Identifier: Apache-2.0
#include "bench/kernel/kernel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <new>
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
  if (options.verify) return verify(common, options, settings);
  try {
    if (options.against.empty()) return measure(common, options, settings);
    return compare(common, settings, tool::subject_named(options.against), options.rounds.value_or(rounds_usual));
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    throw tool::Stop{Exit::subject, fmt::format("a subject has thrown: {}", tool::one_line(error.what()))};
  }
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
  if (options.verify && (settings.workers > 1 || settings.shuffled))
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
  const Exit status = status_of(settings, all.tests, all.interrupted);
  if (common.json) {
    ordered_json json = json_of(settings, all.tests);
    json["mode"] = options.mode;
    json["workers"] = settings.workers;
    ordered_json totals = ordered_json::array();
    for (const Nanoseconds elapsed : all.workers) totals.push_back(microseconds(elapsed));
    json["usec_of_workers"] = std::move(totals);
    json["verdict"] = verdict_name(status);
    tool::out_json(json);
  } else {
    for (std::size_t i = 0; i < settings.tests.size(); ++i)
      tool::out(summary_of(settings.tests[i], settings.loops, all.tests[i]));
    for (std::size_t i = 0; i < all.workers.size(); ++i)
      tool::out(fmt::format("All tests took worker{}={} usec\n", i, microseconds(all.workers[i])));
  }
  explain(settings, all.tests, all.interrupted);
  return status;
}

}  // namespace

}  // namespace vmapcheck::bench
