// SPDX-License-Identifier: Apache-2.0
#include "bench/loads/measure.hpp"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <optional>

#include "tools/amounts.hpp"

namespace vmapcheck::bench {
namespace {

using Clock = std::chrono::steady_clock;

/// How long a state may take to make. A search that looks at one area after another has no end in larger ones.
double setup_seconds_max(std::size_t live) { return std::max(1.0, 1e-5 * static_cast<double>(live)); }

/// Keeps the processor time of each repetition, by the name of the benchmark.
class Collector final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs)
      if (run.run_type == Run::RT_Iteration && !run.error_occurred)
        of[run.run_name.function_name].push_back(run.GetAdjustedCPUTime());
  }
  std::map<std::string, std::vector<double>> of;
};

}  // namespace

/// A row while it is measured.
class Measuring::Benchmark {
 public:
  Benchmark(Measuring& all, const Load& load, const Performer& who) : all_(all), load_(load), who_(who) {
    row_ = {.load = load.name, .subject = who.name, .live = load.live, .unit = std::string(load.unit)};
    const auto before = all.setups_.find({load.name, who.name});
    if (before == all.setups_.end()) return;
    const auto& [live, seconds] = before->second;
    const double least = seconds * static_cast<double>(load.live) / static_cast<double>(live);
    if (least > setup_seconds_max(load.live))
      row_.skipped = fmt::format("{} areas took {} to make", tool::grouped(live), tool::duration_text(seconds));
  }

  void run(benchmark::State& state) {
    if (!has_driver(state)) return state.SkipWithError(row_.skipped.c_str());
    const std::optional<Work> work_before = driver_->work();
    const std::optional<std::uint64_t> misses_before = all_.cache_misses_.count();
    const std::uint64_t failed_before = driver_->failed();
    for ([[maybe_unused]] auto _ : state) driver_->perform_round();

    const double units = static_cast<double>(state.iterations()) * static_cast<double>(load_.units_per_round);
    const auto each = [&](std::uint64_t count) { return static_cast<double>(count) / units; };
    row_.failed = each(driver_->failed() - failed_before);
    if (const auto misses = all_.cache_misses_.count()) row_.cache_misses = each(*misses - misses_before.value_or(0));
    if (const std::optional<Work> work = driver_->work()) {
      row_.nodes_visited = each(work->nodes_visited - work_before->nodes_visited);
      row_.nodes_propagated = each(work->nodes_propagated - work_before->nodes_propagated);
    }
  }

  /// Takes the times of rounds, in nanoseconds.
  Row end(std::vector<double> rounds) {
    for (const double ns : rounds) row_.ns.push_back(ns / static_cast<double>(load_.units_per_round));
    if (row_.ns.empty() && row_.skipped.empty()) row_.skipped = "interrupted";
    if (!row_.skipped.empty()) row_.ns.clear();
    if (driver_ == nullptr || !row_.skipped.empty()) return row_;
    const Holdings holdings = driver_->holdings();
    row_.metadata_bytes = holdings.metadata_bytes;
    row_.extent = holdings.extent;
    row_.fragmentation = holdings.fragmentation;
    return row_;
  }

  [[nodiscard]] std::string name() const { return row_.load + "/" + row_.subject; }

 private:
  /// Google Benchmark calls with more iterations each time until they take long enough, and then once with as many for
  /// each further repetition.
  bool has_driver(const benchmark::State& state) {
    const bool begins_anew = std::exchange(iterations_, state.max_iterations) == state.max_iterations;
    if (row_.skipped.empty() && all_.plan_.stopped(row_)) row_.skipped = "interrupted";
    if (row_.skipped.empty() && (driver_ == nullptr || (begins_anew && load_.live <= fresh_live_max))) make_driver();
    return row_.skipped.empty();
  }

  void make_driver() {
    driver_.reset();
    auto made = Driver::create(load_, who_);
    if (!made) {
      row_.skipped = made.error();
      return;
    }
    const double most = setup_seconds_max(load_.live);
    bool stopped = false;
    const auto begin = Clock::now();
    const bool ready =
        (*made)->prepare(std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(most)),
                         [&] { return stopped = all_.plan_.stopped(row_); });
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    all_.setups_[{row_.load, row_.subject}] = {load_.live, seconds};
    if (ready)
      driver_ = *std::move(made);
    else
      row_.skipped = stopped ? "interrupted" : fmt::format("takes longer than {} to make", tool::duration_text(most));
  }

  Measuring& all_;
  const Load& load_;
  const Performer& who_;
  Row row_;
  std::unique_ptr<Driver> driver_;
  benchmark::IterationCount iterations_ = 0;
};

Measuring::Measuring(Plan plan) : plan_(std::move(plan)) {
  std::array words{std::string("bench"), std::string("--benchmark_enable_random_interleaving=true")};
  std::array<char*, 2> arguments{words[0].data(), words[1].data()};
  int count = arguments.size();
  benchmark::Initialize(&count, arguments.data());
}

std::vector<Row> Measuring::measure(const Load& load) {
  std::vector<std::unique_ptr<Benchmark>> benchmarks;
  for (const Performer& who : plan_.performers) {
    Benchmark& one = *benchmarks.emplace_back(std::make_unique<Benchmark>(*this, load, who));
    benchmark::RegisterBenchmark(one.name().c_str(), [&one](benchmark::State& state) { one.run(state); })
        ->Repetitions(static_cast<int>(plan_.repetitions))
        ->MinTime(plan_.seconds / static_cast<double>(plan_.repetitions));
  }
  Collector collected;
  benchmark::RunSpecifiedBenchmarks(&collected, "all");
  benchmark::ClearRegisteredBenchmarks();
  std::vector<Row> rows;
  for (const auto& one : benchmarks) rows.push_back(one->end(std::move(collected.of[one->name()])));
  return rows;
}

}  // namespace vmapcheck::bench
