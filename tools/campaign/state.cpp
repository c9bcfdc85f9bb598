// SPDX-License-Identifier: Apache-2.0
#include "tools/campaign/state.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <system_error>
#include <type_traits>

#include "tools/campaign/status.hpp"
#include "tools/files.hpp"
#include "tools/report.hpp"

namespace vmapcheck::tool {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::array<std::string_view, 4> status_names{"new", "known", "flaky", "fixed"};

std::string in(const std::string& directory, std::string_view name) { return (fs::path(directory) / name).string(); }

// Coverage is counters and nothing else: it is kept as a list of them, and its length says whose list it is.
constexpr std::size_t counter_count = sizeof(Coverage) / sizeof(std::uint64_t);
using Counters = std::array<std::uint64_t, counter_count>;
static_assert(std::is_trivially_copyable_v<Coverage> && sizeof(Counters) == sizeof(Coverage));

ordered_json json_of(const Totals& totals) {
  const auto counters = std::bit_cast<Counters>(totals.coverage);
  return {{"seconds", totals.seconds}, {"executions", totals.executions}, {"ops", totals.ops},
          {"skipped", totals.skipped}, {"restarts", totals.restarts},     {"killed", totals.killed},
          {"counters", counters}};
}

ordered_json json_of(const FoundFailure& found) {
  ordered_json json;
  json["signature"] = found.signature;
  json["aliases"] = found.aliases;
  json["status"] = name(found.status);
  json["seconds"] = found.seconds;
  json["executions"] = found.executions;
  json["times"] = found.times;
  json["input"] = found.input;
  json["trace"] = found.trace;
  json["ops_found"] = found.ops_found;
  json["ops"] = found.ops;
  json["minimality"] = found.minimality;
  json["by_sanitizer"] = found.by_sanitizer;
  return json;
}

// ---- Reading

constexpr std::uint64_t count_max = std::uint64_t{1} << 60;
constexpr double seconds_max = 1e12;

/// A member of an object, of the kind and in the range in which a campaign writes it; or it throws what it expected.
class Member {
 public:
  Member(const ordered_json& object, const char* key) : key_(key) {
    if (!object.is_object() || !object.contains(key)) fail("is missing");
    value_ = &object[key];
  }
  [[nodiscard]] std::uint64_t count(std::uint64_t most = count_max) const {
    if (!value_->is_number_unsigned() || value_->get<std::uint64_t>() > most)
      fail(fmt::format("is no count up to {}", most));
    return value_->get<std::uint64_t>();
  }
  [[nodiscard]] double number() const {
    if (!value_->is_number() || !(value_->get<double>() >= 0 && value_->get<double>() <= seconds_max))
      fail(fmt::format("is no number from 0 to {:g}", seconds_max));
    return value_->get<double>();
  }
  [[nodiscard]] bool truth() const {
    if (!value_->is_boolean()) fail("is neither true nor false");
    return value_->get<bool>();
  }
  [[nodiscard]] std::string text() const {
    if (!value_->is_string()) fail("is no text");
    return value_->get<std::string>();
  }
  /// Of a file in a directory that the member stands for: it does not lead out of it.
  [[nodiscard]] std::string file_name() const {
    std::string name = text();
    if (name.find('/') != name.npos || name.find('\0') != name.npos || name == "." || name == "..")
      fail("is no name of a file");
    return name;
  }
  template <std::size_t N>
  [[nodiscard]] std::size_t one_of(const std::array<std::string_view, N>& names) const {
    const auto found = std::ranges::find(names, text());
    if (found == names.end()) fail("is none of those that there are");
    return static_cast<std::size_t>(found - names.begin());
  }
  [[nodiscard]] const ordered_json& list() const {
    if (!value_->is_array()) fail("is no list");
    return *value_;
  }
  [[nodiscard]] const ordered_json& value() const { return *value_; }

 private:
  [[noreturn]] void fail(std::string_view why) const { throw std::invalid_argument(fmt::format("`{}` {}", key_, why)); }

  const char* key_;
  const ordered_json* value_ = nullptr;
};

Totals totals_of(const ordered_json& json, std::vector<std::string>& losses) {
  Totals totals;
  totals.seconds = Member(json, "seconds").number();
  totals.executions = Member(json, "executions").count();
  totals.ops = Member(json, "ops").count();
  totals.skipped = Member(json, "skipped").count();
  totals.restarts = Member(json, "restarts").count();
  if (json.contains("killed")) totals.killed = Member(json, "killed").count();  // format 1 did not count them
  std::vector<std::uint64_t> list;
  for (const ordered_json& counter : Member(json, "counters").list())
    list.push_back(Member({{"counters", counter}}, "counters").count());
  Counters counters;
  if (list.size() != counters.size()) {
    losses.emplace_back("what was exercised before was counted by another version, and is in none of these counts");
    return totals;
  }
  std::ranges::copy(list, counters.begin());
  totals.coverage = std::bit_cast<Coverage>(counters);
  return totals;
}

FoundFailure found_failure(const ordered_json& json) {
  FoundFailure found;
  found.signature = Member(json, "signature").text();
  for (const ordered_json& alias : Member(json, "aliases").list())
    found.aliases.push_back(Member({{"aliases", alias}}, "aliases").text());
  found.status = static_cast<FindingStatus>(Member(json, "status").one_of(status_names));
  found.seconds = Member(json, "seconds").number();
  found.executions = Member(json, "executions").count();
  found.times = Member(json, "times").count();
  found.input = Member(json, "input").file_name();
  found.trace = Member(json, "trace").file_name();
  found.ops_found = Member(json, "ops_found").count();
  found.ops = Member(json, "ops").count();
  found.minimality = Member(json, "minimality").text();
  found.by_sanitizer = Member(json, "by_sanitizer").truth();
  return found;
}

State state_of(const ordered_json& json) {
  constexpr std::uint64_t time_max = 253'402'300'799;  // the end of the year 9999
  State state;
  state.subject = Member(json, "subject").text();
  state.engine = Member(json, "engine").text();
  state.target = Member(json, "target").text();
  state.build = Member(json, "build").text();
  state.codec = Member(json, "codec").count();
  state.seed = Member(json, "seed").count();
  state.workers = Member(json, "workers").count(1024);
  state.began = static_cast<std::int64_t>(Member(json, "began").count(time_max));
  state.written = static_cast<std::int64_t>(Member(json, "written").count(time_max));
  state.session = Member(json, "session").count();
  state.running = Member(json, "running").truth();
  if (const Member budget(json, "budget"); !budget.value().is_null()) state.budget = budget.number();
  state.budget_began = Member(json, "budget_began").number();
  state.budget_began_executions = Member(json, "budget_began_executions").count();
  state.ended = Member(json, "ended").text();
  state.now = totals_of(Member(json, "totals").value(), state.losses);
  std::vector<std::string> said;
  state.before = totals_of(Member(json, "before").value(), said);
  if (state.before.executions > state.now.executions) throw std::invalid_argument("`before` is more than `totals`");
  state.edges = Member(json, "edges").count();
  state.features = Member(json, "features").count();
  state.corpus = Member(json, "corpus").count();
  state.corpus_bytes = Member(json, "corpus_bytes").count();
  state.last_new_coverage = Member(json, "last_new_coverage").number();
  state.per_second = Member(json, "executions_per_second").number();
  state.ops_per_second = Member(json, "ops_per_second").number();
  for (const ordered_json& found : Member(json, "findings").list()) state.findings.push_back(found_failure(found));
  return state;
}

std::string sum_of_line(std::string_view line) { return fmt::format("{:016x}", checksum(line)); }

/// Of the members as they are dumped without spaces.
std::string sum_of(const ordered_json& json) {
  return fmt::format("{:016x}", checksum(json.dump(-1, ' ', false, ordered_json::error_handler_t::replace)));
}

}  // namespace

std::string_view name(FindingStatus status) { return status_names[static_cast<std::size_t>(status)]; }

ordered_json json_of(const State& state) {
  ordered_json json;
  json["format"] = State::format;
  json["subject"] = state.subject;
  json["engine"] = state.engine;
  json["target"] = state.target;
  json["build"] = state.build;
  json["codec"] = state.codec;
  json["seed"] = state.seed;
  json["workers"] = state.workers;
  json["began"] = state.began;
  json["written"] = state.written;
  json["session"] = state.session;
  json["running"] = state.running;
  json["budget"] = state.budget ? ordered_json(*state.budget) : ordered_json(nullptr);
  json["budget_began"] = state.budget_began;
  json["budget_began_executions"] = state.budget_began_executions;
  json["ended"] = state.ended;
  json["totals"] = json_of(state.now);
  json["coverage"] = json_of(state.now.coverage);
  json["before"] = json_of(state.before);
  json["edges"] = state.edges;
  json["features"] = state.features;
  json["corpus"] = state.corpus;
  json["corpus_bytes"] = state.corpus_bytes;
  json["last_new_coverage"] = state.last_new_coverage;
  json["executions_per_second"] = state.per_second;
  json["ops_per_second"] = state.ops_per_second;
  json["findings"] = ordered_json::array();
  for (const FoundFailure& found : state.findings) json["findings"].push_back(json_of(found));
  return json;
}

namespace {

/// The tallies know more than was written last, unless the machine lost them.
void add_last_session(State& state, const std::string& directory) {
  if (!state.running) return;  // it has written all when it ended
  Totals counted = state.before;
  std::string damaged;
  for (std::uint64_t k = 0;; ++k) {
    const std::string name = fmt::format("tally-{}", k), path = in(directory, name);
    std::error_code error;
    if (!fs::exists(path, error)) break;
    const ReadTally tally = read_tally(path);
    if (tally.kind == ReadTally::Kind::unreadable) damaged += (damaged.empty() ? "" : ", ") + name;
    if (tally.kind == ReadTally::Kind::whole && tally.session == state.session) add(counted, tally.counts);
  }
  if (!damaged.empty()) {
    state.losses.push_back(
        fmt::format("{} cannot be read: what was counted after {} is lost", damaged, time_text(state.written)));
  } else if (counted.executions >= state.now.executions) {
    counted.seconds = state.now.seconds;
    counted.restarts = state.now.restarts;
    counted.killed = state.now.killed;
    state.now = counted;
  }
}

}  // namespace

std::optional<State> load_state(const std::string& directory) {
  const std::string path = in(directory, "campaign.json");
  std::error_code error;
  if (!fs::exists(path, error)) return std::nullopt;
  const std::string text = read_file(path, std::size_t{1} << 26);
  const auto refuse = [&](std::string_view why) -> Stop {
    return {Exit::usage, fmt::format("{}: {}", one_line(path), why)};
  };
  ordered_json json = ordered_json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("format")) throw refuse("it is not the state of a campaign");
  const ordered_json format = json["format"];
  if (format != State::format && format != 1)
    throw refuse(
        fmt::format("it has format {}, and this program reads 1 and {}", one_line(format.dump(), 40), State::format));
  State state;
  try {
    if (format == State::format) {
      const std::string sum = Member(json, "checksum").text();
      json.erase("checksum");
      if (sum != sum_of(json)) throw std::invalid_argument("its checksum is another one");
    }
    state = state_of(json);
  } catch (const std::exception& exception) {
    throw refuse(fmt::format("it is damaged: {}", one_line(exception.what(), 200)));
  }
  add_last_session(state, directory);
  return state;
}

void save_state(const State& state, const std::string& directory, bool durably) {
  const std::string path = in(directory, "campaign.json");
  ordered_json json = json_of(state);
  json["checksum"] = sum_of(json);
  write_file(path, json.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n");
  if (!durably) return;
  for (const std::string& name : {path, directory}) {
    const int file = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) continue;
    ::fsync(file);
    ::close(file);
  }
}

namespace {

/// Nothing if the line is damaged. The eighth element is the checksum of those before it; an earlier version had none.
std::optional<Sample> sample_of(const std::string& line) {
  const ordered_json json = ordered_json::parse(line, nullptr, false);
  if (!json.is_array() || (json.size() != 7 && json.size() != 8)) return std::nullopt;
  if (json.size() == 8 && json[7] != sum_of_line(std::string_view(line).substr(0, line.rfind(','))))
    return std::nullopt;
  if (!json[0].is_number() || !(json[0] >= 0 && json[0] <= seconds_max)) return std::nullopt;
  const auto is_count = [](const ordered_json& n) { return n.is_number_unsigned() && n <= count_max; };
  if (!std::all_of(json.begin() + 1, json.begin() + 7, is_count)) return std::nullopt;
  return Sample{json[0], json[1], json[2], json[3], json[4], json[5], json[6]};
}

}  // namespace

std::vector<Sample> load_samples(const std::string& directory, std::vector<std::string>& losses) {
  std::vector<Sample> samples;
  std::size_t damaged = 0;
  std::ifstream file(in(directory, "samples.jsonl"));
  for (std::string line; std::getline(file, line);) {
    if (line.empty()) continue;
    if (const auto sample = sample_of(line))
      samples.push_back(*sample);
    else if (!file.eof())  // else it was cut off
      ++damaged;
  }
  if (damaged > 0)
    losses.push_back(
        fmt::format("{} of samples.jsonl cannot be read, and left out of the curves", count_of(damaged, "line")));
  return samples;
}

void append_sample(const Sample& sample, const std::string& directory) {
  const std::string path = in(directory, "samples.jsonl");
  std::string line = fmt::format("[{:.1f},{},{},{},{},{},{}", sample.seconds, sample.executions, sample.ops,
                                 sample.edges, sample.features, sample.corpus, sample.findings);
  // A line that was cut off ends here.
  line = fmt::format("\n{},\"{}\"]\n", line, sum_of_line(line));
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  const bool whole = file >= 0 && ::write(file, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  const int why = errno;
  if (file >= 0) ::close(file);
  if (!whole) throw Stop{Exit::io, fmt::format("cannot write {}: {}", one_line(path), std::strerror(why))};
}

void add(Totals& totals, const Counts& counts) {
  totals.executions += counts.executions;
  totals.ops += counts.ops;
  totals.skipped += counts.skipped;
  totals.coverage += counts.coverage;
}

}  // namespace vmapcheck::tool
