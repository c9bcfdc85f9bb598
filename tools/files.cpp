// SPDX-License-Identifier: Apache-2.0
#include "tools/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <system_error>
#include <utility>

#include "harness/isolate/isolation.hpp"
#include "model/trace.hpp"
#include "tools/interruption.hpp"

namespace vmapcheck::tool {
namespace {

[[noreturn]] void cannot(std::string_view what, const std::string& path) {
  tool::cannot(what, path, {errno, std::generic_category()});
}

/// A file descriptor that is closed at the end of its scope.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { (void)close(); }
  [[nodiscard]] int number() const { return number_; }
  bool close() { return number_ < 0 || ::close(std::exchange(number_, -1)) == 0; }

 private:
  int number_;
};

bool write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

/// It lies in memory that is shared with children, so that what a child has said is not lost when it dies.
struct OutBuffer {
  static constexpr std::size_t capacity = std::size_t{1} << 16;
  std::size_t size;
  char bytes[capacity];
};

OutBuffer& out_buffer() {
  static const SharedArray<OutBuffer> buffer(1);
  return buffer[0];
}

bool out_failed = false;

/// Standard output, also in a child whose file 1 is what the subject prints.
int out_file = 1;

/// As long as there is one, a write to a pipe that nobody reads is an error and no signal (SIGPIPE), and a child, which
/// is not in the terminal's process group, may write to the terminal (SIGTTOU).
class WithoutSignals {
 public:
  WithoutSignals() {
    ::sigemptyset(&signals_);
    ::sigaddset(&signals_, SIGPIPE);
    ::sigaddset(&signals_, SIGTTOU);
    ::pthread_sigmask(SIG_BLOCK, &signals_, &before_);
  }
  WithoutSignals(const WithoutSignals&) = delete;
  WithoutSignals& operator=(const WithoutSignals&) = delete;
  ~WithoutSignals() {
    const int why = errno;
    const timespec now{};
    ::sigtimedwait(&signals_, nullptr, &now);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    errno = why;
  }

 private:
  sigset_t signals_, before_;
};

void write_out(std::string_view text) {
  const WithoutSignals without;
  if (write_all(out_file, text)) return;
  out_failed = true;
  if (errno == EPIPE) throw Stop{Exit::io, ""};
  cannot("write to", "standard output");
}

/// The path behind all links, so that a link stays a link when its file is written, even one that leads to nothing.
std::string behind_links(const std::string& path) {
  constexpr int links_max = 40;  // as many as the system follows
  fs::path target = path;
  std::error_code error;
  for (int n = 0; n < links_max; ++n) {
    if (!fs::is_symlink(target, error)) return target.string();
    target = target.parent_path() / fs::read_symlink(target, error);
  }
  errno = ELOOP;
  cannot("write", path);
}

}  // namespace

void cannot(std::string_view what, const fs::path& path, const std::error_code& why) {
  throw Stop{Exit::io,
             fmt::format("cannot {} {}: {}", what, path.empty() ? "''" : one_line(path.string()), why.message())};
}

// ---- Reading

std::string read_file(const std::string& path, std::size_t bytes_max, when_interrupted then) {
  const bool standard = path == "-";
  const std::string shown = standard ? "standard input" : path;
  Descriptor file(standard ? ::dup(0) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.number() < 0) cannot("read", shown);

  std::string contents;
  struct stat about{};
  if (::fstat(file.number(), &about) == 0 && S_ISREG(about.st_mode) && about.st_size > 0)
    contents.reserve(std::min(bytes_max, static_cast<std::size_t>(about.st_size)) + 1);
  constexpr std::size_t step = std::size_t{1} << 16;
  const bool interrupted_before = interrupted();  // then this is part of coming to the end
  while (true) {
    if (interrupted() && !interrupted_before) {
      if (then == when_interrupted::keep) return contents;
      throw Stop{Exit::interrupted, "interrupted while reading " + one_line(shown)};
    }
    const std::size_t size = contents.size();
    contents.resize(size + step);
    const ssize_t got = ::read(file.number(), contents.data() + size, step);
    contents.resize(size + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) cannot("read", shown);
    if (got == 0) return contents;
    if (contents.size() > bytes_max)
      throw Stop{Exit::usage, fmt::format("{}:1:1: expected at most {} MiB", one_line(shown), bytes_max >> 20)};
  }
}

Trace trace_from(std::string_view text, std::string_view file) {
  auto trace = parse_trace(text);
  if (trace) return *std::move(trace);
  const ParseError& error = trace.error();
  throw Stop{Exit::usage,
             fmt::format("{}:{}:{}: {}", one_line(file), error.line, error.column, one_line(error.expected))};
}

Trace read_trace(const std::string& path) { return trace_from(read_file(path, trace_bytes_max), path); }

std::vector<std::string> traces_below(const std::string& directory) {
  std::vector<std::string> names;
  std::vector<fs::path> linked;  // behind all that are not: a directory that is in the tree has its own name
  std::set<std::pair<dev_t, ino_t>> visited;
  const auto visit = [&](const auto& below, const fs::path& path) -> void {
    struct stat about{};
    if (::stat(path.c_str(), &about) != 0) cannot("read", path.string());
    if (!visited.insert({about.st_dev, about.st_ino}).second) return;
    std::error_code error;
    fs::directory_iterator entry(path, error);
    for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
      std::error_code ignored;
      const fs::file_status status = entry->status(ignored);
      if (fs::is_directory(status) && entry->is_symlink(ignored))
        linked.push_back(entry->path());
      else if (fs::is_directory(status))
        below(below, entry->path());
      else if (entry->path().extension() == ".trace" && (fs::is_regular_file(status) || !fs::exists(status)))
        names.push_back(entry->path().lexically_relative(directory).string());
    }
    if (error) cannot("read", path, error);
  };
  visit(visit, directory);
  for (std::size_t i = 0; i < linked.size(); ++i) visit(visit, fs::path(linked[i]));
  std::ranges::sort(names);
  return names;
}

std::vector<std::string> traces_in(const std::string& directory) {
  std::vector<std::string> names = traces_below(directory);
  std::erase_if(names, [](const std::string& name) { return name.find('/') != std::string::npos; });
  return names;
}

// ---- Writing

void write_file(const std::string& path, std::string_view contents) {
  if (path == "-") return out_is_terminal() ? out(contents) : out_data(contents);
  struct stat about{};
  const bool exists = ::stat(path.c_str(), &about) == 0;
  if (exists && !S_ISREG(about.st_mode)) {
    Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (file.number() < 0 || !write_all(file.number(), contents) || !file.close()) cannot("write", path);
    return;
  }
  const std::string target = behind_links(path);
  const std::string beside = fmt::format("{}.{}.tmp", target, ::getpid());
  Descriptor file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (file.number() < 0) cannot("write", path);
  if (!write_all(file.number(), contents) || !file.close() || ::rename(beside.c_str(), target.c_str()) != 0) {
    const int why = errno;
    ::unlink(beside.c_str());
    errno = why;
    cannot("write", path);
  }
}

void write_durably(const std::string& path, std::string_view contents) {
  write_file(path, contents);
  for (const fs::path& name : {fs::path(path), fs::path(path).parent_path()}) {
    const Descriptor file(::open(name.empty() ? "." : name.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.number() >= 0) ::fsync(file.number());
  }
}

void check_writable(const std::string& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) {
    errno = EISDIR;
    cannot("write", path);
  }
  const bool exists = fs::exists(path, error);
  fs::path directory = fs::path(behind_links(path)).parent_path();
  if (directory.empty()) directory = ".";
  const bool special = exists && !fs::is_regular_file(path, error);
  if (path.empty()) directory.clear();
  if (!special) directory /= "";  // a file is no directory
  if (::access(special ? path.c_str() : directory.c_str(), W_OK) != 0) cannot("write", path);
}

void make_directory(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (!error && !fs::is_directory(path, error)) error = std::make_error_code(std::errc::not_a_directory);
  if (error) cannot("make the directory", path, error);
}

// ---- Standard output and standard error

void out(std::string_view text) {
  const auto plain = [](char c) { return (c >= ' ' && c <= '~') || c == '\n'; };
  std::ranges::all_of(text, plain) ? out_data(text) : out_data(visible(text));
}

void out_data(std::string_view text) {
  if (out_failed) return;
  OutBuffer& buffer = out_buffer();
  if (text.size() > OutBuffer::capacity - buffer.size) flush_out();
  if (text.size() > OutBuffer::capacity) return write_out(text);
  std::ranges::copy(text, buffer.bytes + buffer.size);
  buffer.size += text.size();
}

void flush_out() {
  if (out_failed) return;
  OutBuffer& buffer = out_buffer();
  const std::size_t size = std::exchange(buffer.size, 0);
  write_out({buffer.bytes, size});
}

bool out_is_broken() { return out_failed; }

void give_up_out() { out_failed = true; }

OutOfChildren::OutOfChildren() {
  if (const int file = ::fcntl(1, F_DUPFD_CLOEXEC, 3); file >= 0) out_file = file;
}

OutOfChildren::~OutOfChildren() {
  if (const int file = std::exchange(out_file, 1); file != 1) ::close(file);
}

bool out_is_terminal() { return ::isatty(1) == 1; }

void say(std::string_view line) {
  flush_out();
  (void)write_all(2, fmt::format("{}\n", visible(line)));
}

void report(const Stop& stop) {
  if (stop.line.empty()) return;
  const bool has_place = stop.status == Exit::usage && stop.line.find(": expected ") != std::string::npos;
  say(has_place ? stop.line : "vmapcheck: " + stop.line);
}

// ---- Text from outside

std::size_t character_size(std::string_view text, char32_t& character) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(i < text.size() ? text[i] : '\0'); };
  const unsigned char first = byte(0);
  const std::size_t size = first < 0x80   ? 1
                           : first < 0xc2 ? 0
                           : first < 0xe0 ? 2
                           : first < 0xf0 ? 3
                           : first < 0xf5 ? 4
                                          : 0;
  if (size < 2) {
    character = first;
    return size;
  }
  character = first & (0xffu >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    character = character << 6 | (byte(i) & 0x3fu);
  }
  constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_character =
      character >= least[size] && character <= 0x10ffff && (character < 0xd800 || character > 0xdfff);
  return is_character ? size : 0;
}

namespace {

bool is_visible(char32_t c) {
  const bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
  const bool turns_or_breaks =
      c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
  return !control && !turns_or_breaks;
}

/// Appends what `text` begins with, escaped unless it is visible or one of `kept`, and takes it away.
void append_visible(std::string& safe, std::string_view& text, std::string_view kept) {
  char32_t c = 0;
  const std::size_t size = character_size(text, c);
  if (size == 0 || (c < 0x80 && !is_visible(c) && kept.find(text.front()) == kept.npos))
    fmt::format_to(std::back_inserter(safe), "\\x{:02x}", static_cast<unsigned char>(text.front()));
  else if (c >= 0x80 && !is_visible(c))
    fmt::format_to(std::back_inserter(safe), "\\u{:04x}", static_cast<std::uint32_t>(c));
  else
    safe += text.substr(0, size);
  text.remove_prefix(std::max<std::size_t>(size, 1));
}

}  // namespace

std::string visible(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  while (!text.empty()) append_visible(safe, text, "\n\t");
  return safe;
}

std::string one_line(std::string_view text, std::size_t bytes_max) {
  std::string line;
  while (!text.empty()) {
    if (line.size() >= bytes_max) return line + "...";
    append_visible(line, text, "");
  }
  return line;
}

std::string shell_word(std::string_view text) {
  constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./,:=+@%";
  if (!text.empty() && text.find_first_not_of(plain) == std::string_view::npos) return std::string(text);
  std::string quoted = "'", octal = "$'";
  bool all_visible = true;
  while (!text.empty()) {
    char32_t c = 0;
    const std::string_view one = text.substr(0, std::max<std::size_t>(character_size(text, c), 1));
    const bool as_it_is = character_size(text, c) != 0 && is_visible(c);
    all_visible = all_visible && as_it_is;
    quoted += one == "'" ? "'\\''" : one;
    if (as_it_is && (one == "'" || one == "\\")) octal += '\\';
    if (as_it_is)
      octal += one;
    else
      for (const char byte : one)
        fmt::format_to(std::back_inserter(octal), "\\{:03o}", static_cast<unsigned char>(byte));
    text.remove_prefix(one.size());
  }
  return (all_visible ? quoted : octal) + "'";
}

namespace {

/// Not allowed in XML and HTML: control characters but newline and tab, and the two that are no characters.
bool is_forbidden(char32_t c) {
  return (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c < 0xa0) || c == 0xfffe || c == 0xffff;
}

}  // namespace

std::string only_characters(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  while (!text.empty()) {
    char32_t c = 0;
    const std::size_t size = character_size(text, c);
    safe += size == 0 || is_forbidden(c) ? "\xef\xbf\xbd" : text.substr(0, size);  // U+FFFD, the replacement character
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return safe;
}

std::string escaped(std::string_view text) {
  std::string safe;
  for (const char c : only_characters(text)) switch (c) {
      case '&': safe += "&amp;"; break;
      case '<': safe += "&lt;"; break;
      case '>': safe += "&gt;"; break;
      case '"': safe += "&quot;"; break;
      case '\'': safe += "&#39;"; break;
      default: safe += c;
    }
  return safe;
}

void prepare_standard_files() {
  ::signal(SIGPIPE, SIG_IGN);
  for (int number = 0; number <= 2; ++number) {
    if (::fcntl(number, F_GETFD) != -1 || errno != EBADF) continue;
    // The lowest free number is this one. It is opened the wrong way round, so that what was closed stays unusable.
    if (::open("/dev/null", number == 0 ? O_WRONLY : O_RDONLY) < 0) return;
  }
}

}  // namespace vmapcheck::tool
