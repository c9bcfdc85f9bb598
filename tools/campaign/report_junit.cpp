// SPDX-License-Identifier: Apache-2.0
//
// JUnit XML: one suite, with a test case for each finding (new and flaky ones fail, known ones are skipped, fixed ones
// pass) and one for each invariant that none of them broke (it passed if it was exercised). A failure is counted once.
#include <fmt/format.h>

#include <algorithm>
#include <pugixml.hpp>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/campaign/report.hpp"
#include "tools/files.hpp"

namespace vmapcheck::tool {
namespace {

enum class Outcome { passed, failed, skipped };

struct Case {
  std::string group;
  std::string title;
  Outcome outcome = Outcome::passed;
  std::string type{};
  std::string message{};
  std::string text{};  ///< of the failure, or what is to be known of a test that passed
};

std::vector<Case> cases_of(const CampaignReport& report);
bool is_broken(vmap::Invariant invariant, const CampaignReport& report);
Case invariant_case(vmap::Invariant invariant, bool is_exercised, const State& state);
Case finding_case(const ReportedFinding& one);
void add_properties(pugi::xml_node suite, const CampaignReport& report);
void add_case(pugi::xml_node suite, const Case& one);

void set(pugi::xml_node node, const char* name, std::string_view value) {
  // A reader takes a newline in an attribute for a space.
  node.append_attribute(name).set_value(only_characters(one_line(value, 4000)).c_str());
}

}  // namespace

std::string junit_of(const CampaignReport& report) {
  const State& state = report.standing.state;
  const std::vector<Case> cases = cases_of(report);
  const auto count = [&](Outcome outcome) { return std::ranges::count(cases, outcome, &Case::outcome); };
  const auto set_counts = [&](pugi::xml_node node) {
    node.append_attribute("tests").set_value(cases.size());
    node.append_attribute("failures").set_value(count(Outcome::failed));
    node.append_attribute("errors").set_value(0);
    node.append_attribute("skipped").set_value(count(Outcome::skipped));
    set(node, "time", fmt::format("{:.3f}", state.now.seconds));
  };
  pugi::xml_document document;
  pugi::xml_node suites = document.append_child("testsuites");
  set(suites, "name", "vmapcheck campaign");
  set_counts(suites);
  pugi::xml_node suite = suites.append_child("testsuite");
  set(suite, "name", "vmapcheck campaign on " + state.subject);
  set(suite, "timestamp", iso_time(state.began));
  set_counts(suite);
  add_properties(suite, report);
  for (const Case& one : cases) add_case(suite, one);
  std::ostringstream text;
  document.save(text, "  ", pugi::format_default, pugi::encoding_utf8);
  return std::move(text).str();
}

namespace {

void add_properties(pugi::xml_node suite, const CampaignReport& report) {
  const State& state = report.standing.state;
  pugi::xml_node properties = suite.append_child("properties");
  const auto add = [&](std::string_view key, const auto& value) {
    pugi::xml_node property = properties.append_child("property");
    set(property, "name", key);
    set(property, "value", fmt::format("{}", value));
  };
  add("condition", condition_of(report.standing));
  add("subject", state.subject);
  add("engine", state.engine);
  add("target", state.target);
  add("seed", state.seed);
  add("sessions", state.session);
  add("seconds", fmt::format("{:.1f}", state.now.seconds));
  add("executions", state.now.executions);
  add("ops", state.now.ops);
  add("edges", state.edges);
  add("features", state.features);
  add("corpus", state.corpus);
  add("findings", findings_text(state));
  add("repeats", repeats_of(state));
  add("known_met", known_met(state));
  for (const std::string& loss : state.losses) add("lost", loss);
}

std::vector<Case> cases_of(const CampaignReport& report) {
  std::vector<Case> cases;
  const auto checks = checks_of(report.standing.state.now.coverage);
  for (std::size_t i = 0; i < checks.size(); ++i)
    if (const auto invariant = static_cast<vmap::Invariant>(i); !is_broken(invariant, report))
      cases.push_back(invariant_case(invariant, checks[i] != 0, report.standing.state));
  for (const ReportedFinding& one : report.findings) cases.push_back(finding_case(one));
  return cases;
}

bool is_broken(vmap::Invariant invariant, const CampaignReport& report) {
  return std::ranges::any_of(report.findings, [&](const ReportedFinding& finding) {
    return finding.kind == name(invariant) && finding.found.status != FindingStatus::fixed;
  });
}

Case invariant_case(vmap::Invariant invariant, bool is_exercised, const State& state) {
  Case one{.group = "invariants", .title = fmt::format("{}: {}", name(invariant), meaning_of(invariant))};
  if (state.now.executions == 0 || (is_counted(state) && !is_exercised)) {
    one.outcome = Outcome::skipped;
    one.message = "it was never exercised";
  }
  return one;
}

Case finding_case(const ReportedFinding& finding) {
  const FoundFailure& found = finding.found;
  Case one{.group = "findings", .title = found.signature, .type = std::string(name(found.status))};
  one.text = fmt::format("{}; {}\n{}", met_text(found), minimality_text(found), text_of(finding));
  one.message = finding.ran && !finding.verdict.ok ? finding.verdict.title : found.signature;
  if (found.status == FindingStatus::known || found.status == FindingStatus::flaky)
    one.message = fmt::format("{}: {}", one.type, one.message);
  one.outcome = found.status == FindingStatus::known   ? Outcome::skipped
                : found.status == FindingStatus::fixed ? Outcome::passed
                                                       : Outcome::failed;
  return one;
}

void add_case(pugi::xml_node suite, const Case& one) {
  pugi::xml_node test = suite.append_child("testcase");
  set(test, "classname", "vmapcheck." + one.group);
  set(test, "name", one.title);
  set(test, "time", "0");
  const std::string text = only_characters(one.text);
  if (one.outcome == Outcome::failed) {
    pugi::xml_node failure = test.append_child("failure");
    set(failure, "type", one.type);
    set(failure, "message", one.message);
    failure.text().set(text.c_str());
    return;
  }
  if (one.outcome == Outcome::skipped) set(test.append_child("skipped"), "message", one.message);
  if (!text.empty()) test.append_child("system-out").text().set(text.c_str());
}

}  // namespace
}  // namespace vmapcheck::tool
