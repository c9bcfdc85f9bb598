// SPDX-License-Identifier: Apache-2.0
//
// All that is to be said of a campaign, gathered once and written in five forms.
//
//     status.hpp        how it stands
//     report.hpp        the above, its curves, and each finding run again: how it fails, drawn
//     report_html.cpp   one page that loads nothing; page/campaign.* is how it looks
//     report_sarif.cpp  SARIF 2.1.0: a result for each finding, a rule for each invariant and each way to die
//     report_junit.cpp  JUnit XML: a test case for each finding and each sound invariant
//
// Signatures, names and texts come from files and from programs that broke: every form escapes what it says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tools/campaign/state.hpp"
#include "tools/campaign/status.hpp"
#include "tools/show.hpp"
#include "vmap/violation.hpp"

namespace vmapcheck::tool {

/// A finding with what its trace does in this program, now.
struct ReportedFinding {
  FoundFailure found;
  std::string kind;                  ///< kind_of() its signature
  std::string name;                  ///< of its files in findings/, without suffix; empty while there is no trace
  std::string path;                  ///< of its trace
  std::string trace{};               ///< the text of it
  std::size_t line = 0;              ///< where in it the op stands that fails, from 1; 0: not known
  std::string replay{};              ///< the command
  std::vector<std::string> notes{};  ///< what is missing, or different from what was found
  bool ran = false;                  ///< it was run again; only then is there what follows
  Verdict verdict{};
  std::string drawn{};               ///< the failing step, as `show --at` draws it
  std::string drawn_in_colour{};     ///< the same (tools/map_text.hpp)
  std::vector<std::string> lines{};  ///< the recording, for pages (tools/show_page.hpp)
  std::string page{};                ///< path of the page of `show`, if there is one
};

struct CampaignReport {
  Standing standing;
  std::vector<Sample> samples;  ///< ascending in seconds; the last one is how it stands
  std::vector<ReportedFinding> findings;
};

/// Reads everything and runs each finding again, in a child. With `pages`, writes the page of `show` beside each trace.
/// `program` is how it is called in commands. What is missing or cannot be read of a finding is noted with it. Stops as
/// standing_of() does; with Exit::interrupted if the user wants it; with Exit::io where a page cannot be written.
[[nodiscard]] CampaignReport report_on(const std::string& directory, const std::string& program, bool pages);

enum class ReportFormat : std::uint8_t { html, json, sarif, junit, text };

/// `path` is where it is to be, which links in it start from; "-" is standard output.
[[nodiscard]] std::string written_as(ReportFormat format, const CampaignReport& report, const std::string& path);

[[nodiscard]] std::string html_of(const CampaignReport& report, const std::string& path);
[[nodiscard]] ordered_json sarif_of(const CampaignReport& report);
[[nodiscard]] std::string junit_of(const CampaignReport& report);
[[nodiscard]] ordered_json json_of(const CampaignReport& report);
[[nodiscard]] std::string text_of(const CampaignReport& report);
/// Its notes, its trace, how it fails, how to replay it, and the failing step drawn: what the forms of text say of it.
[[nodiscard]] std::string text_of(const ReportedFinding& one);

/// What an invariant demands.
[[nodiscard]] std::string meaning_of(vmap::Invariant invariant);

/// A path as a URI that is relative to the directory `from`.
[[nodiscard]] std::string relative_uri(const std::string& path, const std::string& from);
/// A path as an absolute URI, "file:///..."; that of a directory ends with a slash.
[[nodiscard]] std::string absolute_uri(const std::string& path);

}  // namespace vmapcheck::tool
