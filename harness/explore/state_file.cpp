// SPDX-License-Identifier: Apache-2.0
#include "harness/explore/state_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace vmapcheck {
namespace {

constexpr std::string_view magic = "vmapcheck-explore 1\n";
constexpr std::size_t states_at_once = std::size_t{1} << 14;

static_assert(std::is_trivially_copyable_v<ExploreProgress> && std::is_trivially_copyable_v<StateSet::State>);

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

/// A sum that stays the same with a chance of only 2^-64 when a byte is changed, lost or added.
class Checksum {
 public:
  void add(std::span<const std::byte> bytes) {
    std::size_t at = 0;
    for (; bytes.size() - at >= sizeof(std::uint64_t); at += sizeof(std::uint64_t)) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data() + at, sizeof word);
      mix(word);
    }
    std::uint64_t rest = bytes.size() - at;
    for (; at < bytes.size(); ++at) rest = rest << 8 | std::to_integer<std::uint64_t>(bytes[at]);
    mix(rest);
  }
  [[nodiscard]] std::uint64_t value() const { return sum_; }

 private:
  void mix(std::uint64_t word) {
    sum_ = (sum_ ^ word) * 0x9e3779b97f4a7c15u;
    sum_ ^= sum_ >> 32;
  }
  std::uint64_t sum_ = 0;
};

template <class T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

class Writer {
 public:
  explicit Writer(std::FILE* file) : file_(file) {}
  void put(std::span<const std::byte> bytes) {
    sum_.add(bytes);
    good_ = good_ && std::fwrite(bytes.data(), 1, bytes.size(), file_) == bytes.size();
  }
  /// Writes the checksum, and flushes everything to the disk.
  bool end() {
    const std::uint64_t sum = sum_.value();
    return good_ && std::fwrite(&sum, sizeof sum, 1, file_) == 1 && std::fflush(file_) == 0 &&
           ::fsync(::fileno(file_)) == 0;
  }

 private:
  std::FILE* file_;
  Checksum sum_;
  bool good_ = true;
};

class Reader {
 public:
  explicit Reader(std::FILE* file) : file_(file) {}
  bool get(std::span<std::byte> bytes) {
    if (std::fread(bytes.data(), 1, bytes.size(), file_) != bytes.size()) return false;
    sum_.add(bytes);
    return true;
  }
  template <class T>
  bool get(T& value) {
    return get(std::as_writable_bytes(std::span(&value, 1)));
  }
  bool at_end() {
    std::uint64_t sum = 0;
    return std::fread(&sum, sizeof sum, 1, file_) == 1 && sum == sum_.value() && std::fgetc(file_) == EOF;
  }

 private:
  std::FILE* file_;
  Checksum sum_;
};

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

/// What stands in the file before the states of a shard.
struct ShardHead {
  std::uint64_t size = 0;
  std::uint64_t level_begin = 0;
  std::uint64_t level_end = 0;
};

bool read_states(Reader& reader, StateSet& states) {
  std::vector<StateSet::State> buffer;
  for (std::size_t shard = 0; shard < StateSet::shards; ++shard) {
    ShardHead head;
    if (!reader.get(head) || head.level_begin > head.level_end || head.level_end > head.size ||
        head.size >= StateSet::states_max / StateSet::shards)
      return false;
    for (std::uint64_t left = head.size; left > 0; left -= buffer.size()) {
      buffer.resize(static_cast<std::size_t>(left < states_at_once ? left : states_at_once));
      if (!reader.get(std::as_writable_bytes(std::span(buffer)))) return false;
      states.restore(shard, buffer,
                     {static_cast<std::size_t>(head.level_begin), static_cast<std::size_t>(head.level_end)});
    }
  }
  return true;
}

}  // namespace

std::string write_state_file(const std::string& path, const std::string& identity, const ExploreProgress& progress,
                             const StateSet& states) {
  const std::string written = path + ".new";
  const auto failed = [&](const std::string& what) {
    const std::string why = std::strerror(errno);
    std::remove(written.c_str());
    return "cannot " + what + " " + path + ": " + why;
  };
  {
    const File file(std::fopen(written.c_str(), "wb"));
    if (!file) return failed("write");
    Writer writer(file.get());
    writer.put(bytes_of(magic));
    writer.put(bytes_of(std::string_view(identity + "\n")));
    writer.put(bytes_of(progress));
    for (std::size_t shard = 0; shard < StateSet::shards; ++shard) {
      const StateSet::Places level = states.level(shard);
      const ShardHead head{states.size(shard), level.begin, level.end};
      writer.put(bytes_of(head));
      for (std::size_t place = 0; place < head.size;) {
        const auto chunk = states.chunk(shard, place, states_at_once);
        writer.put(std::as_bytes(chunk));
        place += chunk.size();
      }
    }
    if (!writer.end()) return failed("write");
  }
  if (std::rename(written.c_str(), path.c_str()) != 0) return failed("replace");
  return {};
}

std::expected<bool, ExploreError> read_state_file(const std::string& path, const std::string& identity,
                                                  ExploreProgress& progress, StateSet& states) {
  using Kind = ExploreError::Kind;
  const File file(std::fopen(path.c_str(), "rb"));
  if (!file) {
    if (errno == ENOENT) return false;
    return std::unexpected(ExploreError{Kind::io, "cannot read " + path + ": " + std::strerror(errno)});
  }
  const auto refused = [&](const std::string& why) {
    return std::unexpected(ExploreError{Kind::state_file, path + " " + why});
  };
  Reader reader(file.get());
  std::string head(magic.size(), '\0');
  const bool has_head = reader.get(std::as_writable_bytes(std::span(head)));
  if (std::ferror(file.get()) != 0)
    return std::unexpected(ExploreError{Kind::io, "cannot read " + path + ": " + std::strerror(errno)});
  if (!has_head || head != magic)
    return refused("is not a state of an exploration, or of another version; --fresh begins anew");
  std::string whose(identity.size() + 1, '\0');
  if (!reader.get(std::as_writable_bytes(std::span(whose))) || whose != identity + "\n")
    return refused("is of another exploration, or of another build of the subject; --fresh begins anew");
  if (!reader.get(progress) || !read_states(reader, states) || !reader.at_end())
    return refused("is damaged; --fresh begins anew");
  return true;
}

}  // namespace vmapcheck
