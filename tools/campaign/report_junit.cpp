// SPDX-License-Identifier: Apache-2.0
//
// JUnit XML: one suite, with a test case for each invariant (it passed if it was exercised and nothing broke it) and
// one for each finding (known ones are skipped, fixed ones pass).
#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "tools/campaign/report.hpp"
#include "tools/files.hpp"
#include "tools/report.hpp"

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
Case invariant_case(const Exercised& invariant, const CampaignReport& report);
Case finding_case(const ReportedFinding& one);
std::string xml_of(const Case& one);

/// As the value of an attribute: a reader takes a newline in one for a space.
std::string attribute(std::string_view text) { return escaped(one_line(text, 4000)); }

}  // namespace

std::string junit_of(const CampaignReport& report) {
  const State& state = report.standing.state;
  const std::vector<Case> cases = cases_of(report);
  std::size_t failed = 0, skipped = 0;
  std::string body;
  for (const Case& one : cases) {
    failed += one.outcome == Outcome::failed ? 1 : 0;
    skipped += one.outcome == Outcome::skipped ? 1 : 0;
    body += xml_of(one);
  }
  std::string text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  const std::string counts = fmt::format("tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" time=\"{:.3f}\"",
                                         cases.size(), failed, skipped, state.now.seconds);
  text += fmt::format("<testsuites name=\"vmapcheck campaign\" {}>\n", counts);
  std::string began = time_text(state.began);
  if (began.size() >= 19) began[10] = 'T', began.resize(19);
  text += fmt::format("  <testsuite name=\"{}\" timestamp=\"{}\" {}>\n    <properties>\n",
                      attribute("vmapcheck campaign on " + state.subject),
                      began.size() == 19 ? began : "1970-01-01T00:00:00", counts);
  const auto property = [&](std::string_view key, const std::string& value) {
    text += fmt::format("      <property name=\"{}\" value=\"{}\"/>\n", key, attribute(value));
  };
  property("condition", condition_of(report.standing));
  property("subject", state.subject);
  property("engine", state.engine);
  property("target", state.target);
  property("seed", fmt::format("{}", state.seed));
  property("sessions", fmt::format("{}", state.session));
  property("seconds", fmt::format("{:.1f}", state.now.seconds));
  property("executions", fmt::format("{}", state.now.executions));
  property("ops", fmt::format("{}", state.now.ops));
  property("edges", fmt::format("{}", state.edges));
  property("features", fmt::format("{}", state.features));
  property("corpus", fmt::format("{}", state.corpus));
  property("findings", findings_text(state));
  for (const std::string& loss : state.losses) property("lost", loss);
  return text + "    </properties>\n" + body + "  </testsuite>\n</testsuites>\n";
}

namespace {

std::vector<Case> cases_of(const CampaignReport& report) {
  std::vector<Case> cases;
  for (const Exercised& one : exercised(report.standing.state.now.coverage))
    if (one.kind == "invariants") cases.push_back(invariant_case(one, report));
  for (const ReportedFinding& one : report.findings) cases.push_back(finding_case(one));
  return cases;
}

Case invariant_case(const Exercised& invariant, const CampaignReport& report) {
  const std::string meaning = meaning_of(*vmap::invariant_named(invariant.name));
  Case one{.group = "invariants", .title = fmt::format("{}: {}", invariant.name, meaning)};
  bool is_known = false;
  std::string files;
  for (const ReportedFinding& finding : report.findings) {
    if (finding.kind != invariant.name || finding.found.status == FindingStatus::fixed) continue;
    if (finding.found.status == FindingStatus::known) {
      is_known = true;
      continue;
    }
    one.outcome = Outcome::failed;
    one.type = name(finding.found.status);
    files += fmt::format("{}\n", finding.path.empty() ? finding.found.input : finding.path);
  }
  if (one.outcome == Outcome::failed) {
    one.message = fmt::format("{} was broken", invariant.name);
    one.text = files;
  } else if (is_known) {
    one.outcome = Outcome::skipped;
    one.message = "what breaks it is known";
  } else if (report.standing.state.now.executions == 0 || (is_counted(report.standing.state) && invariant.times == 0)) {
    one.outcome = Outcome::skipped;
    one.message = "it was never exercised";
  }
  return one;
}

Case finding_case(const ReportedFinding& finding) {
  const FoundFailure& found = finding.found;
  Case one{.group = "findings", .title = found.signature, .type = std::string(name(found.status))};
  one.text = fmt::format("{}; {}\n", met_text(found), minimality_text(found));
  for (const std::string& note : finding.notes) one.text += note + "\n";
  if (finding.ran) {
    one.text += finding.verdict.title + "\n";
    for (const Row& row : finding.verdict.rows) one.text += fmt::format("  {:<10} {}\n", row.title, row.text);
  }
  if (!finding.replay.empty()) one.text += fmt::format("\n{}\n", finding.replay);
  if (!finding.trace.empty()) one.text += "\n" + finding.trace;
  if (!finding.drawn.empty()) one.text += "\n" + finding.drawn;
  one.message = finding.ran && !finding.verdict.ok ? finding.verdict.title : found.signature;
  switch (found.status) {
    case FindingStatus::known:
      one.outcome = Outcome::skipped;
      one.message = "known: " + one.message;
      break;
    case FindingStatus::fixed: one.outcome = Outcome::passed; break;
    case FindingStatus::flaky: one.message = "flaky: " + one.message; [[fallthrough]];
    case FindingStatus::fresh: one.outcome = Outcome::failed; break;
  }
  return one;
}

std::string xml_of(const Case& one) {
  std::string text =
      fmt::format("    <testcase classname=\"vmapcheck.{}\" name=\"{}\" time=\"0\"", one.group, attribute(one.title));
  switch (one.outcome) {
    case Outcome::failed:
      return text + fmt::format(">\n      <failure type=\"{}\" message=\"{}\">{}</failure>\n    </testcase>\n",
                                attribute(one.type), attribute(one.message), escaped(one.text));
    case Outcome::skipped:
      text += fmt::format(">\n      <skipped message=\"{}\"/>\n", attribute(one.message));
      if (!one.text.empty()) text += fmt::format("      <system-out>{}</system-out>\n", escaped(one.text));
      return text + "    </testcase>\n";
    case Outcome::passed: break;
  }
  if (one.text.empty()) return text + "/>\n";
  return text + fmt::format(">\n      <system-out>{}</system-out>\n    </testcase>\n", escaped(one.text));
}

}  // namespace
}  // namespace vmapcheck::tool
