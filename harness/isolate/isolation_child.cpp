// SPDX-License-Identifier: Apache-2.0
#include "harness/isolate/isolation_child.hpp"

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <new>

#include "harness/isolate/death.hpp"
#include "harness/isolate/last_words.hpp"

namespace vmapcheck {
namespace {

using Shared = Beacon::Shared;

constexpr std::size_t stack_bytes = std::size_t{16} << 20;

Shared* mine = nullptr;  ///< of this process, if it is a child

/// Word was left: after this it is no more.
void end_here() { ::_exit(status_of_dying); }

/// What the parent has made of its signals is not for the subject.
void forget_handlers() {
  for (int number = 1; number < NSIG; ++number) {
    const bool reported = number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL;
    if (!(is_sanitized() && reported)) ::signal(number, SIG_DFL);
  }
}

void stand_alone(int output) {
  ::setpgid(0, 0);  // no session, in which the kernel would schedule it apart, at a price
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(nothing, 0);
  ::close(nothing);
  ::dup2(output, 1);
  ::dup2(output, 2);
  // Line by line: what it has to say comes out before it dies.
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
  if (is_sanitized()) return;  // which needs terabytes of address space
  std::set_new_handler(note_no_memory);
  // Private writable memory: what is only reserved does not count.
  unsigned long pages = 0;
  if (std::FILE* const file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%*u %*u %*u %*u %*u %lu", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  const rlim_t bytes = pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + limits.memory;
  const rlimit memory{bytes, bytes};
  if (pages != 0) ::setrlimit(RLIMIT_DATA, &memory);
}

/// The child's thread. It has nothing below it that would catch an exception of the subject, so that it is noticed
/// where it is thrown; and its stack is always as large.
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
  // Signals are for the thread that works: it knows where it is.
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
