// SPDX-License-Identifier: Apache-2.0
//
// A fuzz target in a campaign: it counts what it does, and goes on past failures that are known.
//
// The campaign says so in the environment: VMAPCHECK_TALLY is the file to count in (tally.hpp), VMAPCHECK_KNOWN one
// with a known signature (harness/isolate/failure.hpp) on each line; lines that begin with # are comments.
// VMAPCHECK_OPS_MAX is after how many ops it ends (default: never). Without a tally a target runs its input, and dies
// of what it finds, as under any engine.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fuzz/tally.hpp"
#include "harness/isolate/failure.hpp"
#include "model/op.hpp"
#include "subjects/registry.hpp"

namespace vmapcheck {

class Supervised {
 public:
  /// Null where there is no campaign. Ends the process with a line on standard error if its tally cannot be opened.
  [[nodiscard]] static Supervised* in_campaign();

  /// Runs the trace that `bytes` are. Returns a failure that is not known; the error says why there is no subject.
  [[nodiscard]] std::expected<std::optional<Failure>, std::string> run(std::span<const std::uint8_t> bytes,
                                                                       const Trace& trace, const SubjectEntry& subject);

 private:
  explicit Supervised(const std::string& tally, std::string known);
  void read_known();
  std::optional<std::size_t> place_among_known(const std::string& signature);
  void renew();

  TallyFile tally_;
  std::uint64_t session_ = 0;
  Counts counts_;  ///< as they were written last
  std::string known_file_;
  std::vector<std::string> known_;
  std::uint64_t known_changes_seen_ = ~std::uint64_t{0};
  std::uint64_t ops_max_ = ~std::uint64_t{0};
};

}  // namespace vmapcheck
