// SPDX-License-Identifier: Apache-2.0
#include "tools/campaign/engine.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <thread>

#include "fuzz/records.hpp"
#include "fuzz/tally.hpp"
#include "tools/amounts.hpp"
#include "tools/files.hpp"
#include "tools/finding.hpp"
#include "tools/interruption.hpp"

namespace vmapcheck::tool {
namespace {

using namespace std::chrono_literals;

/// A target that survives is to go on after what a sanitizer reports; another would go on without a word.
void add_sanitizer_options(Command& command, bool survives) {
  const std::string own = survives ? "halt_on_error=0:" : "";
  for (const char* const name : {"ASAN_OPTIONS", "UBSAN_OPTIONS"}) {
    const auto given = environment(name);
    std::string value =
        own + "symbolize=0:detect_leaks=0:allocator_may_return_null=1:quarantine_size_mb=16:malloc_context_size=5";
    if (std::string_view(name) == "UBSAN_OPTIONS") value = own + "symbolize=0:print_stacktrace=1";
    if (given) value += ":" + *given;
    command.environment.emplace_back(name, value);
  }
}

}  // namespace

Target find_target(const CampaignOptions& options) {
  std::string target = options.target;
  if (const auto directory = environment("VMAPCHECK_FUZZ_DIR"); target.empty() && directory)
    target = *directory + "/allocator_fuzz";
  if (target.empty())
    throw Stop{Exit::subject, "there is no fuzz target: ./vmapcheck campaign builds one, or name it with --target"};
  struct stat about{};
  if (::stat(target.c_str(), &about) != 0)
    throw Stop{Exit::subject, fmt::format("no fuzz target {}: {}", one_line(target), std::strerror(errno))};
  if (!S_ISREG(about.st_mode) || ::access(target.c_str(), X_OK) != 0)
    throw Stop{Exit::subject, fmt::format("no fuzz target {}: it is not a program", one_line(target))};
  return {.path = fs::absolute(target).string(), .build = hash_of(read_file(target, std::size_t{1} << 30))};
}

bool has_counted(const std::string& path, const std::string& target) {
  const ReadTally::Kind kind = read_tally(path).kind;
  if (kind == ReadTally::Kind::unreadable)
    throw Stop{Exit::subject, fmt::format("{} was built from another version of vmapcheck than this program", target)};
  return kind == ReadTally::Kind::whole;
}

void wait_for_probe(Worker& probe, const CampaignOptions& options, const std::string& target) {
  const auto time = std::min<std::chrono::nanoseconds>(options.time.value_or(60s), 60s);
  const auto begin = std::chrono::steady_clock::now();
  while (probe.poll()) {
    if (interrupted()) throw Stop{Exit::interrupted, "interrupted"};
    if (std::chrono::steady_clock::now() - begin > time)
      throw Stop{Exit::subject,
                 fmt::format("{} does not come to the end of one input in {} (see {})", target,
                             duration_text(std::chrono::duration<double>(time).count()), one_line(probe.log()))};
    std::this_thread::sleep_for(5ms);
  }
}

Stop bad_end(const Worker& worker, const std::string& target, const std::string& how) {
  const std::string last = worker.last_line().empty() ? "" : ": " + worker.last_line();
  return {Exit::subject, fmt::format("{} {}{} (see {})", target, how, last, one_line(worker.log()))};
}

Target probe_target(const CampaignOptions& options, const std::string& subject) {
  Target target = find_target(options);
  const std::string probe = path_in(options.directory, "probe");
  std::error_code ignored;
  fs::remove_all(probe, ignored);
  make_directory(probe + "/corpus");
  const std::string name = one_line(target.path), log = probe + "/log";
  Command command{
      {target.path, "-runs=1", "-seed=1", "-timeout=20", "-artifact_prefix=" + probe + "/", probe + "/corpus"},
      {{"VMAPCHECK_SUBJECT", subject}, {"VMAPCHECK_TALLY", probe + "/tally"}, {"VMAPCHECK_KNOWN", ""}}};
  add_sanitizer_options(command, false);
  Worker worker(command, log);
  wait_for_probe(worker, options, name);
  // A target that dies of its first input has found something; any other must end well.
  if (!worker.ended_well() && worker.artifacts().empty()) throw bad_end(worker, name, worker.end());
  if (!worker.counters())
    throw Stop{Exit::subject,
               fmt::format("{} is not instrumented, or no libFuzzer target: it speaks of no coverage (see {})", name,
                           one_line(log))};
  if (*worker.counters() == 0)
    throw Stop{Exit::subject,
               fmt::format("{} is not instrumented: it has no counters of coverage (see {})", name, one_line(log))};
  target.counts = has_counted(probe + "/tally", name);
  fs::remove_all(probe, ignored);
  return target;
}

Command worker_command(const CampaignOptions& options, const Target& target, const std::string& subject,
                       std::uint64_t number, std::uint64_t seed) {
  Command command;
  command.words = {
      target.path,
      fmt::format("-seed={}", seed % 0x7fff'ffff + 1),  // 0 would draw one
      fmt::format("-max_len={}", records_max * record_bytes),
      "-artifact_prefix=" + path_in(options.directory, "crashes/"),
      "-reload=1",
      "-timeout=20",
      "-report_slow_units=1000",
      fmt::format("-rss_limit_mb={}", options.memory >> 20),
      "-print_final_stats=1",
  };
  command.words.insert(command.words.end(), options.engine_flags.begin(), options.engine_flags.end());
  command.words.push_back(path_in(options.directory, "corpus"));
  command.words.push_back(path_in(options.directory, "seeds"));
  command.environment = {{"VMAPCHECK_SUBJECT", subject}};
  if (target.counts) {
    command.environment.emplace_back("VMAPCHECK_TALLY", path_in(options.directory, fmt::format("tally-{}", number)));
    command.environment.emplace_back("VMAPCHECK_KNOWN", path_in(options.directory, "known"));
  }
  add_sanitizer_options(command, target.counts);
  return command;
}

}  // namespace vmapcheck::tool
