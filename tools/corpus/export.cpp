// SPDX-License-Identifier: Apache-2.0
//
// `corpus export`: a corpus as others want it: a seed archive of OSS-Fuzz, a folder of inputs, a folder of traces.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fuzz/records.hpp"
#include "model/trace.hpp"
#include "tools/commands.hpp"
#include "tools/corpus/archive.hpp"
#include "tools/corpus/inputs.hpp"
#include "tools/files.hpp"
#include "tools/report.hpp"

namespace vmapcheck::tool {
namespace {

struct Options {
  std::string directory;
  std::string output;
  std::string format;
  bool oss_fuzz = false;
};

struct Export {
  std::vector<ArchiveEntry> entries;  ///< by name
  std::size_t duplicates = 0;
  Exit status = Exit::ok;  ///< of what was left out
};

Exit export_corpus(const Common& common, Options options);
Export collect(const std::string& directory, const std::string& format);
std::string entry_name(const std::string& name);
void write_folder(const std::string& directory, const std::vector<ArchiveEntry>& entries);

}  // namespace

void add_corpus_export(CLI::App& corpus, Session& session) {
  CLI::App& command = add_command(
      corpus, session, "export", "A corpus as others want it", uses_json,
      "vmapcheck corpus export --oss-fuzz -o $OUT/allocator_fuzz_seed_corpus.zip\n"
      "vmapcheck corpus export --format libfuzzer -o seeds DIR\n"
      "vmapcheck corpus export --format traces -o readable vmapcheck-campaign\n"
      "The same traces give the same archive, byte for byte. Of traces that do the same the first is taken.",
      {Exit::ok, Exit::usage, Exit::subject, Exit::io, Exit::interrupted});
  const auto options = add_options<Options>(command, session, export_corpus);
  add_corpus_place(command, options->directory);
  auto* const oss_fuzz = command.add_flag("--oss-fuzz", options->oss_fuzz, "The same as --format oss-fuzz");
  add_choice(command, "--format", options->format,
             "oss-fuzz: a zip archive of inputs; libfuzzer: a folder of inputs; traces: a folder of readable traces",
             "FORMAT", {"oss-fuzz", "libfuzzer", "traces"})
      ->excludes(oss_fuzz);
  add_text(command, "-o,--output", options->output, "Where to (default for oss-fuzz: allocator_fuzz_seed_corpus.zip)",
           "OUT");
}

namespace {

Exit export_corpus(const Common& common, Options options) {
  if (options.oss_fuzz) options.format = "oss-fuzz";
  if (options.format.empty())
    throw Stop{Exit::usage, "corpus export needs --oss-fuzz, --format libfuzzer or --format traces"};
  const bool zip = options.format == "oss-fuzz";
  if (options.output.empty() && !zip)
    throw Stop{Exit::usage, fmt::format("--format {} needs a folder: -o DIR", options.format)};
  if (options.output.empty()) options.output = "allocator_fuzz_seed_corpus.zip";
  if (zip && options.output == "-" && out_is_terminal())
    throw Stop{Exit::usage, "this would write bytes to the terminal: name a file with -o"};
  if (zip && !has_archives()) (void)zip_of({});  // says why not, before the work is done
  const Export exported = collect(options.directory, options.format);
  if (exported.entries.empty()) throw Stop{Exit::usage, fmt::format("no traces in {}", one_line(options.directory))};
  std::size_t bytes = 0;
  for (const ArchiveEntry& entry : exported.entries) bytes += entry.contents.size();
  if (zip)
    write_file(options.output, zip_of(exported.entries));
  else
    write_folder(options.output, exported.entries);
  if (options.output == "-") return exported.status;
  if (common.json) {
    ordered_json json;
    json["output"] = options.output;
    json["format"] = options.format;
    json["traces"] = exported.entries.size();
    json["bytes"] = bytes;
    json["duplicates"] = exported.duplicates;
    out_json(json);
  } else {
    out(fmt::format(
        "{}: {}, {} bytes{}\n", one_line(options.output), count_of(exported.entries.size(), "trace"), bytes,
        exported.duplicates != 0 ? fmt::format("; {} left out that do the same", exported.duplicates) : ""));
  }
  return exported.status;
}

Export collect(const std::string& directory, const std::string& format) {
  Export exported;
  std::map<std::string, std::string> by_name;
  std::map<std::string, int> numbers;  // by stem: that behind the last name
  std::set<TraceKey> keys;
  const auto take = [&](Input&& input) {
    if (!keys.insert(key_of(input.trace)).second) {
      ++exported.duplicates;
      return;
    }
    std::string contents;
    if (format == "traces") {
      if (input.trace.comments.empty() && !input.is_text)
        input.trace.comments = {fmt::format("From {} ({}).", one_line(input.name, 300), input.origin)};
      contents = print(input.is_text ? input.trace : relabel(input.trace));
    } else {
      const std::vector<std::uint8_t> bytes = encode(input.trace);
      contents.assign(bytes.begin(), bytes.end());
    }
    const std::string ending = format == "traces" ? ".trace" : "";
    const std::string stem = entry_name(input.name);
    std::string name = stem + ending;
    int& number = numbers.try_emplace(stem, 1).first->second;
    while (by_name.contains(name)) name = fmt::format("{}-{}{}", stem, ++number, ending);
    by_name.emplace(std::move(name), std::move(contents));
  };
  const auto left_out = [&](const Stop& stop) {
    if (stop.status == Exit::ok) return;
    report(stop);
    exported.status = std::max(exported.status, stop.status);
  };
  for (const InputFile& file : find_inputs({corpus_of(directory)}).files)
    read_input(file, {.input = take, .left_out = left_out});
  for (auto& [name, contents] : by_name) exported.entries.push_back({name, std::move(contents)});
  return exported;
}

/// "windows/cut.trace" becomes "windows-cut": flat, and of characters that every archiver, file system and service
/// takes.
std::string entry_name(const std::string& name) {
  std::string flat = name.ends_with(".trace") ? name.substr(0, name.size() - 6) : name;
  for (char& c : flat) {
    if (c == '/') c = '-';
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '.' && c != '-') c = '_';
  }
  while (flat.starts_with('.') || flat.starts_with('-')) flat.erase(0, 1);
  flat.resize(std::min<std::size_t>(flat.size(), 200));
  return flat.empty() ? "trace" : flat;
}

/// A file that is there already stays if it is the same, and ends the command if it is another.
void write_folder(const std::string& directory, const std::vector<ArchiveEntry>& entries) {
  make_directory(directory);
  std::vector<const ArchiveEntry*> missing;
  for (const ArchiveEntry& entry : entries) {
    const std::string path = path_in(directory, entry.name);
    std::error_code ignored;
    if (!fs::exists(fs::symlink_status(path, ignored)))
      missing.push_back(&entry);
    else if (!fs::is_regular_file(path, ignored) || read_file(path, trace_bytes_max) != entry.contents)
      throw Stop{Exit::usage, fmt::format("{} is there already, and is another", one_line(path))};
  }
  for (const ArchiveEntry* const entry : missing) write_file(path_in(directory, entry->name), entry->contents);
}

}  // namespace
}  // namespace vmapcheck::tool
