// SPDX-License-Identifier: Apache-2.0
//
// Judges mutants of the allocator, which mutate.py has compiled into a shared object: many in one, of which the subject
// is the one that was chosen.
//
//     judge random SUBJECT.so SEED CASES OPS ID...       random traces, as `vmapcheck check` draws them
//     judge replay SUBJECT.so TRACE... -- ID...          each of the traces
//
// Prints one line of JSON for each id: {"mutant":7,"found":true,"ops":312,"signature":"answer: alloc", ...}. Of the
// shared object it needs two functions: `const SubjectFactory* vmapcheck_mutants()`, and `void vmapcheck_choose(int)`.
//
// It does less than the command line with what it finds: nothing is minimized, saved or given names of functions, and a
// hang is called so after a tenth of the time.
#include <dlfcn.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/random/check.hpp"
#include "harness/verify/isolated.hpp"
#include "model/trace.hpp"

namespace vmapcheck {
namespace {

constexpr int exit_usage = 2, exit_subject = 3, exit_io = 4;

[[noreturn]] void stop(int status, const std::string& why) {
  std::fprintf(stderr, "judge: %s\n", why.c_str());
  std::exit(status);
}

struct Mutants {
  SubjectFactory make;
  void (*choose)(int);
};

Mutants load(const char* path) {
  void* const object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (object == nullptr) stop(exit_subject, dlerror());
  const auto make = reinterpret_cast<const SubjectFactory* (*)()>(dlsym(object, "vmapcheck_mutants"));
  const auto choose = reinterpret_cast<void (*)(int)>(dlsym(object, "vmapcheck_choose"));
  if (make == nullptr || choose == nullptr) stop(exit_subject, std::string(path) + " does not hold mutants");
  return {*make(), choose};
}

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) stop(exit_usage, std::string(text) + " is no number");
  return value;
}

Limits limits() {
  Limits limits;
  limits.cpu /= 10;
  return limits;
}

void print(const std::string& id, std::uint64_t ops, const std::optional<Failure>& failure,
           const std::string& by = {}) {
  nlohmann::ordered_json line{{"mutant", number(id)}, {"found", failure.has_value()}, {"ops", ops}};
  if (failure) {
    line["invariant"] = short_name(*failure);
    line["detail"] = failure->violation.detail;
  }
  if (!by.empty()) line["by"] = by;
  std::puts(line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  std::fflush(stdout);
}

/// A mutant that cannot be constructed was found by the first space that it was given.
Failure not_constructed(const std::string& why) {
  Failure failure;
  failure.violation = {vmap::Invariant::answer, why};
  failure.phase = Phase::construction;
  return failure;
}

void random_traces(const Mutants& mutants, const std::vector<std::string>& arguments) {
  if (arguments.size() < 3) stop(exit_usage, "random SUBJECT.so SEED CASES OPS ID...");
  CheckOptions options{.seed = number(arguments[0]),
                       .cases = number(arguments[1]),
                       .ops = number(arguments[2]),
                       .time = {},
                       .limits = limits(),
                       .on_progress = {}};
  for (auto id = arguments.begin() + 3; id != arguments.end(); ++id) {
    mutants.choose(static_cast<int>(number(*id)));
    const auto report = check(mutants.make, options);
    if (!report)
      print(*id, 0, not_constructed(report.error()));
    else if (report->cases_skipped != 0 && !report->found)
      print(*id, report->ops, not_constructed(report->skipped_because));
    else
      print(*id, report->ops, report->found ? std::optional(report->found->failure) : std::nullopt);
  }
}

void replay_traces(const Mutants& mutants, const std::vector<std::string>& arguments) {
  const auto separator = std::ranges::find(arguments, "--");
  if (separator == arguments.end()) stop(exit_usage, "replay SUBJECT.so TRACE... -- ID...");
  for (auto id = separator + 1; id != arguments.end(); ++id) {
    mutants.choose(static_cast<int>(number(*id)));
    std::optional<Failure> failure;
    std::string by;
    std::uint64_t ops = 0;
    for (auto path = arguments.begin(); path != separator && !failure; ++path) {
      std::ifstream file(*path);
      const auto trace = parse_trace(std::string(std::istreambuf_iterator<char>(file), {}));
      if (!file || !trace) stop(exit_io, *path + " cannot be read");
      const auto run = run_isolated(*trace, mutants.make, {.limits = limits(), .keep_going = {}});
      failure = run ? *run : not_constructed(run.error());
      ops += failure ? failure->step : trace->ops.size();
      if (failure) by = *path;
    }
    print(*id, ops, failure, by);
  }
}

}  // namespace
}  // namespace vmapcheck

int main(int count, char** values) {
  using namespace vmapcheck;
  const std::vector<std::string> arguments(values + std::min(count, 3), values + count);
  if (count < 3) stop(exit_usage, "random or replay, and a shared object");
  const std::string_view driver = values[1];
  const Mutants mutants = load(values[2]);
  if (driver == "random")
    random_traces(mutants, arguments);
  else if (driver == "replay")
    replay_traces(mutants, arguments);
  else
    stop(exit_usage, std::string(driver) + " is no driver: random or replay");
}
