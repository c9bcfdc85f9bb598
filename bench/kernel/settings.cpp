// SPDX-License-Identifier: Apache-2.0
#include "bench/kernel/settings.hpp"

#include <fmt/format.h>

#include <memory_resource>
#include <nlohmann/json.hpp>

#include "tools/files.hpp"
#include "tools/report.hpp"

namespace vmapcheck::bench {

using nlohmann::ordered_json;
using tool::Exit;

std::string_view lacking(std::size_t test) {
  return test_at(test).name == "pcpu" ? "the subject does not place congruently" : "the subject has no lazy frees";
}

std::string_view why_not(std::size_t test, const Features& features) {
  const std::string_view name = test_at(test).name;
  const bool needs_congruent = name == "pcpu", needs_lazy = name == "lazy_free" || name == "lazy_free_batch";
  const bool lacks = (needs_congruent && !features.congruent) || (needs_lazy && !features.lazy);
  return lacks ? lacking(test) : "";
}

std::unique_ptr<AnySubject> make_subject(const SubjectEntry& subject, const Space& space) {
  constexpr std::size_t nodes_per_slab = 64;
  auto made =
      subject.make({.space = space, .metadata = std::pmr::new_delete_resource(), .nodes_per_slab = nodes_per_slab});
  if (!made) throw tool::Stop{Exit::subject, fmt::format("subject {}: {}", subject.name, tool::one_line(made.error()))};
  return *std::move(made);
}

void Tally::add(const Tally& other) {
  passed += other.passed;
  failed += other.failed;
  elapsed += other.elapsed;
  if (!other.skipped.empty()) skipped = other.skipped;
}

std::int64_t microseconds(Nanoseconds time) { return std::chrono::round<std::chrono::microseconds>(time).count(); }

std::string summary_of(std::size_t test, std::uint64_t loops, const Tally& tally) {
  const std::string_view name = test_at(test).name;
  if (!tally.skipped.empty()) return fmt::format("Skipped: {}: {}\n", name, tally.skipped);
  if (tally.runs() == 0) return "";
  return fmt::format("Summary: {} passed: {} failed: {} repeat: {} loops: {} avg: {} usec\n", name, tally.passed,
                     tally.failed, tally.runs(), loops_of(test, loops),
                     microseconds(tally.elapsed / static_cast<std::int64_t>(tally.runs())));
}

ordered_json json_of(const Settings& settings, const std::vector<Tally>& tallies) {
  ordered_json json{{"subject", settings.subject.name}, {"seed", settings.seed}, {"tests", ordered_json::array()}};
  for (std::size_t i = 0; i < settings.tests.size(); ++i) {
    const Tally& tally = tallies[i];
    ordered_json test{{"name", test_at(settings.tests[i]).name}};
    if (tally.skipped.empty())
      test.update({{"passed", tally.passed},
                   {"failed", tally.failed},
                   {"repeat", tally.runs()},
                   {"loops", loops_of(settings.tests[i], settings.loops)},
                   {"usec", microseconds(tally.elapsed)}});
    else
      test["skipped"] = tally.skipped;
    json["tests"].push_back(std::move(test));
  }
  return json;
}

namespace {

/// That should not fail.
std::vector<std::string_view> failed_tests(const Settings& settings, const std::vector<Tally>& tallies) {
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < settings.tests.size(); ++i)
    if (const tool::KernelTest& test = test_at(settings.tests[i]); tallies[i].failed != 0 && !test.fails)
      names.push_back(test.name);
  return names;
}

}  // namespace

Exit status_of(const Settings& settings, const std::vector<Tally>& tallies, bool interrupted) {
  if (!failed_tests(settings, tallies).empty()) return Exit::violation;
  return interrupted ? Exit::interrupted : Exit::ok;
}

void explain(const Settings& settings, const std::vector<Tally>& tallies, bool interrupted) {
  std::uint64_t done = 0, runs = 0;
  for (const Tally& tally : tallies) {
    if (!tally.skipped.empty()) continue;
    done += tally.runs();
    runs += settings.repeats * settings.workers;
  }
  if (interrupted) tool::say(fmt::format("vmapcheck: interrupted: {} of {} runs are done", done, runs));
  const std::vector<std::string_view> failed = failed_tests(settings, tallies);
  if (!failed.empty())
    tool::say(fmt::format("vmapcheck: {} failed that should not: {}", tool::count_of(failed.size(), "test"),
                          fmt::join(failed, ", ")));
}

std::string_view verdict_name(Exit status) {
  return status == Exit::ok ? "ok" : status == Exit::interrupted ? "interrupted" : "failed";
}

}  // namespace vmapcheck::bench
