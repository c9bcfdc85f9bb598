// SPDX-License-Identifier: Apache-2.0
#include "tools/corpus/exercise.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "tools/files.hpp"
#include "tools/interruption.hpp"
#include "tools/progress.hpp"
#include "tools/report.hpp"

namespace vmapcheck::tool {

Corpus read_corpus(const std::string& directory, bool strict) {
  Corpus corpus{.directory = corpus_of(directory), .traces = {}, .malformed = {}};
  std::error_code error;
  if (std::filesystem::exists(corpus.directory, error) && !std::filesystem::is_directory(corpus.directory, error))
    throw Stop{Exit::usage, fmt::format("{} is a file; a corpus is a folder", one_line(directory))};
  const InputFiles inputs = find_inputs({corpus.directory});
  Progress progress;
  for (const InputFile& file : inputs.files) {
    const auto keep = [&](Input&& input) {
      CorpusTrace trace{.file = file,
                        .is_text = input.is_text,
                        .bytes = input.bytes,
                        .ops = input.trace.ops.size(),
                        .ops_by_kind = std::vector<std::size_t>(op_kind_count),
                        .key = key_of(input.trace),
                        .exercised = {}};
      for (const Op& op : input.trace.ops) ++trace.ops_by_kind[op.index()];
      corpus.traces.push_back(std::move(trace));
    };
    const auto left_out = [&](const Stop& stop) {
      if (strict && stop.status == Exit::io) throw stop;
      if (stop.status != Exit::ok) corpus.malformed.push_back(stop);
    };
    // Here each trace is a file; archives are only imported.
    InputFile plain = file;
    if (plain.origin.empty()) plain.origin = "corpus";
    read_input(plain, {.input = keep, .left_out = left_out});
    progress.update([&] { return fmt::format("reading: {} of {}", corpus.traces.size(), inputs.files.size()); });
  }
  if (corpus.traces.empty() && corpus.malformed.empty())
    throw Stop{Exit::usage, fmt::format("no traces in {}", one_line(corpus.directory))};
  return corpus;
}

void exercise_corpus(Corpus& corpus, const SubjectEntry& subject, const std::string& doing,
                     const std::string& interruption) {
  Progress progress;
  std::size_t done = 0;
  const auto line = [&] { return fmt::format("{}: {} of {} traces", doing, done, corpus.traces.size()); };
  ExerciseOptions options;
  options.keep_going = [&] {
    progress.update(line);
    return !interrupted();
  };
  const auto all = exercise(
      corpus.traces.size(), [&](std::size_t i) { return read_input_trace(corpus.traces[i].file); }, subject.make,
      [&](std::size_t i, Exercised&& exercised) {
        stop_if_oracle(exercised.failure);
        corpus.traces[i].exercised = std::move(exercised);
        done = i + 1;
        progress.update(line);
      },
      options);
  progress.clear();
  if (!all)
    throw Stop{Exit::subject, fmt::format("subject {}: {} ({})", subject.name, one_line(all.error().why),
                                          one_line(corpus.traces[all.error().index].file.path.string()))};
  if (!*all) throw Stop{Exit::interrupted, interruption};
}

std::string failure_line(const CorpusTrace& trace) {
  const Failure& failure = *trace.exercised.failure;
  return fmt::format("{}: {} {}", one_line(trace.file.name), signature(failure), one_line(place_of(failure)));
}

}  // namespace vmapcheck::tool
