// SPDX-License-Identifier: Apache-2.0
//
// seeds CORPUS FOLDER: the traces below CORPUS as inputs of the fuzz targets, FOLDER/<target>/<name>, and the
// dictionaries of the targets, FOLDER/<target>.dict.
//
// Needs no package, so that it can be built wherever the targets are (oss-fuzz/build.sh packs what it writes). A trace
// that is longer than what an engine lets through is cut behind an op: the beginning of a trace is a trace. The same
// corpus gives the same bytes.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <expected>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ranges>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "fuzz/records.hpp"
#include "model/op.hpp"
#include "model/ops/field_text.hpp"
#include "model/trace.hpp"

namespace vmapcheck {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t seed_bytes_max = 256 * record_bytes;  // max_len in *.options

/// As many of its first ops as `encoded` makes at most seed_bytes_max of.
template <class Encode>
auto cut(const Trace& trace, Encode encoded) {
  const auto prefix = [&](std::size_t count) {
    return encoded(Trace{trace.comments, trace.space, {trace.ops.begin(), trace.ops.begin() + std::ptrdiff_t(count)}});
  };
  const auto counts = std::views::iota(std::size_t{0}, trace.ops.size() + 1);
  const auto fits = [&](std::size_t count) { return prefix(count).size() <= seed_bytes_max; };
  const auto too_many = std::ranges::partition_point(counts, fits);
  return prefix(too_many == counts.begin() ? 0 : *std::ranges::prev(too_many));
}

void write(const fs::path& file, std::span<const char> bytes) {
  fs::create_directories(file.parent_path());
  std::ofstream stream(file, std::ios::binary);
  stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  stream.close();
  if (!stream) throw fs::filesystem_error("cannot write", file, std::make_error_code(std::errc::io_error));
}

/// corpus/faults/not-lowest.trace is faults-not-lowest: a flat folder, and no extension that could mean something.
std::string name_of(const fs::path& file, const fs::path& corpus) {
  std::string name = fs::relative(file, corpus).replace_extension().generic_string();
  std::ranges::replace(name, '/', '-');
  return name;
}

std::string read(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw fs::filesystem_error("cannot read", file, std::make_error_code(std::errc::io_error));
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// An entry of a dictionary: a string in quotes, bytes that may not stand in it as \xNN.
std::string entry(std::string_view bytes) {
  std::string out = "\"";
  for (const char c : bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    const auto byte = static_cast<std::uint8_t>(c);
    if (byte < 0x20 || byte >= 0x7f || c == '"' || c == '\\')
      out.append("\\x").append({digits[byte >> 4], digits[byte & 0xf]});
    else
      out += c;
  }
  return out += "\"\n";
}

/// Each op and each option as a trace has them, what lies between them, and numbers at which arithmetic ends.
std::string dictionary_of_traces() {
  std::set<std::string> words;
  for (std::size_t kind = 0; kind < op_kind_count; ++kind) {
    const Op op = op_of_kind(kind);
    words.insert("\n" + print(op) + "\n");
    for_each_field(op, [&]<class Field>(Field, const auto&) {
      constexpr std::string_view key = text_of(Field::meaning).key;
      if (!key.empty()) words.insert(" " + std::string(key) + "=");
    });
  }
  for (const char* const word : {"\xef\xbb\xbf",
                                 "vmapcheck-trace 1\n",
                                 "\nspace ",
                                 " granule=",
                                 " lazy-limit=",
                                 "\nbusy ",
                                 "0x",
                                 "..",
                                 "+",
                                 ",",
                                 "a1.0",
                                 "4k",
                                 "1m",
                                 "1g",
                                 "#",
                                 "0x8000000000000000",
                                 "0xffffffffffffffff",
                                 "18446744073709551616",
                                 "4294967294",
                                 "4294967295"})
    words.insert(word);
  std::string dictionary;
  for (const std::string& word : words) dictionary += entry(word);
  return dictionary;
}

/// The first eight bytes of records of each code, compact without and with a window, and exact; and numbers: a granule,
/// 2^63, the highest granule, 2^64-1. For engines that do not know the op-level mutator.
std::string dictionary_of_records() {
  std::string dictionary;
  for (int code = 0; code < 32; ++code)
    for (const int flags : {0x00, 0x03, 0xf0})
      dictionary += entry(std::string{static_cast<char>(code), static_cast<char>(flags), 0, 0, 0, 0, 0, 0});
  for (const std::uint64_t number : {0x1000ull, 0x8000000000000000ull, 0xfffffffffffff000ull, 0xffffffffffffffffull}) {
    std::string bytes;
    for (int shift = 0; shift < 64; shift += 8) bytes += static_cast<char>(number >> shift & 0xff);
    dictionary += entry(bytes);
  }
  return dictionary;
}

int make_seeds(const fs::path& corpus, const fs::path& folder) {
  std::size_t count = 0;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(corpus)) {
    if (entry.path().extension() != ".trace") continue;
    const auto trace = parse_trace(read(entry.path()));
    if (!trace) {
      std::fprintf(stderr, "%s:%zu:%zu: %s\n", entry.path().c_str(), trace.error().line, trace.error().column,
                   trace.error().expected.c_str());
      return 2;
    }
    const std::string name = name_of(entry.path(), corpus);
    const auto records = cut(*trace, [](const Trace& t) { return encode(t); });
    write(folder / "allocator_fuzz" / name, {reinterpret_cast<const char*>(records.data()), records.size()});
    const std::string text = cut(*trace, [](const Trace& t) { return print(t); });
    write(folder / "trace_fuzz" / name, text);
    ++count;
  }
  write(folder / "trace_fuzz.dict", dictionary_of_traces());
  write(folder / "allocator_fuzz.dict", dictionary_of_records());
  if (count == 0) std::fprintf(stderr, "no traces below %s\n", corpus.c_str());
  return count == 0 ? 4 : 0;
}

}  // namespace
}  // namespace vmapcheck

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "Usage: seeds CORPUS FOLDER\n");
    return 2;
  }
  try {
    return vmapcheck::make_seeds(argv[1], argv[2]);
  } catch (const std::filesystem::filesystem_error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 4;
  }
}
