// SPDX-License-Identifier: Apache-2.0
#include "harness/isolate/last_words.hpp"

#include <cxxabi.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <initializer_list>
#include <typeinfo>

namespace vmapcheck {
namespace {

using Shared = Beacon::Shared;
using Cause = Shared::Cause;

LastWords words;
struct sigaction handlers_before[NSIG];
std::terminate_handler terminate_before = nullptr;
std::uint64_t ticks = 0;  ///< since the step began

bool wanted() { return words.is_wanted == nullptr || words.is_wanted(); }

[[noreturn]] void leave(Cause cause) {
  words.page->cause = cause;
  words.leave();
  std::abort();
}

/// Does what would happen without these handlers.
void hand_on(int number, siginfo_t* info, void* context) {
  const struct sigaction& before = handlers_before[number];
  if ((before.sa_flags & SA_SIGINFO) != 0) return before.sa_sigaction(number, info, context);
  if (before.sa_handler == SIG_IGN) return;
  if (before.sa_handler != SIG_DFL) return before.sa_handler(number);
  ::signal(number, SIG_DFL);
  ::raise(number);
}

bool is_fault(int number) {
  return number == SIGSEGV || number == SIGBUS || number == SIGILL || number == SIGTRAP || number == SIGABRT;
}

void on_deadly_signal(int number, siginfo_t* info, void* context) {
  const int error = errno;
  if (!wanted()) return hand_on(number, info, context);
  words.page->signal = number;
  words.page->by_other = info->si_code <= 0 && info->si_pid != ::getpid();  // not by the kernel, nor by raise()
  words.page->stack_overflow = is_stack_overflow(number, *info, context);
  words.page->stack.take(pc_of(context));
  // The step was refused memory, and did not check, or gave up.
  const bool no_memory = error == ENOMEM && is_fault(number) && !words.page->stack_overflow && !words.page->by_other;
  leave(no_memory ? Cause::memory : Cause::signal);
}

/// Called each time a quarter of a step's processor time has passed, and when the parent asks.
void on_cpu_tick(int, siginfo_t*, void* context) {
  static std::uint64_t progress_before = 0;
  if (!wanted()) return;
  if (const Cause asked = words.page->asked.load(); asked != Cause::none) {
    words.page->stack.take(pc_of(context));
    leave(asked);
  }
  const std::uint64_t progress = words.page->progress.load(std::memory_order_relaxed);
  const bool works = progress == progress_before && !words.page->aside.load(std::memory_order_relaxed);
  ticks = works ? ticks + 1 : 0;
  progress_before = progress;
  if (ticks < 4 * (std::uint64_t{1} + words.page->times_longer.load(std::memory_order_relaxed))) return;
  ticks = 0;
  words.page->stack.take(pc_of(context));
  leave(Cause::cpu);
}

void copy_text(char* to, std::size_t size, const char* from) { std::snprintf(to, size, "%s", from); }

/// Called where an exception is thrown: nothing in the thread catches it, so nothing was unwound yet.
[[noreturn]] void on_terminate() {
  if (!wanted()) {
    if (terminate_before != nullptr) terminate_before();
    std::abort();
  }
  words.page->stack.take(nullptr);
  const std::type_info* const type = abi::__cxa_current_exception_type();
  if (type == nullptr) leave(Cause::terminate);
  int status = 0;
  char* const name = abi::__cxa_demangle(type->name(), nullptr, nullptr, &status);
  copy_text(words.page->what, sizeof words.page->what, status == 0 ? name : type->name());
  std::free(name);
  try {
    throw;
  } catch (const std::exception& exception) {
    copy_text(words.page->detail, sizeof words.page->detail, exception.what());
  } catch (...) {}
  leave(Cause::exception);
}

void handle(std::initializer_list<int> signals, void (*handler)(int, siginfo_t*, void*), int flags) {
  struct sigaction action{};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | flags;
  for (const int number : signals) ::sigaction(number, &action, &handlers_before[number]);
}

}  // namespace

void note_last_words(const LastWords& how) {
  words = how;
  load_unwinder();
  terminate_before = std::set_terminate(on_terminate);
  handle({SIGABRT, SIGTRAP, SIGSYS}, on_deadly_signal, SA_ONSTACK);
  if (words.memory_faults) handle({SIGSEGV, SIGBUS, SIGFPE, SIGILL}, on_deadly_signal, SA_ONSTACK);
  if (words.all_signals)
    handle({SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGALRM, SIGVTALRM, SIGUSR1, SIGUSR2, SIGXCPU, SIGXFSZ},
           on_deadly_signal, SA_ONSTACK);
  handle({SIGPROF}, on_cpu_tick, SA_ONSTACK | SA_RESTART);
  const auto microseconds = std::max<long>(1000, words.cpu.count() * 1000 / 4);
  const timeval period{microseconds / 1'000'000, microseconds % 1'000'000};
  const itimerval timer{period, period};
  ::setitimer(ITIMER_PROF, &timer, nullptr);
}

void stand_on_signal_stack() {
  static char signal_stack[std::size_t{1} << 16];
  const stack_t stack{.ss_sp = signal_stack, .ss_flags = 0, .ss_size = sizeof signal_stack};
  ::sigaltstack(&stack, nullptr);
}

void restart_cpu_time() { ticks = 0; }

std::optional<Death> noted_death(const Shared& page) {
  Death death;
  death.phase = page.phase.load();
  death.step = page.step.load();
  death.frames = page.stack.addresses();
  death.what = page.what;
  death.detail = page.detail;
  switch (page.cause) {
    case Cause::none: return std::nullopt;
    case Cause::signal:
      death.what = page.stack_overflow ? "stack-overflow" : signal_name(page.signal);
      death.by_other = page.by_other;
      break;
    case Cause::exception: death.kind = FailureKind::exception; break;
    case Cause::terminate: death.what = "std::terminate"; break;
    case Cause::memory: death.kind = FailureKind::memory_limit; break;
    case Cause::cpu: death.kind = FailureKind::hang; break;
  }
  return death;
}

void note_no_memory() {
  words.page->stack.take(nullptr);
  leave(Cause::memory);
}

}  // namespace vmapcheck
