// SPDX-License-Identifier: Apache-2.0
//
// What a campaign finds: inputs that ended a worker become failures with signatures, each reported once, known from
// then on, and minimized.
//
// The signature is that of a run of the input here, in a child. Signatures go into the file of known ones as soon as
// they are there, so that the workers skip them; what failed is on the disk by then, as bytes and as a trace.
// Minimizing takes longer, and is done by another child, one failure after the other, while the workers go on. A child
// that is killed, for want of memory or by somebody, has said nothing: it is started again, and at last by the next
// session.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/isolate/failure.hpp"
#include "model/op.hpp"
#include "subjects/registry.hpp"
#include "tools/campaign/state.hpp"
#include "tools/options.hpp"

namespace vmapcheck::tool {

/// When something was found.
struct Moment {
  double seconds = 0;
  std::uint64_t executions = 0;
};

/// What is known of an input that is said to have failed in a worker.
struct Witness {
  std::string target_says;  ///< the signature by which the target called it, or empty
  std::string kind;         ///< what the engine called it ("crash", "oom", "timeout"); empty: nobody saw it fail
  std::string log;          ///< what it said
};

enum class Digested : std::uint8_t {
  failure,    ///< it is among the findings, as a flaky one if it did not fail here
  nothing,    ///< it does not fail here, and nobody saw it fail
  undecided,  ///< the user has interrupted it, or there is no child that could run it: it must come again
};

class Findings {
 public:
  /// Those of `state`, which it keeps up to date. `known` are signatures that are not news.
  Findings(const Common& common, const SubjectEntry& subject, const std::string& directory, State& state,
           std::vector<std::string> known, std::string found_by);
  Findings(const Findings&) = delete;
  Findings& operator=(const Findings&) = delete;
  ~Findings();

  /// An input that may have ended a worker.
  Digested digest(std::string_view input, const Witness& witness, Moment now);

  /// Starts to minimize the next finding that waits, and takes in a finished one. True while any is left.
  bool minimize_some();
  /// Findings that are not minimized yet will be minimized when the campaign goes on.
  void stop_minimizing();
  /// Files of traces that minimized ones have replaced are removed: call it when the state is written.
  void remove_superseded();
  /// Runs earlier failures with a target that was built anew: those that fail no more become fixed.
  void check_again();

  /// How often the workers of this session have skipped each line of the file of known signatures, in its order.
  void count_skips(const std::vector<std::uint64_t>& skips);
  /// The file of known signatures has changed since this was asked last.
  [[nodiscard]] bool known_changed();

  [[nodiscard]] std::size_t count(FindingStatus status) const;
  [[nodiscard]] std::size_t waiting() const;
  /// A new one is complete: minimized, flaky, or for the next session to minimize.
  [[nodiscard]] bool has_first() const { return has_first_; }

 private:
  struct Minimizing;

  FoundFailure* named(const std::string& signature);
  /// What has that signature, met once more; or, and true, a new one.
  std::pair<FoundFailure&, bool> meet(const std::string& signature, std::string_view input, std::string_view log,
                                      Moment now);
  void keep_as_found(FoundFailure& found, const Trace& trace, const Failure& failure);
  [[nodiscard]] std::optional<Trace> as_found(const FoundFailure& found) const;
  void learn(FoundFailure& found, const std::string& line);
  void write_known() const;
  void start_minimizing(std::size_t index);
  void finish_minimizing();
  [[nodiscard]] bool waits(std::size_t index) const;
  void minimizing_failed(std::size_t index, const std::string& why);
  void tell(const FoundFailure& found, const std::string& text) const;
  [[nodiscard]] std::string where_it_is(const FoundFailure& found) const;
  [[nodiscard]] std::string in(std::string_view name) const;

  const Common& common_;
  const SubjectEntry& subject_;
  std::string directory_;
  State& state_;
  std::vector<std::string> not_news_;
  std::string found_by_;
  std::vector<std::string> known_lines_;     ///< of the file of known signatures, in order; only ever appended to
  std::vector<std::string> line_of_;         ///< the signature of the failure of each line
  std::vector<std::uint64_t> times_before_;  ///< of each failure: without the skips of this session
  std::vector<unsigned> attempts_;           ///< to minimize each failure, which ended without an answer
  std::vector<std::string> superseded_;      ///< files in findings/
  std::unique_ptr<Minimizing> minimizing_;
  bool known_changed_ = true;
  bool has_first_ = false;
};

}  // namespace vmapcheck::tool
