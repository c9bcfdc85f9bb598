// SPDX-License-Identifier: Apache-2.0
//
// How many verified ops the fuzz target performs in a second of processor time. Linked with the target and its engine,
// so that counters and sanitizers cost here what they cost there.
//
//     fuzz_speed --replay DIR [SECONDS]     the inputs in DIR, over and over: the target alone
//     fuzz_speed -runs=N -seed=S ... DIR    a fuzzing run of libFuzzer: with mutation and all that the engine does
//
// Prints one JSON object on standard output. An op counts when it was performed and checked: a target that stops at a
// failure ends this program, too.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/records.hpp"
#include "harness/verify/executor.hpp"
#include "harness/verify/model_subject.hpp"

extern "C" {
int LLVMFuzzerInitialize(int* argc, char*** argv);
// The linker makes these of what the target defines and the engine calls (--wrap).
int __real_LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);  // NOLINT
int __wrap_LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);  // NOLINT
}

namespace vmapcheck {
namespace {

using Input = std::vector<std::uint8_t>;

/// Processor time of this process, in seconds.
double cpu() {
  std::timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// ---- The target alone

/// What a corpus makes the target do, on the model: it answers as a sound allocator does.
struct Load {
  std::uint64_t ops = 0;
  double free_blocks_mean = 0;
};

Load load_of(const std::vector<Input>& inputs) {
  Load load;
  std::uint64_t free_blocks = 0;
  for (const Input& input : inputs) {
    const Trace trace = decode(input);
    auto executor = Executor::create(trace.space, model_subject(), Checking::amortized).value();
    for (const Op& op : trace.ops) {
      static_cast<void>(executor->step(op));
      free_blocks += executor->free_blocks();
    }
    load.ops += trace.ops.size();
  }
  load.free_blocks_mean = static_cast<double>(free_blocks) / static_cast<double>(std::max<std::uint64_t>(1, load.ops));
  return load;
}

std::vector<Input> read_inputs(const std::string& directory) {
  std::vector<std::filesystem::path> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) names.push_back(entry.path());
  std::ranges::sort(names);
  std::vector<Input> inputs;
  for (const auto& name : names) {
    std::ifstream file(name, std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return inputs;
}

/// Rounds over all inputs for so many seconds; the median round counts, for the machine may have others to serve.
void replay(const std::string& directory, double seconds) {
  const std::vector<Input> inputs = read_inputs(directory);
  const Load load = load_of(inputs);
  std::vector<double> rounds;
  const double begin = cpu();
  do {
    const double round_begin = cpu();
    for (const Input& input : inputs) __real_LLVMFuzzerTestOneInput(input.data(), input.size());
    rounds.push_back(cpu() - round_begin);
  } while (cpu() - begin < seconds || rounds.size() < 3);
  std::ranges::sort(rounds);
  const auto ops = static_cast<double>(load.ops);
  std::printf(
      "{\"inputs\": %zu, \"ops\": %llu, \"trace_length\": %.1f, \"free_blocks\": %.1f, \"rounds\": %zu, "
      "\"ops_per_second\": %.0f, \"best\": %.0f}\n",
      inputs.size(), static_cast<unsigned long long>(load.ops),
      ops / static_cast<double>(std::max<std::size_t>(1, inputs.size())), load.free_blocks_mean, rounds.size(),
      ops / rounds[rounds.size() / 2], ops / rounds.front());
}

// ---- A fuzzing run

struct Counted {
  std::uint64_t executions = 0;
  std::uint64_t ops = 0;
  double in_target = 0;  ///< seconds
  double aside = 0;      ///< seconds that counting took: of no fuzzing run
};
Counted counted;

void print_counted() {
  const double total = cpu() - counted.aside;
  const auto ops = static_cast<double>(counted.ops);
  std::printf(
      "{\"executions\": %llu, \"ops\": %llu, \"trace_length\": %.1f, \"ops_per_second\": %.0f, "
      "\"ops_per_second_in_target\": %.0f, \"share_of_target\": %.2f}\n",
      static_cast<unsigned long long>(counted.executions), static_cast<unsigned long long>(counted.ops),
      ops / static_cast<double>(std::max<std::uint64_t>(1, counted.executions)), ops / total, ops / counted.in_target,
      counted.in_target / total);
}

}  // namespace
}  // namespace vmapcheck

int LLVMFuzzerInitialize(int* argc, char*** argv) {
  using namespace vmapcheck;
  if (*argc >= 3 && std::string_view((*argv)[1]) == "--replay") {
    replay((*argv)[2], *argc >= 4 ? std::strtod((*argv)[3], nullptr) : 2.0);
    std::fflush(stdout);
    std::_Exit(0);
  }
  std::atexit(print_counted);
  return 0;
}

int __wrap_LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace vmapcheck;
  const double begin = cpu();
  const int result = __real_LLVMFuzzerTestOneInput(bytes, size);
  const double end = cpu();
  counted.in_target += end - begin;
  ++counted.executions;
  counted.ops += decode({bytes, size}).ops.size();
  counted.aside += cpu() - end;
  return result;
}
