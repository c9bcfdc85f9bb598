// SPDX-License-Identifier: Apache-2.0
#include "tools/campaign/findings.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "fuzz/records.hpp"
#include "harness/isolate/beacon.hpp"
#include "harness/isolate/symbols.hpp"
#include "harness/verify/isolated.hpp"
#include "model/trace.hpp"
#include "tools/files.hpp"
#include "tools/finding.hpp"
#include "tools/interruption.hpp"
#include "tools/report.hpp"

namespace vmapcheck::tool {
namespace {

std::vector<std::uint8_t> bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

std::expected<std::optional<Failure>, std::string> run_here(const Trace& trace, const SubjectEntry& subject) {
  auto failure = run_isolated(trace, subject.make, {.keep_going = [] { return !interrupted(); }});
  if (failure) stop_if_oracle(*failure);
  return failure;
}

}  // namespace

/// A child that minimizes one failure, and says at its end what came of it.
struct Findings::Minimizing {
  std::size_t index = 0;
  pid_t pid = -1;
  int from = -1;
  std::string said{};

  ~Minimizing() {
    if (pid > 0) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
    ::close(from);
  }
};

Findings::Findings(const Common& common, const SubjectEntry& subject, const std::string& directory, State& state,
                   std::vector<std::string> known, std::string found_by)
    : common_(common),
      subject_(subject),
      directory_(directory),
      state_(state),
      not_news_(std::move(known)),
      found_by_(std::move(found_by)) {
  make_directory(in("findings/bytes"));
  for (FoundFailure& found : state_.findings) {
    times_before_.push_back(found.times);
    const bool is_known = std::ranges::find(not_news_, found.signature) != not_news_.end();
    if (found.status == FindingStatus::fresh && is_known) found.status = FindingStatus::known;
    if (found.status == FindingStatus::known && !is_known) found.status = FindingStatus::fresh;
    if (found.status == FindingStatus::fixed) continue;
    learn(found, found.signature);
    for (const std::string& alias : std::vector(found.aliases)) learn(found, alias);
  }
  for (const std::string& line : not_news_) {
    if (std::ranges::find(known_lines_, line) != known_lines_.end()) continue;
    known_lines_.push_back(line);
    line_of_.push_back(line);
  }
  write_known();
}

Findings::~Findings() = default;

std::string Findings::in(std::string_view name) const { return path_in(directory_, name); }

// ---- What has ended a worker

Digested Findings::digest(std::string_view input, const Witness& witness, Moment now) {
  const Trace trace = decode(bytes_of(input));
  const std::string& target_says = witness.target_says;
  constexpr int attempts_max = 3;
  for (int attempt = 0; attempt < attempts_max; ++attempt) {
    std::expected<std::optional<Failure>, std::string> failure;
    try {
      failure = run_here(trace, subject_);
    } catch (const std::runtime_error& error) {  // no process, no memory, or it was killed
      say(fmt::format("campaign: an input could not be run here, and waits: {}", one_line(error.what())));
      return Digested::undecided;
    }
    if (interrupted()) return Digested::undecided;
    if (!failure) throw Stop{Exit::subject, fmt::format("subject {}: {}", subject_.name, failure.error())};
    if (!*failure) continue;
    const std::string what = signature(**failure);
    const auto [found, is_new] = meet(what, input, witness.log, now);
    if (is_new) {
      found.by_sanitizer = (*failure)->kind == FailureKind::sanitizer;
      for (const Frame& frame : (*failure)->frames) found.places.push_back(text_of(frame));
    }
    if (found.status == FindingStatus::flaky || found.status == FindingStatus::fixed)
      found.status = FindingStatus::fresh;  // it does fail
    if (found.status == FindingStatus::fresh && found.trace.empty()) keep_as_found(found, trace, **failure);
    learn(found, what);
    if (!target_says.empty() && target_says != what) {
      if (std::ranges::find(found.aliases, target_says) == found.aliases.end()) found.aliases.push_back(target_says);
      learn(found, target_says);
    }
    return Digested::failure;
  }
  if (witness.kind.empty()) return Digested::nothing;
  // It failed in the worker, and does not fail here.
  const std::string what = !target_says.empty() ? target_says : witness.kind;
  if (what.starts_with("oracle "))
    throw Stop{Exit::oracle, fmt::format("vmapcheck is at fault, not the subject: {}; please report this", what)};
  const auto [found, is_new] = meet(what, input, witness.log, now);
  if (is_new && found.status == FindingStatus::fresh) {
    found.status = FindingStatus::flaky;
    tell(found, fmt::format("it ended a worker, and does not fail again; the input is {}\n",
                            one_line(in("findings/bytes/" + found.input))));
  }
  if (!target_says.empty()) learn(found, target_says);
  return Digested::failure;
}

FoundFailure* Findings::named(const std::string& signature) {
  const auto is = [&](const FoundFailure& found) {
    return found.signature == signature || std::ranges::find(found.aliases, signature) != found.aliases.end();
  };
  const auto found = std::ranges::find_if(state_.findings, is);
  return found == state_.findings.end() ? nullptr : &*found;
}

/// The input of a new one is kept before anything else is done with it.
std::pair<FoundFailure&, bool> Findings::meet(const std::string& signature, std::string_view input,
                                              std::string_view log, Moment now) {
  if (FoundFailure* const met = named(signature)) {
    ++times_before_[static_cast<std::size_t>(met - state_.findings.data())];
    ++met->times;
    return {*met, false};
  }
  FoundFailure found;
  found.signature = signature;
  found.ops_found = decode(bytes_of(input)).ops.size();
  found.seconds = now.seconds;
  found.executions = now.executions;
  if (std::ranges::find(not_news_, signature) != not_news_.end()) found.status = FindingStatus::known;
  found.input = hash_of(signature) + "-" + hash_of(input);
  write_file(in("findings/bytes/" + found.input), input);
  write_file(in("findings/bytes/" + found.input + ".log"), log);
  times_before_.push_back(1);
  return {state_.findings.emplace_back(std::move(found)), true};
}

/// Saves the trace as it was found, so that it can be replayed from now on.
void Findings::keep_as_found(FoundFailure& found, const Trace& trace, const Failure& failure) {
  const Finding finding = make_finding(subject_, trace, failure, {.wanted = false}, found_by_);
  found.trace = fs::path(save(finding, common_, in("findings"))).filename().string();
  found.ops = finding.trace.ops.size();
}

/// The trace that is to be minimized: from the input if its hash, which is in its name, is right, else as it was saved.
std::optional<Trace> Findings::as_found(const FoundFailure& found) const {
  try {
    const std::string input = read_file(in("findings/bytes/" + found.input), trace_bytes_max);
    if (found.input.ends_with("-" + hash_of(input))) return decode(bytes_of(input));
  } catch (const Stop& stop) {
    if (stop.status == Exit::interrupted) throw;
  }
  if (found.trace.empty()) return std::nullopt;
  try {
    return read_trace(in("findings/" + found.trace));
  } catch (const Stop& stop) {
    if (stop.status == Exit::interrupted) throw;
    return std::nullopt;
  }
}

void Findings::remove_superseded() {
  for (const std::string& name : superseded_) {
    std::error_code ignored;
    const fs::path trace = in("findings/" + name);
    fs::remove(trace, ignored);
    fs::remove(fs::path(trace).replace_extension(".md"), ignored);
  }
  superseded_.clear();
}

// ---- What is known

void Findings::learn(FoundFailure& found, const std::string& line) {
  if (std::ranges::find(known_lines_, line) != known_lines_.end()) return;
  known_lines_.push_back(line);
  line_of_.push_back(found.signature);
  write_known();
  known_changed_ = true;
}

void Findings::write_known() const {
  std::string text = "# Signatures that the fuzz target skips.\n";
  for (const std::string& line : known_lines_) text += line + "\n";
  write_file(in("known"), text);
}

bool Findings::known_changed() { return std::exchange(known_changed_, false); }

void Findings::count_skips(const std::vector<std::uint64_t>& skips) {
  for (std::size_t i = 0; i < state_.findings.size(); ++i) state_.findings[i].times = times_before_[i];
  for (std::size_t line = 0; line < std::min(skips.size(), known_lines_.size()); ++line) {
    if (skips[line] == 0) continue;
    FoundFailure* found = named(line_of_[line]);
    if (found == nullptr) {
      // It was known from the beginning, and is met for the first time.
      FoundFailure known;
      known.signature = line_of_[line];
      known.status = FindingStatus::known;
      known.seconds = state_.now.seconds;
      known.executions = state_.now.executions;
      known.times = 0;
      times_before_.push_back(0);
      found = &state_.findings.emplace_back(std::move(known));
    }
    found->times += skips[line];
  }
}

void Findings::check_again() {
  for (FoundFailure& found : state_.findings) {
    if (found.status == FindingStatus::fixed || found.trace.empty()) continue;
    std::error_code ignored;
    const std::string path = in("findings/" + found.trace);
    if (!fs::exists(path, ignored)) continue;
    std::expected<std::optional<Failure>, std::string> failure;
    try {
      failure = run_here(read_trace(path), subject_);
    } catch (const Stop& stop) {
      if (stop.status != Exit::usage) throw;
      report(stop);  // it is damaged, and stays what it was
      continue;
    } catch (const std::runtime_error&) {
      continue;
    }
    if (interrupted()) return;
    if (!failure || *failure) continue;
    found.status = FindingStatus::fixed;
    say(fmt::format("campaign: {} is fixed: {} fails no more", found.signature, one_line(path)));
  }
  std::vector<std::string> lines, of;
  for (std::size_t i = 0; i < known_lines_.size(); ++i) {
    const FoundFailure* const found = named(line_of_[i]);
    if (found != nullptr && found->status == FindingStatus::fixed) continue;
    lines.push_back(known_lines_[i]);
    of.push_back(line_of_[i]);
  }
  known_lines_ = std::move(lines);
  line_of_ = std::move(of);
  write_known();
  known_changed_ = true;
}

std::size_t Findings::count(FindingStatus status) const {
  return static_cast<std::size_t>(std::ranges::count(state_.findings, status, &FoundFailure::status));
}

// ---- Minimizing

namespace {

/// How often one session tries. A child that was killed for want of memory may have more the next time.
constexpr unsigned minimizing_attempts_max = 3;

}  // namespace

bool Findings::waits(std::size_t index) const {
  const FoundFailure& found = state_.findings[index];
  return found.status == FindingStatus::fresh && found.minimality.empty() &&
         (index >= attempts_.size() || attempts_[index] < minimizing_attempts_max);
}

std::size_t Findings::waiting() const {
  std::size_t count = 0;
  for (std::size_t i = 0; i < state_.findings.size(); ++i) count += waits(i) ? 1u : 0u;
  return count;
}

bool Findings::minimize_some() {
  if (minimizing_) finish_minimizing();
  if (minimizing_) return true;
  for (std::size_t i = 0; i < state_.findings.size(); ++i) {
    if (!waits(i)) continue;
    start_minimizing(i);
    return true;
  }
  return false;
}

void Findings::start_minimizing(std::size_t index) {
  const auto trace = as_found(state_.findings[index]);
  if (!trace) return minimizing_failed(index, "neither the input nor a trace of it can be read");
  int channel[2];
  if (::pipe2(channel, O_CLOEXEC | O_NONBLOCK) != 0)
    throw Stop{Exit::io, fmt::format("cannot make a pipe: {}", std::strerror(errno))};
  flush_out();
  const pid_t parent = ::getpid();
  minimizing_ = std::make_unique<Minimizing>(index, ::fork(), channel[0]);
  if (minimizing_->pid == 0) {
    die_with_parent(parent);
    ::setpgid(0, 0);  // Ctrl-C is for the campaign, which tells it
    const int nothing = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    ::dup2(nothing, 1);
    ::dup2(nothing, 2);
    ::fcntl(channel[1], F_SETFL, 0);
    ordered_json said;
    try {
      const auto failure = run_here(*trace, subject_);
      if (!failure) throw std::runtime_error(failure.error());
      if (interrupted() && !*failure) throw std::runtime_error("interrupted");
      said["fails"] = failure->has_value();
      if (*failure) {
        Minimizing* const unused = minimizing_.release();
        (void)unused;
        const Finding finding = make_finding(subject_, *trace, **failure, {}, found_by_);
        const std::string path = save(finding, common_, in("findings"));
        said["trace"] = fs::path(path).filename().string();
        said["ops"] = finding.trace.ops.size();
        said["minimality"] = json_of(finding).value("minimality", "time_is_up");
        said["text"] = text_of(finding);
        if (interrupted()) said["minimality"] = "";  // it can be better
      }
    } catch (const Stop& stop) {
      said = {{"stop", stop.line}, {"status", static_cast<int>(stop.status)}};
    } catch (const std::exception& exception) {
      said = {{"why", exception.what()}};
    }
    write_all(channel[1], said.dump(-1, ' ', false, ordered_json::error_handler_t::replace));
    ::_exit(0);
  }
  const int why = errno;
  ::close(channel[1]);
  if (minimizing_->pid < 0) {
    minimizing_.reset();
    throw Stop{Exit::subject, fmt::format("cannot fork: {}", std::strerror(why))};
  }
}

void Findings::finish_minimizing() {
  Minimizing& child = *minimizing_;
  char bytes[1 << 14];
  ssize_t got = 0;
  while ((got = ::read(child.from, bytes, sizeof bytes)) > 0) child.said.append(bytes, static_cast<std::size_t>(got));
  if (got < 0) return;  // there is more to come
  int status = 0;
  ::waitpid(std::exchange(child.pid, -1), &status, 0);
  const std::size_t index = child.index;
  FoundFailure& found = state_.findings[index];
  const ordered_json said = ordered_json::parse(child.said, nullptr, false);
  minimizing_.reset();
  if (said.is_object() && said.contains("stop"))
    throw Stop{static_cast<Exit>(said["status"].get<int>()), said["stop"].get<std::string>()};
  if (!said.is_object() || !said.contains("fails")) {
    if (interrupted()) return;
    return minimizing_failed(
        index, said.is_object() && said.contains("why") ? said["why"].get<std::string>()
               : WIFSIGNALED(status) ? fmt::format("the process that does it was killed by signal {}", WTERMSIG(status))
                                     : "the process that does it ended without an answer");
  }
  if (!said["fails"].get<bool>()) {
    if (interrupted()) return;
    // It failed when it was found, and no more.
    found.status = FindingStatus::flaky;
    tell(found, fmt::format("it failed when it was found, and no more; the input is {}\n",
                            one_line(in("findings/bytes/" + found.input))));
    return;
  }
  const std::string before = std::exchange(found.trace, said["trace"].get<std::string>());
  if (!before.empty() && before != found.trace) superseded_.push_back(before);
  found.ops = said["ops"];
  found.minimality = said["minimality"];
  if (found.minimality.empty()) return;
  has_first_ = true;
  tell(found, said["text"].get<std::string>() + where_it_is(found));
}

std::string Findings::where_it_is(const FoundFailure& found) const {
  const std::string path = in("findings/" + found.trace);
  return "\n" + text_of({{"replay", replay_command(common_, subject_.name, path)},
                         {"report", fs::path(path).replace_extension(".md").string()}});
}

/// The finding stays as it was found.
void Findings::minimizing_failed(std::size_t index, const std::string& why) {
  attempts_.resize(std::max(attempts_.size(), index + 1));
  if (++attempts_[index] < minimizing_attempts_max) return;
  const FoundFailure& found = state_.findings[index];
  has_first_ = true;
  tell(found, fmt::format("not yet minimized, which the next session tries again: {}{}\n", one_line(why),
                          found.trace.empty() ? "" : where_it_is(found)));
}

void Findings::stop_minimizing() {
  if (!minimizing_) return;
  ::kill(minimizing_->pid, SIGTERM);
  for (int i = 0; i < 25 && minimizing_; ++i) {
    pollfd ready{minimizing_->from, POLLIN, 0};
    ::poll(&ready, 1, 20);
    finish_minimizing();
  }
  minimizing_.reset();
}

void Findings::tell(const FoundFailure& found, const std::string& text) const {
  if (common_.json) return;
  out(fmt::format("found: {} after {:.0f} s, {} executions\n{}", one_line(found.signature), found.seconds,
                  found.executions, text));
  flush_out();
}

}  // namespace vmapcheck::tool
