// SPDX-License-Identifier: Apache-2.0
//
// What a campaign knows of itself, in its directory, whatever way it ended.
//
//     DIR/campaign.json   State, replaced as a whole: never half of one; its last member is a checksum of the others
//     DIR/samples.jsonl   a Sample on each line with its checksum, appended; the last one may be cut off
//     DIR/tally-K         what worker K counts, written by itself (fuzz/tally.hpp)
//     DIR/known           signatures that the target skips, one on each line
//     DIR/seeds/          the corpus of the checkout, encoded anew at each start
//     DIR/corpus/         inputs that fuzzing has kept, as bytes
//     DIR/crashes/        inputs that ended a worker, until they are looked at
//     DIR/findings/       the same, minimized: NAME.trace, NAME.md, originals/NAME.trace, bytes/ as they were
//     DIR/worker-K.log    what the engine said
//     DIR/lock            held by the campaign that runs there
//
// The totals are those of all sessions. A session's part is in the tallies, which the kernel keeps when everything else
// is killed; the next session adds it to what was there before. A tally knows its session, so that it is added once.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/tally.hpp"
#include "harness/verify/coverage.hpp"

namespace vmapcheck::tool {

/// Sums over all workers and sessions.
struct Totals {
  double seconds = 0;            ///< that the campaign ran, by the clock
  std::uint64_t executions = 0;  ///< inputs run
  std::uint64_t ops = 0;         ///< performed and verified; 0 for a target that does not count
  std::uint64_t skipped = 0;     ///< of the executions: ended by a failure that was found before, or known
  std::uint64_t restarts = 0;    ///< of workers, after a find or otherwise
  std::uint64_t killed = 0;      ///< of those: somebody or the system killed the worker
  Coverage coverage;             ///< of all executions
};

enum class FindingStatus : std::uint8_t {
  fresh,  ///< it was not known before: "new"
  known,  ///< it is in the file that --known names
  flaky,  ///< it did not fail again
  fixed,  ///< it failed with an earlier build of the target, and does no more
};
[[nodiscard]] std::string_view name(FindingStatus status);

/// What has failed, once for each signature.
struct FoundFailure {
  std::string signature;               ///< see harness/isolate/failure.hpp
  std::vector<std::string> aliases{};  ///< what the target calls it, where that differs
  FindingStatus status = FindingStatus::fresh;
  double seconds = 0;            ///< of the campaign when it was found
  std::uint64_t executions = 0;  ///< the same
  std::uint64_t times = 1;       ///< that it was met; known ones are skipped, and counted
  std::string input;             ///< file in findings/bytes: what the engine had
  std::string trace{};           ///< file in findings/, once it is minimized
  std::uint64_t ops_found = 0;
  std::uint64_t ops = 0;     ///< of the trace
  std::string minimality{};  ///< "proved", "proved_visible", "too_many", "time_is_up"; "" until it is minimized
  std::vector<std::string> places{};  ///< of a death: the subject's functions, files and lines, the innermost first
  bool by_sanitizer = false;          ///< a sanitizer reported it: without one it may fail otherwise, or not at all
};

struct State {
  static constexpr int format = 2;  ///< format 1, which is read too, had no checksum

  std::string subject;
  std::string engine;
  std::string target;       ///< path
  std::string build{};      ///< a hash of the target's contents
  std::uint64_t codec = 0;  ///< bytes of a record: what the corpus is written in
  std::uint64_t seed = 0;
  std::uint64_t workers = 0;
  std::int64_t began = 0;    ///< seconds since 1970, UTC
  std::int64_t written = 0;  ///< the same, when this was written
  std::uint64_t session = 0;
  bool running = false;  ///< said by the campaign; false once it has ended in order
  std::optional<double>
      budget{};             ///< seconds; it lasts until a session ends in order, and that is not always the first
  double budget_began = 0;  ///< Totals::seconds
  std::uint64_t budget_began_executions = 0;
  std::string ended{};  ///< why the last session ended: "time", "executions", "plateau", "interrupted", ...
  Totals before{};      ///< of the sessions before this one
  Totals now{};         ///< of all, as it was known when this was written
  std::uint64_t edges = 0;
  std::uint64_t features = 0;
  std::uint64_t corpus = 0;  ///< inputs
  std::uint64_t corpus_bytes = 0;
  double last_new_coverage = 0;  ///< Totals::seconds when edges or features last grew
  double per_second = 0;         ///< executions, lately
  double ops_per_second = 0;
  std::vector<FoundFailure> findings{};

  std::vector<std::string> losses{};  ///< what could not be read of the files beside it: sentences; not kept
};

/// A point of the curves over time.
struct Sample {
  double seconds = 0;
  std::uint64_t executions = 0;
  std::uint64_t ops = 0;
  std::uint64_t edges = 0;
  std::uint64_t features = 0;
  std::uint64_t corpus = 0;
  std::uint64_t findings = 0;
  std::uint64_t session = 0;  ///< from 1; 0: an earlier version, which did not say, has written it
};

/// How often something was met again that this campaign has found.
[[nodiscard]] std::uint64_t repeats_of(const State& state);
/// How often something was met that is in the file of --known.
[[nodiscard]] std::uint64_t known_met(const State& state);

/// How it stands, as a point of the curves.
[[nodiscard]] Sample sample_of(const State& state);
/// The members of a Sample in their order.
[[nodiscard]] nlohmann::ordered_json json_of(const Sample& sample);

[[nodiscard]] nlohmann::ordered_json json_of(const State& state);

/// Nothing if there is no campaign in that directory. What the tallies hold of the last session is in `now`; if one of
/// them is damaged, `now` is what was written last. Stops with Exit::usage if what is there is damaged or another
/// version's.
[[nodiscard]] std::optional<State> load_state(const std::string& directory);

/// Replaces it. `durably`: it is on the disk when this returns. Stops with Exit::io.
void save_state(const State& state, const std::string& directory, bool durably);

/// Those that are whole, in order. What is damaged, but for a last line that was cut off, is said in `losses`.
[[nodiscard]] std::vector<Sample> load_samples(const std::string& directory, std::vector<std::string>& losses);
void append_sample(const Sample& sample, const std::string& directory);

void add(Totals& totals, const Counts& counts);

}  // namespace vmapcheck::tool
