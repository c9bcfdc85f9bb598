// SPDX-License-Identifier: Apache-2.0
//
// `corpus minimize DIR`: the traces that are worth keeping, as a new corpus in the place of the old one.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tools/commands.hpp"
#include "tools/corpus/directory_swap.hpp"
#include "tools/corpus/exercise.hpp"
#include "tools/corpus/set_cover.hpp"
#include "tools/files.hpp"
#include "tools/interruption.hpp"
#include "tools/report.hpp"

namespace vmapcheck::tool {
namespace {

struct Options {
  std::string directory;
  std::string output;
  bool keep_old = false;
};

/// A directory that is being made, gone again unless it is put in its place.
class Scratch {
 public:
  explicit Scratch(fs::path path) : path_(std::move(path)) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// Everything in a folder. A change shows that someone else writes into it.
using Listing = std::vector<std::tuple<std::string, std::uintmax_t, fs::file_time_type>>;

class Minimizer {
 public:
  Minimizer(const Common& common, const Options& options)
      : common_(common), options_(options), subject_(subject_named(common.subject)) {}
  Exit run();

 private:
  void find_places();
  void choose();
  void write(const fs::path& fresh);
  void copy_the_rest(const fs::path& fresh);
  void check(const fs::path& fresh);
  void set_failing_aside();
  void put_in_place(const fs::path& fresh);
  [[nodiscard]] Exit conclude() const;
  [[nodiscard]] bool in_place() const { return options_.output.empty(); }
  [[nodiscard]] std::string unchanged() const;
  [[nodiscard]] fs::path original(const CorpusTrace& trace) const { return source_ / trace.file.name; }

  const Common& common_;
  const Options& options_;
  const SubjectEntry& subject_;
  fs::path source_;  ///< without links, so that the folder itself is swapped and not a link to it
  fs::path target_;
  fs::path kept_old_;
  Corpus corpus_;
  std::vector<CoverSet> sets_;
  std::vector<std::size_t> chosen_;
  std::vector<std::uint32_t> features_;
  std::vector<std::size_t> failing_;
  std::vector<std::string> aside_;
  std::size_t duplicates_ = 0;
};

Listing list(const fs::path& directory) {
  Listing listing;
  std::error_code error;
  fs::recursive_directory_iterator entry(directory, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    std::error_code none;  // a link that leads nowhere has no size
    const auto size = entry->is_regular_file(none) ? entry->file_size(none) : 0;
    listing.emplace_back(entry->path().string(), size, entry->last_write_time(none));
  }
  if (error) cannot("read", directory, error);
  std::ranges::sort(listing);
  return listing;
}

/// Writes a file, and makes the folders on the way.
void copy_trace(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::create_directories(to.parent_path(), error);
  if (!error) fs::copy_file(from, to, error);
  if (error) cannot("write", to, error);
}

Exit Minimizer::run() {
  find_places();
  const Listing before = in_place() ? list(source_) : Listing{};
  corpus_ = read_corpus(source_.string(), true);
  exercise_corpus(corpus_, subject_, "minimizing", unchanged());
  choose();
  const Scratch scratch(target_.parent_path() /
                        fmt::format(".{}.minimized.{}", target_.filename().string(), ::getpid()));
  write(scratch.path());
  check(scratch.path());
  set_failing_aside();
  if (in_place() && list(source_) != before)
    throw Stop{Exit::io, fmt::format("{} was changed by someone else meanwhile; it is as they left it",
                                     one_line(options_.directory))};
  if (interrupted()) throw Stop{Exit::interrupted, unchanged()};
  put_in_place(scratch.path());
  return conclude();
}

std::string Minimizer::unchanged() const {
  return fmt::format("interrupted; {} is as it was", one_line(options_.directory));
}

void Minimizer::find_places() {
  std::error_code error;
  source_ = fs::canonical(corpus_of(options_.directory), error);
  if (error) cannot("read", options_.directory, error);
  if (!fs::is_directory(source_, error))
    throw Stop{Exit::usage, fmt::format("{} is a file; a corpus is a folder", one_line(options_.directory))};
  if (is_afl_instance(source_))
    throw Stop{Exit::usage, fmt::format("{} belongs to AFL; `corpus import` takes the traces out of it",
                                        one_line(options_.directory))};
  if (!in_place()) {
    fs::path output = fs::absolute(options_.output);
    if (!output.has_filename()) output = output.parent_path();  // DIR/ is DIR
    target_ = output;
    if (fs::exists(fs::symlink_status(target_, error)) && !(fs::is_directory(target_, error) && fs::is_empty(target_)))
      throw Stop{Exit::usage, fmt::format("{} is there already: name a new folder", one_line(options_.output))};
    make_directory(target_.parent_path().string());
    return;
  }
  target_ = source_;
  if (!target_.has_parent_path() || target_ == target_.root_path())
    throw Stop{Exit::usage, fmt::format("{} is no corpus", one_line(options_.directory))};
  const auto [end, ignored] = std::ranges::mismatch(target_, fs::current_path());
  if (end == target_.end())
    throw Stop{Exit::usage, fmt::format("{} will be replaced, and you are in it: call this from outside",
                                        one_line(options_.directory))};
  kept_old_ = target_.string() + ".before";
  if (options_.keep_old && fs::exists(fs::symlink_status(kept_old_, error)))
    throw Stop{Exit::usage, fmt::format("{} is there already", one_line(kept_old_.string()))};
  if (::access(target_.parent_path().c_str(), W_OK) != 0)  // before the work is done
    cannot("write", target_.parent_path(), {errno, std::generic_category()});
}

void Minimizer::choose() {
  std::set<TraceKey> keys;
  for (std::size_t i = 0; i < corpus_.traces.size(); ++i) {
    const CorpusTrace& trace = corpus_.traces[i];
    if (!keys.insert(trace.key).second) ++duplicates_;
    // Fewer ops come first, since ops cost time, then fewer bytes.
    sets_.push_back(
        {trace.exercised.features, (std::uint64_t{trace.ops} << 32) + std::min<std::size_t>(trace.bytes, 0xffff'ffff)});
    if (trace.exercised.failure) failing_.push_back(i);
  }
  chosen_ = greedy_cover(sets_);
  features_ = union_of(sets_);
}

/// Writes the new folder.
void Minimizer::write(const fs::path& fresh) {
  std::error_code error;
  fs::create_directory(fresh, error);
  if (error) cannot("write", fresh, error);
  if (in_place()) copy_the_rest(fresh);
  for (const std::size_t index : chosen_) {
    if (interrupted()) throw Stop{Exit::interrupted, unchanged()};
    copy_trace(original(corpus_.traces[index]), fresh / corpus_.traces[index].file.name);
  }
}

/// Copies what is no trace as it is: notes, links, hidden files, text that could not be read.
void Minimizer::copy_the_rest(const fs::path& fresh) {
  std::set<fs::path> traces;
  for (const CorpusTrace& trace : corpus_.traces) traces.insert(original(trace));
  std::error_code error;
  fs::recursive_directory_iterator entry(source_, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    if (traces.contains(entry->path())) continue;
    const fs::path to = fresh / entry->path().lexically_relative(source_);
    std::error_code failed;
    const fs::file_status status = entry->symlink_status(failed);
    if (fs::is_symlink(status))
      fs::copy_symlink(entry->path(), to, failed);
    else if (fs::is_directory(status))
      fs::create_directory(to, entry->path(), failed);
    else if (fs::is_regular_file(status))
      fs::copy_file(entry->path(), to, failed);
    else
      throw Stop{Exit::io,
                 fmt::format("{} is neither a file nor a folder: it cannot be kept", one_line(entry->path().string()))};
    if (failed) cannot("write", to, failed);
  }
  if (error) cannot("read", source_, error);
  fs::permissions(fresh, fs::status(source_).permissions(), error);
}

/// Runs again what was chosen, as it was written: it must exercise all that the old corpus did.
void Minimizer::check(const fs::path& fresh) {
  Corpus after{.directory = fresh.string(), .traces = {}, .malformed = {}};
  for (const std::size_t index : chosen_) {
    after.traces.push_back(corpus_.traces[index]);
    after.traces.back().file.path = fresh / after.traces.back().file.name;
    after.traces.back().exercised = {};
  }
  exercise_corpus(after, subject_, "checking", unchanged());
  std::vector<CoverSet> sets;
  for (const CorpusTrace& trace : after.traces) sets.push_back({trace.exercised.features, 0});
  const std::vector<std::uint32_t> now = union_of(sets);
  std::vector<std::uint32_t> missing;
  std::ranges::set_difference(features_, now, std::back_inserter(missing));
  if (!missing.empty())
    throw Stop{Exit::flaky, fmt::format("{} of {} are not exercised when the new corpus is run ({}); {} is as it was",
                                        missing.size(), count_of(features_.size(), "feature"),
                                        describe(missing.front()), one_line(options_.directory))};
}

/// Sets failing traces aside: a fuzzer would stop at them, and they must not be lost.
void Minimizer::set_failing_aside() {
  if (failing_.empty()) return;
  const fs::path folder = target_.string() + ".failing";
  for (const std::size_t index : failing_) {
    const CorpusTrace& trace = corpus_.traces[index];
    fs::path to = folder / trace.file.name;
    std::error_code ignored;
    const std::string contents = read_file(original(trace).string(), trace_bytes_max);
    for (int n = 2; fs::exists(fs::symlink_status(to, ignored)); ++n) {
      if (fs::is_regular_file(to, ignored) && read_file(to.string(), trace_bytes_max) == contents) break;
      fs::path name = trace.file.name;
      name.replace_filename(fmt::format("{}-{}{}", name.stem().string(), n, name.extension().string()));
      to = folder / name;
    }
    make_directory(to.parent_path().string());
    write_file(to.string(), contents);
    aside_.push_back(to.string());
  }
  if (const std::error_code error = sync_below(folder)) cannot("write", folder, error);
}

void Minimizer::put_in_place(const fs::path& fresh) {
  std::error_code error;
  if (!in_place()) {
    error = sync_below(fresh);
    if (!error) fs::rename(fresh, target_, error);
    if (error) cannot("write", target_, error);
    return;
  }
  error = swap_directories(fresh, target_);
  if (error) cannot("replace", target_, error);
  if (!options_.keep_old) return;  // the old one is removed with what is at the name of the fresh one
  fs::rename(fresh, kept_old_, error);
  if (error) cannot("keep", kept_old_, error);
}

Exit Minimizer::conclude() const {
  const auto sum = [&](auto member, const auto& of) {
    std::uint64_t total = 0;
    for (const std::size_t index : of) total += corpus_.traces[index].*member;
    return total;
  };
  std::vector<std::size_t> all(corpus_.traces.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  const Exit status = !failing_.empty() ? Exit::violation : !corpus_.malformed.empty() ? Exit::usage : Exit::ok;
  for (const Stop& stop : corpus_.malformed) report(stop);
  if (common_.json) {
    ordered_json json;
    json["subject"] = subject_.name;
    json["directory"] = target_.string();
    for (const bool after : {false, true}) {
      const std::vector<std::size_t>& of = after ? chosen_ : all;
      json[after ? "after" : "before"] = {
          {"traces", of.size()}, {"ops", sum(&CorpusTrace::ops, of)}, {"bytes", sum(&CorpusTrace::bytes, of)}};
    }
    json["features"] = features_.size();
    json["duplicates"] = duplicates_;
    json["kept"] = ordered_json::array();
    for (const std::size_t index : chosen_) json["kept"].push_back(corpus_.traces[index].file.name);
    json["failing"] = ordered_json::array();
    for (std::size_t i = 0; i < failing_.size(); ++i) {
      const CorpusTrace& trace = corpus_.traces[failing_[i]];
      json["failing"].push_back({{"name", trace.file.name},
                                 {"signature", signature(*trace.exercised.failure)},
                                 {"step", trace.exercised.failure->step},
                                 {"file", aside_[i]}});
    }
    json["malformed"] = corpus_.malformed.size();
    if (options_.keep_old) json["old"] = kept_old_.string();
    out_json(json);
    return status;
  }
  out(fmt::format("{} of {} in {}\n", chosen_.size(), count_of(all.size(), "trace"), one_line(target_.string())));
  out(fmt::format("ops        {} of {}\n", sum(&CorpusTrace::ops, chosen_), sum(&CorpusTrace::ops, all)));
  out(fmt::format("bytes      {} of {}\n", sum(&CorpusTrace::bytes, chosen_), sum(&CorpusTrace::bytes, all)));
  out(fmt::format("features   {} of {} on {}: the new corpus was run, and none is missing\n", features_.size(),
                  features_.size(), subject_.name));
  if (duplicates_ != 0) out(fmt::format("duplicates {}\n", duplicates_));
  for (std::size_t i = 0; i < failing_.size(); ++i)
    out(fmt::format("fails      {}\n           kept as {}\n", failure_line(corpus_.traces[failing_[i]]),
                    one_line(aside_[i])));
  if (!corpus_.malformed.empty())
    out(fmt::format("no traces  {}{}\n", count_of(corpus_.malformed.size(), "file"),
                    in_place() ? ", left as they are" : ""));
  if (options_.keep_old) out(fmt::format("before     {}\n", one_line(kept_old_.string())));
  return status;
}

}  // namespace

void add_corpus_minimize(CLI::App& corpus, Session& session) {
  CLI::App& command = add_command(
      corpus, session, "minimize", "Keep the traces that exercise what others do not", uses_subject | uses_json,
      "vmapcheck corpus minimize DIR\n"
      "vmapcheck corpus minimize vmapcheck-campaign -o smaller\n"
      "Each trace is run; what it exercises is its features (docs/corpus.md). A greedy set cover of all features "
      "stays.\n"
      "The new corpus is run, too, before it takes the place of the old one in one step. A trace that fails on the\n"
      "subject goes to DIR.failing (status 10). Readable traces and the bytes of fuzzers stay what they are.",
      {Exit::ok, Exit::usage, Exit::subject, Exit::io, Exit::interrupted, Exit::violation, Exit::flaky});
  const auto options = add_options<Options>(
      command, session, [](const Common& common, const Options& given) { return Minimizer(common, given).run(); });
  add_place(command, "DIR", options->directory, "The corpus: any folder of traces, or that of a campaign")->required();
  auto* const output = add_text(command, "-o,--output", options->output, "A new folder; DIR stays as it is", "NEW");
  command.add_flag("--keep-old", options->keep_old, "Keep the old corpus as DIR.before")->excludes(output);
}

}  // namespace vmapcheck::tool
