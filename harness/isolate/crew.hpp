// SPDX-License-Identifier: Apache-2.0
//
// Processes that work side by side. Each may walk() (isolation.hpp), which needs one thread; so they are no threads.
//
//     Crew crew(2, [](unsigned number, const Crew::Tell& tell) { tell(number == 0 ? "one" : "two"); });
//     std::size_t bytes = 0;
//     while (crew.hear([&](unsigned, std::string_view message) { bytes += message.size(); }, [](unsigned) {})) {}
//     std::printf("%zu\n", bytes);   // 6
//
// They are forks: they see all that this process sees, share with it what a SharedArray holds, and die with it. They
// keep its handlers of signals, and its process group, so that what the terminal sends reaches them too.
//
// Requires one thread. POSIX.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace vmapcheck {

class Crew {
 public:
  /// Sends a message: whole, or not at all if the process dies on the way.
  using Tell = std::function<void(std::string_view message)>;

  /// Calls `work` in `count` processes, numbered from 0. Each ends when its `work` returns; what it throws kills it.
  /// Throws std::system_error if there can be no such process; those that were begun are killed.
  Crew(unsigned count, const std::function<void(unsigned number, const Tell& tell)>& work);
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;
  /// Kills those that still work.
  ~Crew() { end(); }

  /// Waits some hundredths of a second at most. Calls `on_message` for each message that has come whole, those of one
  /// process in their order, and `on_killed` for each process that did not come to its end. False: all have ended.
  bool hear(const std::function<void(unsigned number, std::string_view message)>& on_message,
            const std::function<void(unsigned number)>& on_killed);

 private:
  struct Member {
    int process = -1;     ///< -1: it has ended
    int file = -1;        ///< from it; -1: all was heard
    int status = 0;       ///< as waitpid() says
    std::string heard{};  ///< of a message that is not whole
  };
  static bool read_from(Member& member);
  static void tell_whole_messages(Member& member, const std::function<void(std::string_view message)>& on_message);
  void end();

  std::vector<Member> members_;
};

}  // namespace vmapcheck
