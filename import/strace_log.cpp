// SPDX-License-Identifier: Apache-2.0
//
// A line is a prefix (pid, time), then a call, the second half of a call, a signal, an exit or a message of strace's
// own.
#include "import/strace_log.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

namespace vmapcheck::strace {
namespace {

class LogReader {
 public:
  Log read(std::string_view text, const KeepImporting& keep_going);

 private:
  struct Pending {
    std::size_t event = 0;
    std::string head;      ///< the call as far as it was written
    std::size_t cuts = 1;  ///< how often it was cut so far
  };
  struct Prefix {
    std::optional<std::uint32_t> pid;
    std::string_view rest;
  };
  enum class Parsed : std::uint8_t { no, whole, cut };

  void read_line(std::string_view line);
  static Prefix split_prefix(std::string_view line);
  bool read_notice(std::string_view rest);
  void read_signal(TaskId task, std::string_view rest);
  void read_exit(TaskId task, std::string_view rest);
  bool read_resumed(TaskId task, std::string_view rest);
  bool read_call(TaskId task, std::string_view rest);

  Parsed parse_call(std::string_view text, Event& event);
  static bool parse_arguments(std::string_view arguments, Event& event);
  static bool parse_result(std::string_view text, Event& event);
  void learn(const Event& event);
  void add(const Event& event);

  TaskId task_of_line(std::optional<std::uint32_t> pid);
  TaskId task_with(std::uint32_t pid);
  TaskId begin_task(std::uint32_t pid);
  TaskId child_of(std::uint32_t pid, std::size_t since);
  std::uint32_t name_index(std::string_view name);

  Log log_;
  std::size_t line_ = 0;
  std::string cut_;       ///< the begin of a line in which strace began another one
  std::size_t cuts_ = 0;  ///< how often `cut_` was cut
  std::unordered_map<TaskId, Pending> pending_;

  std::unordered_map<std::uint32_t, TaskId> alive_;   ///< by pid
  std::unordered_map<std::uint32_t, TaskId> latest_;  ///< by pid, also after its exit
  TaskId nameless_ = no_task;                         ///< a task whose pid no line has given yet
  TaskId current_ = no_task;                          ///< of the last line
  std::vector<std::pair<TaskId, std::uint32_t>> children_;
  std::unordered_map<std::string, std::uint32_t> name_index_;
};

}  // namespace

Log read_log(std::string_view text, const KeepImporting& keep_going) { return LogReader{}.read(text, keep_going); }

bool is_range_call(Kind kind) {
  return kind == Kind::map || kind == Kind::unmap || kind == Kind::remap || kind == Kind::brk ||
         kind == Kind::shm_attach || kind == Kind::shm_detach;
}

namespace {

// ---- words and numbers

bool is_digit(char c) { return '0' <= c && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || ('a' <= c && c <= 'f') || ('A' <= c && c <= 'F'); }
bool is_word(char c) { return is_digit(c) || c == '_' || ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z'); }

std::string_view trim_left(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  return begin == std::string_view::npos ? std::string_view{} : text.substr(begin);
}

std::string_view trim(std::string_view text) {
  const std::size_t end = text.find_last_not_of(" \t\r");
  return trim_left(text.substr(0, end == std::string_view::npos ? 0 : end + 1));
}

/// The whole of `text` as a number, hexadecimal with 0x; NULL is 0.
std::optional<std::uint64_t> number(std::string_view text) {
  if (text == "NULL") return 0;
  const bool hex = text.starts_with("0x");
  if (hex) text.remove_prefix(2);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, hex ? 16 : 10);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The number that `text` begins with.
std::optional<std::uint64_t> leading_number(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size() && is_word(text[length])) ++length;
  return number(text.substr(0, length));
}

/// The pid that follows `before` in `text`.
std::optional<std::uint32_t> pid_after(std::string_view text, std::string_view before) {
  const std::size_t at = text.find(before);
  if (at == std::string_view::npos) return std::nullopt;
  const std::optional<std::uint64_t> value = leading_number(text.substr(at + before.size()));
  if (!value || *value > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  return static_cast<std::uint32_t>(*value);
}

// ---- flags, as symbols or as the numbers of x86-64

/// "A|B|0x10", "0x12 /* A|B */", "21<<SHIFT": calls `symbol` for each word and `bits` for each number.
template <class Symbol, class Bits>
void each_flag(std::string_view text, Symbol symbol, Bits bits) {
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i;
    while (end < text.size() && is_word(text[end])) ++end;
    const std::string_view word = text.substr(i, end - i);
    if (!word.empty()) {
      const bool shifted = text.substr(end).starts_with("<<");
      if (const std::optional<std::uint64_t> value = number(word))
        shifted ? symbol(word) : bits(*value);
      else
        symbol(word);
    }
    i = end + 1;
  }
}

inline constexpr Size huge_page_default = Size{2} << 20;

/// The binary logarithm of the "64KB" in MAP_HUGE_64KB; 0 if it is none.
unsigned log2_of_huge(std::string_view size) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), value);
  const std::string_view unit = size.substr(static_cast<std::size_t>(end - size.data()));
  const unsigned shift = unit == "KB" ? 10 : unit == "MB" ? 20 : unit == "GB" ? 30 : 0;
  if (error != std::errc{} || shift == 0 || !std::has_single_bit(value)) return 0;
  return shift + static_cast<unsigned>(std::countr_zero(value));
}

struct FlagName {
  std::string_view word;
  std::uint64_t bit;
  std::uint32_t flag;
};
constexpr FlagName mmap_flags[] = {{"MAP_FIXED", 0x10, fixed},
                                   {"MAP_FIXED_NOREPLACE", 0x100000, fixed_no_replace},
                                   {"MAP_GROWSDOWN", 0x100, grows_down},
                                   {"MAP_32BIT", 0x40, low},
                                   {"MAP_HUGETLB", 0x40000, huge}};
constexpr FlagName mremap_flags[] = {{"MREMAP_FIXED", 2, fixed}, {"MREMAP_DONTUNMAP", 4, keeps_old}};
constexpr FlagName clone_flags[] = {{"CLONE_VM", 0x100, shares_space}, {"CLONE_THREAD", 0x10000, same_group}};

void read_flags(std::string_view text, std::span<const FlagName> names, Event& event) {
  const auto take = [&](auto is_set) {
    for (const FlagName& name : names)
      if (is_set(name)) event.flags |= name.flag;
  };
  each_flag(
      text, [&](std::string_view word) { take([&](const FlagName& name) { return name.word == word; }); },
      [&](std::uint64_t bits) { take([&](const FlagName& name) { return (name.bit & bits) != 0; }); });
}

/// That of MAP_HUGETLB, which other flags may name.
Size huge_page_size(std::string_view flags) {
  unsigned log2_huge = 0;
  each_flag(
      flags,
      [&](std::string_view word) {
        if (word.starts_with("MAP_HUGE_") && word != "MAP_HUGE_SHIFT") log2_huge = log2_of_huge(word.substr(9));
        if (is_digit(word.front())) log2_huge = static_cast<unsigned>(number(word).value_or(0));
      },
      [&](std::uint64_t bits) {
        if (bits >> 26 & 0x3f) log2_huge = bits >> 26 & 0x3f;
      });
  constexpr unsigned log2_huge_max = 40;  // more than any machine has
  return log2_huge != 0 && log2_huge <= log2_huge_max ? Size{1} << log2_huge : huge_page_default;
}

Kind kind_of(std::string_view name) {
  if (name == "mmap" || name == "mmap2" || name == "old_mmap" || name == "map_shadow_stack") return Kind::map;
  if (name == "munmap") return Kind::unmap;
  if (name == "mremap") return Kind::remap;
  if (name == "brk") return Kind::brk;
  if (name == "shmget") return Kind::shm_get;
  if (name == "shmat") return Kind::shm_attach;
  if (name == "shmdt") return Kind::shm_detach;
  if (name == "clone" || name == "clone2" || name == "clone3" || name == "fork" || name == "vfork") return Kind::clone;
  if (name == "execve" || name == "execveat") return Kind::exec;
  if (name == "exit" || name == "exit_group" || name.starts_with("wait") || name == "kill" || name == "tkill" ||
      name == "tgkill")
    return Kind::process;
  return Kind::other;
}

// ---- lines

/// Each part of a call that was cut is read again with the next, so the parts are limited: more are damage.
constexpr std::size_t cuts_max = 64;

Log LogReader::read(std::string_view text, const KeepImporting& keep_going) {
  constexpr std::size_t lines_at_once = 4096;
  const std::size_t bytes = text.size();
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  while (!text.empty()) {
    if (line_ % lines_at_once == 0 && keep_going &&
        !keep_going({ImportProgress::reading, bytes - text.size(), bytes})) {
      log_.interrupted = true;
      break;
    }
    ++line_;
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) {
      if (text.ends_with(" +++"))  // a whole exit
        read_line(text);
      else
        log_.report.cut_off = 1;
      break;
    }
    read_line(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  log_.report.lines = line_;
  for (const auto& [parent, pid] : children_)
    if (const auto child = latest_.find(pid); child != latest_.end() && child->second != parent)
      log_.tasks[child->second].parent = parent;
  return std::move(log_);
}

void LogReader::read_line(std::string_view line) {
  while (line.starts_with("> ")) line.remove_prefix(2);  // quoted in a letter
  std::string joined;
  if (!cut_.empty()) {
    joined = std::exchange(cut_, {});
    joined.append(line);
    line = joined;
  } else {
    cuts_ = 0;
  }
  const Prefix prefix = split_prefix(line);
  const std::string_view rest = prefix.rest;
  if (rest.empty() || line.starts_with(" > ") || read_notice(line) || read_notice(rest)) {
    ++log_.report.notes;
    return;
  }
  const bool signal = rest.starts_with("--- ");
  const bool exit = rest.starts_with("+++ ");
  const bool resumed = rest.starts_with("<... ");
  if (signal || exit || resumed || (is_word(rest.front()) && rest.find('(') != std::string_view::npos)) {
    const TaskId task = task_of_line(prefix.pid);
    current_ = task;
    if (signal) return read_signal(task, rest);
    if (exit) return read_exit(task, rest);
    if (resumed ? read_resumed(task, rest) : read_call(task, rest)) {
      ++log_.report.call_lines;
      return;
    }
  }
  ++log_.report.unparsable;
  if (log_.report.unparsable_lines.size() < 8) log_.report.unparsable_lines.push_back(line_);
}

/// Everything that strace's options can put before a call: "1234", "1234<name>", "[pid 1234]", times, "[addr]".
LogReader::Prefix LogReader::split_prefix(std::string_view line) {
  constexpr std::uint64_t pid_max = 1 << 22;  // larger numbers are seconds since 1970
  Prefix prefix;
  std::string_view rest = trim(line);
  const auto skip_to = [&](std::size_t end) { rest = trim_left(rest.substr(end)); };
  for (int token = 0; token < 6 && !rest.empty(); ++token) {
    if (rest.starts_with("[pid ")) {
      const std::optional<std::uint64_t> pid = leading_number(trim_left(rest.substr(5)));
      const std::size_t end = rest.find("] ");
      if (prefix.pid || !pid || *pid > pid_max || end == std::string_view::npos) break;
      prefix.pid = static_cast<std::uint32_t>(*pid);
      skip_to(end + 1);
    } else if (rest.front() == '[') {
      const std::size_t end = rest.find(']');
      if (end == std::string_view::npos) break;
      const std::string_view inside = rest.substr(1, end - 1);
      if (!std::ranges::all_of(inside, [](char c) { return is_hex(c) || c == '?' || c == ' '; })) break;
      skip_to(end + 1);
    } else if (rest.starts_with("(+")) {
      const std::size_t end = rest.find(')');
      if (end == std::string_view::npos) break;
      skip_to(end + 1);
    } else if (is_digit(rest.front())) {
      const std::size_t end = std::min(rest.find_first_not_of("0123456789"), rest.size());
      const std::optional<std::uint64_t> value = number(rest.substr(0, end));
      if (end < rest.size() && rest[end] == '<' && !prefix.pid && value && *value <= pid_max) {
        const std::size_t close = rest.find("> ");
        if (close == std::string_view::npos) break;
        prefix.pid = static_cast<std::uint32_t>(*value);
        skip_to(close + 1);
      } else if (end < rest.size() && (rest[end] == ' ' || rest[end] == '\t')) {
        if (!prefix.pid && value && *value <= pid_max) prefix.pid = static_cast<std::uint32_t>(*value);
        skip_to(end);
      } else {
        const std::size_t space = rest.find(' ');
        const std::string_view word = rest.substr(0, space);
        if (space == std::string_view::npos || word.find_first_not_of("0123456789.:+-TZ") != std::string_view::npos)
          break;
        skip_to(space);
      }
    } else {
      break;
    }
  }
  prefix.rest = rest;
  return prefix;
}

/// strace's own messages. One may begin in the middle of a line: then the next line continues what it cut.
bool LogReader::read_notice(std::string_view rest) {
  constexpr std::string_view attached = "Process ";
  if (rest.starts_with("[ Process ")) return true;
  const std::size_t at = rest.find("strace: ");
  std::string_view message = rest;
  if (at != std::string_view::npos) {
    if (at != 0 && !rest.substr(at).starts_with("strace: Process ")) return false;
    message = rest.substr(at + 8);
  }
  const bool names_pid =
      message.starts_with(attached) && (message.ends_with(" attached") || message.ends_with(" detached"));
  if (at == std::string_view::npos || at != 0) {
    if (!names_pid) return false;
  }
  if (names_pid && message.ends_with(" attached"))
    if (const std::optional<std::uint32_t> pid = pid_after(message, attached); pid && !alive_.contains(*pid))
      begin_task(*pid);
  if (at != std::string_view::npos && at != 0 && ++cuts_ <= cuts_max) cut_.assign(rest.substr(0, at));
  return true;
}

void LogReader::read_signal(TaskId task, std::string_view rest) {
  ++log_.report.signals;
  if (rest.starts_with("--- SIGCHLD ") && rest.find("si_code=CLD_") != std::string_view::npos)
    if (const std::optional<std::uint32_t> pid = pid_after(rest, "si_pid=")) children_.emplace_back(task, *pid);
}

void LogReader::read_exit(TaskId task, std::string_view rest) {
  ++log_.report.exits;
  Event event;
  event.kind = Kind::exit;
  event.task = task;
  event.line = line_;
  add(event);
  const std::uint32_t pid = log_.tasks[task].pid;
  alive_.erase(pid);
  if (nameless_ == task) nameless_ = no_task;
  // A thread that calls execve takes on the pid of the first thread.
  const std::optional<std::uint32_t> heir = pid_after(rest, "superseded by execve in pid ");
  if (const auto found = heir ? alive_.find(*heir) : alive_.end(); found != alive_.end() && pid != 0) {
    const TaskId thread = found->second;
    alive_.erase(found);
    alive_[pid] = latest_[pid] = thread;
    log_.tasks[thread].pid = pid;
  }
}

/// "<... mmap resumed>, -1, 0) = 0x7f0000000000"
bool LogReader::read_resumed(TaskId task, std::string_view rest) {
  constexpr std::string_view lead = "<... ";
  const std::size_t close = rest.find(" resumed>");
  if (close == std::string_view::npos || close < lead.size()) return false;
  const std::string_view name = rest.substr(lead.size(), close - lead.size());
  Pending pending;
  if (const auto found = pending_.find(task); found != pending_.end()) {
    pending = std::move(found->second);
    pending_.erase(found);
  }
  const bool continues = pending.head.starts_with(name) && pending.head.substr(name.size()).starts_with('(');
  if (!continues) return false;
  std::string text = std::move(pending.head);
  text.append(rest.substr(close + std::string_view{" resumed>"}.size()));

  Event event;
  event.task = task;
  event.line = line_;
  const Parsed parsed = parse_call(text, event);
  if (parsed == Parsed::no) return false;
  Event& entry = log_.events[pending.event];
  const std::size_t entry_line = entry.line;
  if (event.kind == Kind::clone && event.returned && !event.failed)
    event.result = child_of(static_cast<std::uint32_t>(event.result), entry_line);
  entry = event;
  entry.line = entry_line;
  entry.phase = Phase::entry;
  if (parsed == Parsed::cut) {  // cut again: wait for the rest
    if (pending.cuts < cuts_max) pending_[task] = {pending.event, text.substr(0, text.rfind(" <")), pending.cuts + 1};
    return true;
  }
  event.phase = Phase::exit;
  if (entry_line + 1 < line_) ++log_.report.interleaved;
  learn(event);
  add(event);
  return true;
}

bool LogReader::read_call(TaskId task, std::string_view rest) {
  Event event;
  event.task = task;
  event.line = line_;
  switch (parse_call(rest, event)) {
    case Parsed::no: return false;
    case Parsed::cut:
      event.phase = Phase::entry;
      pending_[task] = {log_.events.size(), std::string{rest.substr(0, rest.rfind(" <"))}, 1};
      break;
    case Parsed::whole:
      if (event.kind == Kind::clone && event.returned && !event.failed)
        event.result = child_of(static_cast<std::uint32_t>(event.result), line_);
      learn(event);
      break;
  }
  ++log_.report.calls;
  add(event);
  return true;
}

/// "name(arguments) = result", or as much of it as stands before " <unfinished ...>".
LogReader::Parsed LogReader::parse_call(std::string_view text, Event& event) {
  std::size_t length = 0;
  while (length < text.size() && is_word(text[length])) ++length;
  if (length == 0 || length > 40 || is_digit(text.front()) || length == text.size() || text[length] != '(')
    return Parsed::no;
  event.kind = kind_of(text.substr(0, length));
  // Strings among the arguments may contain anything, the result contains no '=' after a ')': look for it from the end.
  std::size_t equals = text.size();
  std::size_t close = std::string_view::npos;
  while (equals > length) {
    equals = text.rfind('=', equals - 1);
    if (equals == std::string_view::npos || equals <= length) break;
    const std::size_t before = text.find_last_not_of(' ', equals - 1);
    if (before != std::string_view::npos && before > length && text[before] == ')') {
      close = before;
      break;
    }
  }
  const std::string_view trimmed = trim(text);
  const std::size_t tail = trimmed.rfind(" <");
  const bool cut = trimmed.ends_with(" ...>") && tail != std::string_view::npos && tail > close + 1;
  if (close == std::string_view::npos || cut) {
    if (!trimmed.ends_with(" ...>") || tail == std::string_view::npos) return Parsed::no;
    event.name = name_index(text.substr(0, length));
    return Parsed::cut;
  }
  const std::string_view arguments = text.substr(length + 1, close - length - 1);
  if (!parse_result(trim(text.substr(equals + 1)), event)) return Parsed::no;
  // Of a call without a result the arguments may be cut off: "munmap(0x1000, 4096 <unfinished ...>) = ?".
  if (!parse_arguments(arguments, event) && event.returned) return Parsed::no;
  event.name = name_index(text.substr(0, length));
  if (is_range_call(event.kind)) log_.any_range_call = true;
  return Parsed::whole;
}

bool LogReader::parse_arguments(std::string_view arguments, Event& event) {
  std::array<std::string_view, 5> argument;
  std::size_t count = 0;
  for (std::string_view rest = arguments; count < argument.size() && !rest.empty(); ++count) {
    const std::size_t comma = rest.find(',');
    argument[count] = trim(rest.substr(0, comma));
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
  }
  const auto read = [&](std::size_t i, std::uint64_t& value) {
    const std::optional<std::uint64_t> parsed = i < count ? number(argument[i]) : std::nullopt;
    value = parsed.value_or(0);
    return parsed.has_value() || event.failed;  // the arguments of a failed call do not matter
  };
  switch (event.kind) {
    case Kind::map: {
      const bool shadow_stack = count == 3;  // map_shadow_stack(address, size, flags)
      if (count < 3) return event.failed;
      if (!shadow_stack) read_flags(argument[3], mmap_flags, event);
      if (event.flags & huge) event.size_new = huge_page_size(argument[3]);
      return read(0, event.address) && read(1, event.size);
    }
    case Kind::unmap: return read(0, event.address) && read(1, event.size);
    case Kind::remap:
      if (count > 3) read_flags(argument[3], mremap_flags, event);
      return read(0, event.address) && read(1, event.size) && read(2, event.size_new);
    case Kind::brk:
    case Kind::shm_detach: return read(0, event.address);
    case Kind::shm_get: return read(1, event.size);
    case Kind::shm_attach:
      if (argument[1] != "NULL" && argument[1] != "0") event.flags |= fixed;
      return read(0, event.size);  // the id, until the size is known
    case Kind::clone:
      if (const std::size_t at = arguments.find("flags="); at != std::string_view::npos)
        read_flags(arguments.substr(at + 6, arguments.substr(at + 6).find_first_of(",})")), clone_flags, event);
      return true;
    default:
      if (argument[0].starts_with("0x")) event.address = number(argument[0]).value_or(0);
      return true;
  }
}

bool LogReader::parse_result(std::string_view text, Event& event) {
  if (text.empty()) return false;
  if (text.front() == '?') return true;
  event.returned = true;
  event.failed = text.front() == '-';
  if (event.failed) return true;
  const std::optional<std::uint64_t> value = leading_number(text);
  event.result = value.value_or(0);
  if (event.kind == Kind::clone) {
    constexpr std::string_view note = "in strace's PID NS";
    if (const std::size_t at = text.find("/* ");
        at != std::string_view::npos && text.find(note) != std::string_view::npos)
      event.result = leading_number(text.substr(at + 3)).value_or(0);
    if (event.result > std::numeric_limits<std::uint32_t>::max()) return false;
  }
  return value.has_value() || event.kind == Kind::other || event.kind == Kind::process;
}

/// Notes what the first calls of a task say about the address space that it runs in.
void LogReader::learn(const Event& event) {
  constexpr std::size_t enough = 8;
  Task& task = log_.tasks[event.task];
  if (task.new_program || !event.returned || event.failed) return;
  if (event.kind == Kind::brk && event.address == 0) {
    task.new_program = true;
    return;
  }
  const bool chosen_by_kernel = event.kind == Kind::map && !(event.flags & (fixed | fixed_no_replace));
  if (chosen_by_kernel && task.obtained.size() < enough && event.result < address_limit && event.size < address_limit)
    task.obtained.push_back({event.result, event.result + event.size});
  else if (!chosen_by_kernel && event.address != 0 && task.refers_to.size() < enough)
    task.refers_to.push_back(event.address);
}

void LogReader::add(const Event& event) {
  log_.events.push_back(event);
  log_.tasks[event.task].last_line = event.line;
}

/// strace leaves the pid out while it traces only one process.
TaskId LogReader::task_of_line(std::optional<std::uint32_t> pid) {
  if (pid) return task_with(*pid);
  if (nameless_ != no_task && alive_.empty()) return nameless_;
  if (nameless_ == no_task && alive_.size() == 1) return alive_.begin()->second;
  if (alive_.empty()) return nameless_ = begin_task(0);
  ++log_.report.pid_guessed;
  return current_ != no_task ? current_ : alive_.begin()->second;
}

TaskId LogReader::task_with(std::uint32_t pid) {
  if (const auto found = alive_.find(pid); found != alive_.end()) return found->second;
  if (nameless_ != no_task) {  // no call made this task: it is the one that ran from the start
    const TaskId task = std::exchange(nameless_, no_task);
    log_.tasks[task].pid = pid;
    alive_[pid] = latest_[pid] = task;
    return task;
  }
  return begin_task(pid);
}

TaskId LogReader::begin_task(std::uint32_t pid) {
  const auto task = static_cast<TaskId>(log_.tasks.size());
  log_.tasks.emplace_back().pid = pid;
  if (pid != 0) alive_[pid] = latest_[pid] = task;
  return task;
}

/// The task that a clone made which began in line `since`: it may have run and ended before the clone returned.
TaskId LogReader::child_of(std::uint32_t pid, std::size_t since) {
  if (const auto found = alive_.find(pid); found != alive_.end()) return found->second;
  if (const auto found = latest_.find(pid); found != latest_.end() && log_.tasks[found->second].last_line > since)
    return found->second;
  return begin_task(pid);
}

std::uint32_t LogReader::name_index(std::string_view name) {
  const auto [found, added] = name_index_.try_emplace(std::string{name}, static_cast<std::uint32_t>(log_.names.size()));
  if (added) log_.names.emplace_back(name);
  return found->second;
}

}  // namespace
}  // namespace vmapcheck::strace
