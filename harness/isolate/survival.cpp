// SPDX-License-Identifier: Apache-2.0
#include "harness/isolate/survival.hpp"

#include <unistd.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "harness/isolate/last_words.hpp"

// Functions of the sanitizers' runtime, null without one.
extern "C" {
__attribute__((weak)) void __asan_set_error_report_callback(void (*callback)(const char* report));
__attribute__((weak)) void __ubsan_get_current_report_data(const char** kind, const char** message, const char** file,
                                                           unsigned* line, unsigned* column, char** address);
void __ubsan_on_report();
}

namespace vmapcheck {
namespace {

using Shared = Beacon::Shared;

Shared page;
sigjmp_buf way_back;
volatile bool inside = false;
pid_t owner = 0;  ///< the process that survives
std::uint64_t deaths = 0;

/// The first report of a run. The sanitizer's lock is held while it is taken: nothing is allocated.
struct Report {
  bool taken = false;
  char kind[64];  ///< of UndefinedBehaviorSanitizer
  Stack stack;
  char text[std::size_t{1} << 16];
} report;

/// A process that the work has forked must not go on beside this one.
void end_if_forked() {
  if (::getpid() != owner) ::_exit(status_of_dying);
}

[[noreturn]] void come_back() {
  end_if_forked();
  inside = false;
  siglongjmp(way_back, 1);
}

void on_address_report(const char* text) {
  if (!inside || report.taken) return;
  report.taken = true;
  report.kind[0] = '\0';
  std::snprintf(report.text, sizeof report.text, "%s", text);
  page.doomed.store(true);
}

void on_undefined_report() {
  if (!inside || report.taken || __ubsan_get_current_report_data == nullptr) return;
  const char *kind = "", *message = "", *file = "";
  unsigned line = 0, column = 0;
  char* address = nullptr;
  __ubsan_get_current_report_data(&kind, &message, &file, &line, &column, &address);
  report.taken = true;
  std::snprintf(report.kind, sizeof report.kind, "%s", kind);
  std::snprintf(report.text, sizeof report.text, "%s:%u:%u: %s", file, line, column, message);
  report.stack.take(nullptr);
  page.doomed.store(true);
}

Death reported_death() {
  Death death{.phase = page.phase.load(), .step = page.step.load()};
  death.report = report.text;
  if (report.kind[0] != '\0') {
    death.what = report.kind;
    death.kind = FailureKind::sanitizer;
    death.frames = report.stack.addresses();
    return death;
  }
  death.what = sanitizer_verdict(death.report);
  death.kind = kind_of(death.what);
  death.frames = sanitizer_frames(death.report);
  return death;
}

/// Names a signal as AddressSanitizer would if there were no handler.
void as_reported(Death& death) {
  if (!is_sanitized() || death.kind != FailureKind::signal || !death.what.starts_with("SIG")) return;
  for (const std::string_view name : {"SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL"}) {
    if (death.what != name) continue;
    death.what.erase(0, 3);
    death.kind = FailureKind::sanitizer;
    return;
  }
}

void prepare(std::chrono::milliseconds cpu) {
  note_last_words(
      {.page = &page, .leave = come_back, .cpu = cpu, .is_wanted = [] { return static_cast<bool>(inside); }});
  // Called through a pointer: services refuse builds without AddressSanitizer in which they see a call of it.
  auto* volatile const tell_of_reports = __asan_set_error_report_callback;
  if (auto* const tell = tell_of_reports)
    tell(on_address_report);  // AddressSanitizer has a stack for signals
  else
    stand_on_signal_stack();
}

}  // namespace

std::optional<Death> survive(const std::function<void(Beacon& beacon)>& work, std::chrono::milliseconds cpu) {
  [[maybe_unused]] static const bool prepared = (prepare(cpu), true);
  page.cause = Shared::Cause::none;
  page.what[0] = page.detail[0] = '\0';
  page.leave = come_back;
  page.doomed.store(false);
  report.taken = false;
  restart_cpu_time();
  owner = ::getpid();
  if (sigsetjmp(way_back, 1) == 0) {
    inside = true;
    Beacon beacon(&page);
    work(beacon);
    end_if_forked();
    inside = false;
    if (!report.taken) return std::nullopt;
  }
  ++deaths;
  // What the sanitizer saw came first.
  if (report.taken) return reported_death();
  auto death = noted_death(page);
  if (death) as_reported(*death);
  return death;
}

std::uint64_t deaths_survived() { return deaths; }

}  // namespace vmapcheck

/// The runtime calls it for each report.
void __ubsan_on_report() { vmapcheck::on_undefined_report(); }
