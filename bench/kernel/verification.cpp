// SPDX-License-Identifier: Apache-2.0
#include "bench/kernel/verification.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "bench/kernel/tests.hpp"
#include "harness/isolate/isolation.hpp"
#include "tools/amounts.hpp"
#include "tools/files.hpp"
#include "tools/finding.hpp"
#include "tools/interruption.hpp"
#include "tools/progress.hpp"
#include "tools/report.hpp"

namespace vmapcheck::bench {

using tool::Common;
using tool::Exit;
using tool::KernelOptions;
using tool::ordered_json;

namespace {

using Clock = std::chrono::steady_clock;

/// What the child tells of its ops.
struct Answers {
  std::uint64_t steps = 0;
  std::uint64_t errors = 0;
  std::uint64_t unsupported = 0;
};

Trace trace_of(const Settings& settings, std::size_t test, std::uint64_t repeat) {
  Recorder recorder;
  const auto running = make_test(test_at(test).name, recorder, seed_of_run(settings.seed, 0, test, repeat));
  (void)running->prepare();
  (void)running->run(loops_of(test, settings.loops));
  (void)running->finish();
  return {.comments = {}, .space = kernel_space(), .ops = std::move(recorder).ops()};
}

class Verification {
 public:
  explicit Verification(const Settings& settings) : settings_(settings), tallies_(settings.tests.size()) {}

  /// The first that breaks an invariant.
  struct Found {
    std::size_t test = 0;
    std::uint64_t repeat = 0;
    Trace trace;
    Failure failure;
  };
  std::optional<Found> run() {
    for (std::size_t place = 0; place < settings_.tests.size(); ++place)
      for (std::uint64_t repeat = 0; repeat < settings_.repeats; ++repeat) {
        if (!tallies_[place].skipped.empty()) break;
        if (auto found = run_once(place, repeat)) return found;
      }
    return std::nullopt;
  }
  [[nodiscard]] const std::vector<Tally>& tallies() const { return tallies_; }

 private:
  std::optional<Found> run_once(std::size_t place, std::uint64_t repeat) {
    const std::size_t test = settings_.tests[place];
    Trace trace = trace_of(settings_, test, repeat);
    const SharedArray<Answers> answers(1);
    const Clock::time_point begin = Clock::now();
    auto failure = tool::replay(
        trace, settings_.subject, {}, [&](std::size_t, const Op&, const Answer& answer) { count(answers[0], answer); },
        [&] { show(test, answers[0].steps, trace.ops.size()); });
    if (failure) return Found{test, repeat, std::move(trace), *std::move(failure)};
    Tally& tally = tallies_[place];
    if (answers[0].unsupported != 0)
      tally.skipped = lacking(test);
    else
      tally.count(answers[0].errors == 0, Clock::now() - begin);
    ++runs_done_;
    return std::nullopt;
  }

  static void count(Answers& answers, const Answer& answer) {
    ++answers.steps;
    if (std::holds_alternative<vmap::Error>(answer)) ++answers.errors;
    if (const auto* const skipped = std::get_if<Skipped>(&answer); skipped && skipped->unsupported)
      ++answers.unsupported;
  }

  void show(std::size_t test, std::uint64_t steps, std::size_t ops) {
    progress_.update([&] {
      const std::uint64_t runs = settings_.tests.size() * settings_.repeats;
      const double done = static_cast<double>(runs_done_) + static_cast<double>(steps) / static_cast<double>(ops);
      tool::Fields fields{fmt::format("verifying {}: {} of {} runs", settings_.subject.name, runs_done_, runs)};
      if (done > 0) {
        const double elapsed = std::chrono::duration<double>(Clock::now() - begin_).count();
        fields.push_back(
            fmt::format("about {} left", tool::duration_text(elapsed * (static_cast<double>(runs) / done - 1))));
      }
      fields.emplace_back(test_at(test).name);
      return fields;
    });
  }

  const Settings& settings_;
  std::vector<Tally> tallies_;
  std::uint64_t runs_done_ = 0;
  Clock::time_point begin_ = Clock::now();
  tool::Progress progress_;
};

}  // namespace

Exit verify(const Common& given, const KernelOptions& options, const Settings& settings) {
  Common common = given;
  if (common.program.ends_with("vmapcheck_bench")) common.program = "vmapcheck";  // which replays
  Verification verification(settings);
  std::optional<Verification::Found> found;
  bool interrupted = false;
  try {
    found = verification.run();
  } catch (const tool::Stop& stop) {
    if (stop.status != Exit::interrupted) throw;
    interrupted = true;
  }
  ordered_json json = json_of(settings, verification.tallies());
  if (!common.json)
    for (std::size_t i = 0; i < settings.tests.size(); ++i)
      tool::out(summary_of(settings.tests[i], settings.loops, verification.tallies()[i]));
  if (found) {
    const std::string_view name = test_at(found->test).name;
    const std::string by =
        fmt::format("vmapcheck bench kernel --verify --subject {} --seed {} --tests {} --loops {} --repeat {}",
                    tool::shell_word(settings.subject.name), settings.seed, name, settings.loops, found->repeat + 1);
    if (!common.json)
      tool::out(fmt::format("\nfound: {} fails at step {}: {}{}\n", name, found->failure.step,
                            signature(found->failure), tool::what_broke(found->failure)));
    const tool::SavedFinding kept =
        keep_finding(settings.subject, found->trace, found->failure, {}, by, common, options.save_dir);
    json["found"] = tool::json_of(kept.finding);
    json["found"]["test"] = name;
    if (!kept.path.empty()) json["found"]["replay"] = replay_command(common, settings.subject.name, kept.path);
  }
  const Exit status = found ? Exit::violation : status_of(settings, verification.tallies(), interrupted);
  json["verdict"] = found ? "violation" : verdict_name(status);
  if (common.json) tool::out_json(json);
  explain(settings, verification.tallies(), interrupted);
  return status;
}

}  // namespace vmapcheck::bench
