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
#include <system_error>
#include <type_traits>

#include "fuzz/tally.hpp"
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
          {"skipped", totals.skipped}, {"restarts", totals.restarts},     {"counters", counters}};
}

void from(const ordered_json& json, Totals& totals) {
  totals.seconds = json.at("seconds");
  totals.executions = json.at("executions");
  totals.ops = json.at("ops");
  totals.skipped = json.at("skipped");
  totals.restarts = json.at("restarts");
  const auto list = json.at("counters").get<std::vector<std::uint64_t>>();
  Counters counters;
  if (list.size() != counters.size()) return;  // of another build
  std::ranges::copy(list, counters.begin());
  totals.coverage = std::bit_cast<Coverage>(counters);
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

FoundFailure found_failure(const ordered_json& json) {
  FoundFailure found;
  found.signature = json.at("signature");
  found.aliases = json.at("aliases").get<std::vector<std::string>>();
  const auto status = std::ranges::find(status_names, json.at("status").get<std::string>());
  if (status == status_names.end()) throw std::invalid_argument("status");
  found.status = static_cast<FindingStatus>(status - status_names.begin());
  found.seconds = json.at("seconds");
  found.executions = json.at("executions");
  found.times = json.at("times");
  found.input = json.at("input");
  found.trace = json.at("trace");
  found.ops_found = json.at("ops_found");
  found.ops = json.at("ops");
  found.minimality = json.at("minimality");
  found.by_sanitizer = json.at("by_sanitizer");
  return found;
}

State state_of(const ordered_json& json) {
  State state;
  state.subject = json.at("subject");
  state.engine = json.at("engine");
  state.target = json.at("target");
  state.build = json.at("build");
  state.codec = json.at("codec");
  state.seed = json.at("seed");
  state.workers = json.at("workers");
  state.began = json.at("began");
  state.written = json.at("written");
  state.session = json.at("session");
  state.running = json.at("running");
  if (!json.at("budget").is_null()) state.budget = json.at("budget").get<double>();
  state.budget_began = json.at("budget_began");
  state.budget_began_executions = json.at("budget_began_executions");
  state.ended = json.at("ended");
  from(json.at("before"), state.before);
  from(json.at("totals"), state.now);
  state.edges = json.at("edges");
  state.features = json.at("features");
  state.corpus = json.at("corpus");
  state.corpus_bytes = json.at("corpus_bytes");
  state.last_new_coverage = json.at("last_new_coverage");
  state.per_second = json.at("executions_per_second");
  state.ops_per_second = json.at("ops_per_second");
  for (const ordered_json& found : json.at("findings")) state.findings.push_back(found_failure(found));
  return state;
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

std::optional<State> load_state(const std::string& directory) {
  const std::string path = in(directory, "campaign.json");
  std::error_code error;
  if (!fs::exists(path, error)) return std::nullopt;
  const std::string text = read_file(path, std::size_t{1} << 26);
  const auto refuse = [&](std::string_view why) -> Stop {
    return {Exit::usage, fmt::format("{}: {}", one_line(path), why)};
  };
  const ordered_json json = ordered_json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("format")) throw refuse("it is not the state of a campaign");
  if (json["format"] != State::format)
    throw refuse(fmt::format("it has format {}, and this program reads {}", json["format"].dump(), State::format));
  State state;
  try {
    state = state_of(json);
  } catch (const std::exception& exception) {
    throw refuse(fmt::format("it is damaged: {}", one_line(exception.what(), 200)));
  }
  // The tallies know more than was written last, unless the machine lost them.
  Totals counted = state.before;
  add_tallies(counted, directory, state.session);
  if (counted.executions >= state.now.executions) {
    counted.seconds = state.now.seconds;
    counted.restarts = state.now.restarts;
    state.now = counted;
  }
  return state;
}

void save_state(const State& state, const std::string& directory, bool durably) {
  const std::string path = in(directory, "campaign.json");
  write_file(path, json_of(state).dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n");
  if (!durably) return;
  for (const std::string& name : {path, directory}) {
    const int file = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) continue;
    ::fsync(file);
    ::close(file);
  }
}

std::vector<Sample> load_samples(const std::string& directory) {
  std::vector<Sample> samples;
  std::ifstream file(in(directory, "samples.jsonl"));
  for (std::string line; std::getline(file, line);) {
    const ordered_json json = ordered_json::parse(line, nullptr, false);
    if (!json.is_array() || json.size() != 7) continue;
    if (!json[0].is_number()) continue;
    if (!std::all_of(json.begin() + 1, json.end(), [](const ordered_json& n) { return n.is_number_unsigned(); }))
      continue;
    samples.push_back({json[0], json[1], json[2], json[3], json[4], json[5], json[6]});
  }
  return samples;
}

void append_sample(const Sample& sample, const std::string& directory) {
  const std::string path = in(directory, "samples.jsonl");
  // A line that was cut off ends here.
  const std::string line = fmt::format("\n[{:.1f},{},{},{},{},{},{}]\n", sample.seconds, sample.executions, sample.ops,
                                       sample.edges, sample.features, sample.corpus, sample.findings);
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  const bool whole = file >= 0 && ::write(file, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  const int why = errno;
  if (file >= 0) ::close(file);
  if (!whole) throw Stop{Exit::io, fmt::format("cannot write {}: {}", one_line(path), std::strerror(why))};
}

void add_tallies(Totals& totals, const std::string& directory, std::uint64_t session) {
  for (std::uint64_t k = 0;; ++k) {
    const std::string path = in(directory, fmt::format("tally-{}", k));
    std::error_code error;
    if (!fs::exists(path, error)) return;
    if (fs::file_size(path, error) != sizeof(Tally) || error) continue;
    const TallyFile tally(path);
    if (tally->magic != Tally::magic_value || tally->bytes != sizeof(Tally) || tally->session != session) continue;
    totals.executions += tally->executions;
    totals.ops += tally->ops;
    totals.skipped += tally->skipped;
    totals.coverage += tally->coverage;
  }
}

}  // namespace vmapcheck::tool
