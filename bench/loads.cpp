// SPDX-License-Identifier: Apache-2.0
#include "bench/loads.hpp"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "bench/loads/measure.hpp"
#include "bench/loads/report.hpp"
#include "harness/isolate/isolation.hpp"
#include "tools/amounts.hpp"
#include "tools/files.hpp"
#include "tools/interruption.hpp"
#include "tools/progress.hpp"
#include "tools/report.hpp"

namespace vmapcheck::bench {

using tool::Common;
using tool::Exit;
using tool::LoadsOptions;
using tool::Stop;

namespace {

constexpr std::size_t file_bytes_max = std::size_t{64} << 20;

/// A load that is not made yet: it takes memory.
struct Planned {
  std::string name;
  std::size_t live = 0;
  std::optional<Trace> recording{};
};

std::vector<Planned> planned_of(const LoadsOptions& options) {
  const std::size_t least = options.live_min.value_or(1000);
  const std::size_t most = options.live_max.value_or(std::max<std::size_t>(least, 1'000'000));
  if (least > most) throw Stop{Exit::usage, fmt::format("--live-min {} is above --live-max {}", least, most)};
  std::vector<Planned> planned;
  for (const tool::LoadName& load : tool::load_names) {
    if (!options.loads.empty() && std::ranges::find(options.loads, load.name) == options.loads.end()) continue;
    if (load.name != "real") {
      for (std::size_t live = least; live <= most; live *= 10) planned.push_back({std::string(load.name), live});
      continue;
    }
    const std::string folder = tool::corpus_of_the_checkout() + "/real";
    if (!std::filesystem::is_directory(folder)) {
      tool::say(fmt::format("vmapcheck: there is no folder {}: no recordings are measured", tool::one_line(folder)));
      continue;
    }
    for (const std::string& file : tool::traces_in(folder))
      planned.push_back({fmt::format("real/{}", std::filesystem::path(file).stem().string()), 0,
                         tool::read_trace(tool::path_in(folder, file))});
  }
  return planned;
}

std::vector<Performer> performers_of(const Common& common, const LoadsOptions& options) {
  std::vector<std::string> names = options.subjects;
  if (names.empty() && common.subject != Common{}.subject) names = {common.subject};  // said before the command
  if (names.empty()) names.assign(tool::default_performers.begin(), tool::default_performers.end());
  std::vector<Performer> performers;
  for (const std::string& name : names)
    if (std::ranges::find(performers, name, &Performer::name) == performers.end()) {
      const auto baseline = baseline_named(name);
      performers.push_back(baseline ? *baseline : Performer{name, tool::subject_named(name).make});
    }
  return performers;
}

std::string name_of_the_cpu() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name") && line.find(": ") != line.npos)
      return tool::one_line(line.substr(line.find(": ") + 2), 100);
  return "unknown";
}

/// "optimized", or why it is no build to measure with.
std::string kind_of_build() {
#ifndef __OPTIMIZE__
  return "not optimized";
#endif
#ifndef NDEBUG
  return "with assertions";
#endif
  return is_sanitized() ? "with sanitizers" : "optimized";
}

Context context_of(std::uint64_t seed, double seconds) {
  const benchmark::CPUInfo& cpu = benchmark::CPUInfo::Get();
#ifdef __clang__
  const std::string compiler = "clang " __clang_version__;
#else
  const std::string compiler = "g++ " __VERSION__;
#endif
  return {.began = tool::time_text(std::time(nullptr)),
          .cpu = name_of_the_cpu(),
          .cpus = static_cast<std::size_t>(cpu.num_cpus),
          .compiler = compiler,
          .build = kind_of_build(),
          .load_average = cpu.load_avg.empty() ? 0 : cpu.load_avg.front(),
          .seed = seed,
          .seconds = seconds};
}

/// What was measured before. Figures of another build or of other loads are no measure of a change.
Results results_before(const std::string& file, const Context& now) {
  Results before = results_from(tool::read_file(file, file_bytes_max), file);
  const auto refuse_unless = [&](bool same, const std::string& then, const std::string& today) {
    if (!same)
      throw Stop{Exit::usage, fmt::format("{} is of {}, and this of {}", tool::one_line(file, 200), then, today)};
  };
  const auto seed_text = [](std::uint64_t seed) { return fmt::format("loads of seed {}", seed); };
  const auto build_text = [](const Context& one) { return "a build " + one.build; };
  refuse_unless(before.context.seed == now.seed, seed_text(before.context.seed), seed_text(now.seed));
  refuse_unless(before.context.build == now.build, build_text(before.context), build_text(now));
  if (before.context.cpu != now.cpu)
    tool::say(fmt::format("vmapcheck: {} was measured on another processor: {}", tool::one_line(file, 200),
                          tool::one_line(before.context.cpu, 100)));
  return before;
}

/// In each pass over all loads, how often one is measured. What takes long to make is made in two passes only.
std::size_t repetitions_in(std::size_t pass, const Planned& one, std::size_t all) {
  constexpr std::size_t large = 100'000;
  if (one.live <= large) return 1;
  if (pass == 0) return all - all / 2;
  return pass + 1 == all ? all / 2 : 0;
}

/// How long a run goes on, by how long it has taken for what is done.
class TimeLeft {
  using Clock = std::chrono::steady_clock;

 public:
  TimeLeft(std::span<const Planned> planned, const Plan& plan, std::size_t repetitions) : plan_(plan) {
    for (std::size_t pass = 0; pass < repetitions; ++pass)
      for (const Planned& one : planned) to_come_ += seconds_of(one, repetitions_in(pass, one, repetitions));
  }

  void begin(const Planned& one, std::size_t repetitions) {
    done_ += current_;
    current_ = seconds_of(one, repetitions);
    to_come_ -= current_;
    current_began_ = Clock::now();
  }

  [[nodiscard]] double seconds() const {
    const double pace = done_ > 0 ? since(current_began_ - began_) / done_ : 1;
    const double in_current = since(Clock::now() - current_began_);
    return pace * to_come_ + std::max(pace * current_ - in_current, in_current / 10);
  }

 private:
  static double since(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

  /// On the machine of docs/performance.md: what is measured, with the attempts that find out how many iterations that
  /// takes; and what states take to make, which is nothing for `null` and little for `malloc`.
  [[nodiscard]] double seconds_of(const Planned& one, std::size_t repetitions) const {
    constexpr double measured = 1.4, setup_of_an_area = 1e-6;
    if (repetitions == 0) return 0;
    return static_cast<double>(plan_.performers.size()) * (measured * plan_.seconds * static_cast<double>(repetitions) +
                                                           setup_of_an_area * static_cast<double>(one.live));
  }

  const Plan& plan_;
  double to_come_ = 0, current_ = 0, done_ = 0;
  Clock::time_point began_ = Clock::now(), current_began_ = began_;
};

/// Says what its figures are worth, and what is missing.
std::vector<std::string> notes_of(const Context& context, const Measuring& measuring) {
  std::vector<std::string> notes;
  if (context.build != "optimized")
    notes.push_back(fmt::format("THIS BUILD IS NOT ONE TO MEASURE WITH: it is {}.", context.build));
  if (const std::string& why = measuring.why_no_cache_misses(); !why.empty())
    notes.push_back(fmt::format("Cache misses are not counted: {}.", why));
  return notes;
}

void measure_all(Measuring& measuring, TimeLeft& left, std::span<const Planned> planned, std::uint64_t seed,
                 std::size_t passes) {
  for (std::size_t pass = 0; pass < passes; ++pass)
    for (const Planned& one : planned) {
      const std::size_t repetitions = repetitions_in(pass, one, passes);
      if (tool::interrupted()) return;
      if (repetitions == 0) continue;
      left.begin(one, repetitions);
      const Load load = one.recording ? load_of(*one.recording, one.name) : make_load(one.name, one.live, seed);
      if (!load.name.empty())
        measuring.measure(load, repetitions);
      else if (pass == 0)
        tool::say(fmt::format("vmapcheck: {} has ops that no recording has: it is not measured", one.name));
    }
}

}  // namespace

Exit run_loads(const Common& common, const LoadsOptions& options) {
  constexpr std::uint64_t default_seed = 20240229;
  constexpr std::chrono::nanoseconds default_time = std::chrono::milliseconds(400);
  const std::vector<Planned> planned = planned_of(options);
  const std::size_t repetitions = options.repetitions.value_or(5);
  const double seconds = std::chrono::duration<double>(options.time.value_or(default_time)).count();
  Results results{.context = context_of(tool::seed_of(common, default_seed), seconds), .rows = {}};
  if (!options.html.empty()) tool::check_writable(options.html);
  std::optional<Results> before;
  if (!options.compare.empty()) before = results_before(options.compare, results.context);

  Plan plan{.performers = performers_of(common, options), .seconds = seconds / static_cast<double>(repetitions)};
  TimeLeft left(planned, plan, repetitions);
  tool::Progress progress;
  plan.stopped = [&](const Row& row) {
    progress.update([&] {
      return tool::Fields{fmt::format("measuring: {}, {} areas, {}", row.load, tool::grouped(row.live), row.subject),
                          fmt::format("about {} left", tool::duration_text(std::ceil(left.seconds())))};
    });
    return tool::interrupted();
  };
  Measuring measuring(plan);
  const std::vector<std::string> notes = notes_of(results.context, measuring);
  for (const std::string& note : notes) tool::say("vmapcheck: " + note);
  tool::say(fmt::format("vmapcheck: {}, {}: about {}", tool::count_of(planned.size(), "load"),
                        tool::count_of(plan.performers.size(), "subject"),
                        tool::duration_text(std::ceil(left.seconds()))));
  measure_all(measuring, left, planned, results.context.seed, repetitions);
  progress.clear();

  results.rows = measuring.rows();
  const std::vector<Change> changed = before ? changes(before->rows, results.rows) : std::vector<Change>();
  if (common.json) {
    ordered_json json = json_of(results);
    if (before) json["changes"] = json_of(changed);
    tool::out_json(json);
  } else {
    for (const std::span<const Row> rows : by_load(results.rows)) tool::out(text_of(rows, tool::window_of(1).columns));
    if (before) tool::out(text_of(changed, before->context, results.context, options.compare));
  }
  if (!options.html.empty()) tool::write_file(options.html, page_of(results, notes));
  if (!tool::interrupted()) return Exit::ok;
  tool::say("vmapcheck: interrupted; what was measured until then is said");
  return Exit::interrupted;
}

}  // namespace vmapcheck::bench
