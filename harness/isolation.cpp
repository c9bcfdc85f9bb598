// SPDX-License-Identifier: Apache-2.0
#include "harness/isolation.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>
#include <system_error>
#include <utility>

#include "harness/isolation_child.hpp"
#include "harness/last_words.hpp"

namespace vmapcheck {

using Clock = std::chrono::steady_clock;

namespace {

using Shared = Beacon::Shared;

constexpr std::size_t report_bytes_max = std::size_t{1} << 16;

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

enum class Killed { no, asleep, large };

Death death_of(const Shared& shared, int status, Killed killed, std::string report) {
  Death death = noted_death(shared).value_or(Death{.phase = shared.phase.load(), .step = shared.step.load()});
  death.report = std::move(report);
  if (shared.cause != Shared::Cause::none) return death;
  if (killed == Killed::asleep) return death.kind = FailureKind::hang, death;
  if (killed == Killed::large) return death.kind = FailureKind::memory_limit, death;
  if (WIFSIGNALED(status)) return death.what = signal_name(WTERMSIG(status)), death;
  if (std::string verdict = sanitizer_verdict(death.report); !verdict.empty()) {
    death.kind = kind_of(verdict);
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
  if (is_sanitized() && killed_ == Killed::no && resident(pid_) > options_.limits.memory + resident(::getpid())) {
    killed_ = Killed::large;
    ::kill(pid_, SIGKILL);
  }
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
  load_unwinder();
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

}  // namespace vmapcheck
