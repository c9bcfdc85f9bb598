// SPDX-License-Identifier: Apache-2.0
//
// What counts as a trace among the files of a corpus: readable ones, and the bytes of fuzzers, wherever they come from.
//
//     named                                 what is taken
//     a file                                that file; an archive: what is in it
//     an output folder of AFL++             queue/id:*, crashes/id:*, hangs/id:*, also below one folder for each instance
//     a folder of `vmapcheck campaign`      its corpus/
//     any other folder                      every file below it, but hidden ones, README* and *.md
//
// A file that begins with `vmapcheck-trace` is text; so is one named *.trace without a zero byte. All else are records
// (fuzz/records.hpp), of which any bytes are a trace. Links to files are followed, links to folders are not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "model/op.hpp"
#include "tools/exit_status.hpp"

namespace vmapcheck::tool {

/// A file that may hold a trace, not yet read.
struct InputFile {
  std::filesystem::path path;
  std::string name;         ///< below what was named; the file's own name where that is a file
  std::string_view origin;  ///< "libFuzzer artifact"; empty: any bytes
};

struct InputFiles {
  std::vector<InputFile> files;  ///< in the order of what was named, then of their names
  std::size_t passed_by = 0;     ///< files that are no inputs
};

/// Stops with Exit::io where what was named is not there or cannot be listed.
[[nodiscard]] InputFiles find_inputs(const std::vector<std::string>& named);

/// What a folder has that stats, minimizing and exporting are about: corpus/ for that of a campaign.
[[nodiscard]] std::string corpus_of(const std::string& directory);

[[nodiscard]] bool is_afl_instance(const std::filesystem::path& directory);

/// One that was read.
struct Input {
  std::string name;    ///< as InputFile::name; in an archive that of the entry
  std::string shown;   ///< for messages: the path; in an archive "PATH: entry"
  std::string origin;  ///< "trace", "libFuzzer corpus", "AFL queue", ...
  bool is_text = false;
  std::size_t bytes = 0;
  Trace trace;
};

struct InputReading {
  std::function<void(Input&&)> input;
  /// Exit::io: it cannot be read; Exit::usage: it is malformed.
  std::function<void(const Stop&)> left_out;
};

/// A file, or all that are in an archive. Where it is wrong is said to `left_out`.
void read_input(const InputFile& file, const InputReading& reading);

/// The trace in a file that is no archive; a Stop that says why there is none.
[[nodiscard]] Trace read_input_trace(const InputFile& file);
[[nodiscard]] bool is_trace_text(std::string_view name, std::string_view bytes);

/// Two traces that do the same have the same: labels and comments do not count.
struct TraceKey {
  std::uint64_t first = 0, second = 0;
  friend auto operator<=>(const TraceKey&, const TraceKey&) = default;
};
[[nodiscard]] TraceKey key_of(const Trace& trace);

}  // namespace vmapcheck::tool
