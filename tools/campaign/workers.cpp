// SPDX-License-Identifier: Apache-2.0
#include "tools/campaign/workers.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

#include "harness/isolate/isolation.hpp"
#include "tools/exit_status.hpp"
#include "tools/files.hpp"

namespace vmapcheck::tool {
namespace {

[[noreturn]] void become(const Command& command, int log, int failed) {
  std::vector<char*> arguments;
  for (const std::string& argument : command.words) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  // A process group of its own: Ctrl-C reaches only the campaign, which stops its workers.
  ::setpgid(0, 0);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(number, SIG_DFL);
  for (const auto& [name, value] : command.environment) ::setenv(name.c_str(), value.c_str(), 1);
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (::dup2(nothing, 0) >= 0 && ::dup2(log, 1) >= 0 && ::dup2(log, 2) >= 0) ::execv(arguments[0], arguments.data());
  const int why = errno;
  [[maybe_unused]] const auto written = ::write(failed, &why, sizeof why);
  ::_exit(127);
}

std::uint64_t number_behind(std::string_view line, std::string_view key) {
  const std::size_t at = line.find(key);
  std::uint64_t number = 0;
  if (at == std::string_view::npos) return number;
  const std::string_view rest = line.substr(at + key.size());
  std::from_chars(rest.data(), rest.data() + rest.size(), number);
  return number;
}

}  // namespace

Worker::Worker(const Command& command, std::string log) : log_(std::move(log)) {
  const int written = ::open(log_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
  log_file_ = ::open(log_.c_str(), O_RDONLY | O_CLOEXEC);
  int failed[2] = {-1, -1};
  if (written < 0 || log_file_ < 0 || ::pipe2(failed, O_CLOEXEC) != 0)
    throw Stop{Exit::io, fmt::format("cannot write {}: {}", one_line(log_), std::strerror(errno))};
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    die_with_parent(parent);
    become(command, written, failed[1]);
  }
  int why = pid_ < 0 ? errno : 0;
  ::close(written);
  ::close(failed[1]);
  if (pid_ > 0 && ::read(failed[0], &why, sizeof why) > 0) ::waitpid(pid_, nullptr, 0);
  ::close(failed[0]);
  if (why == 0) return;
  pid_ = -1;
  ::close(log_file_);
  throw Stop{Exit::subject, fmt::format("cannot start {}: {}", one_line(command.words.front()), std::strerror(why))};
}

Worker::~Worker() {
  if (!status_) {
    send(SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  ::close(log_file_);
}

void Worker::send(int signal_number) const {
  if (!status_) ::kill(pid_, signal_number);
}

bool Worker::poll() {
  if (status_) return false;
  int status = 0;
  const bool ended = ::waitpid(pid_, &status, WNOHANG) == pid_;
  read_log();
  if (!ended) return true;
  if (!partial_.empty()) read_line(partial_);
  status_ = status;
  return false;
}

std::string Worker::end() const {
  if (WIFSIGNALED(*status_)) return fmt::format("was killed by signal {}", WTERMSIG(*status_));
  return fmt::format("ended with status {}", WEXITSTATUS(*status_));
}

bool Worker::was_killed() const {
  const int number = WIFSIGNALED(*status_) ? WTERMSIG(*status_) : 0;
  return number == SIGKILL || number == SIGTERM || number == SIGINT || number == SIGHUP || number == SIGQUIT;
}

bool Worker::was_told_to_end() const { return WIFEXITED(*status_) && WEXITSTATUS(*status_) == 72; }

bool Worker::ended_well() const { return WIFEXITED(*status_) && WEXITSTATUS(*status_) == 0; }

std::string Worker::log_end() const {
  struct stat about{};
  constexpr off_t bytes_max = 1 << 16;
  if (::fstat(log_file_, &about) != 0) return "";
  std::string text(static_cast<std::size_t>(std::min(about.st_size, bytes_max)), '\0');
  const ssize_t got = ::pread(log_file_, text.data(), text.size(), about.st_size - static_cast<off_t>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  return text;
}

void Worker::read_log() {
  char bytes[1 << 14];
  for (ssize_t got; (got = ::read(log_file_, bytes, sizeof bytes)) > 0;) {
    partial_.append(bytes, static_cast<std::size_t>(got));
    std::size_t begin = 0;
    for (std::size_t end; (end = partial_.find('\n', begin)) != std::string::npos; begin = end + 1)
      read_line(std::string_view(partial_).substr(begin, end - begin));
    partial_.erase(0, begin);
  }
}

//     INFO: Loaded 1 modules   (2345 inline 8-bit counters): 2345 [0x55..., 0x55...),
//     #4096	pulse  cov: 321 ft: 1234 corp: 56/7Kb lim: 40 exec/s: 2048 rss: 45Mb
//     stat::number_of_executed_units: 123456
//     artifact_prefix='DIR/crashes/'; Test unit written to DIR/crashes/crash-0123
void Worker::read_line(std::string_view line) {
  constexpr std::string_view artifact = "Test unit written to ", total = "stat::number_of_executed_units: ";
  if (!line.empty()) last_line_ = one_line(line, 300);
  if (line.starts_with('#') && line.find("cov: ") != std::string_view::npos) {
    pulse_.executions = std::max(pulse_.executions, number_behind(line, "#"));
    pulse_.edges = std::max(pulse_.edges, number_behind(line, " cov: "));
    pulse_.features = std::max(pulse_.features, number_behind(line, " ft: "));
  } else if (line.starts_with("INFO: Loaded ")) {
    counters_ = counters_.value_or(0) + number_behind(line, "(");
  } else if (line.starts_with(total)) {
    pulse_.executions = std::max(pulse_.executions, number_behind(line, total));
  } else if (const std::size_t at = line.find(artifact); at != std::string_view::npos) {
    artifacts_.emplace_back(line.substr(at + artifact.size()));
  } else if (line.starts_with("SUMMARY: ")) {
    summary_ = one_line(line.substr(9), 300);
  }
}

void stop(const Workers& workers, std::chrono::milliseconds patience) {
  using namespace std::chrono_literals;
  const auto any_runs = [&] {
    bool any = false;
    for (Worker* const worker : workers) any = worker->poll() || any;
    return any;
  };
  for (const int number : {SIGTERM, SIGKILL}) {
    if (!any_runs()) return;
    for (Worker* const worker : workers) worker->send(number);
    const auto end = std::chrono::steady_clock::now() + patience;
    while (any_runs() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(20ms);
  }
}

}  // namespace vmapcheck::tool
