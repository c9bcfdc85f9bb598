// SPDX-License-Identifier: Apache-2.0
#include "harness/isolate/isolation_child.hpp"

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <new>

#include "harness/isolate/death.hpp"
#include "harness/isolate/last_words.hpp"

namespace vmapcheck {
namespace {

using Shared = Beacon::Shared;

constexpr std::size_t stack_bytes = std::size_t{16} << 20;

Shared* mine = nullptr;  ///< the page of this process, if it is a child

/// Called when its death is noted.
void end_here() { ::_exit(status_of_dying); }

/// Called first of all that is done at an exit: the subject's call of it is still on the stack.
void note_exit() { mine->stack.take(nullptr); }

/// The subject does not inherit the parent's handlers of signals.
void forget_handlers() {
  for (int number = 1; number < NSIG; ++number) {
    const bool reported = number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL;
    if (!(is_sanitized() && reported)) ::signal(number, SIG_DFL);
  }
}

void stand_alone(int output) {
  ::setpgid(0, 0);  // a session of its own would cost time: the kernel would schedule it apart
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(nothing, 0);
  ::close(nothing);
  ::dup2(output, 1);
  ::dup2(output, 2);
  // Buffered by lines, so that what it prints comes out before it dies.
  static char line[BUFSIZ];
  std::setvbuf(stdout, line, _IOLBF, sizeof line);
}

void install_handlers(const Limits& limits) {
  forget_handlers();
  constexpr rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::mallopt(M_ARENA_MAX, 1);
  note_last_words(
      {.page = mine, .leave = end_here, .memory_faults = !is_sanitized(), .all_signals = true, .cpu = limits.cpu});
  std::atexit(note_exit);
  std::at_quick_exit(note_exit);
  if (is_sanitized()) return;  // AddressSanitizer needs terabytes of address space
  std::set_new_handler(note_no_memory);
  // The limit is on private writable memory: what is only reserved does not count.
  unsigned long pages = 0;
  if (std::FILE* const file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%*u %*u %*u %*u %*u %lu", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  const rlim_t bytes = pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + limits.memory;
  const rlimit memory{bytes, bytes};
  if (pages != 0) ::setrlimit(RLIMIT_DATA, &memory);
}

/// The child's thread. Nothing below it would catch an exception of the subject, so that an exception is noticed where
/// it is thrown. Its stack has the same size in every process.
void* perform(void* argument) {
  const Task& task = *static_cast<const Task*>(argument);
  if (!is_sanitized()) stand_on_signal_stack();
  sigset_t none;
  ::sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);

  Beacon beacon(mine);
  std::uint64_t item = task.first;
  for (; item < task.count && !beacon.stop_wanted(); ++item) {
    mine->told_before.store(mine->told.load(std::memory_order_relaxed), std::memory_order_relaxed);
    mine->item.store(item, std::memory_order_relaxed);
    beacon.at(Phase::construction, 0);
    if (const auto answer = task.work(item, beacon)) beacon.answer(*answer);
  }
  mine->item.store(item);
  mine->finished.store(true);
  ::_exit(0);
}

}  // namespace

void be_the_child(Shared& shared, const Task& task, int output, const Limits& limits, pid_t parent) {
  die_with_parent(parent);
  mine = &shared;
  shared.answer_to = task.answer_to;
  stand_alone(output);
  keep_shared_memory_to_itself();
  // Signals are blocked here, so that they go to the thread that works.
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
  install_handlers(limits);
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, stack_bytes);
  pthread_t thread{};
  if (::pthread_create(&thread, &attributes, perform, const_cast<Task*>(&task)) != 0) ::_exit(status_of_dying);
  ::pthread_join(thread, nullptr);  // does not come back: the thread ends the process
  ::_exit(status_of_dying);
}

}  // namespace vmapcheck
