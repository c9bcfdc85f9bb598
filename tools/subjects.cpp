// SPDX-License-Identifier: Apache-2.0
//
// `subjects`: what can be checked, what each promises, and which functions it has.
#include "harness/verify/subject.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "harness/verify/metadata_resource.hpp"
#include "subjects/faulty.hpp"
#include "tools/commands.hpp"
#include "tools/files.hpp"
#include "tools/progress.hpp"
#include "tools/report.hpp"

namespace vmapcheck::tool {
namespace {

struct Listed {
  const SubjectEntry* entry = nullptr;
  std::vector<std::pair<std::string_view, bool>> promises;
  std::vector<std::pair<std::string_view, bool>> features;
};

std::string_view name(SubjectKind kind) {
  switch (kind) {
    case SubjectKind::sound: return "sound";
    case SubjectKind::specimen: return "specimen";
    case SubjectKind::canary: return "canary";
    case SubjectKind::faulty: return "faulty";
  }
  return "unknown";
}

/// A subject has to be made before it says what it can do: here in a tiny space.
Listed listed(const SubjectEntry& entry) {
  const Space tiny{.range = {0, 0x1000}, .granule = 0x100, .lazy_limit = std::nullopt, .busy = {}};
  MetadataResource metadata;
  const auto subject = entry.make(SubjectConfig{.space = tiny, .metadata = &metadata});
  if (!subject) throw Stop{Exit::subject, fmt::format("subject {}: {}", entry.name, one_line(subject.error()))};
  const Promises p = (*subject)->promises();
  const Features f = (*subject)->features();
  return {&entry,
          {{"lowest", p.lowest},
           {"complete", p.complete},
           {"fit_type", p.fit_type},
           {"coalesced", p.coalesced},
           {"not_busy", p.not_busy}},
          {{"allocate_at", f.allocate_at},
           {"congruent", f.congruent},
           {"lazy", f.lazy},
           {"find", f.find},
           {"hooks", f.hooks},
           {"observable", f.observable},
           {"inspectable", f.inspectable},
           {"stats", f.stats}}};
}

/// "all", or the names of those that hold.
std::string names_of(const std::vector<std::pair<std::string_view, bool>>& flags) {
  std::string text;
  bool all = true;
  for (const auto& [flag, holds] : flags) {
    all = all && holds;
    if (holds) text += fmt::format("{}{}", text.empty() ? "" : ", ", flag);
  }
  if (all) return "all: " + text;
  return text.empty() ? "none" : text;
}

ordered_json json_of(const std::vector<std::pair<std::string_view, bool>>& flags) {
  ordered_json json;
  for (const auto& [flag, holds] : flags) json[flag] = holds;
  return json;
}

Exit list_subjects(const Common& common) {
  if (!common.json) {
    out(listing_of_subjects(window_of(1).columns));
    return Exit::ok;
  }
  ordered_json list = ordered_json::array();
  for (const SubjectEntry& entry : subjects()) {
    const Listed row = listed(entry);
    ordered_json one{{"name", entry.name},
                     {"kind", name(entry.kind)},
                     {"summary", entry.summary},
                     {"promises", json_of(row.promises)},
                     {"features", json_of(row.features)}};
    const auto fault =
        std::ranges::find(faulty_subjects(), entry.name, [](const FaultySubject& f) { return f.entry.name; });
    if (fault != faulty_subjects().end()) {
      one["shows"] = fault->shows;
      one["trace"] = fault->trace;
      one["shortest"] = fault->shortest;
    }
    list.push_back(std::move(one));
  }
  out_json(list);
  return Exit::ok;
}

}  // namespace

std::string listing_of_subjects(std::size_t columns) {
  std::string text;
  for (const SubjectEntry& entry : subjects()) {
    const auto line = [&](std::string_view first, std::string_view second, std::string_view rest) {
      text += cut(fmt::format("{:<24} {:<9} {}", first, second, rest), columns) + "\n";
    };
    line(entry.name, name(entry.kind), entry.summary);
    if (entry.kind == SubjectKind::canary || entry.kind == SubjectKind::faulty) continue;
    const Listed row = listed(entry);
    line("", "promises", names_of(row.promises));
    line("", "functions", names_of(row.features));
  }
  return text;
}

void add_subjects(CLI::App& app, Session& session) {
  CLI::App& command =
      add_command(app, session, "subjects", "What can be checked, with what each promises", uses_json,
                  "vmapcheck subjects\nvmapcheck subjects --json", {Exit::ok, Exit::usage, Exit::subject, Exit::io});
  command.callback([&session] { session.run = [&session] { return list_subjects(session.common); }; });
}

}  // namespace vmapcheck::tool
