// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer processes that share a corpus: started, watched through their logs, stopped. None outlives its parent.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vmapcheck::tool {

/// What the last status line of a worker said.
struct Pulse {
  std::uint64_t executions = 0;
  std::uint64_t edges = 0;
  std::uint64_t features = 0;
};

/// What is to be run. `environment` is set in addition to this process's own.
struct Command {
  std::vector<std::string> words;
  std::vector<std::pair<std::string, std::string>> environment;
};

class Worker {
 public:
  /// Stops with Exit::subject if the program cannot be started, with Exit::io if its log cannot be written.
  Worker(const Command& command, std::string log);
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
  [[nodiscard]] bool ended_well() const;
  /// By a signal that is sent from outside. Requires that it does not run.
  [[nodiscard]] bool was_killed() const;
  /// As libFuzzer ends when it is told to. The same.
  [[nodiscard]] bool was_told_to_end() const;
  /// Inputs that it could not digest, as they were written.
  [[nodiscard]] const std::vector<std::string>& artifacts() const { return artifacts_; }
  /// The engine said that it has so many counters of coverage to watch; nothing: it has said nothing of them.
  [[nodiscard]] std::optional<std::uint64_t> counters() const { return counters_; }
  /// What the sanitizer said, and the last line in the log.
  [[nodiscard]] const std::string& summary() const { return summary_; }
  [[nodiscard]] const std::string& last_line() const { return last_line_; }
  [[nodiscard]] const std::string& log() const { return log_; }
  /// The last 64 KiB of it.
  [[nodiscard]] std::string log_end() const;

 private:
  void read_log();
  void read_line(std::string_view line);

  std::string log_;
  pid_t pid_ = -1;
  int log_file_ = -1;
  std::optional<int> status_;
  std::string partial_;  ///< of a line that is still being written
  Pulse pulse_;
  std::optional<std::uint64_t> counters_;
  std::vector<std::string> artifacts_;
  std::string summary_;
  std::string last_line_;
};

using Workers = std::vector<Worker*>;

/// Tells them to end, which takes a moment, or longer on a busy machine; those that have not after `patience` are
/// killed.
void stop(const Workers& workers, std::chrono::milliseconds patience);

}  // namespace vmapcheck::tool
