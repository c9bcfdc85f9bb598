// SPDX-License-Identifier: Apache-2.0
#include "harness/isolation.hpp"

#include <cxxabi.h>
#include <dirent.h>
#include <execinfo.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <system_error>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#define VMAPCHECK_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VMAPCHECK_ASAN 1
#endif
#endif

#ifdef VMAPCHECK_ASAN
// Defaults, which ASAN_OPTIONS and UBSAN_OPTIONS override.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() { return "symbolize=0"; }
extern "C" const char* __ubsan_default_options();
extern "C" const char* __ubsan_default_options() { return "symbolize=0:print_stacktrace=1"; }
#endif

namespace vmapcheck {

using Clock = std::chrono::steady_clock;

/// What parent and child share.
struct Beacon::Shared {
  enum class Cause : int { none, signal, exception, terminate, memory, cpu };
  static constexpr int frames_max = 64;

  std::atomic<std::uint64_t> item;
  std::atomic<std::uint64_t> step;
  std::atomic<std::uint64_t> progress;  ///< grows with every sign of life
  std::atomic<Phase> phase;
  std::atomic<bool> stop;
  std::atomic<bool> finished;
  std::atomic<bool> answered;
  std::atomic<bool> aside;
  std::atomic<std::uint64_t> told;  ///< bytes
  int answer_to;                    ///< file, in the child

  // Written once by a child that dies.
  Cause cause;
  int signal;
  bool stack_overflow;
  int frames_count;
  void* frames[frames_max];
  char what[256];
  char detail[512];
};

namespace {

/// Returns how many bytes were written.
std::size_t write_all(int file, std::string_view bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t written = ::write(file, bytes.data() + done, bytes.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    done += static_cast<std::size_t>(written);
  }
  return done;
}

}  // namespace

void Beacon::at(Phase phase, std::uint64_t step) {
  if (shared_ == nullptr) return;
  shared_->step.store(step, std::memory_order_relaxed);
  shared_->phase.store(phase, std::memory_order_relaxed);
  // This thread alone writes it.
  shared_->progress.store(shared_->progress.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void Beacon::aside(bool now) {
  if (shared_ == nullptr) return;
  shared_->aside.store(now, std::memory_order_relaxed);
  shared_->progress.store(shared_->progress.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void Beacon::tell(std::string_view bytes) {
  if (shared_ == nullptr) return;
  aside(true);
  shared_->told.fetch_add(write_all(shared_->answer_to, bytes));
  aside(false);
}

void Beacon::answer(std::string_view answer) {
  if (shared_ == nullptr) return;
  aside(true);  // its parent reads as fast as it can
  shared_->answered.store(true);
  write_all(shared_->answer_to, answer);
  shared_->finished.store(true);
  ::_exit(0);
}

bool Beacon::stop_wanted() const { return shared_ != nullptr && shared_->stop.load(std::memory_order_relaxed); }

namespace {

using Shared = Beacon::Shared;
using Cause = Shared::Cause;

constexpr int status_of_dying = 86;
constexpr std::size_t report_bytes_max = std::size_t{1} << 16;
constexpr std::size_t stack_bytes = std::size_t{16} << 20;

// ---- In the child
// ------------------------------------------------------------------------------------------------------

Shared* mine = nullptr;  ///< of this process, if it is a child

/// Called where the child dies: after this it is no more.
[[noreturn]] void die(Cause cause) {
  mine->cause = cause;
  ::_exit(status_of_dying);
}

void take_frames(const void* from) {
  const int count = ::backtrace(mine->frames, Shared::frames_max);
  // What lies inside of `from` is the handler.
  void** const end = mine->frames + count;
  void** const fault = from == nullptr ? end : std::find(mine->frames, end, from);
  mine->frames_count = static_cast<int>(fault == end ? count : std::copy(fault, end, mine->frames) - mine->frames);
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

void on_deadly_signal(int number, siginfo_t* info, void* context) {
  mine->signal = number;
  const auto fault = reinterpret_cast<std::uintptr_t>(info->si_addr);
  const std::uintptr_t sp = sp_of(context);
  constexpr std::uintptr_t near_sp = 1 << 16;
  mine->stack_overflow = number == SIGSEGV && fault + near_sp > sp && fault < sp + near_sp;
  take_frames(pc_of(context));
  die(Cause::signal);
}

/// Every quarter of the processor time that a step may take.
void on_cpu_tick(int, siginfo_t*, void* context) {
  static std::uint64_t progress_before = 0;
  static int ticks = 0;
  const std::uint64_t progress = mine->progress.load(std::memory_order_relaxed);
  ticks = progress == progress_before && !mine->aside.load(std::memory_order_relaxed) ? ticks + 1 : 0;
  progress_before = progress;
  if (ticks < 4) return;
  take_frames(pc_of(context));
  die(Cause::cpu);
}

void copy_text(char* to, std::size_t size, const char* from) { std::snprintf(to, size, "%s", from); }

/// No handler was found on the way out of the thread, so that nothing was unwound yet.
[[noreturn]] void on_terminate() {
  const std::type_info* const type = abi::__cxa_current_exception_type();
  if (type == nullptr) {
    take_frames(nullptr);
    die(Cause::terminate);
  }
  take_frames(nullptr);
  int status = 0;
  char* const name = abi::__cxa_demangle(type->name(), nullptr, nullptr, &status);
  copy_text(mine->what, sizeof mine->what, status == 0 ? name : type->name());
  try {
    throw;
  } catch (const std::exception& exception) {
    copy_text(mine->detail, sizeof mine->detail, exception.what());
  } catch (...) {}
  die(Cause::exception);
}

[[noreturn, maybe_unused]] void on_no_memory() {
  take_frames(nullptr);
  die(Cause::memory);
}

void handle(std::initializer_list<int> signals, void (*handler)(int, siginfo_t*, void*), int flags) {
  struct sigaction action{};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | flags;
  for (const int number : signals) ::sigaction(number, &action, nullptr);
}

void install_handlers(const Limits& limits) {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::signal(number, SIG_IGN);  // the parent sees to these
  constexpr rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::mallopt(M_ARENA_MAX, 1);
  std::set_terminate(on_terminate);
  handle({SIGABRT, SIGTRAP, SIGSYS}, on_deadly_signal, SA_ONSTACK | static_cast<int>(SA_RESETHAND));
#ifndef VMAPCHECK_ASAN  // which reports these itself, and needs terabytes of address space
  handle({SIGSEGV, SIGBUS, SIGFPE, SIGILL}, on_deadly_signal, SA_ONSTACK | static_cast<int>(SA_RESETHAND));
  std::set_new_handler(on_no_memory);
  // Private writable memory: what is only reserved does not count.
  unsigned long pages = 0;
  if (std::FILE* const file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%*u %*u %*u %*u %*u %lu", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  const rlim_t bytes = pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + limits.memory;
  const rlimit memory{bytes, bytes};
  if (pages != 0) ::setrlimit(RLIMIT_DATA, &memory);
#endif
  handle({SIGPROF}, on_cpu_tick, SA_ONSTACK | SA_RESTART);
  const auto microseconds = std::max<long>(1000, limits.cpu.count() * 1000 / 4);
  const timeval period{microseconds / 1'000'000, microseconds % 1'000'000};
  const itimerval timer{period, period};
  ::setitimer(ITIMER_PROF, &timer, nullptr);
}

struct Task {
  const Work& work;
  std::uint64_t first;
  std::uint64_t count;
  int answer_to;  ///< file
};

/// The child's thread. It has nothing below it that would catch an exception of the subject, so that it is noticed
/// where it is thrown; and its stack is always as large.
void* perform(void* argument) {
  const Task& task = *static_cast<const Task*>(argument);
#ifndef VMAPCHECK_ASAN
  static char signal_stack[std::size_t{1} << 16];
  const stack_t stack{.ss_sp = signal_stack, .ss_flags = 0, .ss_size = sizeof signal_stack};
  ::sigaltstack(&stack, nullptr);
#endif
  sigset_t ticks;
  ::sigemptyset(&ticks);
  ::sigaddset(&ticks, SIGPROF);
  ::pthread_sigmask(SIG_UNBLOCK, &ticks, nullptr);

  Beacon beacon(mine);
  std::uint64_t item = task.first;
  for (; item < task.count && !beacon.stop_wanted(); ++item) {
    mine->item.store(item, std::memory_order_relaxed);
    beacon.at(Phase::construction, 0);
    if (const auto answer = task.work(item, beacon)) beacon.answer(*answer);
  }
  mine->item.store(item);
  mine->finished.store(true);
  ::_exit(0);
}

[[noreturn]] void be_the_child(Shared& shared, const Task& task, int errors, const Limits& limits, pid_t parent) {
  die_with_parent(parent);
  mine = &shared;
  shared.answer_to = task.answer_to;
  ::dup2(errors, 2);
  // Ticks are for the thread that works.
  sigset_t ticks;
  ::sigemptyset(&ticks);
  ::sigaddset(&ticks, SIGPROF);
  ::pthread_sigmask(SIG_BLOCK, &ticks, nullptr);
  install_handlers(limits);
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, stack_bytes);
  pthread_t thread{};
  if (::pthread_create(&thread, &attributes, perform, const_cast<Task*>(&task)) != 0) ::_exit(status_of_dying);
  ::pthread_join(thread, nullptr);  // does not come back: the thread ends the process
  ::_exit(status_of_dying);
}

// ---- In the parent
// -----------------------------------------------------------------------------------------------------

[[noreturn]] void cannot(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

class File {
 public:
  explicit File(int number) : number_(number) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() { close(); }
  [[nodiscard]] int number() const { return number_; }
  void adopt(int number) {
    close();
    number_ = number;
  }
  void close() {
    if (number_ >= 0) ::close(std::exchange(number_, -1));
  }

 private:
  int number_;
};

/// The last `bytes_max` bytes of a file.
std::string end_of(int file, std::size_t bytes_max) {
  struct stat status{};
  if (::fstat(file, &status) != 0) return "";
  std::string text(std::min(static_cast<std::size_t>(status.st_size), bytes_max), '\0');
  const ssize_t got = ::pread(file, text.data(), text.size(), status.st_size - static_cast<off_t>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  return text;
}

std::string signal_name(int number) {
  const char* const name = ::sigabbrev_np(number);
  return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(number);
}

/// Bytes of memory that a process has in use.
std::size_t resident(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/statm";
  unsigned long pages = 0, all = 0;
  if (std::FILE* const file = std::fopen(path.c_str(), "r")) {
    if (std::fscanf(file, "%lu %lu", &all, &pages) != 2) pages = 0;
    std::fclose(file);
  }
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// True if no thread of a process runs or is about to.
bool is_asleep(pid_t pid) {
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  DIR* const directory = ::opendir(tasks.c_str());
  if (directory == nullptr) return false;
  bool asleep = true;
  while (const dirent* const entry = ::readdir(directory)) {
    if (entry->d_name[0] == '.') continue;
    const std::string path = tasks + "/" + entry->d_name + "/stat";
    char text[512] = {};
    if (std::FILE* const file = std::fopen(path.c_str(), "r")) {
      text[std::fread(text, 1, sizeof text - 1, file)] = '\0';
      std::fclose(file);
    }
    const char* const state = std::strrchr(text, ')');  // "1234 (name) S ..."
    asleep = asleep && state != nullptr && std::strlen(state) > 2 && state[2] == 'S';
  }
  ::closedir(directory);
  return asleep;
}

/// "heap-use-after-free" of "SUMMARY: AddressSanitizer: heap-use-after-free (...) in f".
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

/// The addresses in the first stack of a sanitizer's report: lines "    #0 0x55d0c0de ...".
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

enum class Killed { no, asleep, large };

Death death_of(const Shared& shared, int status, Killed killed, std::string report) {
  Death death;
  death.phase = shared.phase.load();
  death.step = shared.step.load();
  death.frames.reserve(Shared::frames_max);
  for (int i = 0; i < shared.frames_count; ++i)
    death.frames.push_back(reinterpret_cast<std::uintptr_t>(shared.frames[i]));
  death.what = shared.what;
  death.detail = shared.detail;
  death.report = std::move(report);
  switch (shared.cause) {
    case Cause::signal:
      death.what = shared.stack_overflow ? "stack-overflow" : signal_name(shared.signal);
      return death;
    case Cause::exception: return death.kind = FailureKind::exception, death;
    case Cause::terminate: return death.what = "std::terminate", death;
    case Cause::memory: return death.kind = FailureKind::memory_limit, death;
    case Cause::cpu: return death.kind = FailureKind::hang, death;
    case Cause::none: break;
  }
  if (killed == Killed::asleep) return death.kind = FailureKind::hang, death;
  if (killed == Killed::large) return death.kind = FailureKind::memory_limit, death;
  if (WIFSIGNALED(status)) return death.what = signal_name(WTERMSIG(status)), death;
  if (std::string verdict = sanitizer_verdict(death.report); !verdict.empty()) {
    const bool memory =
        verdict == "out-of-memory" || verdict == "allocation-size-too-big" || verdict == "rss-limit-exceeded";
    death.kind = memory ? FailureKind::memory_limit : FailureKind::sanitizer;
    death.what = std::move(verdict);
    death.frames = sanitizer_frames(death.report);
    return death;
  }
  death.kind = FailureKind::exit;
  death.what = std::to_string(WEXITSTATUS(status));
  return death;
}

/// One child, from its fork to its end.
class Child {
 public:
  Child(Shared& shared, const Work& work, std::uint64_t first, std::uint64_t count, const WalkOptions& options);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() { end(); }

  /// Until it has ended, or `keep_going` says no.
  void attend();

  [[nodiscard]] bool interrupted() const { return interrupted_; }
  [[nodiscard]] std::string& answer() { return answer_; }
  [[nodiscard]] bool finished() const { return shared_.finished.load(); }
  /// What a talkative subject printed last is what it died of.
  [[nodiscard]] Death death() const {
    return death_of(shared_, status_, killed_, end_of(errors_.number(), report_bytes_max));
  }
  [[nodiscard]] std::string errors() const { return end_of(errors_.number(), std::string::npos); }

 private:
  bool read_some();
  void watch(Clock::time_point now);
  void end();

  Shared& shared_;
  const WalkOptions& options_;
  File errors_;
  File channel_{-1};
  pid_t pid_ = -1;
  int status_ = 0;
  std::string answer_;
  std::uint64_t progress_ = 0;
  Clock::time_point asleep_since_ = Clock::now();
  Killed killed_ = Killed::no;
  bool interrupted_ = false;
  std::optional<Clock::time_point> grace_end_;
};

Child::Child(Shared& shared, const Work& work, std::uint64_t first, std::uint64_t count, const WalkOptions& options)
    : shared_(shared), options_(options), errors_(::memfd_create("errors", MFD_CLOEXEC)) {
  if (errors_.number() < 0) cannot("cannot make a file for a child's errors");
  int channel[2];
  if (::pipe2(channel, O_CLOEXEC) != 0) cannot("cannot make a pipe to a child");
  const Task task{work, first, count, channel[1]};
  const pid_t parent = ::getpid();
  std::fflush(nullptr);  // or a child that calls exit() prints it, too
  pid_ = ::fork();
  if (pid_ == 0) be_the_child(shared, task, errors_.number(), options.limits, parent);
  const int why = errno;
  ::close(channel[1]);
  channel_.adopt(channel[0]);
  if (pid_ < 0) {
    errno = why;
    cannot("cannot fork");
  }
}

void Child::attend() {
  for (bool open = true; pid_ > 0;) {
    pollfd ready{channel_.number(), POLLIN, 0};
    const int milliseconds = static_cast<int>(std::clamp<std::int64_t>(options_.limits.asleep.count() / 5, 2, 20));
    const int events = open ? ::poll(&ready, 1, milliseconds) : (::usleep(1000), 0);
    if (events > 0) open = read_some();
    if (!open || events <= 0) {
      const pid_t ended = ::waitpid(pid_, &status_, WNOHANG);
      if (ended == pid_) pid_ = -1;
    }
    if (pid_ > 0) watch(Clock::now());
  }
  while (read_some()) {}
}

/// False at the end.
bool Child::read_some() {
  char bytes[1 << 16];
  pollfd ready{channel_.number(), POLLIN, 0};
  if (::poll(&ready, 1, 0) <= 0) return pid_ > 0;
  const ssize_t got = ::read(channel_.number(), bytes, sizeof bytes);
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  answer_.append(bytes, static_cast<std::size_t>(got));
  return got > 0;
}

void Child::watch(Clock::time_point now) {
  const std::uint64_t progress = shared_.progress.load();
  const bool same_step = progress == std::exchange(progress_, progress) && !shared_.aside.load();
  if (!same_step || !is_asleep(pid_)) asleep_since_ = now;
  if (killed_ == Killed::no && now - asleep_since_ > options_.limits.asleep) {
    killed_ = Killed::asleep;
    ::kill(pid_, SIGKILL);
  }
#ifdef VMAPCHECK_ASAN
  if (killed_ == Killed::no && resident(pid_) > options_.limits.memory + resident(::getpid())) {
    killed_ = Killed::large;
    ::kill(pid_, SIGKILL);
  }
#else
  (void)resident;
#endif
  if (!interrupted_ && options_.keep_going && !options_.keep_going()) {
    interrupted_ = true;
    shared_.stop.store(true);
    grace_end_ = now + options_.grace;
  }
  if (grace_end_ && now >= *grace_end_) end();
}

void Child::end() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {}
  pid_ = -1;
}

}  // namespace

Walked walk(std::uint64_t count, const Work& work, const WalkOptions& options) {
  // The first call loads a library, which a handler must not.
  [[maybe_unused]] static const int loaded = [] {
    void* frame[1];
    return ::backtrace(frame, 1);
  }();
  Walked walked;
  walked.items = options.first;
  while (walked.items < count) {
    const SharedArray<Shared> page(1);
    Shared& shared = *new (&page[0]) Shared{};
    Child child(shared, work, walked.items, count, options);
    child.attend();
    const std::uint64_t item = shared.item.load();
    walked.told = child.answer().substr(0, static_cast<std::size_t>(shared.told.load()));
    child.answer().erase(0, walked.told.size());
    if (child.finished()) {
      walked.items = item;
      if (shared.answered.load()) walked.answer = std::move(child.answer());
      const std::string errors = child.errors();
      write_all(2, errors);
      walked.interrupted = child.interrupted();
      return walked;
    }
    if (child.interrupted()) {
      walked.items = item;
      walked.interrupted = true;
      return walked;
    }
    Death death = child.death();
    walked.items = item;
    if (!options.on_death || options.on_death(item, death)) {
      walked.death = std::move(death);
      return walked;
    }
    ++walked.items;
  }
  return walked;
}

void* share_memory(std::size_t bytes) {
  void* const memory =
      ::mmap(nullptr, std::max<std::size_t>(bytes, 1), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) cannot("cannot share memory with a child");
  return memory;
}

void unshare_memory(void* memory, std::size_t bytes) { ::munmap(memory, std::max<std::size_t>(bytes, 1)); }

void die_with_parent(int parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(status_of_dying);
}

bool is_sanitized() {
#ifdef VMAPCHECK_ASAN
  return true;
#else
  return false;
#endif
}

}  // namespace vmapcheck
