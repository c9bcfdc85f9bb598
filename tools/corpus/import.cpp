// SPDX-License-Identifier: Apache-2.0
#include "tools/corpus/import.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "model/trace.hpp"
#include "tools/corpus/inputs.hpp"
#include "tools/files.hpp"
#include "tools/interruption.hpp"
#include "tools/progress.hpp"
#include "tools/report.hpp"

namespace vmapcheck::tool {
namespace {

class Import {
 public:
  Import(const Common& common, const std::string& directory) : common_(common), directory_(directory) {}
  Exit run(const std::vector<std::string>& paths);

 private:
  void know_what_is_there();
  void keep(Input&& input);
  void leave_out(const Stop& stop);
  [[nodiscard]] fs::path free_path(const Input& input, const TraceKey& key);
  [[nodiscard]] Exit conclude() const;

  const Common& common_;
  const std::string& directory_;
  std::map<TraceKey, bool> known_;      ///< true: it was in the directory before
  std::map<std::string, int> numbers_;  ///< by name of a file: the number behind the last that was written
  std::map<std::string, std::size_t> read_;
  std::vector<std::string> written_;
  std::vector<std::pair<Exit, std::string>> left_out_;
  std::size_t files_ = 0;
  std::size_t passed_by_ = 0;
  std::size_t duplicates_ = 0;
  std::size_t already_there_ = 0;
};

Exit Import::run(const std::vector<std::string>& paths) {
  const InputFiles inputs = find_inputs(paths);
  files_ = inputs.files.size();
  passed_by_ = inputs.passed_by;
  if (files_ == 0) throw Stop{Exit::usage, fmt::format("nothing to import in {}", one_line(paths.front()))};
  make_directory(directory_);
  know_what_is_there();
  Progress progress;
  std::size_t done = 0;
  const InputReading reading{.input = [&](Input&& input) { keep(std::move(input)); },
                             .left_out = [&](const Stop& stop) { leave_out(stop); }};
  try {
    for (const InputFile& file : inputs.files) {
      read_input(file, reading);
      ++done;
      progress.update([&] {
        return Fields{fmt::format("import: {} of {}", done, files_), fmt::format("{} traces", written_.size())};
      });
    }
  } catch (const Stop& stop) {
    if (stop.status != Exit::interrupted) throw;
    throw Stop{Exit::interrupted, fmt::format("interrupted; {} of {} were imported: the same command goes on from here",
                                              done, count_of(files_, "file"))};
  }
  progress.clear();
  return conclude();
}

void Import::know_what_is_there() {
  for (const std::string& name : traces_below(directory_)) {
    try {
      known_[key_of(read_input_trace({fs::path(directory_) / name, name, ""}))] = true;
    } catch (const Stop& stop) {
      if (stop.status == Exit::interrupted) throw;  // what is no trace is none of ours
    }
  }
}

void Import::keep(Input&& input) {
  ++read_[input.origin];
  const TraceKey key = key_of(input.trace);
  if (const auto known = known_.find(key); known != known_.end()) {
    ++(known->second ? already_there_ : duplicates_);
    return;
  }
  Trace trace = relabel(input.trace);
  if (trace.comments.empty())
    trace.comments = {input.is_text ? fmt::format("From {}.", one_line(input.shown, 300))
                                    : fmt::format("From {} ({}).", one_line(input.shown, 300), input.origin)};
  const fs::path path = free_path(input, key);
  write_file(path.string(), print(trace));
  known_[key] = false;
  written_.push_back(path.filename().string());
}

/// Says why an input is left out, unless it is only empty.
void Import::leave_out(const Stop& stop) {
  if (stop.status != Exit::ok) report(stop);
  left_out_.emplace_back(stop.status, stop.line);
}

/// A readable trace keeps its name, bytes are named by their hash, so that the same traces get the same names each
/// time.
fs::path Import::free_path(const Input& input, const TraceKey& key) {
  std::string stem = fmt::format("{:016x}", key.first);
  if (input.is_text) {
    std::string own = fs::path(input.name).filename().string();
    if (own.ends_with(".trace")) own.resize(own.size() - 6);
    std::ranges::replace_if(own, [](unsigned char c) { return c < 0x20 || c == 0x7f || c == '\\'; }, '_');
    while (own.starts_with('.') || own.starts_with('-')) own.erase(0, 1);
    if (!own.empty() && own.size() <= 200) stem = own;
  }
  fs::path path = fs::path(directory_) / (stem + ".trace");
  std::error_code ignored;
  int& number = numbers_.try_emplace(stem, 1).first->second;
  while (fs::exists(fs::symlink_status(path, ignored)))
    path = fs::path(directory_) / fmt::format("{}-{}.trace", stem, ++number);
  return path;
}

Exit Import::conclude() const {
  Exit status = Exit::ok;
  for (const auto& [why, line] : left_out_) status = std::max(status, why);
  std::size_t read = 0;
  for (const auto& [origin, count] : read_) read += count;
  if (common_.json) {
    ordered_json json;
    json["directory"] = directory_;
    json["files"] = files_;
    json["read"] = ordered_json::object();
    for (const auto& [origin, count] : read_) json["read"][origin] = count;
    json["written"] = written_;
    json["duplicates"] = duplicates_;
    json["already_there"] = already_there_;
    json["left_out"] = ordered_json::array();
    for (const auto& [why, line] : left_out_) json["left_out"].push_back(line);
    json["passed_by"] = passed_by_;
    out_json(json);
    return status;
  }
  std::string origins;
  for (const auto& [origin, count] : read_)
    origins += fmt::format("{}{} {}", origins.empty() ? ": " : ", ", count, origin);
  out(fmt::format("read       {} in {}{}\n", count_of(read, "trace"), count_of(files_, "file"), origins));
  out(fmt::format("written    {} to {}\n", written_.size(), one_line(directory_)));
  out(fmt::format("duplicates {}, and {} that were there already\n", duplicates_, already_there_));
  if (!left_out_.empty()) {
    const auto empty = std::ranges::count(left_out_, Exit::ok, &std::pair<Exit, std::string>::first);
    out(fmt::format("left out   {}{}\n", left_out_.size(), empty != 0 ? fmt::format(", {} of them empty", empty) : ""));
  }
  if (passed_by_ != 0) out(fmt::format("passed by  {} that are no inputs\n", count_of(passed_by_, "file")));
  return status;
}

}  // namespace

Exit import_inputs(const Common& common, const std::vector<std::string>& paths, const std::string& directory) {
  return Import(common, directory).run(paths);
}

}  // namespace vmapcheck::tool
