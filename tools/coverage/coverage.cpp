// SPDX-License-Identifier: Apache-2.0
//
// `coverage`: which lines and branches of the allocator the corpus and the properties execute, which ops met which
// outcomes and invariants, and what was never exercised.
//
//     DIR/tools/vmapcheck, DIR/properties/allocator_properties   programs of the preset `coverage`
//     DIR/profiles/PART-PID.profraw                              what each counted
//     DIR/profiles/PART.json, PART.log                           what each said
//     DIR/profiles.lock                                          one at a time
//
// Counters are kept in the file itself, which is mapped into the process (LLVM's continuous mode, %c): a child shares
// them with its parent, and neither _exit nor a crash loses any. That this is so is checked by each run: the profile
// must know as many allocations as the executors made.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "harness/random/check.hpp"
#include "tools/commands.hpp"
#include "tools/coverage/measure.hpp"
#include "tools/coverage/report.hpp"
#include "tools/coverage/run_traces.hpp"
#include "tools/files.hpp"
#include "tools/interruption.hpp"
#include "tools/progress.hpp"

extern char** environ;

namespace vmapcheck::tool {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using nlohmann::ordered_json;

struct Options {
  std::string with = "both";
  std::string directory;  ///< of a campaign
  std::string html;
  std::string exclusions;
  std::string from;
  std::optional<double> lines_min;
  std::optional<double> branches_min;
};

class Measuring {
 public:
  Measuring(const Common& common, const Options& options);
  Exit run();

 private:
  /// A part of what is run: what it counted is merged into one profile, and with the others into another.
  struct Part {
    std::string name;
    std::string what;
    std::vector<std::string> profiles;
    std::optional<Exercised> exercised;
  };

  void find_programs();
  void run_corpus();
  void run_random();
  void run_properties();
  void add_traces(std::string name, const std::vector<std::string>& arguments, const std::string& what);
  void start_again() const;
  int execute(const std::vector<std::string>& command, const std::string& part, const std::string& output) const;
  [[nodiscard]] std::string exported(const std::vector<std::string>& profiles, const std::string& name) const;
  [[nodiscard]] Measured measured_by(const std::vector<std::string>& profiles, const std::string& name) const;
  void expect_nothing_lost(const Part& part, const Measured& measured) const;
  void read_exclusions();
  void measure_everything();
  void write_pages() const;
  [[nodiscard]] Exit conclude() const;

  [[nodiscard]] std::string in(std::string_view name) const { return (fs::path(directory_) / name).string(); }
  [[nodiscard]] std::string profile(std::string_view name) const { return in(fmt::format("profiles/{}", name)); }

  const Common& common_;
  const Options& options_;
  std::string checkout_;
  std::string directory_;  ///< of the coverage build
  std::string tool_;
  std::string properties_;
  std::string profdata_;
  std::string cov_;
  std::vector<Part> parts_;
  CoverageReport report_;
  bool failed_ = false;  ///< a trace or a property did
};

void add_percentage(CLI::App& command, const std::string& name, std::optional<double>& target,
                    const std::string& description);
std::string llvm_tool(const std::string& name);
Measured measure_or_stop(const std::string& json, const std::string& path);

}  // namespace

void add_coverage(CLI::App& app, Session& session) {
  CLI::App& command = add_command(
      app, session, "coverage", "How much of the allocator corpus and properties execute", uses_seed | uses_json,
      "vmapcheck coverage\n"
      "vmapcheck coverage --with corpus --dir vmapcheck-campaign\n"
      "vmapcheck coverage --html coverage --fail-under-lines 100 --fail-under-branches 100\n"
      "Percentages are of what is reachable: allocator/unreachable.txt names what is not, with reasons.",
      {Exit::ok, Exit::usage, Exit::subject, Exit::io, Exit::interrupted, Exit::violation, Exit::coverage});
  const auto options = std::make_shared<Options>();
  command.add_option("--with", options->with, "What is run: corpus, properties or both (default)")
      ->type_name("WHAT")
      ->take_last()
      ->check(CLI::IsMember({"corpus", "properties", "both"}));
  command.add_option("--dir", options->directory, "Also the corpus of the campaign in this directory")
      ->type_name("DIR")
      ->take_last();
  command.add_option("--html", options->html, "Also as pages: DIR/index.html")->type_name("DIR")->take_last();
  add_percentage(command, "--fail-under-lines", options->lines_min,
                 "Status 14 if fewer percent of the lines are covered");
  add_percentage(command, "--fail-under-branches", options->branches_min,
                 "Status 14 if fewer percent of the branches are covered");
  command
      .add_option("--unreachable", options->exclusions,
                  "List of what cannot be reached (default: allocator/unreachable.txt of the checkout)")
      ->type_name("FILE")
      ->take_last();
  command.add_option("--from", options->from, "Run nothing: report on what llvm-cov export wrote to this file")
      ->type_name("FILE")
      ->take_last();
  command.callback(
      [&session, options] { session.run = [&session, options] { return Measuring(session.common, *options).run(); }; });
}

namespace {

void add_percentage(CLI::App& command, const std::string& name, std::optional<double>& target,
                    const std::string& description) {
  const auto read = [&target, name](const std::string& text) {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (error != std::errc() || end != text.data() + text.size() || !(number >= 0 && number <= 100))
      throw CLI::ValidationError(name,
                                 fmt::format("expected a percentage from 0 to 100, found '{}'", one_line(text, 60)));
    target = number;
  };
  command.add_option_function<std::string>(name, read, description)->type_name("P")->take_last();
}

Measuring::Measuring(const Common& common, const Options& options)
    : common_(common),
      options_(options),
      checkout_(environment("VMAPCHECK_SOURCE_DIR").value_or(".")),
      directory_(environment("VMAPCHECK_COVERAGE_DIR").value_or("")) {}

Exit Measuring::run() {
  if (common_.subject != "vmap")
    throw Stop{Exit::usage, "coverage is that of our allocator: it has no --subject but vmap"};
  if (!options_.html.empty()) {
    make_directory(options_.html);
    check_writable((fs::path(options_.html) / "index.html").string());
  }
  read_exclusions();
  if (!options_.from.empty()) {
    report_.measured = measure_or_stop(read_file(options_.from, log_bytes_max), options_.from);
    report_.defects = exclude(report_.measured, report_.exclusions);
  } else {
    find_programs();
    start_again();
    if (options_.with != "properties") run_corpus();
    if (options_.with != "corpus") {
      run_random();
      run_properties();
    }
    measure_everything();
  }
  if (!options_.html.empty()) write_pages();
  out(common_.json ? tool::json_of(report_).dump(-1, ' ', true, ordered_json::error_handler_t::replace) + "\n"
                   : text_of(report_));
  return conclude();
}

void Measuring::read_exclusions() {
  report_.list = options_.exclusions.empty()
                     ? (fs::path(checkout_) / "allocator/unreachable.txt").lexically_normal().string()
                     : options_.exclusions;
  auto exclusions = parse_exclusions(read_file(report_.list, trace_bytes_max));
  if (!exclusions) throw Stop{Exit::usage, fmt::format("{}:{}", one_line(report_.list), exclusions.error())};
  report_.exclusions = *std::move(exclusions);
}

void Measuring::find_programs() {
  if (directory_.empty())
    throw Stop{Exit::subject,
               "there is no build that counts: ./vmapcheck coverage, at the top of a checkout, makes one"};
  tool_ = in("tools/vmapcheck");
  properties_ = in("properties/allocator_properties");
  for (const std::string& program : {tool_, properties_})
    if (::access(program.c_str(), X_OK) != 0)
      throw Stop{Exit::subject, fmt::format("no program {}: {}", one_line(program), std::strerror(errno))};
  profdata_ = llvm_tool("llvm-profdata");
  cov_ = llvm_tool("llvm-cov");
}

/// Debian has them under names with their version, and under their own in a directory of that version.
std::string llvm_tool(const std::string& name) {
  std::vector<std::string> directories;
  const std::string path = environment("PATH").value_or("/usr/bin");
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    directories.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  for (const std::string& directory : directories) {
    const std::string found = directory + "/" + name + "-19";
    if (::access(found.c_str(), X_OK) == 0) return found;
  }
  const std::string found = "/usr/lib/llvm-19/bin/" + name;
  if (::access(found.c_str(), X_OK) == 0) return found;
  throw Stop{Exit::subject, fmt::format("there is no {}-19 (Debian: llvm-19)", name)};
}

// ---- What is run

/// What earlier runs counted does not count. The lock is held until this process ends.
void Measuring::start_again() const {
  const std::string lock = in("profiles.lock");
  const int file = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0) throw Stop{Exit::io, fmt::format("cannot write {}: {}", one_line(lock), std::strerror(errno))};
  if (::flock(file, LOCK_EX | LOCK_NB) != 0)
    throw Stop{Exit::io, fmt::format("another coverage runs in {}", one_line(directory_))};
  std::error_code ignored;
  fs::remove_all(profile(""), ignored);
  make_directory(profile(""));
}

void Measuring::run_corpus() {
  std::vector<std::string> arguments{"--traces", (fs::path(checkout_) / "corpus").string()};
  if (!options_.directory.empty()) {
    std::error_code ignored;
    const fs::path kept = fs::path(options_.directory) / "corpus";
    arguments.insert(arguments.end(),
                     {"--inputs", fs::is_directory(kept, ignored) ? kept.string() : options_.directory});
  }
  add_traces("corpus", arguments, "traces");
}

void Measuring::run_random() {
  add_traces("random", {"--random", "--seed", std::to_string(seed_of(common_, seed_default))}, "random traces");
}

void Measuring::add_traces(std::string name, const std::vector<std::string>& arguments, const std::string& what) {
  std::vector<std::string> command{tool_, "coverage-run"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const std::string said = profile(name + ".json");
  const int status = execute(command, name, said);
  const std::string log = read_file(profile(name + ".log"), trace_bytes_max);
  if (status != 0 && status != static_cast<int>(Exit::violation)) {
    const std::string reason = log.substr(0, log.find('\n'));
    const bool known = status > 0 && status <= static_cast<int>(Exit::interrupted);
    throw Stop{
        known ? static_cast<Exit>(status) : Exit::subject,
        fmt::format("{}: {}", name, reason.empty() ? fmt::format("ended with status {}", status) : one_line(reason))};
  }
  Part part{.name = std::move(name), .what = "", .profiles = {}, .exercised = std::nullopt};
  try {
    part.exercised = exercised_of(ordered_json::parse(read_file(said, trace_bytes_max)));
  } catch (const ordered_json::exception& error) {
    throw Stop{Exit::subject, fmt::format("{}: {}", one_line(said), one_line(error.what()))};
  }
  if (part.exercised->failed != 0) {
    failed_ = true;
    say(log.substr(0, log.find_last_not_of('\n') + 1));
  }
  part.what = fmt::format("{} {}, {} ops", part.exercised->traces, what, part.exercised->coverage.steps());
  parts_.push_back(std::move(part));
}

void Measuring::run_properties() {
  const std::uint64_t seed = seed_of(common_, seed_default);
  ::setenv("VMAPCHECK_SEED", std::to_string(seed).c_str(), 1);
  ::setenv("RC_PARAMS", fmt::format("seed={}", seed).c_str(), 1);
  const std::string said = profile("properties.txt");
  const int status = execute({properties_, "--gtest_brief=1", "--gtest_color=no"}, "properties", said);
  const std::string text = read_file(said, trace_bytes_max);
  if (status != 0) {
    failed_ = true;
    say(fmt::format("vmapcheck: properties failed; what they said is in {}", one_line(said)));
  }
  // "[==========] 97 tests from 17 test suites ran. (1234 ms total)"
  const std::size_t at = text.find("] ", text.rfind("[=========="));
  const std::size_t end = text.find(" ran", at);
  const std::string what = at == std::string::npos || end == std::string::npos ? "" : text.substr(at + 2, end - at - 2);
  parts_.push_back({.name = "properties", .what = what, .profiles = {}, .exercised = std::nullopt});
}

/// Runs a program under a profile of its own to its end; standard output and error go to files. Returns its status.
int Measuring::execute(const std::vector<std::string>& command, const std::string& part,
                       const std::string& output) const {
  ::setenv("LLVM_PROFILE_FILE", profile(part + "-%p%c.profraw").c_str(), 1);
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  const std::string log = profile(part + ".log");
  constexpr int anew = O_WRONLY | O_CREAT | O_TRUNC;
  ::posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&files, 1, output.c_str(), anew, 0666);
  ::posix_spawn_file_actions_addopen(&files, 2, log.c_str(), anew, 0666);
  pid_t pid = 0;
  const int why = ::posix_spawn(&pid, arguments[0], &files, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&files);
  if (why != 0) throw Stop{Exit::subject, fmt::format("cannot start {}: {}", one_line(command[0]), std::strerror(why))};
  const auto begin = std::chrono::steady_clock::now();
  Progress progress;
  int status = 0;
  while (::waitpid(pid, &status, WNOHANG) != pid) {
    if (interrupted()) {
      ::kill(pid, SIGTERM);
      ::waitpid(pid, &status, 0);
      throw Stop{Exit::interrupted, "interrupted"};
    }
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
    progress.update([&] { return fmt::format("coverage: {}, {:.0f} s", part, elapsed.count()); });
    std::this_thread::sleep_for(10ms);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// ---- What is measured

/// Each part alone, and all of them together.
void Measuring::measure_everything() {
  std::vector<std::string> all;
  for (Part& part : parts_) {
    for (const auto& entry : fs::directory_iterator(profile("")))
      if (const std::string name = entry.path().filename().string();
          name.starts_with(part.name + "-") && name.ends_with(".profraw"))
        part.profiles.push_back(entry.path().string());
    if (part.profiles.empty())
      throw Stop{Exit::subject, fmt::format("{} left no profile: it was not built to count", part.name)};
    all.insert(all.end(), part.profiles.begin(), part.profiles.end());
  }
  for (const Part& part : parts_) {
    Measured measured = measured_by(part.profiles, part.name);
    expect_nothing_lost(part, measured);
    // Of what is reachable; that another part reaches something of the list is said below.
    (void)exclude(measured, report_.exclusions);
    report_.sources.push_back({part.name, part.what, measured.line_ratio(), measured.branch_ratio()});
    if (!part.exercised) continue;
    if (!report_.exercised) report_.exercised.emplace();
    *report_.exercised += part.exercised->coverage;
  }
  report_.measured = measured_by(all, "all");
  report_.defects = exclude(report_.measured, report_.exclusions);
}

Measured Measuring::measured_by(const std::vector<std::string>& profiles, const std::string& name) const {
  return measure_or_stop(exported(profiles, name), name);
}

Measured measure_or_stop(const std::string& json, const std::string& path) {
  auto measured =
      measure(json, "allocator/vmap", [](const std::string& file) { return read_file(file, trace_bytes_max); });
  if (!measured)
    throw Stop{Exit::usage, fmt::format("{}: expected what llvm-cov export writes: {}", one_line(path),
                                        one_line(measured.error(), 300))};
  if (measured->files.empty())
    throw Stop{Exit::usage, fmt::format("{}: nothing in it is of allocator/vmap", one_line(path))};
  return *std::move(measured);
}

/// What llvm-cov says of these profiles together.
std::string Measuring::exported(const std::vector<std::string>& profiles, const std::string& name) const {
  const std::string merged = profile(name + ".profdata");
  std::vector<std::string> merge{profdata_, "merge", "-sparse", "-o", merged};
  merge.insert(merge.end(), profiles.begin(), profiles.end());
  const std::string log = name + "-llvm";
  const auto succeed = [&](const std::vector<std::string>& command, const std::string& output) {
    if (execute(command, log, output) == 0) return;
    const std::string said = read_file(profile(log + ".log"), trace_bytes_max);
    throw Stop{Exit::subject,
               fmt::format("{} failed: {}", fs::path(command[0]).filename().string(), one_line(said, 300))};
  };
  succeed(merge, "/dev/null");
  const std::string json = profile(name + "-export.json");
  // Both programs, whatever was run: together they have all that could be.
  succeed({cov_, "export", tool_, "-object", properties_, "-instr-profile=" + merged}, json);
  return read_file(json, log_bytes_max);
}

/// Where executors have counted allocations, the profile must have them all, also those of children.
void Measuring::expect_nothing_lost(const Part& part, const Measured& measured) const {
  if (!part.exercised || part.exercised->failed != 0) return;
  constexpr std::pair<std::size_t, std::string_view> functions[] = {
      {0, "::allocate("}, {1, "::allocate_at("}, {2, "::allocate_congruent("}};
  for (const auto& [op, function] : functions) {
    std::uint64_t counted = 0;
    for (const auto& [name, count] : measured.entered)
      if (name.starts_with("vmap::BasicAddressSpace<vmap::FreeSpace>" + std::string(function)) &&
          name.find('{') == std::string::npos)  // not what is within it
        counted += count;
    const std::uint64_t made = part.exercised->coverage.ops[op];
    if (counted != made)
      throw Stop{Exit::subject, fmt::format("{}: the profile is not whole: it has {} calls of {}, and {} were made",
                                            part.name, counted, function.substr(2, function.size() - 3), made)};
  }
}

// ---- What is said

void Measuring::write_pages() const {
  const fs::path directory(options_.html);
  std::string lines;
  if (options_.from.empty()) {
    const std::vector<std::string> command{cov_,
                                           "show",
                                           tool_,
                                           "-object",
                                           properties_,
                                           "-instr-profile=" + profile("all.profdata"),
                                           "-format=html",
                                           "-show-branches=count",
                                           "-show-instantiations=false",
                                           "-output-dir=" + (directory / "lines").string(),
                                           "-sources",
                                           (fs::path(checkout_) / "allocator/vmap").string()};
    if (execute(command, "show-llvm", "/dev/null") != 0)
      throw Stop{Exit::io, fmt::format("cannot write {}: {}", one_line((directory / "lines").string()),
                                       one_line(read_file(profile("show-llvm.log"), trace_bytes_max), 300))};
    lines = "lines/index.html";
  }
  write_file((directory / "index.html").string(), page_of(report_, lines));
}

/// What counts most comes first: a failure, a list that is wrong, a percentage that was demanded.
Exit Measuring::conclude() const {
  flush_out();
  for (const std::string& defect : report_.defects) say(fmt::format("{}:{}", one_line(report_.list), one_line(defect)));
  Exit status = Exit::ok;
  const auto demand = [&](std::string_view what, Ratio ratio, const std::optional<double>& least) {
    if (!least || ratio.percent() >= *least) return;
    say(fmt::format("vmapcheck: {:.4f} % of {} are covered, {:g} % are demanded: {:.4f} too little, {} not executed",
                    ratio.percent(), what, *least, *least - ratio.percent(), ratio.total - ratio.covered));
    status = Exit::coverage;
  };
  demand("lines", report_.measured.line_ratio(), options_.lines_min);
  demand("branches", report_.measured.branch_ratio(), options_.branches_min);
  if (failed_) return Exit::violation;
  return report_.defects.empty() ? status : Exit::usage;
}

}  // namespace
}  // namespace vmapcheck::tool
