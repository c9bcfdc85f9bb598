// SPDX-License-Identifier: Apache-2.0
#include "tools/campaign/supervisor.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <system_error>
#include <thread>
#include <utility>

#include "fuzz/records.hpp"
#include "model/trace.hpp"
#include "tools/campaign/afl.hpp"
#include "tools/campaign/status.hpp"
#include "tools/files.hpp"
#include "tools/finding.hpp"
#include "tools/interruption.hpp"
#include "tools/report.hpp"

namespace vmapcheck::tool {
namespace {

using namespace std::chrono_literals;

/// With less free space than this the disk counts as full, so that findings and state can still be written.
constexpr std::uint64_t disk_reserve = std::uint64_t{8} << 20;

double seconds_of(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

struct Size {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};

/// Of all files below a directory. Files come and go meanwhile.
Size size_of(const std::string& directory) {
  Size size;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code gone;
    if (!entry->is_regular_file(gone) || gone) continue;
    ++size.files;
    const auto bytes = entry->file_size(gone);
    if (!gone) size.bytes += bytes;
  }
  return size;
}

std::int64_t now_utc() { return static_cast<std::int64_t>(std::time(nullptr)); }

/// The contents of an input that fuzzing has written; nothing if it is no regular file or too large.
std::optional<std::string> contents(const std::string& path) {
  struct stat about{};
  if (::lstat(path.c_str(), &about) != 0 || !S_ISREG(about.st_mode)) return std::nullopt;
  if (static_cast<std::uint64_t>(about.st_size) > Tally::input_bytes_max) return std::nullopt;
  try {
    return read_file(path, Tally::input_bytes_max);
  } catch (const Stop& stop) {
    if (stop.status == Exit::interrupted) throw;
    return std::nullopt;
  }
}

/// "crash" of "DIR/crashes/crash-0123", or of an artifact of afl-fuzz; empty if no engine calls a file so.
std::string kind_of_artifact(const std::string& path) {
  const std::string base = fs::path(path).filename().string();
  if (base.starts_with("id:")) return "crash";
  for (const std::string_view kind : {"crash", "oom", "timeout", "leak", "slow-unit"})
    if (base.size() > kind.size() + 1 && base.starts_with(kind) && base[kind.size()] == '-') return std::string(kind);
  return "";
}

/// afl-fuzz: "id:000001,sig:09,...".
bool says_killed(const std::string& artifact) {
  return fs::path(artifact).filename().string().find(",sig:09,") != std::string::npos;
}

/// Signatures that are no news: one on each line of a file. Empty lines and what begins with # are left out.
std::vector<std::string> read_known_signatures(const std::string& path) {
  std::vector<std::string> signatures;
  if (path.empty()) return signatures;
  std::istringstream text(read_file(path, std::size_t{1} << 24));
  for (std::string line; std::getline(text, line);) {
    line.erase(line.find_last_not_of(" \r\t") + 1);
    if (!line.empty() && line.front() != '#') signatures.push_back(std::move(line));
  }
  return signatures;
}

void require_room(const std::string& directory) {
  struct statvfs disk{};
  if (::statvfs(directory.c_str(), &disk) == 0 && disk.f_bavail * disk.f_frsize < disk_reserve)
    throw Stop{Exit::io,
               fmt::format("no space left on device: less than {} MiB are free for {}; nothing that was found is lost",
                           disk_reserve >> 20, one_line(directory))};
}

}  // namespace

/// One of the workers that run side by side. When its process ends, another takes over its number and its tally.
struct Supervisor::Lane {
  Lane(std::uint64_t n, const std::string& tally_path) : number(n), tally(tally_path) {}

  std::uint64_t number;
  TallyFile tally;
  std::unique_ptr<Worker> worker{};
  std::uint64_t starts = 0;
  std::uint64_t executions_before = 0;    ///< of workers that have ended, for a target that does not count
  std::uint64_t executions_at_start = 0;  ///< by its tally
  std::uint64_t barren_starts = 0;        ///< in a row, of processes that ended without a find or an execution
  Clock::time_point started{};
  std::uint64_t kills = 0;  ///< in a row, from outside, of processes that had hardly begun
  Counts counted{};         ///< as it could be read last

  [[nodiscard]] bool counts() const { return tally->magic == Tally::magic_value; }
  const Counts& counts_now() {
    if (const auto now = newest(tally->copies)) counted = now->counts;
    return counted;
  }
  [[nodiscard]] std::uint64_t executions() {
    if (counts()) return counts_now().executions;
    return executions_before + (worker ? worker->pulse().executions : 0);
  }
};

Supervisor::Supervisor(const Common& common, CampaignOptions options)
    : common_(common), options_(std::move(options)), subject_(subject_named(common.subject)), began_(Clock::now()) {
  if (!options_.time && !options_.executions && !options_.plateau) options_.time = 60s;
  // The engine says on lines where it has written what, and takes what begins with a dash for a flag.
  if (std::ranges::any_of(options_.directory, [](char c) { return c >= 0 && c < ' '; }))
    throw Stop{Exit::usage, fmt::format("--dir {}: there is a control character in it", one_line(options_.directory))};
  if (options_.directory.starts_with('-')) options_.directory.insert(0, "./");
}

Supervisor::~Supervisor() = default;

Exit Supervisor::run() {
  const std::vector<std::string> known = read_known_signatures(options_.known);
  take_directory();
  require_room(options_.directory);
  try {
    target_ = is_afl() ? probe_afl_target(options_, subject_.name) : probe_target(options_, subject_.name);
  } catch (const Stop&) {
    require_room(options_.directory);  // what a target cannot write, it may die of
    throw;
  }
  resume();
  encode_seeds();
  findings_ = std::make_unique<Findings>(
      common_, subject_, options_.directory, state_, known,
      fmt::format("vmapcheck campaign --subject {} --seed {}", shell_word(subject_.name), state_.seed));
  begin_session();
  take_leftovers();
  for (auto& lane : lanes_) start(*lane);
  watch();
  finish_findings();
  return conclude();
}

std::string Supervisor::in(std::string_view name) const { return path_in(options_.directory, name); }

double Supervisor::seconds() const { return state_.before.seconds + seconds_of(Clock::now() - began_); }

// ---- The beginning

void Supervisor::take_directory() {
  for (const std::string_view name : {"seeds", "corpus", "crashes", "findings"}) make_directory(in(name));
  // Held until this process ends: children do not have it, so that it goes with the campaign even when that is killed.
  const int file = ::open(in("lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0) cannot("write", in("lock"), {errno, std::generic_category()});
  struct flock lock{.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0, .l_pid = 0};
  if (::fcntl(file, F_SETLK, &lock) == 0) return;
  if (errno != EACCES && errno != EAGAIN) cannot("lock", in("lock"), {errno, std::generic_category()});
  throw Stop{Exit::io, fmt::format("another campaign runs in {}", one_line(options_.directory))};
}

/// Goes on with the campaign that is there already. If it is of another kind, nothing is touched.
void Supervisor::resume() {
  const auto earlier = load_state(options_.directory);
  if (earlier) {
    const auto refuse = [&](std::string_view what, std::string_view was, std::string_view is) {
      if (was == is) return;
      throw Stop{Exit::usage,
                 fmt::format("{} holds a campaign with {} {}, not {}: choose another --dir, or go on with that {}",
                             one_line(options_.directory), what, one_line(was), one_line(is), what)};
    };
    refuse("subject", earlier->subject, subject_.name);
    refuse("engine", earlier->engine, options_.engine);
    refuse("inputs in records of (bytes)", std::to_string(earlier->codec), std::to_string(record_bytes));
    state_ = *earlier;
    for (const std::string& loss : std::exchange(state_.losses, {})) say("campaign: " + loss);
    resumed_ = true;
  }
  const bool rebuilt = resumed_ && state_.build != target_.build;
  state_.subject = subject_.name;
  state_.engine = options_.engine;
  state_.target = target_.path;
  state_.build = target_.build;
  state_.codec = record_bytes;
  state_.workers = options_.workers;
  if (!resumed_) state_.began = now_utc();
  if (!resumed_ || common_.seed) state_.seed = seed_of(common_, random_seed()) & 0x7fff'ffff;
  if (rebuilt && !state_.findings.empty()) {
    Findings earlier_findings(common_, subject_, options_.directory, state_, {}, "");
    earlier_findings.check_again();
    if (interrupted()) throw Stop{Exit::interrupted, "interrupted; nothing was lost"};
  }
  if (rebuilt) say("campaign: the target was built anew since; what it covers and finds is added to what is there");
}

void Supervisor::encode_seeds() {
  const std::string corpus = corpus_of_the_checkout();
  std::error_code ignored;
  if (!fs::is_directory(corpus, ignored))
    return say(fmt::format("campaign: no seeds, for there is no {}", one_line(corpus)));
  for (const std::string& name : traces_below(corpus)) {
    std::vector<std::uint8_t> bytes;
    try {
      bytes = encode(read_trace(path_in(corpus, name)));
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

/// Adds what the last session has counted to what was before. A tally names its session, so that a kill between these
/// lines neither loses anything nor counts it twice.
void Supervisor::begin_session() {
  state_.before = state_.now;
  // A session that was cut off has not used up its budget.
  const bool in_order = state_.ended != "" && state_.ended != "interrupted";
  const double budget = options_.time ? seconds_of(*options_.time) : 0;
  const bool time_left = !options_.time || state_.now.seconds - state_.budget_began < budget - 0.5;
  const bool executions_left =
      !options_.executions || state_.now.executions - state_.budget_began_executions < *options_.executions;
  const bool goes_on = resumed_ && !in_order && time_left && executions_left;
  if (!goes_on) {
    state_.budget_began = state_.now.seconds;
    state_.budget_began_executions = state_.now.executions;
  }
  state_.budget = options_.time ? std::optional(budget) : std::nullopt;
  ++state_.session;
  state_.running = true;
  state_.ended = "";
  if (!resumed_) state_.last_new_coverage = 0;
  save(true);
  for (std::uint64_t k = 0;; ++k) {
    std::error_code ignored;
    if (!fs::remove(in(fmt::format("tally-{}", k)), ignored) && k >= options_.workers) break;
  }
  for (std::uint64_t k = 0; k < options_.workers; ++k) {
    try {
      lanes_.push_back(std::make_unique<Lane>(k, in(fmt::format("tally-{}", k))));
    } catch (const std::system_error& error) {
      throw Stop{Exit::io, one_line(error.what())};
    }
    write(*lanes_.back()->tally, state_.session, {});
  }
  std::string line = fmt::format("campaign: subject {}, {}, seed {}, in {}", subject_.name,
                                 count_of(options_.workers, "worker"), state_.seed, one_line(options_.directory));
  if (options_.time) line += fmt::format(", for {:g} s", budget);
  if (resumed_)
    line += fmt::format("\ncampaign: goes on: so far {}, {} executions, {}", duration_text(state_.now.seconds),
                        state_.now.executions, count_of(state_.findings.size(), "finding"));
  if (goes_on && options_.time)
    line += fmt::format("; {:.0f} s are left of its time", budget - (state_.now.seconds - state_.budget_began));
  say(line);
}

void Supervisor::start(Lane& lane) {
  const std::uint64_t seed = state_.seed + lane.number + 1'000'003 * lane.starts + 10'007 * (state_.session - 1);
  lane.executions_at_start = lane.executions();
  lane.tally->signature[0] = '\0';
  lane.tally->input_size = 0;
  const std::string log = in(fmt::format("worker-{}.log", lane.number));
  const Command command = is_afl() ? afl_command(options_, target_, subject_.name, lane.number, seed)
                                   : worker_command(options_, target_, subject_.name, lane.number, seed);
  lane.worker = std::make_unique<Worker>(command, log);
  lane.started = Clock::now();
  ++lane.starts;
}

// ---- While it runs

void Supervisor::watch() {
  Progress progress({.silence = 500ms, .on_terminal = 1s, .elsewhere = 30s});
  const auto due = [](Clock::time_point& next, Clock::duration period) {
    if (Clock::now() < next) return false;
    next = Clock::now() + period;
    return true;
  };
  rates_at_ = Clock::now();
  rates_from_ = state_.now;
  next_sample_ = began_;
  while ((ended_ = why_to_stop()).empty()) {
    for (auto& lane : lanes_) attend(*lane);
    if (due(next_stock_, 200ms)) take_stock();
    const std::size_t waiting = findings_->waiting();
    findings_->minimize_some();
    if (findings_->waiting() < waiting) {
      progress.clear();
      save(true);
    }
    if (findings_->known_changed())
      for (auto& lane : lanes_) lane->tally->known_changes.fetch_add(1);
    if (due(next_size_, 2s)) look_at_limits();
    if (due(next_sync_, 30s))
      save(true);
    else if (due(next_save_, 1s))
      save(false);
    if (due(next_sample_, seconds() < 300 ? 2s : 30s)) append_sample(sample_of(state_), options_.directory);
    progress.update([&] { return progress_line(state_); },
                    [&] { return progress_block(state_, options_.directory, findings_->waiting()); });
    std::this_thread::sleep_for(20ms);
  }
  progress.clear();
  Workers workers;
  for (auto& lane : lanes_)
    if (lane->worker) workers.push_back(lane->worker.get());
  stop(workers, ended_ == "interrupted" ? 1500ms : 10s);
  for (auto& lane : lanes_) take_in(*lane);
  take_stock();
  look_at_limits();
}

std::string Supervisor::why_to_stop() const {
  if (interrupted()) return "interrupted";
  if (options_.time && seconds() - state_.budget_began >= seconds_of(*options_.time)) return "time";
  if (options_.executions && state_.now.executions - state_.budget_began_executions >= *options_.executions)
    return "executions";
  const double barren = seconds() - std::max(state_.last_new_coverage, state_.before.seconds);
  if (options_.plateau && barren >= seconds_of(*options_.plateau)) return "plateau";
  if (options_.stop_on_first && findings_->has_first()) return "first finding";
  return "";
}

/// Inputs that ended a worker when the campaign was killed or interrupted, before it had looked at them. The worker may
/// have been killed while it wrote one, and whatever else lies there is not ours: only what fails here is taken.
void Supervisor::take_leftovers() {
  std::vector<std::string> artifacts, taken;
  std::size_t undecided = 0;
  std::error_code error;
  for (fs::directory_iterator entry(in("crashes"), error), end; !error && entry != end; entry.increment(error))
    artifacts.push_back(entry->path().string());
  std::ranges::sort(artifacts);
  for (const std::string& artifact : artifacts) {
    const std::string kind = kind_of_artifact(artifact);
    const auto input = kind.empty() ? std::nullopt : contents(artifact);
    if (!input) continue;
    Digested digested = Digested::failure;
    if (kind != "slow-unit") digested = findings_->digest(*input, {}, {state_.now.seconds, state_.now.executions});
    if (interrupted()) break;
    undecided += digested == Digested::undecided ? 1u : 0u;
    if (digested == Digested::failure) taken.push_back(artifact);
  }
  remove_taken(taken);
  const std::size_t left = artifacts.size() - taken.size() - undecided;
  if (left > 0 && !interrupted())
    say(fmt::format("campaign: {} in {} {} left alone: no input of this target that fails", count_of(left, "file"),
                    one_line(in("crashes")), left == 1 ? "is" : "are"));
}

/// Removes artifacts once they are among the findings.
void Supervisor::remove_taken(const std::vector<std::string>& artifacts) {
  if (artifacts.empty()) return;
  save(true);
  std::error_code ignored;
  for (const std::string& artifact : artifacts) fs::remove(artifact, ignored);
}

/// A worker that has ended: what it found is taken in, and another takes its place.
void Supervisor::attend(Lane& lane) {
  if (lane.worker && lane.worker->poll()) {
    if (is_afl()) take_artifacts(lane, afl_artifacts(options_.directory, lane.number));
    return;
  }
  if (lane.worker) take_in(lane);
  if (interrupted()) return;
  start(lane);
}

/// Takes in the artifacts that the engine has written. Returns what came of them; nothing if there are none.
Digested Supervisor::take_artifacts(Lane& lane, const std::vector<std::string>& artifacts) {
  const Moment now{seconds(), state_.now.executions};
  std::vector<std::string> taken;
  Digested all = Digested::nothing;
  for (const std::string& artifact : artifacts) {
    const std::string kind = kind_of_artifact(artifact);
    if (kind == "slow-unit") continue;
    const auto written = contents(artifact);
    std::string input = written.value_or("");
    Witness witness;
    // afl-fuzz goes on, so that the tally may already be about another input.
    if (!is_afl()) {
      // The tally has the whole input where the engine could not write all of it.
      if (const std::string_view run = input_of(*lane.tally); run.starts_with(input)) input = run;
      witness.target_says = signature_of(*lane.tally);
    }
    const std::string& summary = lane.worker->summary();
    witness.log = lane.worker->log_end();
    // Neither an empty input nor one that was running when afl-fuzz lost its target was seen to fail.
    if (!input.empty() && !says_killed(artifact))
      witness.kind = !summary.empty() ? summary : !kind.empty() ? kind : "crash";
    const Digested digested = findings_->digest(input, witness, now);
    if (digested == Digested::undecided && all == Digested::nothing) all = digested;
    if (interrupted()) break;
    if (digested == Digested::undecided) continue;
    if (is_afl() && contents(artifact) != written) continue;  // it was being written, and comes again
    if (digested == Digested::failure) all = digested;
    if (digested == Digested::nothing && says_killed(artifact)) ++state_.now.killed;
    if (digested == Digested::failure || is_afl()) taken.push_back(artifact);
  }
  remove_taken(taken);
  return all;
}

void Supervisor::take_in(Lane& lane) {
  if (!lane.worker) return;
  if (lane.worker->running()) {
    lane.worker.reset();
    return;
  }
  Digested digested =
      take_artifacts(lane, is_afl() ? afl_artifacts(options_.directory, lane.number) : lane.worker->artifacts());
  // It ended while it ran an input: by the subject, for want of memory, or killed by somebody.
  const std::string_view running = input_of(*lane.tally);
  // A target that wants to be started anew tells itself to end, between two inputs.
  const bool was_told = is_afl() ? lane.worker->ended_well() : lane.worker->was_told_to_end();
  const bool was_killed = lane.worker->was_killed() || (was_told && !running.empty());
  if (digested == Digested::nothing && lane.counts() && !running.empty() && ended_.empty()) {
    const Witness witness{.target_says = was_killed ? "" : signature_of(*lane.tally),
                          .kind = was_killed ? "" : lane.worker->end(),
                          .log = lane.worker->log_end()};
    digested = findings_->digest(running, witness, {seconds(), state_.now.executions});
    if (digested == Digested::failure) save(true);
    // Kept for the next session to look at.
    if (digested == Digested::undecided) write_file(in("crashes/crash-" + hash_of(running)), running);
  }
  if (interrupted() && digested == Digested::undecided) return;
  if (!running.empty() && !was_killed) drop_seed(running);
  const bool found = digested == Digested::failure;
  lane.executions_before += lane.worker->pulse().executions;
  if (ended_.empty()) {
    ++state_.now.restarts;
    if (was_killed && !found) ++state_.now.killed;
    look_at_end(lane, found, was_killed);
  }
  lane.worker.reset();
}

/// Each worker begins with the seeds: one that ends them would let none get past it. The next session has it again.
void Supervisor::drop_seed(std::string_view input) {
  std::error_code ignored;
  for (const fs::directory_entry& seed : fs::directory_iterator(in("seeds"), ignored))
    if (seed.file_size(ignored) == input.size() && read_file(seed.path().string(), input.size()) == input)
      fs::remove(seed.path(), ignored);
}

/// Stops the campaign if its workers end again and again without running anything.
void Supervisor::look_at_end(Lane& lane, bool found, bool was_killed) {
  constexpr auto begun = 10s;
  constexpr std::uint64_t barren_max = 3, kills_max = 5;
  const bool is_barren = !found && lane.executions() == lane.executions_at_start;
  lane.barren_starts = is_barren ? lane.barren_starts + 1 : 0;
  lane.kills = was_killed && !found && Clock::now() - lane.started < begun ? lane.kills + 1 : 0;
  if (lane.barren_starts < barren_max && lane.kills < kills_max) return;
  require_room(options_.directory);
  std::string how = lane.worker->end();
  if (lane.kills == kills_max)
    how += fmt::format(", {} times in a row within {}", kills_max, duration_text(seconds_of(begun)));
  throw bad_end(*lane.worker, one_line(target_.path), how);
}

/// The totals as they are now.
void Supervisor::take_stock() {
  Totals totals = state_.before;
  totals.restarts = state_.now.restarts;
  totals.killed = state_.now.killed;
  totals.seconds = seconds();
  std::vector<std::uint64_t> skips(Counts::known_max);
  for (auto& lane : lanes_) {
    if (!lane->counts()) totals.executions += lane->executions();
    if (lane->worker) {
      const Pulse pulse = is_afl() ? afl_pulse(options_.directory, lane->number) : lane->worker->pulse();
      if (pulse.edges > state_.edges || pulse.features > state_.features) state_.last_new_coverage = totals.seconds;
      state_.edges = std::max(state_.edges, pulse.edges);
      state_.features = std::max(state_.features, pulse.features);
    }
    if (!lane->counts()) continue;
    const Counts& counts = lane->counts_now();
    add(totals, counts);
    for (std::size_t i = 0; i < skips.size(); ++i) skips[i] += counts.skipped_of[i];
  }
  state_.now = totals;
  findings_->count_skips(skips);
  measure_rates();
}

/// Rates over the last seconds, so that a restart does not make them jump.
void Supervisor::measure_rates() {
  const double passed = seconds_of(Clock::now() - rates_at_);
  const auto per_second = [&](std::uint64_t now, std::uint64_t from) {
    return static_cast<double>(now - std::min(now, from)) / std::max(passed, 0.1);
  };
  state_.per_second = per_second(state_.now.executions, rates_from_.executions);
  state_.ops_per_second = per_second(state_.now.ops, rates_from_.ops);
  if (passed < 5) return;
  rates_at_ = Clock::now();
  rates_from_ = state_.now;
}

void Supervisor::look_at_limits() {
  Size corpus = size_of(in("corpus"));
  for (const auto& lane : lanes_) {
    const Size queue = size_of(in(fmt::format("afl/w{}/queue", lane->number)));
    corpus.files += queue.files;
    corpus.bytes += queue.bytes;
  }
  state_.corpus = corpus.files;
  state_.corpus_bytes = corpus.bytes;
  require_room(options_.directory);
  if (!options_.disk) return;
  const std::uint64_t held = size_of(options_.directory).bytes;
  if (held > *options_.disk)
    throw Stop{Exit::io, fmt::format("{} holds {}, more than --disk allows; `{} corpus minimize {}` makes room",
                                     one_line(options_.directory), bytes_text(held), shell_word(common_.program),
                                     shell_word(in("corpus")))};
}

void Supervisor::save(bool durably) {
  state_.written = now_utc();
  save_state(state_, options_.directory, durably);
  if (durably && findings_) findings_->remove_superseded();
}

// ---- The end

/// Minimizes what was found even when the time is over, unless the user wants the end at once.
void Supervisor::finish_findings() {
  if (ended_ == "interrupted") return findings_->stop_minimizing();
  Progress progress({.silence = 2s, .on_terminal = 1s, .elsewhere = 30s});
  while (findings_->minimize_some() && !interrupted()) {
    progress.update([&] { return fmt::format("campaign: minimizing {}", count_of(findings_->waiting(), "finding")); });
    std::this_thread::sleep_for(10ms);
  }
  if (interrupted()) findings_->stop_minimizing();
}

std::string_view verdict_name(Exit verdict) {
  switch (verdict) {
    case Exit::violation: return "violation";
    case Exit::flaky: return "flaky";
    case Exit::known: return "known";
    case Exit::interrupted: return "interrupted";
    default: return "ok";
  }
}

std::string Supervisor::command() const {
  std::string words = fmt::format("{} campaign --subject {} --dir {} -j {}", shell_word(common_.program),
                                  shell_word(subject_.name), shell_word(options_.directory), options_.workers);
  if (options_.time) words += fmt::format(" --time {:g}s", seconds_of(*options_.time));
  if (options_.executions) words += fmt::format(" --execs {}", *options_.executions);
  if (options_.plateau) words += fmt::format(" --plateau {:g}s", seconds_of(*options_.plateau));
  if (is_afl()) words += " --engine afl";
  if (!options_.known.empty()) words += " --known " + shell_word(options_.known);
  if (!options_.target.empty()) words += " --target " + shell_word(options_.target);
  if (options_.disk) words += fmt::format(" --disk {}", *options_.disk);
  if (options_.memory != CampaignOptions{}.memory) words += fmt::format(" --memory {}", options_.memory);
  if (options_.stop_on_first) words += " --stop-on-first";
  if (!options_.engine_flags.empty()) words += " --";
  for (const std::string& flag : options_.engine_flags) words += " " + shell_word(flag);
  return words;
}

Exit Supervisor::conclude() {
  state_.running = false;
  state_.ended = ended_;
  save(true);
  append_sample(sample_of(state_), options_.directory);
  Exit status = verdict_of(state_);
  if (status == Exit::ok && ended_ == "interrupted") status = Exit::interrupted;
  const double per_second = static_cast<double>(state_.now.executions) / std::max(state_.now.seconds, 1e-3);
  if (common_.json) {
    ordered_json json = json_of(state_);
    json["seconds"] = state_.now.seconds;
    json["executions"] = state_.now.executions;
    json["ops"] = state_.now.ops;
    json["verdict"] = verdict_name(status);
    out_json(json);
  } else {
    out(fmt::format("{:.1f} s, {} executions, {:.0f} per second, {} ops, {} edges, {} features, {} inputs kept in {}\n",
                    state_.now.seconds, state_.now.executions, per_second, state_.now.ops, state_.edges,
                    state_.features, state_.corpus, one_line(in("corpus"))));
    for (const FoundFailure& found : state_.findings) {
      std::string line = fmt::format("{}: {}, met {}", name(found.status), one_line(found.signature),
                                     found.times == 1 ? "once" : fmt::format("{} times", found.times));
      if (!found.trace.empty())
        line += fmt::format(", {} in {}{}", count_of(found.ops, "op"), one_line(in("findings/" + found.trace)),
                            found.minimality.empty() ? ", not yet minimized" : "");
      out(line + "\n");
    }
    if (!state_.findings.empty()) out(repeats_text(state_) + "\n");
    if (state_.now.killed != 0) out(killed_text(state_.now.killed) + "\n");
    if (status == Exit::ok) out("ok: nothing found\n");
    if (ended_ == "plateau") out("ended: no new coverage for as long as --plateau says\n");
  }
  if (ended_ == "interrupted")
    say(fmt::format("vmapcheck: interrupted, state saved; to go on from here: {}", command()));
  return status;
}

}  // namespace vmapcheck::tool
