// SPDX-License-Identifier: Apache-2.0
#include "tools/corpus/inputs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "fuzz/records.hpp"
#include "model/trace.hpp"
#include "tools/corpus/archive.hpp"
#include "tools/files.hpp"
#include "tools/interruption.hpp"

namespace vmapcheck::tool {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t archive_bytes_max = std::size_t{1} << 30;  ///< that are read of one archive, and of those in it
constexpr int archive_depth_max = 2;  ///< an artifact of a CI service is a zip archive, which may hold one of a fuzzer

struct AflFolder {
  std::string_view name;
  std::string_view origin;
};
constexpr std::array<AflFolder, 3> afl_folders{
    {{"queue", "AFL queue"}, {"crashes", "AFL crash"}, {"hangs", "AFL hang"}}};

/// Services that allow no colon in a name put an underscore in its place.
bool is_afl_input(std::string_view name) { return name.starts_with("id:") || name.starts_with("id_"); }

bool is_campaign(const fs::path& directory) {
  std::error_code ignored;
  return fs::is_directory(directory / "corpus", ignored) &&
         (fs::exists(directory / "lock", ignored) || fs::exists(directory / "worker-0.log", ignored));
}

/// What the name of a file says.
std::string_view origin_of(std::string_view name) {
  if (name.starts_with("clusterfuzz-testcase")) return "ClusterFuzz test case";
  for (const auto prefix : {"crash-"sv, "oom-"sv, "timeout-"sv, "leak-"sv, "slow-unit-"sv})
    if (name.starts_with(prefix)) return "libFuzzer artifact";
  if (is_afl_input(name)) return "AFL queue";
  if (name.size() == 40 && name.find_first_not_of("0123456789abcdef") == name.npos) return "libFuzzer corpus";
  return "bytes";
}

/// True for a name that no fuzzer gives to its inputs: such bytes would make a meaningless trace.
bool is_foreign_archive(std::string_view name) {
  for (const auto ending : {".7z"sv, ".rar"sv, ".gz"sv, ".xz"sv, ".bz2"sv, ".zst"sv, ".lz4"sv, ".tbz2"sv, ".txz"sv})
    if (name.ends_with(ending)) return !name.ends_with(".tar.gz");
  return false;
}

bool is_passed_by(std::string_view name) {
  return name.starts_with('.') || name.starts_with("README") || name.ends_with(".md");
}

class Finder {
 public:
  explicit Finder(InputFiles& found) : found_(found) {}

  void named(const std::string& name) {
    root_ = name;
    std::error_code error;
    if (name == "-") return take(name, "");
    const fs::file_status status = fs::status(name, error);
    if (!fs::exists(status))
      cannot("read", name, error ? error : std::make_error_code(std::errc::no_such_file_or_directory));
    if (!fs::is_directory(status)) return take(name, "");
    directory(is_campaign(name) ? fs::path(name) / "corpus" : fs::path(name));
  }

 private:
  void directory(const fs::path& path) {
    const std::vector<fs::directory_entry> entries = list(path);
    const std::string own = fs::path(path.string() + "/").parent_path().filename().string();
    for (const AflFolder& folder : afl_folders)
      if (own == folder.name && std::ranges::any_of(entries, is_afl_entry)) return afl_inputs(entries, folder.origin);
    if (is_afl_instance(path)) {
      for (const AflFolder& folder : afl_folders) {
        std::error_code ignored;
        if (fs::is_directory(path / folder.name, ignored)) afl_inputs(list(path / folder.name), folder.origin);
      }
      return;
    }
    for (const fs::directory_entry& entry : entries) {
      std::error_code ignored;
      const std::string name = entry.path().filename().string();
      if (!entry.is_symlink(ignored) && entry.is_directory(ignored)) {
        if (!name.starts_with('.')) directory(entry.path());
      } else if (is_passed_by(name) || entry.is_directory(ignored) ||
                 (entry.exists(ignored) && !entry.is_regular_file(ignored))) {
        ++found_.passed_by;
      } else {
        take(entry.path(), "");
      }
    }
  }

  static bool is_afl_entry(const fs::directory_entry& entry) { return is_afl_input(entry.path().filename().string()); }

  void afl_inputs(const std::vector<fs::directory_entry>& entries, std::string_view origin) {
    for (const fs::directory_entry& entry : entries) {
      std::error_code ignored;
      if (entry.is_directory(ignored)) continue;
      if (is_afl_entry(entry) && (entry.is_regular_file(ignored) || !entry.exists(ignored)))
        take(entry.path(), origin);
      else
        ++found_.passed_by;
    }
  }

  static std::vector<fs::directory_entry> list(const fs::path& path) {
    std::vector<fs::directory_entry> entries;
    std::error_code error;
    fs::directory_iterator entry(path, error);
    for (; !error && entry != fs::directory_iterator(); entry.increment(error)) entries.push_back(*entry);
    if (error) cannot("read", path, error);
    std::ranges::sort(entries, {}, [](const fs::directory_entry& e) { return e.path().string(); });
    return entries;
  }

  void take(const fs::path& path, std::string_view origin) {
    std::string name = path.lexically_relative(root_).string();
    if (name.empty() || name == ".") name = path.filename().string();
    found_.files.push_back({path, std::move(name), origin});
  }

  InputFiles& found_;
  fs::path root_;
};

/// Stops with "FILE:LINE:COLUMN: expected ..." if it is text but no trace.
Trace trace_of(std::string_view shown, bool is_text, std::string_view bytes) {
  if (!is_text) {
    const auto* const first = reinterpret_cast<const std::uint8_t*>(bytes.data());
    return decode({first, bytes.size()});
  }
  return trace_from(bytes, shown);
}

struct Bytes {
  std::string name;
  std::string shown;
  std::string_view origin;  ///< empty: the name says it
  std::string contents;
};

/// `room` is how many bytes may still be unpacked, at any depth, from the file that was named.
void read_bytes(Bytes&& bytes, const InputReading& reading, int depth, std::size_t& room) {
  const std::string base = fs::path(bytes.name).filename().string();
  const auto left_out = [&](std::string&& line) {
    reading.left_out({Exit::usage, fmt::format("{}: {}", one_line(bytes.shown), line)});
  };
  if (bytes.origin.empty() && is_foreign_archive(base))
    return left_out("an archive of a kind that is not read: expected zip, tar or tar.gz");
  if (bytes.origin.empty() && looks_like_archive(base, bytes.contents)) {
    if (depth == archive_depth_max)
      return left_out("an archive in an archive in an archive: expected at most one in another");
    const auto entry = [&](ArchiveEntry&& one) {
      if (is_passed_by(fs::path(one.name).filename().string())) return;
      read_bytes({one.name, fmt::format("{}: {}", bytes.shown, one.name), "", std::move(one.contents)}, reading,
                 depth + 1, room);
    };
    return read_archive(bytes.contents,
                        {.entry_bytes_max = trace_bytes_max, .room = room, .entry = entry, .left_out = left_out});
  }
  if (bytes.contents.empty()) return reading.left_out({Exit::ok, fmt::format("{}: empty", one_line(bytes.shown))});
  Input input{.name = std::move(bytes.name),
              .shown = std::move(bytes.shown),
              .origin = std::string(bytes.origin.empty() ? origin_of(base) : bytes.origin),
              .is_text = is_trace_text(base, bytes.contents),
              .bytes = bytes.contents.size(),
              .trace = {}};
  if (input.is_text) input.origin = "trace";
  try {
    input.trace = trace_of(input.shown, input.is_text, bytes.contents);
  } catch (const Stop& stop) {
    return reading.left_out(stop);
  }
  reading.input(std::move(input));
}

}  // namespace

InputFiles find_inputs(const std::vector<std::string>& named) {
  InputFiles found;
  Finder finder(found);
  for (const std::string& name : named) finder.named(name);
  return found;
}

std::string corpus_of(const std::string& directory) {
  return is_campaign(directory) ? path_in(directory, "corpus") : directory;
}

bool is_afl_instance(const fs::path& directory) {
  std::error_code ignored;
  const auto has = [&](std::string_view name) { return fs::is_directory(directory / name, ignored); };
  return fs::exists(directory / "fuzzer_stats", ignored) || (has("queue") && (has("crashes") || has("hangs")));
}

void read_input(const InputFile& file, const InputReading& reading) {
  if (interrupted()) throw Stop{Exit::interrupted, "interrupted"};
  Bytes bytes{file.name, file.path.string(), file.origin, {}};
  try {
    // An archive of many traces may be larger than one trace.
    const bool archive = file.origin.empty() && looks_like_archive(file.path.filename().string(), "");
    bytes.contents = read_file(file.path.string(), archive ? archive_bytes_max : trace_bytes_max);
  } catch (const Stop& stop) {
    if (stop.status == Exit::interrupted) throw;
    return reading.left_out(stop);
  }
  std::size_t room = archive_bytes_max;
  read_bytes(std::move(bytes), reading, 0, room);
}

Trace read_input_trace(const InputFile& file) {
  const std::string bytes = read_file(file.path.string(), trace_bytes_max);
  return trace_of(file.path.string(), is_trace_text(file.name, bytes), bytes);
}

bool is_trace_text(std::string_view name, std::string_view bytes) {
  if (bytes.starts_with("\xef\xbb\xbf")) return is_trace_text(name, bytes.substr(3));
  return bytes.starts_with("vmapcheck-trace") || (name.ends_with(".trace") && bytes.find('\0') == bytes.npos);
}

/// Source: the hash FNV-1a of Fowler, Noll and Vo; the second half starts elsewhere and also takes in the first one.
TraceKey key_of(const Trace& trace) {
  Trace bare = relabel(trace);
  bare.comments.clear();
  TraceKey key{0xcbf29ce484222325u, 0x84222325cbf29ce4u};
  for (const char c : print(bare)) {
    key.first = (key.first ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    key.second = (key.second ^ (key.first >> 23)) * 0x9e3779b97f4a7c15u;
  }
  return key;
}

}  // namespace vmapcheck::tool
