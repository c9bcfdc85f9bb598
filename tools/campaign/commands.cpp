// SPDX-License-Identifier: Apache-2.0
//
// `campaign status` and `campaign report`.

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tools/campaign/report.hpp"
#include "tools/campaign/status.hpp"
#include "tools/commands.hpp"
#include "tools/files.hpp"
#include "tools/interruption.hpp"

namespace vmapcheck::tool {
namespace {

using namespace std::chrono_literals;

struct StatusOptions {
  std::optional<std::string> directory;
  bool watch = false;
};

struct ReportOptions {
  std::optional<std::string> directory;
  std::vector<std::string> outputs;
  std::string format;  ///< empty: as the suffix says
  bool pages = false;
};

void add_directory(CLI::App& command, std::optional<std::string>& directory);
std::string directory_of(const CLI::App& campaign, const std::optional<std::string>& given);
Exit status(const std::string& directory, const Common& common, bool watch);
Exit report(const std::string& directory, const Common& common, const ReportOptions& options);

struct FormatName {
  std::string_view name;
  std::string_view suffix;
  ReportFormat format;
};
constexpr std::array<FormatName, 5> formats{{{"html", ".html", ReportFormat::html},
                                             {"json", ".json", ReportFormat::json},
                                             {"sarif", ".sarif", ReportFormat::sarif},
                                             {"junit", ".xml", ReportFormat::junit},
                                             {"text", ".txt", ReportFormat::text}}};

}  // namespace

void add_campaign_status(CLI::App& campaign, Session& session) {
  CLI::App& command =
      add_command(campaign, session, "status", "How a campaign stands, whether it runs or not", uses_json,
                  "vmapcheck campaign status\n"
                  "vmapcheck campaign status DIR --watch       once a second, until it ends\n"
                  "The exit status is the campaign's verdict.",
                  {Exit::ok, Exit::usage, Exit::io, Exit::interrupted, Exit::violation, Exit::known, Exit::flaky});
  const auto options = std::make_shared<StatusOptions>();
  add_directory(command, options->directory);
  command.add_flag("--watch", options->watch, "Say it again each second, until the campaign ends");
  command.callback([&session, &campaign, options] {
    session.run = [&session, &campaign, options] {
      return status(directory_of(campaign, options->directory), session.common, options->watch);
    };
  });
}

void add_campaign_report(CLI::App& campaign, Session& session) {
  CLI::App& command =
      add_command(campaign, session, "report", "Write what a campaign has done and found", uses_json,
                  "vmapcheck campaign report                      all four, into the campaign's directory\n"
                  "vmapcheck campaign report DIR -o PAGE.html -o FINDINGS.sarif --pages\n"
                  "vmapcheck campaign report DIR --format text\n"
                  "The form follows the suffix: .html .json .sarif .xml (JUnit) .txt.",
                  {Exit::ok, Exit::usage, Exit::io, Exit::interrupted});
  const auto options = std::make_shared<ReportOptions>();
  add_directory(command, options->directory);
  command
      .add_option("-o,--output", options->outputs,
                  "Where to; may be said several times; - is standard output\n"
                  "(default: report.html, .json, .sarif and .xml in DIR)")
      ->type_name("FILE")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  std::vector<std::string> names;
  for (const FormatName& one : formats) names.emplace_back(one.name);
  add_choice(command, "--format", options->format, "html, json, sarif, junit or text; without -o on standard output",
             "FORM", names);
  command.add_flag("--pages", options->pages, "Also write the page of `show` for each finding, beside its trace");
  command.callback([&session, &campaign, options] {
    session.run = [&session, &campaign, options] {
      return report(directory_of(campaign, options->directory), session.common, *options);
    };
  });
}

namespace {

void add_directory(CLI::App& command, std::optional<std::string>& directory) {
  add_place(command, "DIR", directory, "The campaign's directory (default: vmapcheck-campaign)");
}

/// `campaign --dir D status` is about D, like `campaign status D`.
std::string directory_of(const CLI::App& campaign, const std::optional<std::string>& given) {
  if (given) return *given;
  const CLI::Option* const option = campaign.get_option_no_throw("--dir");
  return option != nullptr && option->count() > 0 ? option->results().back() : "vmapcheck-campaign";
}

Exit status(const std::string& directory, const Common& common, bool watch) {
  const auto period = 1s;
  while (true) {
    const Standing standing = standing_of(directory);
    if (watch && out_is_terminal() && !common.json) out_data("\033[H\033[2J");
    out(common.json ? line_of(json_of(standing)) : text_of(standing));
    flush_out();
    if (!watch || standing.condition != Condition::running) return verdict_of(standing.state);
    const auto until = std::chrono::steady_clock::now() + period;
    while (std::chrono::steady_clock::now() < until && !interrupted()) std::this_thread::sleep_for(20ms);
    if (interrupted()) return Exit::interrupted;
    if (!common.json && !out_is_terminal()) out("\n");
  }
}

ReportFormat format_of(const std::string& path) {
  const std::string suffix = fs::path(path).extension().string();
  for (const FormatName& one : formats)
    if (one.suffix == suffix) return one.format;
  throw Stop{Exit::usage,
             fmt::format("-o {}: expected a file .html, .json, .sarif, .xml or .txt, or --format", one_line(path))};
}

Exit report(const std::string& directory, const Common& common, const ReportOptions& options) {
  std::optional<ReportFormat> format;
  for (const FormatName& one : formats)
    if (one.name == options.format) format = one.format;
  if (!format && common.json) format = ReportFormat::json;
  std::vector<std::string> outputs = options.outputs;
  // What cannot be written is refused before the work is done.
  for (const std::string& path : outputs) {
    if (!format) (void)format_of(path);
    if (path != "-") check_writable(path);
  }
  const CampaignReport all = report_on(directory, common.program, options.pages);
  if (outputs.empty() && format) outputs.push_back("-");
  if (outputs.empty())
    for (const FormatName& one : formats)
      if (one.format != ReportFormat::text) outputs.push_back(path_in(directory, "report" + std::string(one.suffix)));
  std::string said;
  for (const std::string& path : outputs) {
    const std::string text = written_as(format ? *format : format_of(path), all, path);
    write_file(path, text);
    if (path != "-") said += fmt::format("wrote {}: {} KiB\n", one_line(path), (text.size() + 1023) >> 10);
  }
  if (options.pages)
    for (const ReportedFinding& one : all.findings)
      if (one.ran) said += fmt::format("wrote {}\n", one_line(one.page));
  // A report on standard output stands there alone.
  for (const std::string& path : outputs)
    if (path == "-") return Exit::ok;
  out(said);
  return Exit::ok;
}

}  // namespace
}  // namespace vmapcheck::tool
