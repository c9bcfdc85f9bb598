// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer processes that share a corpus: started, watched through their logs, stopped. None outlives its parent.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vmapcheck::tool {

/// What the last status line of a worker said.
struct Pulse {
  std::uint64_t executions = 0;
  std::uint64_t per_second = 0;
  std::uint64_t edges = 0;
};

class Worker {
 public:
  /// Stops with Exit::subject if the program cannot be started, with Exit::io if its log cannot be written.
  Worker(const std::vector<std::string>& command, const std::string& subject, std::string log);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();

  /// Reads what is new in the log; false once the process has ended.
  bool poll();
  void send(int signal_number) const;

  [[nodiscard]] const Pulse& pulse() const { return pulse_; }
  [[nodiscard]] bool running() const { return !status_; }
  /// How it ended, in words. Requires that it does not run.
  [[nodiscard]] std::string end() const;
  /// Inputs that it could not digest, as they were written.
  [[nodiscard]] const std::vector<std::string>& artifacts() const { return artifacts_; }
  /// What the sanitizer said, and the last line in the log.
  [[nodiscard]] const std::string& summary() const { return summary_; }
  [[nodiscard]] const std::string& last_line() const { return last_line_; }
  [[nodiscard]] const std::string& log() const { return log_; }

 private:
  void read_log();
  void read_line(std::string_view line);

  std::string log_;
  pid_t pid_ = -1;
  int log_file_ = -1;
  std::optional<int> status_;
  std::string partial_;  ///< of a line that is still being written
  Pulse pulse_;
  std::vector<std::string> artifacts_;
  std::string summary_;
  std::string last_line_;
};

using Workers = std::vector<std::unique_ptr<Worker>>;

/// They end by themselves in a moment; those that do not are killed.
void stop(const Workers& workers);

}  // namespace vmapcheck::tool
