// SPDX-License-Identifier: Apache-2.0
//
// seeds CORPUS FOLDER: the traces below CORPUS as inputs of the fuzz targets, FOLDER/<target>/<name>.
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
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "fuzz/records.hpp"
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
