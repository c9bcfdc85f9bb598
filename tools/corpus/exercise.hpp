// SPDX-License-Identifier: Apache-2.0
//
// The traces of a corpus run on a subject: what each exercises, and which fail.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "tools/corpus/inputs.hpp"
#include "tools/corpus/trace_features.hpp"
#include "tools/options.hpp"

namespace vmapcheck::tool {

/// One trace of a corpus.
struct CorpusTrace {
  InputFile file;
  bool is_text = false;
  std::size_t bytes = 0;
  std::size_t ops = 0;
  std::vector<std::size_t> ops_by_kind;
  TraceKey key;
  Exercised exercised;  ///< once it was run
};

struct Corpus {
  std::string directory;
  std::vector<CorpusTrace> traces;
  std::vector<Stop> malformed;  ///< files that are no traces
};

/// Stops with Exit::usage if there is no trace in it. A file that cannot be read is a Stop, too, where all of them
/// matter (`strict`); else one of those that are malformed.
[[nodiscard]] Corpus read_corpus(const std::string& directory, bool strict);

/// Stops with Exit::subject if the subject cannot be made for one of them, with Exit::interrupted and `interruption`
/// if the user wants it.
void exercise_corpus(Corpus& corpus, const SubjectEntry& subject, const std::string& doing,
                     const std::string& interruption);

/// "windows/cut.trace: augment at step 3: free a0"
[[nodiscard]] std::string failure_line(const CorpusTrace& trace);

}  // namespace vmapcheck::tool
