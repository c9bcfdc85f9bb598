// SPDX-License-Identifier: Apache-2.0
//
// The options of `bench`, described once: the command line has them for its help, its table and its completions, and
// the program vmapcheck_bench (bench/main.cpp) runs what they say.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tools/kernel_tests.hpp"
#include "tools/load_names.hpp"
#include "tools/options.hpp"

namespace vmapcheck::tool {

/// Of `bench` itself.
struct LoadsOptions {
  std::vector<std::string> loads;     ///< none: all
  std::vector<std::string> subjects;  ///< none: those of default_performers
  std::optional<std::uint64_t> live_min, live_max, repetitions;
  std::optional<std::chrono::nanoseconds> time;
  std::string compare;  ///< a file; empty: none
  std::string html;     ///< a file; empty: none
};
/// Returns the options that it has added.
std::vector<CLI::Option*> describe_loads(CLI::App& command, LoadsOptions& options);

struct KernelOptions {
  std::string mode = "performance";
  std::vector<std::string> tests;  ///< names and masks; none: all
  std::optional<std::uint64_t> loops, repeat, workers, rounds;
  bool verify = false;
  std::string save_dir;
  std::string against;  ///< empty: none
};
void describe_kernel(CLI::App& command, KernelOptions& options);
/// The tests that were chosen, as a mask. Requires that the options were read from a command line.
[[nodiscard]] std::uint64_t tests_chosen(const KernelOptions& options);

struct BenchCommands {
  std::function<Exit(const Common& common, const LoadsOptions& options)> loads;
  std::function<Exit(const Common& common, const KernelOptions& options)> kernel;
};
/// `bench` and `bench kernel`.
void add_bench(CLI::App& app, Session& session, const BenchCommands& run);

}  // namespace vmapcheck::tool
