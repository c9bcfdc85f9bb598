// SPDX-License-Identifier: Apache-2.0
#include "bench/loads/measure.hpp"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "tools/amounts.hpp"

namespace vmapcheck::bench {
namespace {

/// How long a state may take to make. A search that looks at one area after another has no end in larger ones.
double setup_seconds_max(std::size_t live) { return std::max(1.0, 2e-5 * static_cast<double>(live)); }

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

struct Measuring::Measured {
  Row row;
  benchmark::IterationCount iterations = 0;  ///< of a repetition, once that is known
  double setup_seconds = 0;
};

/// Repetitions of a row on one state.
class Measuring::Benchmark {
 public:
  Benchmark(Measuring& all, const Load& load, const Performer& who, Measured& measured)
      : all_(all), load_(load), who_(who), row_(measured.row), measured_(measured) {}

  /// Called by Google Benchmark: at first with more and more iterations, until they take long enough.
  void run(benchmark::State& state) {
    if (all_.plan_.stopped(row_) || (driver_ == nullptr && !make_driver())) return state.SkipWithError("no state");
    measured_.iterations = state.max_iterations;
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
  void end(std::span<const double> rounds) {
    for (const double ns : rounds) row_.ns.push_back(ns / static_cast<double>(load_.units_per_round));
    if (driver_ == nullptr) return;
    const Holdings holdings = driver_->holdings();
    row_.metadata_bytes = holdings.metadata_bytes;
    row_.extent = holdings.extent;
    row_.fragmentation = holdings.fragmentation;
  }

  [[nodiscard]] std::string name() const { return row_.load + "/" + row_.subject; }

 private:
  bool make_driver() {
    auto made = Driver::create(load_, who_);
    if (!made) {
      row_.skipped = made.error();
      return false;
    }
    const double most = setup_seconds_max(load_.live), begin = processor_seconds();
    bool stopped = false;
    if ((*made)->prepare(most, [&] { return stopped = all_.plan_.stopped(row_); }))
      driver_ = *std::move(made);
    else if (!stopped && row_.ns.empty())
      row_.skipped = fmt::format("takes longer than {} to make", tool::duration_text(most));
    measured_.setup_seconds = processor_seconds() - begin;
    return driver_ != nullptr;
  }

  Measuring& all_;
  const Load& load_;
  const Performer& who_;
  Row& row_;
  Measured& measured_;
  std::unique_ptr<Driver> driver_;
};

Measuring::Measuring(Plan plan) : plan_(std::move(plan)) {
  std::array words{std::string("bench"), std::string("--benchmark_enable_random_interleaving=true")};
  std::array<char*, 2> arguments{words[0].data(), words[1].data()};
  int count = arguments.size();
  benchmark::Initialize(&count, arguments.data());
}

Measuring::~Measuring() = default;

void Measuring::measure(const Load& load, std::size_t repetitions) {
  std::vector<std::unique_ptr<Benchmark>> benchmarks;
  for (const Performer& who : plan_.performers) {
    Measured& measured = find_or_begin(load, who);
    if (!measured.row.skipped.empty()) continue;
    Benchmark& one = *benchmarks.emplace_back(std::make_unique<Benchmark>(*this, load, who, measured));
    auto* const registered =
        benchmark::RegisterBenchmark(one.name().c_str(), [&one](benchmark::State& state) { one.run(state); });
    registered->Repetitions(static_cast<int>(repetitions));
    if (measured.iterations != 0)
      registered->Iterations(measured.iterations);
    else
      registered->MinTime(plan_.seconds);
  }
  if (benchmarks.empty()) return;
  Collector collected;
  benchmark::RunSpecifiedBenchmarks(&collected, "all");
  benchmark::ClearRegisteredBenchmarks();
  for (const auto& one : benchmarks) one->end(collected.of[one->name()]);
}

Measuring::Measured& Measuring::find_or_begin(const Load& load, const Performer& who) {
  const Measured* smaller = nullptr;
  for (const auto& one : measured_) {
    if (one->row.load != load.name || one->row.subject != who.name) continue;
    if (one->row.live == load.live) return *one;
    if (one->row.live < load.live) smaller = one.get();
  }
  Measured& begun = *measured_.emplace_back(std::make_unique<Measured>());
  begun.row.load = load.name;
  begun.row.subject = who.name;
  begun.row.live = load.live;
  begun.row.unit = load.unit;
  if (smaller == nullptr) return begun;
  begun.row.skipped = smaller->row.skipped;
  if (!begun.row.skipped.empty()) return begun;
  const double seconds = smaller->setup_seconds;
  const double growth = static_cast<double>(load.live) / static_cast<double>(smaller->row.live);
  if (seconds * growth > setup_seconds_max(load.live))
    begun.row.skipped = fmt::format("not tried, since a state of {} took {} to make", tool::grouped(smaller->row.live),
                                    tool::duration_text(seconds));
  return begun;
}

std::vector<Row> Measuring::rows() const {
  std::vector<Row> rows;
  for (const auto& one : measured_) {
    Row& row = rows.emplace_back(one->row);
    if (row.ns.empty() && row.skipped.empty()) row.skipped = "interrupted";
  }
  return rows;
}

}  // namespace vmapcheck::bench
