// SPDX-License-Identifier: Apache-2.0
#include "fuzz/tally.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace vmapcheck {
namespace {

/// Who reads slowly may meet the writer in both copies, one after the other.
constexpr int attempts_max = 8;

constexpr std::size_t copy_words = sizeof(Tally::Copy) / sizeof(std::uint64_t);
using Words = std::array<std::uint64_t, copy_words>;

std::uint64_t sum_of(const Words& words) { return checksum(std::span(words).first<copy_words - 1>()); }

/// Step of a checksum: one to one in the sum and in the word.
std::uint64_t mixed(std::uint64_t sum, std::uint64_t word) {
  sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
  return sum ^ sum >> 32;
}

/// Word by word, as another process may write there.
Words read(const Tally::Copy& copy) {
  Words words;
  const auto* const from = reinterpret_cast<const std::uint64_t*>(&copy);
  for (std::size_t i = 0; i < copy_words; ++i) words[i] = __atomic_load_n(from + i, __ATOMIC_RELAXED);
  return words;
}

std::optional<Tally::Copy> newest_now(std::span<const Tally::Copy, 2> copies) {
  std::optional<Tally::Copy> best;
  for (const Tally::Copy& one : copies) {
    const Words words = read(one);
    const auto copy = std::bit_cast<Tally::Copy>(words);
    if (copy.number == 0 || copy.sum != sum_of(words)) continue;
    if (!best || copy.number > best->number) best = copy;
  }
  return best;
}

}  // namespace

std::uint64_t checksum(std::span<const std::uint64_t> words) {
  std::uint64_t sum = words.size();
  for (const std::uint64_t word : words) sum = mixed(sum, word);
  return sum;
}

std::uint64_t checksum(std::string_view bytes) {
  std::uint64_t sum = bytes.size();
  for (const char byte : bytes) sum = mixed(sum, static_cast<unsigned char>(byte));
  return sum;
}

std::optional<Tally::Copy> newest(std::span<const Tally::Copy, 2> copies) {
  for (int attempt = 0; attempt < attempts_max; ++attempt)
    if (const auto copy = newest_now(copies)) return copy;
  return std::nullopt;
}

void write(Tally& tally, std::uint64_t session, const Counts& counts) {
  const auto before = newest(tally.copies);
  const std::uint64_t number = before ? before->number + 1 : 1;
  auto words = std::bit_cast<Words>(Tally::Copy{number, session, counts, 0});
  words.back() = sum_of(words);
  auto* const to = reinterpret_cast<std::uint64_t*>(&tally.copies[number % 2]);
  for (std::size_t i = 0; i < copy_words; ++i) __atomic_store_n(to + i, words[i], __ATOMIC_RELAXED);
}

std::string_view input_of(const Tally& tally) {
  const std::size_t size = std::min<std::size_t>(tally.input_size.load(std::memory_order_acquire), sizeof tally.input);
  return {reinterpret_cast<const char*>(tally.input), size};
}

std::string signature_of(const Tally& tally) {
  const char* const begin = tally.signature;
  return {begin, std::find_if(begin, begin + sizeof tally.signature, [](char c) { return c >= 0 && c < ' '; })};
}

TallyFile::TallyFile(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0) throw std::system_error(errno, std::generic_category(), path);
  // Room first: a page that the disk has none for could not be written, which kills.
  int why = ::posix_fallocate(file, 0, sizeof(Tally));
  void* memory = nullptr;
  if (why == 0) {
    memory = ::mmap(nullptr, sizeof(Tally), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) why = errno;
  }
  ::close(file);
  if (why != 0) throw std::system_error(why, std::generic_category(), path);
  tally_ = static_cast<Tally*>(memory);
}

TallyFile::~TallyFile() { ::munmap(tally_, sizeof(Tally)); }

ReadTally read_tally(const std::string& path) {
  using Kind = ReadTally::Kind;
  struct Head {
    std::uint64_t magic, bytes, copy_bytes;
    std::array<Tally::Copy, 2> copies;
  } head{};
  static_assert(offsetof(Tally, copies) == offsetof(Head, copies));
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return {.kind = errno == ENOENT ? Kind::unused : Kind::unreadable};
  struct stat about{};
  const bool has_size = ::fstat(file, &about) == 0 && about.st_size == sizeof(Tally);
  ReadTally tally{.kind = about.st_size == 0 ? Kind::unused : Kind::unreadable};
  // A target that runs may write each copy while it is read here; then both are read again.
  for (int attempt = 0; attempt < attempts_max && has_size; ++attempt) {
    if (::pread(file, &head, sizeof head, 0) != sizeof head) break;
    if (head.magic == 0) tally.kind = Kind::unused;
    if (head.magic != Tally::magic_value || head.bytes != sizeof(Tally) || head.copy_bytes != sizeof(Tally::Copy))
      break;
    const auto copy = newest_now(head.copies);
    if (!copy) continue;
    tally = {Kind::whole, copy->session, copy->counts};
    break;
  }
  ::close(file);
  return tally;
}

}  // namespace vmapcheck
