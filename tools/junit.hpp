// SPDX-License-Identifier: Apache-2.0
//
// JUnit XML: what test runners and CI servers read. One suite of test cases, with properties of the run.
//
// Names and texts may come from programs that broke: what XML cannot hold is replaced, and names stay on one line.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace vmapcheck::tool {

enum class Outcome : std::uint8_t { passed, failed, skipped };

struct JUnitCase {
  std::string group;
  std::string title;
  Outcome outcome = Outcome::passed;
  std::string type{};     ///< of the failure
  std::string message{};  ///< of the failure, or why it was skipped
  std::string text{};     ///< of the failure, or what is to be known of a test that passed
  double seconds = 0;
};

struct JUnitSuite {
  std::string tool;  ///< "vmapcheck campaign"
  std::string subject;
  std::string timestamp;  ///< "2026-01-31T12:00:00", when it began
  double seconds = 0;
  std::vector<std::pair<std::string, std::string>> properties{};
  std::vector<JUnitCase> cases{};
};

[[nodiscard]] std::string text_of(const JUnitSuite& suite);

}  // namespace vmapcheck::tool
