// SPDX-License-Identifier: Apache-2.0
#include "tools/campaign/status.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "model/op.hpp"
#include "tools/files.hpp"
#include "tools/report.hpp"
#include "vmap/violation.hpp"

namespace vmapcheck::tool {
namespace {

bool is_locked(const std::string& directory);
std::string exercised_text(const State& state);

}  // namespace

std::string_view name(Condition condition) {
  constexpr std::array<std::string_view, 3> names{"running", "ended", "killed"};
  return names[static_cast<std::size_t>(condition)];
}

Standing standing_of(const std::string& directory) {
  // Looked at before the state is read: a campaign that ends in between has then said so in its state.
  const bool locked = is_locked(directory);
  auto state = load_state(directory);
  if (!state)
    throw Stop{Exit::usage, fmt::format("there is no campaign in {}", directory.empty() ? "''" : one_line(directory))};
  Standing standing{directory, *std::move(state), Condition::ended};
  if (locked)
    standing.condition = Condition::running;
  else if (standing.state.running)
    standing.condition = Condition::killed;
  return standing;
}

namespace {

/// Asks who holds it, and takes none: a campaign that begins meanwhile does not notice.
bool is_locked(const std::string& directory) {
  const int file = ::open((fs::path(directory) / "lock").c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return false;
  struct flock lock{.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0, .l_pid = 0};
  const bool held = ::fcntl(file, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
  ::close(file);
  return held;
}

}  // namespace

Exit verdict_of(const State& state) {
  const auto any = [&](FindingStatus status) {
    return std::ranges::any_of(state.findings, [&](const FoundFailure& found) { return found.status == status; });
  };
  if (any(FindingStatus::fresh)) return Exit::violation;
  if (any(FindingStatus::flaky)) return Exit::flaky;
  return any(FindingStatus::known) ? Exit::known : Exit::ok;
}

// ---- What was exercised

std::vector<CounterGroup> exercised(const Coverage& coverage) {
  const auto group = [](std::string_view kind, Names names, Counters counters) {
    return CounterGroup{kind, names, {counters.begin(), counters.end()}};
  };
  return {group("invariants", vmap::invariant_names, checks_of(coverage)),
          group("ops", op_names, performed_of(coverage)),
          group("errors", error_names, errors_of(coverage)),
          group("fit types", fit_names, coverage.fits),
          group("coalescings", vmap::coalescing_names, coverage.coalescings),
          group("tree cases", vmap::tree_case_names, coverage.tree_cases)};
}

bool is_counted(const State& state) { return state.now.coverage.steps() > 0 || state.now.executions == 0; }

std::string kind_of(std::string_view signature) {
  // "heap-use-after-free in Mine::free"; "exception std::out_of_range in Mine::free"; "exit 3".
  std::string_view first = signature.substr(0, signature.find(" in "));
  for (const std::string_view kind : {"exception", "exit"})
    if (first.starts_with(kind) && first.substr(kind.size()).starts_with(' ')) first = kind;
  std::string kind;
  for (const char c : first.substr(0, 40))
    kind += std::isalnum(static_cast<unsigned char>(c)) != 0
                ? static_cast<char>(std::tolower(static_cast<unsigned char>(c)))
                : '-';
  while (kind.ends_with('-')) kind.pop_back();
  while (kind.starts_with('-')) kind.erase(0, 1);
  return kind.empty() ? "failure" : kind;
}

// ---- As text

std::string text_of(const Standing& standing) {
  const State& state = standing.state;
  std::string text;
  const auto row = [&](std::string_view title, std::string_view what) {
    text += fmt::format("  {:<11} {}\n", title, what);
  };
  text += fmt::format("campaign in {}: {}\n", one_line(standing.directory), condition_of(standing));
  row("subject", fmt::format("{}; {} with {}, {}, seed {}", one_line(state.subject), one_line(state.target),
                             one_line(state.engine), count_of(state.workers, "worker"), state.seed));
  row("time", fmt::format("{} in {}{}; began {}, written {}", duration_text(state.now.seconds),
                          count_of(std::max<std::uint64_t>(state.session, 1), "session"),
                          state.budget ? fmt::format(", {} wanted of the last", duration_text(*state.budget)) : "",
                          time_text(state.began), time_text(state.written)));
  row("executions", fmt::format("{}, {:.0f} per second lately; {} restarts of workers", grouped(state.now.executions),
                                state.per_second, grouped(state.now.restarts)));
  if (state.now.killed != 0) row("workers", killed_text(state.now.killed));
  row("ops", is_counted(state)
                 ? fmt::format("{}, {:.0f} per second lately", grouped(state.now.ops), state.ops_per_second)
                 : "not counted by this target");
  row("coverage", fmt::format("{} edges, {} features; last grew at {}, {} before the end", grouped(state.edges),
                              grouped(state.features), duration_text(state.last_new_coverage),
                              duration_text(std::max(0.0, state.now.seconds - state.last_new_coverage))));
  row("corpus", fmt::format("{} inputs, {}", grouped(state.corpus), bytes_text(state.corpus_bytes)));
  row("findings", state.findings.empty() ? "none" : findings_text(state) + "; " + repeats_text(state));
  for (const std::string& loss : state.losses) row("lost", loss);
  text += exercised_text(state);
  for (const FoundFailure& found : state.findings) {
    text += fmt::format("\n{:<6} {}\n", name(found.status), one_line(found.signature, 400));
    for (const std::string& alias : found.aliases) text += fmt::format("       the target: {}\n", one_line(alias, 400));
    text += fmt::format("       {}; {}\n", met_text(found), minimality_text(found));
    const fs::path findings = fs::path(standing.directory) / "findings";
    text += fmt::format(
        "       {}\n",
        one_line((found.trace.empty() ? findings / "bytes" / found.input : findings / found.trace).string()));
  }
  return text;
}

namespace {

/// "exercised   invariants 10 of 10, ops 11 of 11, ...", and what never was.
std::string exercised_text(const State& state) {
  if (!is_counted(state)) return "";
  std::string text, never;
  for (const auto& [kind, names, counters] : exercised(state.now.coverage)) {
    std::size_t moved = 0;
    std::string zeros;
    for (std::size_t i = 0; i < names.size(); ++i)
      if (counters[i] != 0)
        ++moved;
      else
        zeros += fmt::format(" {}", names[i]);
    text += fmt::format("{}{} {} of {}", text.empty() ? "" : ", ", kind, moved, names.size());
    if (moved != names.size())
      never += fmt::format("  {:<11} {}:{}\n", never.empty() ? "never" : "", kind, moved == 0 ? " none" : zeros);
  }
  return fmt::format("  {:<11} {}\n{}", "exercised", text, never);
}

}  // namespace

ordered_json json_of(const Standing& standing) {
  ordered_json json;
  json["directory"] = standing.directory;
  json["condition"] = name(standing.condition);
  json["exit_status"] = static_cast<int>(verdict_of(standing.state));
  const ordered_json state = json_of(standing.state);
  for (const auto& [key, value] : state.items()) json[key] = value;
  json["losses"] = standing.state.losses;
  json["counted"] = is_counted(standing.state);
  for (const auto& [kind, names, counters] : exercised(standing.state.now.coverage))
    json["exercised"][kind] = named(names, counters);
  return json;
}

// ---- Words and numbers

std::string condition_of(const Standing& standing) {
  switch (standing.condition) {
    case Condition::running: return fmt::format("running, session {}", standing.state.session);
    case Condition::killed: return "killed; the same command goes on from here";
    case Condition::ended: break;
  }
  return standing.state.ended.empty() ? "ended" : "ended: " + one_line(standing.state.ended, 100);
}

std::string findings_text(const State& state) {
  std::array<std::size_t, 4> counts{};
  for (const FoundFailure& found : state.findings) ++counts[static_cast<std::size_t>(found.status)];
  std::string text;
  for (std::size_t i = 0; i < counts.size(); ++i)
    if (counts[i] != 0)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", counts[i], name(static_cast<FindingStatus>(i)));
  return text.empty() ? "none" : text;
}

std::string killed_text(std::uint64_t count) {
  return fmt::format("{} {} killed from outside", count_of(count, "worker"), count == 1 ? "was" : "were");
}

std::string minimality_text(const FoundFailure& found) {
  if (found.minimality.empty()) return found.status == FindingStatus::fresh ? "not yet minimized" : "not minimized";
  const std::string length = fmt::format("minimized from {} to {}", found.ops_found, count_of(found.ops, "op"));
  if (found.minimality == "proved") return length + ": no trace of fewer ops fails so";
  if (found.minimality == "proved_visible")
    return length + ": no trace of fewer ops fails so, by states that look different";
  if (found.minimality == "time_is_up") return length + ": time was up, there may be a shorter one";
  if (found.minimality == "too_many") return length + ": no op can be spared, there may be a shorter one of other ops";
  return fmt::format("{} ({})", length, one_line(found.minimality, 60));
}

std::string met_text(const FoundFailure& found) {
  return fmt::format("found at {}, execution {}; met {} time{}", duration_text(found.seconds),
                     grouped(found.executions), grouped(found.times), found.times == 1 ? "" : "s");
}

std::string repeats_text(const State& state) {
  const std::uint64_t repeats = repeats_of(state), known = known_met(state);
  std::string text = fmt::format("{} repeat{}", grouped(repeats), repeats == 1 ? "" : "s");
  if (known != 0) text += fmt::format("; known ones met {}", known == 1 ? "once" : grouped(known) + " times");
  return text;
}

// ---- While it runs

namespace {

/// "0 new", "1 known", "0 flaky"
Fields counts_of(const State& state) {
  const auto count = [&](FindingStatus status) {
    return fmt::format("{} {}", std::ranges::count(state.findings, status, &FoundFailure::status), name(status));
  };
  return {count(FindingStatus::fresh), count(FindingStatus::known), count(FindingStatus::flaky)};
}

/// The title stands before the first field.
Fields titled(std::string_view title, Fields fields) {
  fields.front() = fmt::format("  {:<11} {}", title, fields.front());
  return fields;
}

std::string whole(double number) { return grouped(static_cast<std::uint64_t>(number)); }

}  // namespace

Fields progress_line(const State& state) {
  std::string time = fmt::format("{:.0f}", state.now.seconds - state.budget_began);
  if (state.budget) time += fmt::format("/{:.0f}", *state.budget);
  return {fmt::format("campaign: {} s", time),
          fmt::format("{} executions", state.now.executions),
          fmt::format("{:.0f} per second", state.per_second),
          fmt::format("{:.0f} ops per second", state.ops_per_second),
          fmt::format("{} edges", state.edges),
          fmt::format("{} features", state.features),
          fmt::format("{} inputs", state.corpus),
          fmt::format("findings: {}", fmt::join(counts_of(state), ", ")),
          repeats_text(state)};
}

std::vector<Fields> progress_block(const State& state, const std::string& directory, std::size_t minimizing) {
  const double spent = state.now.seconds - state.budget_began;
  const Coverage& coverage = state.now.coverage;
  std::string time = fmt::format("{}: {}", state.subject, duration_text(spent));
  if (state.budget) time += fmt::format(" of {} ({:.0f} %)", duration_text(*state.budget), 100 * spent / *state.budget);
  Fields findings = counts_of(state), fits;
  if (minimizing != 0) findings.push_back(fmt::format("minimizing {}", minimizing));
  if (!state.findings.empty()) findings.push_back(repeats_text(state));
  for (std::size_t i = 0; i < vmap::fit_type_count; ++i)
    fits.push_back(fmt::format("{} {}", fit_names[i], grouped(coverage.fits[i])));
  const auto unchecked = static_cast<std::size_t>(std::ranges::count(checks_of(coverage), 0u));
  return {
      {time, count_of(state.workers, "worker"), fmt::format("session {}", state.session),
       fmt::format("in {}", one_line(directory, 40))},
      titled("executions", {grouped(state.now.executions), whole(state.per_second) + " per second",
                            grouped(state.now.ops) + " ops", whole(state.ops_per_second) + " per second"}),
      titled("coverage", {grouped(state.edges) + " edges",
                          fmt::format("last new {} ago", duration_text(state.now.seconds - state.last_new_coverage)),
                          grouped(state.features) + " features"}),
      titled("corpus", {count_of(state.corpus, "input"), bytes_text(state.corpus_bytes)}),
      titled("findings", std::move(findings)),
      titled("fits", std::move(fits)),
      titled("invariants", {fmt::format("{} of {} checked", vmap::invariant_count - unchecked, vmap::invariant_count),
                            fmt::format("the whole state {} times", grouped(coverage.full_checks)),
                            fmt::format("up to {} free blocks", coverage.free_blocks_max)})};
}

}  // namespace vmapcheck::tool
