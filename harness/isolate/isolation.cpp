// SPDX-License-Identifier: Apache-2.0
#include "harness/isolate/isolation.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <iterator>
#include <new>
#include <system_error>
#include <utility>

#include "harness/isolate/isolation_child.hpp"
#include "harness/isolate/last_words.hpp"
#include "harness/isolate/strays.hpp"

namespace vmapcheck {

using Clock = std::chrono::steady_clock;

namespace {

using Shared = Beacon::Shared;

constexpr std::size_t report_bytes_max = std::size_t{1} << 16;
constexpr std::size_t printed_bytes_max = std::size_t{1} << 20;

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

/// The last part of what a child prints.
class Printed {
 public:
  void add(std::string_view bytes) {
    size_ += bytes.size();
    end_ += bytes;
    if (end_.size() > 2 * printed_bytes_max) end_.erase(0, end_.size() - printed_bytes_max);
  }
  /// At most so many bytes of the end, with a note if that is not all.
  [[nodiscard]] std::string end(std::size_t bytes_max) const {
    if (size_ <= bytes_max) return end_;
    std::string note = "(of what was printed, " + std::to_string(size_) + " bytes, this is the end)\n";
    if (note.size() >= bytes_max) return note.substr(0, bytes_max);
    return note + end_.substr(end_.size() - std::min(end_.size(), bytes_max - note.size()));
  }

 private:
  std::string end_;
  std::uint64_t size_ = 0;
};

/// How many bytes of memory a process has in use.
std::size_t resident(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/statm";
  unsigned long pages = 0, all = 0;
  if (std::FILE* const file = std::fopen(path.c_str(), "r")) {
    if (std::fscanf(file, "%lu %lu", &all, &pages) != 2) pages = 0;
    std::fclose(file);
  }
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// Processor time that a process has used.
std::chrono::nanoseconds cpu_of(pid_t pid) {
  clockid_t clock{};
  timespec used{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &used) != 0) return {};
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

/// True if all threads of a process sleep or are stopped: none runs or is about to.
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
    asleep = asleep && state != nullptr && std::strlen(state) > 2 && (state[2] == 'S' || state[2] == 'T');
  }
  ::closedir(directory);
  return asleep;
}

enum class Killed { no, hang, large };

Death death_of(const Shared& shared, int status, Killed killed, std::string report) {
  Death death = noted_death(shared).value_or(Death{.phase = shared.phase.load(), .step = shared.step.load()});
  death.report = std::move(report);
  if (shared.cause != Shared::Cause::none) return death;
  if (killed == Killed::hang) return death.kind = FailureKind::hang, death;
  if (killed == Killed::large) return death.kind = FailureKind::memory_limit, death;
  if (WIFSIGNALED(status)) {
    death.what = signal_name(WTERMSIG(status));
    death.by_other = true;
    return death;
  }
  if (std::string verdict = sanitizer_verdict(death.report); !verdict.empty()) {
    death.kind = kind_of(verdict);
    death.what = std::move(verdict);
    death.frames = sanitizer_frames(death.report);
    return death;
  }
  death.kind = FailureKind::exit;
  death.frames = shared.stack.addresses();
  death.what = std::to_string(WEXITSTATUS(status));
  return death;
}

/// The terminal sends Ctrl-Z only to the parent's group. During a walk the parent hands it on to the child's group, and
/// wakes that when it goes on itself.
class StopsTogether {
 public:
  StopsTogether() {
    struct sigaction action{};
    action.sa_handler = stop;
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGTSTP, nullptr, &before_);
    if (before_.sa_handler == SIG_DFL) ::sigaction(SIGTSTP, &action, nullptr);
  }
  StopsTogether(const StopsTogether&) = delete;
  StopsTogether& operator=(const StopsTogether&) = delete;
  ~StopsTogether() { ::sigaction(SIGTSTP, &before_, nullptr); }

  static volatile pid_t child;

 private:
  static void stop(int) {
    const int error = errno;
    const pid_t group = child;
    if (group > 0) ::kill(-group, SIGSTOP);
    ::raise(SIGSTOP);
    if (group > 0) ::kill(-group, SIGCONT);
    errno = error;
  }
  struct sigaction before_{};
};
volatile pid_t StopsTogether::child = 0;

/// One child, from its fork to its end.
class Child {
 public:
  Child(Shared& shared, const Work& work, std::uint64_t first, std::uint64_t count, const WalkOptions& options);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() { end(); }

  /// Watches until it has ended, or `keep_going` says no.
  void attend();
  /// Reads the rest of what it has sent and printed.
  void drain();

  [[nodiscard]] bool interrupted() const { return interrupted_; }
  [[nodiscard]] std::string& answer() { return answer_; }
  [[nodiscard]] bool began() const { return shared_.progress.load() != 0; }
  [[nodiscard]] bool finished() const { return shared_.finished.load(); }
  /// The report is the end of what it printed: there a subject that prints much says what it died of.
  [[nodiscard]] Death death() const { return death_of(shared_, status_, killed_, printed_.end(report_bytes_max)); }
  [[nodiscard]] const Printed& printed() const { return printed_; }

 private:
  void read_from(File& file);
  void kill_it(Killed why);
  void watch(Clock::time_point now);
  void end();

  Shared& shared_;
  const WalkOptions& options_;
  File output_{-1};
  File channel_{-1};
  pid_t pid_ = -1;
  int status_ = 0;
  std::string answer_;
  Printed printed_;
  std::uint64_t progress_ = 0;
  Clock::time_point asleep_since_ = Clock::now();
  std::chrono::nanoseconds cpu_before_{};  ///< processor time used before the step
  Killed killed_ = Killed::no;
  std::optional<Clock::time_point> kill_at_;
  bool interrupted_ = false;
  std::optional<Clock::time_point> grace_end_;
};

Child::Child(Shared& shared, const Work& work, std::uint64_t first, std::uint64_t count, const WalkOptions& options)
    : shared_(shared), options_(options) {
  int output[2], channel[2];
  if (::pipe2(output, O_CLOEXEC) != 0) cannot("cannot make a pipe to a child");
  output_.adopt(output[0]);
  const File printed_to(output[1]);
  if (::pipe2(channel, O_CLOEXEC) != 0) cannot("cannot make a pipe to a child");
  channel_.adopt(channel[0]);
  const File answer_to(channel[1]);
  const Task task{work, first, count, answer_to.number()};
  const pid_t parent = ::getpid();
  std::fflush(nullptr);  // or a child that calls exit() prints it again
  pid_ = ::fork();
  if (pid_ == 0) be_the_child(shared, task, printed_to.number(), options.limits, parent);
  if (pid_ < 0) cannot("cannot fork");
  StopsTogether::child = pid_;
}

void Child::attend() {
  while (pid_ > 0) {
    pollfd ready[2] = {{channel_.number(), POLLIN, 0}, {output_.number(), POLLIN, 0}};
    const bool closed = channel_.number() < 0;  // the child is about to end
    const int milliseconds = static_cast<int>(std::clamp<std::int64_t>(options_.limits.asleep.count() / 5, 2, 20));
    const int events = ::poll(ready, 2, closed ? 1 : milliseconds);
    if (events > 0 && ready[0].revents != 0) read_from(channel_);
    if (events > 0 && ready[1].revents != 0) read_from(output_);
    siginfo_t ended{};
    const bool has_ended =
        ::waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == pid_;
    if (has_ended)
      end();
    else
      watch(Clock::now());
  }
}

void Child::drain() {
  for (File* const file : {&channel_, &output_}) {
    pollfd ready{file->number(), POLLIN, 0};
    while (file->number() >= 0 && ::poll(&ready, 1, 0) > 0) read_from(*file);
  }
}

/// Reads some bytes, and closes the file at its end.
void Child::read_from(File& file) {
  char bytes[1 << 16];
  const ssize_t got = ::read(file.number(), bytes, sizeof bytes);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got <= 0) return file.close();
  const std::string_view some(bytes, static_cast<std::size_t>(got));
  if (&file == &channel_)
    answer_ += some;
  else
    printed_.add(some);
}

void Child::watch(Clock::time_point now) {
  const std::uint64_t progress = shared_.progress.load();
  const bool same_step = progress == std::exchange(progress_, progress) && !shared_.aside.load();
  if (!same_step || !is_asleep(pid_)) asleep_since_ = now;
  if (!same_step) cpu_before_ = cpu_of(pid_);
  if (now - asleep_since_ > options_.limits.asleep) kill_it(Killed::hang);
  // Twice the limit: the child's own timer comes first, unless the subject has stopped it.
  const auto cpu_max = 2 * options_.limits.cpu * (std::int64_t{1} + shared_.times_longer.load());
  if (same_step && cpu_of(pid_) - cpu_before_ > cpu_max) kill_it(Killed::hang);
  if (is_sanitized() && resident(pid_) > options_.limits.memory + resident(::getpid())) kill_it(Killed::large);
  if (!interrupted_ && options_.keep_going && !options_.keep_going()) {
    interrupted_ = true;
    shared_.stop.store(true);
    grace_end_ = now + options_.grace;
  }
  if (kill_at_ && now >= *kill_at_) ::kill(pid_, SIGKILL);
  if (grace_end_ && now >= *grace_end_) end();
}

/// Asks for its stack first: a child that can, ends itself with that.
void Child::kill_it(Killed why) {
  if (killed_ != Killed::no) return;
  killed_ = why;
  kill_at_ = Clock::now() + std::chrono::milliseconds(100);
  shared_.asked.store(why == Killed::large ? Shared::Cause::memory : Shared::Cause::cpu);
  ::kill(pid_, SIGPROF);
}

/// Kills it with its group, before it waits for it: until then no other process can have its number.
void Child::end() {
  if (pid_ <= 0) return;
  StopsTogether::child = 0;
  ::kill(-pid_, SIGKILL);
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {}
  pid_ = -1;
}

/// Passes on what children printed that ended well, up to a limit for all of them.
void pass_on(const Printed& printed) {
  static std::size_t left = printed_bytes_max;
  if (left == 0) return;
  const std::string text = printed.end(left);
  left -= text.size();
  write_all(2, text);
  if (left == 0) write_all(2, "\n(What is printed from here on is left out.)\n");
}

/// Where a child was when another process killed it.
struct Place {
  std::uint64_t item, step;
  Phase phase;
  bool began;
  bool operator==(const Place&) const = default;
};

}  // namespace

ChildrenKilled::ChildrenKilled(const Death& last)
    : std::runtime_error("a child process was killed from outside with " + last.what + " at step " +
                         std::to_string(last.step) +
                         ", and elsewhere or not at all when it was tried again: is there " + "too little memory?") {}

Walked walk(std::uint64_t count, const Work& work, const WalkOptions& options) {
  load_unwinder();
  Strays strays;
  const StopsTogether stops_together;
  Walked walked;
  walked.items = options.first;
  std::vector<Place> killed;
  while (walked.items < count) {
    const SharedArray<Shared> page(1);
    Shared& shared = *new (&page[0]) Shared{};
    strays.note_others();
    Child child(shared, work, walked.items, count, options);
    child.attend();
    strays.end();
    child.drain();
    walked.items = std::max(walked.items, shared.item.load());
    const auto told = [&](std::uint64_t bytes) { return child.answer().substr(0, static_cast<std::size_t>(bytes)); };
    if (child.finished()) {
      walked.told += told(shared.told.load());
      if (shared.answered.load()) walked.answer = child.answer().substr(static_cast<std::size_t>(shared.told.load()));
      pass_on(child.printed());
      walked.interrupted = child.interrupted();
      return walked;
    }
    Death death = child.death();
    const bool tried_again = !child.began() || (death.by_other && options.tries > 1);
    walked.interrupted = child.interrupted() || (tried_again && options.keep_going && !options.keep_going());
    if (walked.interrupted) {
      walked.told += told(shared.told.load());
      return walked;
    }
    if (tried_again) {
      const Place place{walked.items, death.step, death.phase, child.began()};
      if (!killed.empty() && killed.back().item != place.item) killed.clear();
      killed.push_back(place);
      // A child that never began has done nothing, so it may always be tried again.
      if (std::ssize(killed) < (child.began() ? options.tries : std::max(options.tries, WalkOptions{}.tries))) {
        walked.told += told(shared.told_before.load());
        continue;
      }
      if (!place.began || std::ranges::count(killed, place) != std::ssize(killed)) throw ChildrenKilled(death);
      death.by_other = false;
    }
    walked.told += told(shared.told.load());
    if (!options.on_death || options.on_death(walked.items, death)) {
      walked.death = std::move(death);
      return walked;
    }
    ++walked.items;
  }
  return walked;
}

namespace {

/// The memory that children of this process share with it.
std::vector<std::pair<void*, std::size_t>>& shared_memory() {
  static auto& all = *new std::vector<std::pair<void*, std::size_t>>;
  return all;
}

}  // namespace

void* share_memory(std::size_t bytes) {
  void* const memory =
      ::mmap(nullptr, std::max<std::size_t>(bytes, 1), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) cannot("cannot share memory with a child");
  shared_memory().emplace_back(memory, bytes);
  return memory;
}

void unshare_memory(void* memory, std::size_t bytes) {
  std::erase(shared_memory(), std::pair(memory, bytes));
  ::munmap(memory, std::max<std::size_t>(bytes, 1));
}

void keep_shared_memory_to_itself() {
  for (const auto& [memory, bytes] : shared_memory()) ::madvise(memory, std::max<std::size_t>(bytes, 1), MADV_DONTFORK);
}

void die_with_parent(int parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(status_of_dying);
}

}  // namespace vmapcheck
