// SPDX-License-Identifier: Apache-2.0
//
// SARIF 2.1.0 (OASIS, 2020): one run; a rule for each invariant and for each way to die that was found; a result for
// each finding. Paths are relative to the campaign's directory, which is the base CAMPAIGN, so that they stay the same
// from run to run.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "tools/amounts.hpp"
#include "tools/campaign/report.hpp"
#include "tools/finding.hpp"
#include "tools/report.hpp"

#ifndef VMAPCHECK_VERSION
#define VMAPCHECK_VERSION "unknown"
#endif

namespace vmapcheck::tool {
namespace {

/// Indices of rules by their name.
using Rules = std::map<std::string, std::size_t, std::less<>>;

ordered_json rules_of(const CampaignReport& report, Rules& index);
ordered_json result_of(const ReportedFinding& one, const State& state, const Rules& index);
std::string message_of(const ReportedFinding& one);

}  // namespace

ordered_json sarif_of(const CampaignReport& report) {
  const State& state = report.standing.state;
  Rules index;
  ordered_json run;
  run["tool"]["driver"] = {{"name", "vmapcheck"}, {"version", VMAPCHECK_VERSION}, {"rules", rules_of(report, index)}};
  run["automationDetails"]["id"] = fmt::format("vmapcheck-campaign/{}/", state.subject);
  ordered_json invocation{{"executionSuccessful", report.standing.condition != Condition::killed}};
  if (state.began > 0) invocation["startTimeUtc"] = iso_time(state.began) + "Z";
  if (state.written > 0 && report.standing.condition != Condition::running)
    invocation["endTimeUtc"] = iso_time(state.written) + "Z";
  run["invocations"] = ordered_json::array({std::move(invocation)});
  run["originalUriBaseIds"]["CAMPAIGN"] = {{"uri", absolute_uri(report.standing.directory + "/")},
                                           {"description", {{"text", "The directory of the campaign."}}}};
  run["columnKind"] = "utf16CodeUnits";
  run["results"] = ordered_json::array();
  for (const ReportedFinding& one : report.findings) run["results"].push_back(result_of(one, state, index));
  run["properties"] = {{"condition", name(report.standing.condition)},
                       {"ended", state.ended},
                       {"seconds", state.now.seconds},
                       {"executions", state.now.executions},
                       {"ops", state.now.ops},
                       {"edges", state.edges},
                       {"features", state.features},
                       {"corpus", state.corpus}};
  return {{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
          {"version", "2.1.0"},
          {"runs", ordered_json::array({std::move(run)})}};
}

namespace {

ordered_json rules_of(const CampaignReport& report, Rules& index) {
  ordered_json rules = ordered_json::array();
  const auto add = [&](const std::string& id, const std::string& what) {
    if (!index.emplace(id, rules.size()).second) return;
    rules.push_back({{"id", id},
                     {"name", test_name(id)},
                     {"shortDescription", {{"text", what}}},
                     {"fullDescription", {{"text", what}}},
                     {"defaultConfiguration", {{"level", "error"}}}});
  };
  for (std::size_t i = 0; i < vmap::invariant_count; ++i)
    add(std::string(vmap::invariant_names[i]),
        fmt::format("The invariant {}: {}.", vmap::invariant_names[i], meaning_of(static_cast<vmap::Invariant>(i))));
  for (const ReportedFinding& one : report.findings)
    add(one.kind, fmt::format("The subject dies of {}, or does not come back.", one.kind));
  return rules;
}

std::string_view level_of(FindingStatus status) {
  switch (status) {
    case FindingStatus::fresh: return "error";
    case FindingStatus::flaky: return "warning";
    case FindingStatus::known: return "note";
    case FindingStatus::fixed: break;
  }
  return "none";
}

ordered_json result_of(const ReportedFinding& one, const State& state, const Rules& index) {
  const FoundFailure& found = one.found;
  ordered_json result;
  result["ruleId"] = one.kind;
  result["ruleIndex"] = index.at(one.kind);
  // SARIF: of what passes, the level is none.
  result["kind"] = found.status == FindingStatus::fixed ? "pass" : "fail";
  result["level"] = level_of(found.status);
  result["message"]["text"] = message_of(one);
  ordered_json place;
  place["artifactLocation"] = {{"uri", one.path.empty() ? relative_uri("findings/bytes/" + found.input, ".")
                                                        : relative_uri("findings/" + one.name + ".trace", ".")},
                               {"uriBaseId", "CAMPAIGN"}};
  place["region"]["startLine"] = std::max<std::size_t>(one.line, 1);
  result["locations"] = ordered_json::array({{{"physicalLocation", std::move(place)}}});
  result["partialFingerprints"]["signature/v1"] = hash_of(state.subject + "\n" + found.signature);
  result["properties"] = {{"status", name(found.status)},
                          {"signature", found.signature},
                          {"aliases", found.aliases},
                          {"seconds", found.seconds},
                          {"executions", found.executions},
                          {"times", found.times},
                          {"ops", found.ops},
                          {"minimality", found.minimality},
                          {"replay", one.replay},
                          {"trace", one.trace}};
  return result;
}

/// What it is called, how it fails, how it was met.
std::string message_of(const ReportedFinding& one) {
  std::string text = one.found.signature;
  if (one.ran && !one.verdict.ok) {
    text += fmt::format(": {}.", one.verdict.title);
    for (const Row& row : one.verdict.rows) text += fmt::format("\n{}: {}", row.title, row.text);
  } else {
    text += ".";
  }
  for (const std::string& note : one.notes) text += "\n" + note;
  text += fmt::format("\nIt was {}; {}.", met_text(one.found), minimality_text(one.found));
  if (!one.replay.empty()) text += fmt::format("\nReplay it: {}", one.replay);
  return text;
}

}  // namespace
}  // namespace vmapcheck::tool
