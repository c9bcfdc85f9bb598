// SPDX-License-Identifier: Apache-2.0
#include "harness/isolate/crew.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <system_error>
#include <utility>

#include "harness/isolate/beacon.hpp"
#include "harness/isolate/isolation.hpp"

namespace vmapcheck {
namespace {

constexpr int wait_milliseconds = 20;
constexpr int status_of_throwing = 1;

/// What goes before a message.
using Length = std::uint64_t;

/// All that a member does, after the fork.
[[noreturn]] void be_a_member(unsigned number, int parent, int file,
                              const std::function<void(unsigned number, const Crew::Tell& tell)>& work) {
  die_with_parent(parent);
  const auto tell = [file](std::string_view message) {
    const Length length = message.size();
    std::string bytes(sizeof length, '\0');
    std::memcpy(bytes.data(), &length, sizeof length);
    write_all(file, bytes.append(message));
  };
  try {
    work(number, tell);
  } catch (...) {
    ::_exit(status_of_throwing);
  }
  ::_exit(0);
}

int wait_for(int process) {
  int status = 0;
  while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {}
  return status;
}

}  // namespace

Crew::Crew(unsigned count, const std::function<void(unsigned number, const Tell& tell)>& work) {
  const int parent = ::getpid();
  std::fflush(nullptr);
  for (unsigned number = 0; number < count; ++number) {
    int ends[2] = {-1, -1};
    int process = -1;
    if (::pipe2(ends, O_CLOEXEC) == 0) process = ::fork();
    if (process == 0) {
      for (const Member& other : members_) ::close(other.file);
      ::close(ends[0]);
      be_a_member(number, parent, ends[1], work);
    }
    const int error = errno;
    ::close(ends[1]);
    if (process < 0) {
      ::close(ends[0]);
      end();
      throw std::system_error(error, std::generic_category(), "cannot fork");
    }
    members_.push_back({process, ends[0]});
  }
}

bool Crew::hear(const std::function<void(unsigned number, std::string_view message)>& on_message,
                const std::function<void(unsigned number)>& on_killed) {
  std::vector<pollfd> ready;
  for (Member& member : members_) {
    // What it leaves behind may keep its end of the pipe open.
    if (member.process > 0 && ::waitpid(member.process, &member.status, WNOHANG) == member.process) member.process = -1;
    ready.push_back({member.file, POLLIN, 0});  // poll() passes by what is -1
  }
  if (std::ranges::all_of(ready, [](const pollfd& one) { return one.fd < 0; })) return false;
  if (::poll(ready.data(), ready.size(), wait_milliseconds) < 0) {
    if (errno == EINTR || errno == EAGAIN) return true;
    throw std::system_error(errno, std::generic_category(), "poll");
  }
  for (unsigned number = 0; number < members_.size(); ++number) {
    Member& member = members_[number];
    if (ready[number].revents != 0 ? read_from(member) : member.process > 0) {
      tell_whole_messages(member, [&](std::string_view message) { on_message(number, message); });
    } else if (member.file >= 0) {
      ::close(std::exchange(member.file, -1));
      if (member.process > 0) member.status = wait_for(std::exchange(member.process, -1));
      if (member.status != 0) on_killed(number);
    }
  }
  return true;
}

/// False at the end.
bool Crew::read_from(Member& member) {
  char bytes[1 << 16];
  const ssize_t got = ::read(member.file, bytes, sizeof bytes);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (got <= 0) return false;
  member.heard.append(bytes, static_cast<std::size_t>(got));
  return true;
}

void Crew::tell_whole_messages(Member& member, const std::function<void(std::string_view message)>& on_message) {
  std::string_view rest = member.heard;
  Length length = 0;
  while (rest.size() >= sizeof length) {
    std::memcpy(&length, rest.data(), sizeof length);
    if (rest.size() - sizeof length < length) break;
    on_message(rest.substr(sizeof length, length));
    rest.remove_prefix(sizeof length + length);
  }
  member.heard.erase(0, member.heard.size() - rest.size());
}

void Crew::end() {
  for (Member& member : members_) {
    if (member.file >= 0) ::close(std::exchange(member.file, -1));
    if (member.process < 0) continue;
    ::kill(member.process, SIGKILL);
    wait_for(std::exchange(member.process, -1));
  }
}

}  // namespace vmapcheck
