// SPDX-License-Identifier: Apache-2.0
#include "bench/kernel/comparison.hpp"

#include <fmt/format.h>
#include <ctime>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "bench/kernel/tests.hpp"
#include "tools/amounts.hpp"
#include "tools/files.hpp"
#include "tools/interruption.hpp"
#include "tools/progress.hpp"
#include "tools/report.hpp"

namespace vmapcheck::bench {

using tool::Exit;
using tool::ordered_json;

namespace {

/// Which of the two.
enum Side : std::size_t { subject_side, against_side };
using Both = std::array<double, 2>;

/// Of the thread.
double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

double median(std::vector<double> numbers) {
  const auto middle = numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 2);
  std::ranges::nth_element(numbers, middle);
  return *middle;
}

/// To two digits.
std::uint64_t round_down(double number) {
  double unit = 1;
  while (number >= 100 * unit) unit *= 10;
  return static_cast<std::uint64_t>(number / unit) * static_cast<std::uint64_t>(unit);
}

/// One test, measured on both.
struct Row {
  std::size_t test = 0;
  std::string skipped;  ///< why, if it was
  std::uint64_t loops = 0;
  std::vector<Both> rounds;  ///< seconds of one loop
};

/// How often one takes as long as the other: the median of the rounds, and how far they are spread.
struct Ratio {
  double lowest, median, highest;
};

/// Of each round the sum over the rows, each times what is given for it.
template <class Times>
std::vector<Both> summed(const std::vector<Row>& rows, Times times) {
  std::vector<Both> sums;
  for (const Row& row : rows) {
    sums.resize(row.rounds.size());
    for (std::size_t round = 0; round < row.rounds.size(); ++round)
      for (const Side side : {subject_side, against_side}) sums[round][side] += row.rounds[round][side] * times(row);
  }
  return sums;
}

Ratio ratio_of(const std::vector<Both>& rounds) {
  std::vector<double> ratios;
  for (const Both& seconds : rounds) ratios.push_back(seconds[against_side] / std::max(seconds[subject_side], 1e-12));
  const auto [lowest, highest] = std::ranges::minmax(ratios);
  return {lowest, median(ratios), highest};
}

double median_of(const std::vector<Both>& rounds, Side side) {
  std::vector<double> seconds;
  for (const Both& both : rounds) seconds.push_back(both[side]);
  return median(std::move(seconds));
}

class Comparison {
 public:
  Comparison(const Settings& settings, const SubjectEntry& against, std::uint64_t rounds)
      : settings_(settings), entries_{&settings.subject, &against}, rounds_(rounds) {}

  /// Fewer than all where it was interrupted.
  std::vector<Row> rows() {
    std::vector<Row> rows;
    for (const std::size_t test : settings_.tests) {
      auto row = row_of(test);
      if (!row) break;
      rows.push_back(*std::move(row));
      ++rows_done_;
    }
    return rows;
  }

 private:
  /// On subjects of its own: what other tests have left in their memory does not count.
  std::optional<Row> row_of(std::size_t test) {
    for (const Side side : {subject_side, against_side}) subjects_[side] = make_subject(*entries_[side], space_);
    Row row{.test = test, .skipped = {}, .rounds = {}};
    for (const Side side : {subject_side, against_side})
      if (const std::string_view why = why_not(test, subjects_[side]->features()); !why.empty())
        row.skipped = fmt::format("{}: {}", entries_[side]->name, why);
    if (!row.skipped.empty()) return row;
    row.loops = affordable(test);
    for (std::uint64_t round = 0; round < rounds_; ++round) {
      Both seconds{};
      for (const Side side :
           round % 2 == 0 ? std::array{subject_side, against_side} : std::array{against_side, subject_side}) {
        show(test, round);
        if (tool::interrupted()) return std::nullopt;
        seconds[side] = measured(test, side, row.loops, round) / static_cast<double>(row.loops);
      }
      row.rounds.push_back(seconds);
    }
    return row;
  }

  /// Seconds of so many loops.
  double measured(std::size_t test, Side side, std::uint64_t loops, std::uint64_t round) {
    Bare target(*subjects_[side]);
    const auto running = make_test(test_at(test).name, target, seed_of_run(settings_.seed, 0, test, round));
    bool passed = running->prepare();
    const double begin = processor_seconds();
    passed = passed && running->run(loops);
    const double seconds = processor_seconds() - begin;
    passed = running->finish() && passed;
    if (!passed && !test_at(test).fails)
      throw tool::Stop{Exit::violation, fmt::format("{} failed on {}", test_at(test).name, entries_[side]->name)};
    return seconds;
  }

  /// How many loops the slower of the two can do in the time of a measurement, by some that are tried; at most those
  /// that are asked for.
  std::uint64_t affordable(std::size_t test) {
    constexpr double seconds_of_measurement = 1, seconds_tried = 0.02;
    // A pass of a test that fails can be made again and again.
    const std::uint64_t most = test_at(test).fails ? settings_.loops : loops_of(test, settings_.loops);
    for (std::uint64_t loops = 1;; loops *= 2) {
      loops = std::min(loops, most);
      const double slower = std::max(measured(test, subject_side, loops, 0), measured(test, against_side, loops, 0));
      if (loops == most) return most;
      if (slower < seconds_tried && !tool::interrupted()) continue;
      const double fits = static_cast<double>(loops) * seconds_of_measurement / slower;
      return fits < static_cast<double>(most) ? std::max<std::uint64_t>(1, round_down(fits)) : most;
    }
  }

  void show(std::size_t test, std::uint64_t round) {
    progress_.update([&] {
      const double done = static_cast<double>(rows_done_) + static_cast<double>(round) / static_cast<double>(rounds_);
      tool::Fields fields{fmt::format("comparing: {} of {} tests", rows_done_, settings_.tests.size())};
      if (done > 0) {
        const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
        const double all = static_cast<double>(settings_.tests.size());
        fields.push_back(fmt::format("about {} left", tool::duration_text(elapsed * (all / done - 1))));
      }
      fields.emplace_back(test_at(test).name);
      return fields;
    });
  }

  const Settings& settings_;
  std::array<const SubjectEntry*, 2> entries_;
  std::uint64_t rounds_;
  Space space_ = kernel_space();
  std::array<std::unique_ptr<AnySubject>, 2> subjects_;
  std::size_t rows_done_ = 0;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  tool::Progress progress_;
};

// ---- What it says

/// "83 ns", "61.2 us", "40.3 ms"
std::string time_of(double seconds) {
  constexpr std::array<std::string_view, 4> units{"ns", "us", "ms", "s"};
  double number = seconds * 1e9;
  std::size_t unit = 0;
  for (; number >= 1000 && unit + 1 < units.size(); ++unit) number /= 1000;
  return fmt::format("{:.{}f} {}", number, number < 100 ? 1 : 0, units[unit]);
}

std::string times(double ratio) { return fmt::format("{:.{}f}x", ratio, ratio < 10 ? 2 : ratio < 100 ? 1 : 0); }

/// What a whole run would take in which each published test makes as many loops as it did when it was published.
double published_loops(const Row& row) {
  constexpr std::uint64_t loops = 1'000'000;
  return test_at(row.test).ours ? 0 : static_cast<double>(loops_of(row.test, loops));
}

/// True if its loops tell how long all would take: where each makes the space fuller, all must have been made.
bool can_be_scaled(const Row& row) {
  const tool::KernelTest& test = test_at(row.test);
  const bool bounded = test.loops_max != tool::KernelTest{}.loops_max;
  return row.skipped.empty() && (!bounded || test.fails || row.loops == test.loops_max);
}

/// Nothing where a published test is missing.
std::optional<std::vector<Both>> whole_run(const std::vector<Row>& rows) {
  const auto measured =
      std::ranges::count_if(rows, [](const Row& row) { return can_be_scaled(row) && !test_at(row.test).ours; });
  if (measured != std::ranges::count(tool::kernel_tests, false, &tool::KernelTest::ours)) return std::nullopt;
  return summed(rows, published_loops);
}

/// What was published of the allocator before the tree.
constexpr std::string_view predecessor = "linear_scan";
constexpr std::array cycles_published{3.35, 7.5};  ///< of a whole run with one worker, on two machines
constexpr double time_published = 107;             ///< with a worker on each core

class Text {
 public:
  Text(const Settings& settings, const SubjectEntry& against)
      : settings_(settings), against_(against), has_published_(against.name == predecessor) {}

  [[nodiscard]] std::string of(const std::vector<Row>& rows, std::uint64_t rounds) const {
    std::string text = fmt::format("{} : {}, processor time of a loop; median of {}, lowest and highest\n\n",
                                   against_.name, settings_.subject.name, tool::count_of(rounds, "round"));
    std::vector<tool::Fields> lines{
        line("test", "ratio", "published", "spread", settings_.subject.name, against_.name, "loops")};
    std::string skipped;
    for (const Row& row : rows) {
      const std::string_view name = test_at(row.test).name;
      if (row.skipped.empty())
        lines.push_back(
            measured(name, name == "eight_workers" ? times(time_published) : "", row.rounds, tool::grouped(row.loops)));
      else
        skipped += fmt::format("skipped: {}: {}\n", name, row.skipped);
    }
    const auto whole = whole_run(rows);
    if (whole)
      lines.push_back(measured("whole run", fmt::format("{}x {}x", cycles_published[0], cycles_published[1]), *whole,
                               "as published"));
    if (lines.size() > 1) text += tool::table(lines, tool::window_of(1).columns) + "\n";
    text += skipped;
    if (whole) text += "whole run: the published tests, 1,000,000 loops of each\n";
    if (has_published_)
      text +=
          "published: for the whole run, how many times fewer cycles it took on two machines; for eight workers, how "
          "many\n"
          "times less time it took with a worker on each core\n";
    return text;
  }

 private:
  [[nodiscard]] tool::Fields measured(std::string_view name, std::string published, const std::vector<Both>& rounds,
                                      std::string loops) const {
    const Ratio ratio = ratio_of(rounds);
    return line(name, times(ratio.median), std::move(published), times(ratio.lowest) + ".." + times(ratio.highest),
                time_of(median_of(rounds, subject_side)), time_of(median_of(rounds, against_side)), std::move(loops));
  }
  /// The most important first.
  [[nodiscard]] tool::Fields line(std::string_view name, std::string ratio, std::string published, std::string spread,
                                  std::string seconds, std::string seconds_against, std::string loops) const {
    tool::Fields fields{std::string(name), std::move(ratio)};
    if (has_published_) fields.push_back(std::move(published));
    for (std::string* const field : {&spread, &seconds, &seconds_against, &loops}) fields.push_back(std::move(*field));
    return fields;
  }

  const Settings& settings_;
  const SubjectEntry& against_;
  bool has_published_;
};

ordered_json json_of(const std::vector<Both>& rounds) {
  const Ratio ratio = ratio_of(rounds);
  return {{"ratio", ratio.median},
          {"ratio_lowest", ratio.lowest},
          {"ratio_highest", ratio.highest},
          {"seconds", median_of(rounds, subject_side)},
          {"seconds_against", median_of(rounds, against_side)}};
}

ordered_json json_of(const std::vector<Row>& rows, const Settings& settings, const SubjectEntry& against,
                     std::uint64_t rounds) {
  ordered_json json{{"subject", settings.subject.name},
                    {"against", against.name},
                    {"seed", settings.seed},
                    {"rounds", rounds},
                    {"tests", ordered_json::array()}};
  for (const Row& row : rows) {
    ordered_json test{{"name", test_at(row.test).name}};
    if (row.skipped.empty()) {
      test["loops"] = row.loops;
      test.update(json_of(row.rounds));
    } else {
      test["skipped"] = row.skipped;
    }
    json["tests"].push_back(std::move(test));
  }
  if (const auto whole = whole_run(rows)) json["whole_run"] = json_of(*whole);
  if (against.name == predecessor)
    json["published"] = {{"cycles_one_worker", cycles_published}, {"time_all_cores", time_published}};
  json["verdict"] = rows.size() == settings.tests.size() ? "ok" : "interrupted";
  return json;
}

}  // namespace

Exit compare(const tool::Common& common, const Settings& settings, const SubjectEntry& against, std::uint64_t rounds) {
  const std::vector<Row> rows = Comparison(settings, against, rounds).rows();
  if (common.json)
    tool::out_json(json_of(rows, settings, against, rounds));
  else
    tool::out(Text(settings, against).of(rows, rounds));
  if (rows.size() == settings.tests.size()) return Exit::ok;
  tool::say(fmt::format("vmapcheck: interrupted: {} of {} tests are done", rows.size(), settings.tests.size()));
  return Exit::interrupted;
}

}  // namespace vmapcheck::bench
