// SPDX-License-Identifier: Apache-2.0
#include "tools/campaign/state.hpp"
#include "tools/amounts.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <concepts>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <system_error>
#include <type_traits>
#include <utility>

#include "tools/campaign/status.hpp"
#include "tools/files.hpp"
#include "tools/report.hpp"

namespace vmapcheck::tool {
namespace {

constexpr std::array<std::string_view, 4> status_names{"new", "known", "flaky", "fixed"};

// ---- What is written and read

template <class T, class Of>
concept IsA = std::same_as<std::remove_const_t<T>, Of>;

void members(IsA<Totals> auto& totals, auto each) {
  each("seconds", totals.seconds);
  each("executions", totals.executions);
  each("ops", totals.ops);
  each("skipped", totals.skipped);
  each("restarts", totals.restarts);
  each("killed", totals.killed);
  each("counters", totals.coverage);
}

void members(IsA<FoundFailure> auto& found, auto each) {
  each("signature", found.signature);
  each("aliases", found.aliases);
  each("status", found.status);
  each("seconds", found.seconds);
  each("executions", found.executions);
  each("times", found.times);
  each("input", found.input);
  each("trace", found.trace);
  each("ops_found", found.ops_found);
  each("ops", found.ops);
  each("minimality", found.minimality);
  each("places", found.places);
  each("by_sanitizer", found.by_sanitizer);
}

void members(IsA<State> auto& state, auto each) {
  each("subject", state.subject);
  each("engine", state.engine);
  each("target", state.target);
  each("build", state.build);
  each("codec", state.codec);
  each("seed", state.seed);
  each("workers", state.workers);
  each("began", state.began);
  each("written", state.written);
  each("session", state.session);
  each("running", state.running);
  each("budget", state.budget);
  each("budget_began", state.budget_began);
  each("budget_began_executions", state.budget_began_executions);
  each("ended", state.ended);
  each("totals", state.now);
  each("before", state.before);
  each("edges", state.edges);
  each("features", state.features);
  each("corpus", state.corpus);
  each("corpus_bytes", state.corpus_bytes);
  each("last_new_coverage", state.last_new_coverage);
  each("executions_per_second", state.per_second);
  each("ops_per_second", state.ops_per_second);
  each("findings", state.findings);
}

template <class T>
concept HasMembers = IsA<T, Totals> || IsA<T, FoundFailure> || IsA<T, State>;

// Coverage is counters and nothing else: it is kept as a list of them, and its length says whose list it is.
constexpr std::size_t counter_count = sizeof(Coverage) / sizeof(std::uint64_t);
using Counters = std::array<std::uint64_t, counter_count>;
static_assert(std::is_trivially_copyable_v<Coverage> && sizeof(Counters) == sizeof(Coverage));

ordered_json written(const auto& value) { return value; }
ordered_json written(FindingStatus status) { return name(status); }
ordered_json written(const Coverage& coverage) { return std::bit_cast<Counters>(coverage); }
ordered_json written(const std::optional<double>& number) { return number ? ordered_json(*number) : ordered_json(); }
ordered_json written(const HasMembers auto& object);
ordered_json written(const std::vector<FoundFailure>& findings) {
  ordered_json list = ordered_json::array();
  for (const FoundFailure& found : findings) list.push_back(written(found));
  return list;
}
ordered_json written(const HasMembers auto& object) {
  ordered_json json;
  members(object, [&](const char* key, const auto& member) { json[key] = written(member); });
  return json;
}

constexpr std::uint64_t count_max = std::uint64_t{1} << 60;
constexpr double seconds_max = 1e12;

/// Reads each member of an object, of the kind and in the range in which a campaign writes it; or throws what it
/// expected.
class Reader {
 public:
  explicit Reader(std::vector<std::string>& losses) : losses_(losses) {}

  void operator()(const ordered_json& json, HasMembers auto& object) {
    members(object, [&](const char* key, auto& member) {
      key_ = key;
      if (!json.is_object() || !json.contains(key)) fail("is missing");
      (*this)(json[key], member);
    });
  }
  void operator()(const ordered_json& json, FoundFailure& found) {
    this->operator()<FoundFailure>(json, found);
    for (const auto& [key, name] : {std::pair("input", found.input), std::pair("trace", found.trace)}) {
      key_ = key;
      if (name.find('/') != name.npos || name.find('\0') != name.npos || name == "." || name == "..")
        fail("is no name of a file");
    }
  }

 private:
  void operator()(const ordered_json& json, std::uint64_t& number) { number = count(json, count_max); }
  void operator()(const ordered_json& json, std::int64_t& time) {
    time = static_cast<std::int64_t>(count(json, 253'402'300'799));  // the end of the year 9999
  }
  void operator()(const ordered_json& json, double& number) {
    if (!json.is_number() || !(json.get<double>() >= 0 && json.get<double>() <= seconds_max))
      fail(fmt::format("is no number from 0 to {:g}", seconds_max));
    number = json.get<double>();
  }
  void operator()(const ordered_json& json, std::optional<double>& number) {
    if (!json.is_null()) (*this)(json, number.emplace());
  }
  void operator()(const ordered_json& json, bool& truth) {
    if (!json.is_boolean()) fail("is neither true nor false");
    truth = json.get<bool>();
  }
  void operator()(const ordered_json& json, std::string& text) {
    if (!json.is_string()) fail("is no text");
    text = json.get<std::string>();
  }
  void operator()(const ordered_json& json, FindingStatus& status) {
    std::string word;
    (*this)(json, word);
    const auto found = std::ranges::find(status_names, word);
    if (found == status_names.end()) fail("is none of those that there are");
    status = static_cast<FindingStatus>(found - status_names.begin());
  }
  void operator()(const ordered_json& json, Coverage& coverage) {
    std::vector<std::uint64_t> list;
    (*this)(json, list);
    Counters counters{};
    constexpr std::string_view loss =
        "what was exercised before was counted by another version, and is in none of these counts";
    if (list.size() == counters.size())
      std::ranges::copy(list, counters.begin());
    else if (std::ranges::find(losses_, loss) == losses_.end())
      losses_.emplace_back(loss);
    coverage = std::bit_cast<Coverage>(counters);
  }
  template <class T>
  void operator()(const ordered_json& json, std::vector<T>& list) {
    if (!json.is_array()) fail("is no list");
    for (const ordered_json& one : json) (*this)(one, list.emplace_back());
  }

  std::uint64_t count(const ordered_json& json, std::uint64_t most) const {
    if (!json.is_number_unsigned() || json.get<std::uint64_t>() > most) fail(fmt::format("is no count up to {}", most));
    return json.get<std::uint64_t>();
  }
  [[noreturn]] void fail(std::string_view why) const { throw std::invalid_argument(fmt::format("`{}` {}", key_, why)); }

  std::vector<std::string>& losses_;
  const char* key_ = "";
};

State state_of(ordered_json json) {
  for (const char* const totals : {"totals", "before"})  // format 1 did not count them
    if (json.contains(totals) && json[totals].is_object() && !json[totals].contains("killed"))
      json[totals]["killed"] = 0u;
  if (json.contains("findings") && json["findings"].is_array())  // earlier versions did not keep where they died
    for (ordered_json& found : json["findings"])
      if (found.is_object() && !found.contains("places")) found["places"] = ordered_json::array();
  State state;
  Reader(state.losses)(json, state);
  if (state.workers > 1024) throw std::invalid_argument("`workers` is no count up to 1024");
  if (state.before.executions > state.now.executions) throw std::invalid_argument("`before` is more than `totals`");
  return state;
}

std::string sum_of_line(std::string_view line) { return fmt::format("{:016x}", checksum(line)); }

/// The checksum of the members, dumped without spaces.
std::string sum_of(const ordered_json& json) {
  return fmt::format("{:016x}", checksum(json.dump(-1, ' ', false, ordered_json::error_handler_t::replace)));
}

}  // namespace

std::string_view name(FindingStatus status) { return status_names[static_cast<std::size_t>(status)]; }

ordered_json json_of(const State& state) {
  ordered_json json{{"format", State::format},
                    {"repeats", repeats_of(state)},
                    {"known_met", known_met(state)},
                    {"coverage", json_of(state.now.coverage)}};
  json.update(written(state));
  return json;
}

std::uint64_t repeats_of(const State& state) {
  std::uint64_t times = 0;
  for (const FoundFailure& found : state.findings)
    if (found.status != FindingStatus::known && found.times > 0) times += found.times - 1;
  return times;
}

std::uint64_t known_met(const State& state) {
  std::uint64_t times = 0;
  for (const FoundFailure& found : state.findings)
    if (found.status == FindingStatus::known) times += found.times;
  return times;
}

Sample sample_of(const State& state) {
  return {state.now.seconds, state.now.executions, state.now.ops,         state.edges,
          state.features,    state.corpus,         state.findings.size(), state.session};
}

ordered_json json_of(const Sample& s) {
  return {s.seconds, s.executions, s.ops, s.edges, s.features, s.corpus, s.findings, s.session};
}

namespace {

/// Adds what the tallies have counted since the state was written.
void add_last_session(State& state, const std::string& directory) {
  if (!state.running) return;  // it has written all when it ended
  Totals counted = state.before;
  std::string damaged;
  for (std::uint64_t k = 0;; ++k) {
    const std::string name = fmt::format("tally-{}", k), path = path_in(directory, name);
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
  const std::string path = path_in(directory, "campaign.json");
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
      const ordered_json sum = json.value("checksum", ordered_json());
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
  const std::string path = path_in(directory, "campaign.json");
  ordered_json json = json_of(state);
  json["checksum"] = sum_of(json);
  (durably ? write_durably : write_file)(path, json.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n");
}

namespace {

/// Nothing if the line is damaged. The last element is the checksum of those before it. Earlier versions did not write
/// the session, and at first no checksum.
std::optional<Sample> sample_of(const std::string& line) {
  const ordered_json json = ordered_json::parse(line, nullptr, false);
  if (!json.is_array() || json.size() < 7 || json.size() > 9) return std::nullopt;
  const std::size_t numbers = json.size() == 9 ? 8 : 7;
  if (json.size() > numbers && json.back() != sum_of_line(std::string_view(line).substr(0, line.rfind(','))))
    return std::nullopt;
  if (!json[0].is_number() || !(json[0] >= 0 && json[0] <= seconds_max)) return std::nullopt;
  const auto is_count = [](const ordered_json& n) { return n.is_number_unsigned() && n <= count_max; };
  if (!std::all_of(json.begin() + 1, json.begin() + static_cast<std::ptrdiff_t>(numbers), is_count))
    return std::nullopt;
  Sample sample{json[0], json[1], json[2], json[3], json[4], json[5], json[6]};
  if (numbers == 8) sample.session = json[7];
  return sample;
}

}  // namespace

std::vector<Sample> load_samples(const std::string& directory, std::vector<std::string>& losses) {
  std::vector<Sample> samples;
  std::size_t damaged = 0;
  std::ifstream file(path_in(directory, "samples.jsonl"));
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
  const std::string path = path_in(directory, "samples.jsonl");
  std::string line = fmt::format("[{:.1f},{},{},{},{},{},{},{}", sample.seconds, sample.executions, sample.ops,
                                 sample.edges, sample.features, sample.corpus, sample.findings, sample.session);
  // The newline in front ends a line that was cut off.
  line = fmt::format("\n{},\"{}\"]\n", line, sum_of_line(line));
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  const bool whole = file >= 0 && ::write(file, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  const std::error_code why{errno, std::generic_category()};
  if (file >= 0) ::close(file);
  if (!whole) cannot("write", path, why);
}

void add(Totals& totals, const Counts& counts) {
  totals.executions += counts.executions;
  totals.ops += counts.ops;
  totals.skipped += counts.skipped;
  totals.coverage += counts.coverage;
}

}  // namespace vmapcheck::tool
