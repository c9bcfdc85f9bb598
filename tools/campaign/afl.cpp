// SPDX-License-Identifier: Apache-2.0
#include "tools/campaign/afl.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>

#include "fuzz/tally.hpp"
#include "tools/files.hpp"
#include "tools/finding.hpp"

namespace vmapcheck::tool {
namespace {

/// The path at which execvp() would find it.
std::string program_named(std::string_view name) {
  const std::string path = environment("PATH").value_or("/usr/local/bin:/usr/bin:/bin");
  for (std::string_view rest = path; !rest.empty();) {
    const std::size_t end = rest.find(':');
    const std::string file = path_in(std::string(rest.substr(0, end)), name);
    if (::access(file.c_str(), X_OK) == 0) return file;
    rest = end == std::string_view::npos ? "" : rest.substr(end + 1);
  }
  throw Stop{Exit::subject, fmt::format("{} is not installed (Debian: afl++)", name)};
}

/// afl-fuzz insists on the first two.
void add_sanitizer_options(Command& command, bool survives) {
  const std::string common = std::string("abort_on_error=1:symbolize=0") + (survives ? ":halt_on_error=0" : "");
  command.environment.emplace_back("ASAN_OPTIONS", common + ":detect_leaks=0:allocator_may_return_null=1");
  command.environment.emplace_back("UBSAN_OPTIONS", common + ":print_stacktrace=1");
}

/// Files in it that afl-fuzz has named: "id:000001,sig:06,...".
std::vector<std::string> named_inputs(const std::string& directory) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error))
    if (entry->path().filename().string().starts_with("id:")) files.push_back(entry->path().string());
  std::ranges::sort(files);
  return files;
}

}  // namespace

Target probe_afl_target(const CampaignOptions& options, const std::string& subject) {
  (void)program_named("afl-fuzz");
  Target target = find_target(options);
  const std::string probe = path_in(options.directory, "probe"), name = one_line(target.path);
  std::error_code ignored;
  fs::remove_all(probe, ignored);
  make_directory(probe);
  write_file(probe + "/input", std::string(40, '\0'));
  Command command{{target.path, probe + "/input"},
                  {{"VMAPCHECK_SUBJECT", subject}, {"VMAPCHECK_TALLY", probe + "/tally"}, {"VMAPCHECK_KNOWN", ""}}};
  add_sanitizer_options(command, false);
  Worker worker(command, probe + "/log");
  wait_for_probe(worker, options, name);
  target.counts = has_counted(probe + "/tally", name);
  if (!worker.ended_well() && !target.counts) throw bad_end(worker, name, worker.end());
  fs::remove_all(probe, ignored);
  return target;
}

Command afl_command(const CampaignOptions& options, const Target& target, const std::string& subject,
                    std::uint64_t number, std::uint64_t seed) {
  const std::string name = fmt::format("w{}", number), own = path_in(options.directory, "afl/" + name);
  std::error_code ignored;
  const bool goes_on = fs::exists(own + "/fuzzer_stats", ignored);
  Command command;
  command.words = {program_named("afl-fuzz"),
                   number == 0 ? "-M" : "-S",
                   name,
                   "-i",
                   goes_on ? "-" : path_in(options.directory, "seeds"),
                   "-o",
                   path_in(options.directory, "afl"),
                   "-s",
                   std::to_string(seed % 0x7fff'ffff + 1),
                   "-t",
                   "20000",
                   "-m",
                   "none"};
  command.words.insert(command.words.end(), options.engine_flags.begin(), options.engine_flags.end());
  command.words.insert(command.words.end(), {"--", target.path});
  command.environment = {{"VMAPCHECK_SUBJECT", subject},
                         {"AFL_NO_UI", "1"},
                         {"AFL_SKIP_CPUFREQ", "1"},
                         {"AFL_NO_AFFINITY", "1"},
                         {"AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES", "1"},
                         {"AFL_SKIP_CRASHES", "1"}};
  const std::string mutator = (fs::path(target.path).parent_path() / "allocator_afl_mutator.so").string();
  if (fs::exists(mutator, ignored)) {
    command.environment.emplace_back("AFL_CUSTOM_MUTATOR_LIBRARY", mutator);
    command.environment.emplace_back("AFL_CUSTOM_MUTATOR_ONLY", "1");
  }
  if (target.counts) {
    command.environment.emplace_back("VMAPCHECK_TALLY", path_in(options.directory, fmt::format("tally-{}", number)));
    command.environment.emplace_back("VMAPCHECK_KNOWN", path_in(options.directory, "known"));
  }
  add_sanitizer_options(command, target.counts);
  return command;
}

Pulse afl_pulse(const std::string& directory, std::uint64_t number) {
  Pulse pulse;
  std::ifstream file(path_in(directory, fmt::format("afl/w{}/fuzzer_stats", number)));
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (colon == std::string::npos) continue;
    std::uint64_t value = 0;
    std::from_chars(line.data() + colon + 2, line.data() + line.size(), value);
    if (line.starts_with("execs_done ")) pulse.executions = value;
    if (line.starts_with("edges_found ")) pulse.edges = value;
    if (line.starts_with("corpus_found ") || line.starts_with("corpus_count "))
      pulse.features = std::max(pulse.features, value);
  }
  return pulse;
}

std::vector<std::string> afl_artifacts(const std::string& directory, std::uint64_t number) {
  std::vector<std::string> all;
  for (const std::string_view kind : {"crashes", "hangs"}) {
    const auto some = named_inputs(path_in(directory, fmt::format("afl/w{}/{}", number, kind)));
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

}  // namespace vmapcheck::tool
