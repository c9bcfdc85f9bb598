// SPDX-License-Identifier: Apache-2.0
//
// JUnit XML: one suite, with a test case for each finding (new and flaky ones fail, known ones are skipped, fixed ones
// pass) and one for each invariant that none of them broke (it passed if it was exercised). A failure is counted once.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/amounts.hpp"
#include "tools/campaign/report.hpp"
#include "tools/junit.hpp"

namespace vmapcheck::tool {
namespace {

using Case = JUnitCase;

std::vector<Case> cases_of(const CampaignReport& report);
bool is_broken(vmap::Invariant invariant, const CampaignReport& report);
Case invariant_case(vmap::Invariant invariant, bool is_exercised, const State& state);
Case finding_case(const ReportedFinding& one);
void add_properties(JUnitSuite& suite, const CampaignReport& report);

}  // namespace

std::string junit_of(const CampaignReport& report) {
  const State& state = report.standing.state;
  JUnitSuite suite{.tool = "vmapcheck campaign",
                   .subject = state.subject,
                   .timestamp = iso_time(state.began),
                   .seconds = state.now.seconds};
  add_properties(suite, report);
  suite.cases = cases_of(report);
  return text_of(suite);
}

namespace {

void add_properties(JUnitSuite& suite, const CampaignReport& report) {
  const State& state = report.standing.state;
  const auto add = [&](const char* key, const auto& value) {
    suite.properties.emplace_back(key, fmt::format("{}", value));
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

}  // namespace
}  // namespace vmapcheck::tool
