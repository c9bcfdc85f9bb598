// SPDX-License-Identifier: Apache-2.0
#include "harness/isolate/death.hpp"

#include <execinfo.h>
#include <ucontext.h>
#include <cstring>

#include <algorithm>
#include <charconv>

// Defaults of the sanitizers, which ASAN_OPTIONS and UBSAN_OPTIONS override. Reports are not symbolized, since that
// would take a second for each.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() { return "symbolize=0"; }
extern "C" const char* __ubsan_default_options();
extern "C" const char* __ubsan_default_options() { return "symbolize=0:print_stacktrace=1:halt_on_error=1"; }

// Exists only with AddressSanitizer. A macro of the compiler would not do: code under test may be sanitized while this
// file is not.
extern "C" __attribute__((weak)) void __asan_set_error_report_callback(void (*callback)(const char* report));

namespace vmapcheck {

void Stack::take(const void* from) {
  count = ::backtrace(frames, frames_max);
  void** const end = frames + count;
  void** const fault = from == nullptr ? end : std::find(frames, end, from);
  if (fault != end) count = static_cast<int>(std::copy(fault, end, frames) - frames);
}

std::vector<std::uintptr_t> Stack::addresses() const {
  std::vector<std::uintptr_t> all;
  for (int i = 0; i < count; ++i) all.push_back(reinterpret_cast<std::uintptr_t>(frames[i]));
  return all;
}

void load_unwinder() {
  [[maybe_unused]] static const int loaded = [] {
    void* frame[1];
    return ::backtrace(frame, 1);
  }();
}

const void* pc_of(const void* context) {
#if defined(__x86_64__)
  return reinterpret_cast<const void*>(static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
#elif defined(__aarch64__)
  return reinterpret_cast<const void*>(static_cast<const ucontext_t*>(context)->uc_mcontext.pc);
#else
  (void)context;
  return nullptr;
#endif
}

namespace {

std::uintptr_t sp_of(const void* context) {
#if defined(__x86_64__)
  return static_cast<std::uintptr_t>(static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_RSP]);
#elif defined(__aarch64__)
  return static_cast<const ucontext_t*>(context)->uc_mcontext.sp;
#else
  (void)context;
  return 0;
#endif
}

}  // namespace

bool is_stack_overflow(int number, const siginfo_t& info, const void* context) {
  const auto fault = reinterpret_cast<std::uintptr_t>(info.si_addr);
  const std::uintptr_t sp = sp_of(context);
  constexpr std::uintptr_t near_sp = 1 << 16;
  return number == SIGSEGV && fault + near_sp > sp && fault < sp + near_sp;
}

std::string signal_name(int number) {
  const char* const name = ::sigabbrev_np(number);
  return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(number);
}

std::string sanitizer_verdict(std::string_view report) {
  for (const std::string_view mark : {"SUMMARY: ", "ERROR: "}) {
    std::size_t at = report.find(mark);
    if (at == std::string_view::npos) continue;
    const std::string_view line = report.substr(at, report.find('\n', at) - at);
    at = line.find("Sanitizer: ");
    if (at == std::string_view::npos) continue;
    const std::string_view rest = line.substr(at + 11);
    return std::string(rest.substr(0, rest.find_first_of(" :(")));
  }
  return "";
}

std::vector<std::uintptr_t> sanitizer_frames(std::string_view report) {
  std::vector<std::uintptr_t> frames;
  std::size_t at = report.find("#0 0x");
  for (std::size_t n = 0; at != std::string_view::npos; ++n) {
    const std::string mark = "#" + std::to_string(n) + " 0x";
    const std::size_t end = std::min(report.find('\n', at), report.size());
    const std::string_view line = report.substr(at, end - at);
    const std::size_t number = line.find(mark);
    if (number == std::string_view::npos) break;
    std::uintptr_t address = 0;
    std::from_chars(line.data() + number + mark.size(), line.data() + line.size(), address, 16);
    frames.push_back(address);
    at = end == report.size() ? std::string_view::npos : end + 1;
  }
  return frames;
}

FailureKind kind_of(std::string_view verdict) {
  const bool memory =
      verdict == "out-of-memory" || verdict == "allocation-size-too-big" || verdict == "rss-limit-exceeded";
  return memory ? FailureKind::memory_limit : FailureKind::sanitizer;
}

bool is_sanitized() { return __asan_set_error_report_callback != nullptr; }

}  // namespace vmapcheck
