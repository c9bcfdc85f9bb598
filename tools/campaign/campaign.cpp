// SPDX-License-Identifier: Apache-2.0
//
// `campaign`: the allocator's fuzz target under libFuzzer on several cores, until the time is over or something is
// found.
//
//     DIR/seeds/        the corpus of the checkout, encoded anew at each start
//     DIR/corpus/       what fuzzing has kept; the next campaign goes on from it
//     DIR/crashes/      inputs that ended a worker, as bytes
//     DIR/findings/     the same, minimized, as traces with reports
//     DIR/worker-K.log  what libFuzzer said
//
// Plain processes that reload a shared corpus do several times the work of libFuzzer's own -fork on a target this fast.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "fuzz/records.hpp"
#include "harness/isolated.hpp"
#include "model/trace.hpp"
#include "tools/campaign/commands.hpp"
#include "tools/campaign/workers.hpp"
#include "tools/commands.hpp"
#include "tools/files.hpp"
#include "tools/finding.hpp"
#include "tools/interruption.hpp"
#include "tools/progress.hpp"
#include "tools/report.hpp"

namespace vmapcheck::tool {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using nlohmann::ordered_json;

struct Options {
  std::optional<std::chrono::nanoseconds> time;
  std::uint64_t workers = std::max(1u, std::thread::hardware_concurrency());
  std::string directory = "vmapcheck-campaign";
  std::string target;
};

/// Records of an input: with a few hundred, traces reach about a hundred free blocks, and still run by the thousand per
/// second.
constexpr std::size_t records_max = 256;

/// One that was found, as it is reported.
struct Reported {
  std::string signature;  ///< the invariant, or what the sanitizer said
  std::string path;
  std::string replay;
};

class Campaign {
 public:
  Campaign(const Common& common, const Options& options);
  Exit run();

 private:
  void take_directory();
  void encode_seeds();
  void start_workers();
  void watch();
  void report_artifacts();
  bool report_failure(const std::string& artifact, const Trace& trace);
  void report_crash(const std::string& artifact, const Trace& trace, const std::string& summary);
  Exit conclude() const;

  [[nodiscard]] std::string in(std::string_view name) const { return (fs::path(options_.directory) / name).string(); }
  [[nodiscard]] double elapsed() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }
  [[nodiscard]] Pulse sum() const;
  [[nodiscard]] std::string progress_line() const;

  const Common& common_;
  const Options& options_;
  const SubjectEntry& subject_;
  std::chrono::nanoseconds budget_;
  std::uint64_t seed_;
  std::string target_;
  Clock::time_point begin_;
  double ran_ = 0;  ///< seconds
  Workers workers_;
  const Worker* ended_ = nullptr;  ///< the first that ended by itself
  std::set<std::string> signatures_;
  std::vector<Reported> reported_;
};

std::string find_target(const Options& options);
std::size_t files_in(const std::string& directory);

}  // namespace

void add_campaign(CLI::App& app, Session& session) {
  CLI::App& command =
      add_command(app, session, "campaign", "Fuzz the allocator on all cores", uses_subject | uses_seed | uses_json,
                  "vmapcheck campaign --time 10m\n"
                  "vmapcheck campaign --time 8h -j 4 --dir DIR     goes on from what DIR has kept",
                  {Exit::ok, Exit::usage, Exit::subject, Exit::io, Exit::interrupted, Exit::violation});
  const auto options = std::make_shared<Options>();
  add_duration(command, "--time", options->time, "How long: 60s (default), 10m, 8h");
  add_count(command, "-j,--jobs", options->workers, "Processes (default: one for each core)", 1, 1024);
  command
      .add_option("--dir", options->directory,
                  "Where corpus, crashes, findings and logs are kept (default: vmapcheck-campaign)")
      ->type_name("DIR")
      ->take_last();
  command.add_option("--target", options->target, "Fuzz target (default: that of the checkout)")
      ->type_name("PATH")
      ->take_last();
  command.require_subcommand(0, 1);
  command.callback([&session, &command, options] {
    if (command.get_subcommands().empty())
      session.run = [&session, options] { return Campaign(session.common, *options).run(); };
  });
  add_campaign_status(command, session);
  add_campaign_report(command, session);
}

namespace {

Campaign::Campaign(const Common& common, const Options& options)
    : common_(common),
      options_(options),
      subject_(subject_named(common.subject)),
      budget_(options.time.value_or(60s)),
      seed_(seed_of(common, random_seed()) & 0x7fff'ffff),
      target_(find_target(options)) {}

Exit Campaign::run() {
  take_directory();
  encode_seeds();
  say(fmt::format("campaign: subject {}, {} workers for {:g} s, seed {}, in {}", subject_.name, options_.workers,
                  std::chrono::duration<double>(budget_).count(), seed_, one_line(options_.directory)));
  begin_ = Clock::now();
  start_workers();
  watch();
  stop(workers_);
  ran_ = elapsed();
  report_artifacts();
  return conclude();
}

void Campaign::take_directory() {
  for (const std::string_view name : {"seeds", "corpus", "crashes", "findings"}) make_directory(in(name));
  // Held until this process ends.
  const int lock = ::open(in("lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock < 0) throw Stop{Exit::io, fmt::format("cannot write {}: {}", one_line(in("lock")), std::strerror(errno))};
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0)
    throw Stop{Exit::io, fmt::format("another campaign runs in {}", one_line(options_.directory))};
}

void Campaign::encode_seeds() {
  const auto checkout = environment("VMAPCHECK_SOURCE_DIR");
  const std::string corpus = checkout ? *checkout + "/corpus" : "corpus";
  std::error_code ignored;
  if (!fs::is_directory(corpus, ignored))
    return say(fmt::format("campaign: no seeds, for there is no {}", one_line(corpus)));
  for (const std::string& name : traces_below(corpus)) {
    std::vector<std::uint8_t> bytes;
    try {
      bytes = encode(read_trace((fs::path(corpus) / name).string()));
    } catch (const Stop& stop) {
      if (stop.status != Exit::usage) throw;
      report(stop);
      continue;
    }
    std::string flat = name;
    std::ranges::replace(flat, '/', '-');
    write_file(in("seeds/" + flat), std::string(bytes.begin(), bytes.end()));
  }
}

void Campaign::start_workers() {
  const auto seconds = static_cast<std::uint64_t>(std::ceil(std::chrono::duration<double>(budget_).count()));
  for (std::uint64_t k = 0; k < options_.workers; ++k) {
    const std::vector<std::string> command{
        target_,
        fmt::format("-seed={}", (seed_ + k) % 0x7fff'ffff + 1),  // 0 would draw one
        fmt::format("-max_len={}", records_max * record_bytes),
        // The campaign ends its workers; this is for the case that it cannot.
        fmt::format("-max_total_time={}", seconds + 30),
        "-artifact_prefix=" + in("crashes/"),
        "-reload=1",
        "-use_value_profile=0",
        "-timeout=20",
        "-print_final_stats=1",
        in("corpus"),
        in("seeds"),
    };
    workers_.push_back(std::make_unique<Worker>(command, subject_.name, in(fmt::format("worker-{}.log", k))));
  }
}

/// Until the time is over, a worker has ended, or the user wants it.
void Campaign::watch() {
  Progress progress({.silence = 1s, .on_terminal = 1s, .elsewhere = 5s});
  while (!interrupted() && Clock::now() - begin_ < budget_) {
    for (const auto& worker : workers_)
      if (!worker->poll()) {
        ended_ = worker.get();
        return;
      }
    progress.update([&] { return progress_line(); });
    std::this_thread::sleep_for(std::min<Clock::duration>(50ms, budget_));
  }
}

Pulse Campaign::sum() const {
  Pulse sum;
  for (const auto& worker : workers_) {
    sum.executions += worker->pulse().executions;
    sum.per_second += worker->pulse().per_second;
    sum.edges = std::max(sum.edges, worker->pulse().edges);
  }
  return sum;
}

std::string Campaign::progress_line() const {
  const Pulse pulse = sum();
  return fmt::format("campaign: {:.0f}/{:.0f} s, {} executions, {} per second, {} inputs, {} edges, {} crashes",
                     elapsed(), std::chrono::duration<double>(budget_).count(), pulse.executions, pulse.per_second,
                     files_in(in("corpus")), pulse.edges, files_in(in("crashes")));
}

std::size_t files_in(const std::string& directory) {
  std::error_code error;
  std::size_t count = 0;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) ++count;
  return count;
}

std::string find_target(const Options& options) {
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
  return fs::absolute(target).string();
}

// ---- What was found
// ----------------------------------------------------------------------------------------------------

void Campaign::report_artifacts() {
  for (const auto& worker : workers_) {
    for (const std::string& artifact : worker->artifacts()) {
      const std::string text = read_file(artifact, trace_bytes_max);
      const Trace trace = decode(std::vector<std::uint8_t>(text.begin(), text.end()));
      if (!report_failure(artifact, trace)) report_crash(artifact, trace, worker->summary());
    }
  }
  if (ended_ != nullptr && ended_->artifacts().empty() && reported_.empty())
    throw Stop{Exit::subject,
               fmt::format("{} {}{} (see {})", one_line(target_), ended_->end(),
                           ended_->last_line().empty() ? "" : ": " + ended_->last_line(), one_line(ended_->log()))};
}

/// True if the trace fails here, too, without the target's sanitizers.
bool Campaign::report_failure(const std::string& artifact, const Trace& trace) {
  const auto failure = run_isolated(trace, subject_.make, {.keep_going = [] { return !interrupted(); }});
  if (!failure || !*failure) return false;
  const std::string found_by = fmt::format("vmapcheck campaign --subject {} --seed {}", subject_.name, seed_);
  const Finding finding = make_finding(subject_, trace, **failure, {}, found_by);
  const std::string what = signature(finding.failure);
  if (!signatures_.insert(what).second) return true;
  const std::string path = save(finding, common_, in("findings"));
  reported_.push_back({what, path, replay_command(common_, subject_.name, path)});
  if (common_.json) return true;
  out(fmt::format("found: {} fails: {}\n{}", one_line(artifact), what, text_of(finding)));
  out(fmt::format("  {:<10} {}\n", "replay", reported_.back().replay));
  return true;
}

/// A sanitizer's report, a crash, a hang: the bytes stay what they are, and can be read as a trace.
void Campaign::report_crash(const std::string& artifact, const Trace& trace, const std::string& summary) {
  const std::string base = fs::path(artifact).filename().string();
  const std::string kind = base.substr(0, base.find('-'));
  const std::string what = summary.empty() ? kind : summary;
  if (!signatures_.insert(what).second) return;
  Trace kept = trace;
  kept.comments = {
      fmt::format("No violation, but {} (subject {}): {}", kind, subject_.name, what),
      fmt::format("Found by vmapcheck campaign --subject {} --seed {}; not minimized.", subject_.name, seed_)};
  const std::string path = in(fmt::format("findings/{}-{}-{}.trace", subject_.name, kind, hash_of(print(trace))));
  write_file(path, print(kept));
  const std::string replay =
      fmt::format("VMAPCHECK_SUBJECT={} {} {}", subject_.name, shell_word(target_), shell_word(artifact));
  reported_.push_back({what, path, replay});
  if (common_.json) return;
  out(fmt::format("found: {} is no violation, but a {}: {}\n", one_line(artifact), kind, what));
  out(fmt::format("  {:<10} {}\n  {:<10} {} ops in {}\n  {:<10} {}\n", "bytes", one_line(artifact), "trace",
                  trace.ops.size(), one_line(path), "replay", replay));
}

Exit Campaign::conclude() const {
  const Pulse pulse = sum();
  const std::size_t kept = files_in(in("corpus"));
  const Exit status = !reported_.empty() ? Exit::violation : interrupted() ? Exit::interrupted : Exit::ok;
  const double rate = static_cast<double>(pulse.executions) / std::max(ran_, 1e-3);
  if (common_.json) {
    ordered_json json;
    json["subject"] = subject_.name;
    json["seed"] = seed_;
    json["seconds"] = ran_;
    json["executions"] = pulse.executions;
    json["executions_per_second"] = rate;
    json["edges"] = pulse.edges;
    json["corpus"] = kept;
    json["verdict"] = status == Exit::violation ? "violation" : status == Exit::ok ? "ok" : "interrupted";
    json["findings"] = ordered_json::array();
    for (const Reported& one : reported_)
      json["findings"].push_back({{"signature", one.signature}, {"file", one.path}, {"replay", one.replay}});
    out(json.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n");
  } else {
    out(fmt::format("{:.1f} s, {} executions, {:.0f} per second, {} edges, {} inputs kept in {}\n", ran_,
                    pulse.executions, rate, pulse.edges, kept, one_line(in("corpus"))));
    if (status == Exit::ok) out("ok: nothing found\n");
  }
  if (status == Exit::interrupted)
    say(fmt::format("vmapcheck: interrupted; to go on from here: {} campaign --subject {} --dir {}",
                    shell_word(common_.program), subject_.name, shell_word(options_.directory)));
  return status;
}

}  // namespace
}  // namespace vmapcheck::tool
