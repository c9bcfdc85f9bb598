// SPDX-License-Identifier: Apache-2.0
//
// A failure that a driver has found: on disk before anything else is done with it, then minimized, explained, shown,
// and kept as a trace with a report beside it.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "harness/reduce/explain.hpp"
#include "harness/reduce/minimize.hpp"
#include "model/op.hpp"
#include "subjects/registry.hpp"
#include "tools/options.hpp"

namespace vmapcheck::tool {

/// Whether and how a finding is to be minimized.
struct Minimizing {
  bool wanted = true;
  MinimizeOptions options{};
};

struct Finding {
  const SubjectEntry* subject = nullptr;
  Trace original;  ///< as it was found, up to the op that failed; its comments say the same of it
  Trace trace;     ///< its comments say what it shows and what found it
  Failure failure;
  std::optional<Minimized> minimized;  ///< without its trace and failure, which are those above
  std::string signature_found;         ///< of the original
  std::string found_by;                ///< the command
  std::optional<Explanation> explanation;
};

/// Minimizes and explains what failed. Progress is shown; Ctrl-C ends the minimizing with the best so far.
[[nodiscard]] Finding make_finding(const SubjectEntry& subject, const Trace& trace, const Failure& failure,
                                   const Minimizing& minimizing, const std::string& found_by);

/// "minimized from 512 to 5 ops", and what_was_kept().
[[nodiscard]] std::string how_minimal(const Finding& finding);

/// ", keeping the kind of failure (signal) and not ...", or nothing where the signature was kept.
[[nodiscard]] std::string what_was_kept(const Finding& finding);

/// A name for a file, made from the name or the path of something: its last part, of letters, digits, '.', '_' and '-',
/// with neither '.' nor '-' in front, at most 60 bytes, never empty. So what it names stays in its directory.
[[nodiscard]] std::string file_name_of(std::string_view name_or_path);

/// "vmap-answer-1a2b3c4d": equal traces of one subject have equal names.
[[nodiscard]] std::string base_name(const Finding& finding);
[[nodiscard]] std::string hash_of(std::string_view bytes);

/// Writes NAME.trace, NAME.md with all that is known, and, where it was minimized, originals/NAME.trace, into
/// `directory`; returns the path of the first. Stops with Exit::io if that cannot be.
[[nodiscard]] std::string save(const Finding& finding, const Common& common, const std::string& directory);

struct SavedFinding {
  Finding finding;
  std::string path;  ///< of the saved trace; empty if it could not be saved
};

/// What a command does with what it has found: saves it as it was found, minimizes and explains it, saves that in its
/// place, and shows it all unless --json is given. However this process ends, a trace that fails is saved. That it
/// cannot be saved is said, and nothing else changes.
[[nodiscard]] SavedFinding keep_finding(const SubjectEntry& subject, const Trace& trace, const Failure& failure,
                                        const Minimizing& minimizing, const std::string& found_by, const Common& common,
                                        const std::string& directory);

/// What a trace was saved for, as its first comment says; empty if it does not say so.
struct SavedFor {
  std::string subject;
  std::string signature;
};
[[nodiscard]] SavedFor saved_for(const Trace& trace);
/// The signature as it stands in that comment.
[[nodiscard]] std::string signature_in_comment(const Failure& failure);
/// True for two names of one subject: a subject in a file stays the same if the file lies in another directory.
[[nodiscard]] bool is_same_subject(std::string_view a, std::string_view b);

/// The trace, how it failed, and why. Lines with newlines.
[[nodiscard]] std::string text_of(const Finding& finding);

[[nodiscard]] nlohmann::ordered_json json_of(const Finding& finding);

/// The command that replays a trace, or does with it what `what` says. `subject` is a name.
[[nodiscard]] std::string replay_command(const Common& common, const std::string& subject, const std::string& path,
                                         std::string_view what = "replay");

/// The name of a GoogleTest case for what has this name: "Seed2019Answer" of "seed_2019-answer".
[[nodiscard]] std::string test_name(std::string_view name);

/// A GoogleTest case that replays the trace on a subject and expects no failure: C++ source, with its includes if
/// `whole`. `name` is as test_name() writes it.
[[nodiscard]] std::string test_case(const Trace& trace, const std::string& subject, const std::string& name,
                                    bool whole);

}  // namespace vmapcheck::tool
