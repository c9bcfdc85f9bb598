// SPDX-License-Identifier: Apache-2.0
//
// `campaign`: the allocator's fuzz target on several cores, for minutes or for ever. See supervisor.hpp.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "tools/campaign/supervisor.hpp"
#include "tools/commands.hpp"
#include "tools/files.hpp"

namespace vmapcheck::tool {
namespace {

std::optional<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t unit = 1;
  constexpr std::string_view letters = "kmgt";
  const auto letter = text.empty() ? letters.npos : letters.find(static_cast<char>(std::tolower(text.back())));
  if (letter != letters.npos) {
    text.remove_suffix(1);
    for (std::size_t i = 0; i <= letter; ++i) unit *= 1024;
  }
  const auto number = parse_count(text);
  if (!number || *number > (std::uint64_t{1} << 60) / unit) return std::nullopt;
  return *number * unit;
}

/// "2G", "500M", "64k": bytes.
void add_size(CLI::App& app, const std::string& name, std::optional<std::uint64_t>& target,
              const std::string& description, std::uint64_t least) {
  const auto fits = [least](const std::string& text) { return parse_size(text).value_or(0) >= least; };
  takes(app.add_option_function<std::string>(
               name, [&target](const std::string& text) { target = parse_size(text); }, description)
            ->type_name("SIZE")
            ->take_last(),
        {fmt::format("size {}", least),
         fmt::format("a size of at least {} MiB, such as 500M or 2G", least >> 20),
         {},
         fits});
}

}  // namespace

void add_campaign(CLI::App& app, Session& session) {
  CLI::App& command = add_command(
      app, session, "campaign", "Fuzz the allocator on all cores; goes on where it was ended",
      uses_subject | uses_seed | uses_json,
      "vmapcheck campaign --time 10m\n"
      "vmapcheck campaign --time 8h -j 4 --dir DIR        the same command goes on after a kill\n"
      "vmapcheck campaign --plateau 30m --known known.txt until half an hour brings nothing new\n"
      "vmapcheck campaign --time 1h -- -use_value_profile=1",
      {Exit::ok, Exit::usage, Exit::subject, Exit::io, Exit::interrupted, Exit::violation, Exit::known, Exit::flaky});
  const auto options = std::make_shared<CampaignOptions>();
  const auto memory = std::make_shared<std::optional<std::uint64_t>>();
  add_duration(command, "--time", options->time,
               "How long (default: 60s, unless another end is given). What a kill left of it is used up first");
  add_count(command, "--execs", options->executions, "End after so many executions");
  add_duration(command, "--plateau", options->plateau, "End when there was no new coverage for so long");
  command.add_flag("--stop-on-first", options->stop_on_first, "End with the first new finding, once it is minimized");
  add_jobs(command, options->workers, "Processes");
  add_text(command, "--dir", options->directory,
           "Where state, corpus, findings and logs are kept (default: vmapcheck-campaign)", "DIR");
  add_text(command, "--known", options->known,
           "Signatures that are no news, one on each line; they are skipped and counted", "FILE");
  add_size(command, "--disk", options->disk, "End when the directory grows beyond this", std::uint64_t{1} << 20);
  add_size(command, "--memory", *memory, "What a worker may use (default: 2G)", std::uint64_t{64} << 20);
  add_choice(command, "--engine", options->engine, "libfuzzer (default) or afl", "ENGINE", {"libfuzzer", "afl"});
  add_text(command, "--target", options->target, "Fuzz target (default: that of the checkout)", "PATH");
  add_flags(command, "FLAG", options->engine_flags, "Behind `--`: flags for the engine, as they are");
  command.require_subcommand(0, 1);
  command.callback([&session, &command, options, memory] {
    if (!command.get_subcommands().empty()) return;
    session.run = [&session, options, memory] {
      options->memory = memory->value_or(options->memory);
      return Supervisor(session.common, *options).run();
    };
  });
  if constexpr (!VMAPCHECK_ONLY_CAMPAIGN) {
    add_campaign_status(command, session);
    add_campaign_report(command, session);
  }
}

}  // namespace vmapcheck::tool
