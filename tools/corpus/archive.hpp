// SPDX-License-Identifier: Apache-2.0
//
// Archives in memory: those that come from fuzzing services are read (zip, tar, with gzip or without), seed archives
// are written. By libarchive; a build without it has neither, and says so.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace vmapcheck::tool {

struct ArchiveEntry {
  std::string name;
  std::string contents;
};

/// False where this program was built without libarchive: then both functions below are a Stop with Exit::subject.
[[nodiscard]] bool has_archives();

/// The bytes, or the name, are those of an archive that can be read.
[[nodiscard]] bool looks_like_archive(std::string_view name, std::string_view bytes);

struct ArchiveReading {
  std::size_t entry_bytes_max;  ///< what is larger is left out
  std::size_t& room;            ///< bytes that all entries may have, less those that were read; then nothing more is
  /// Each file, in the order of the archive.
  std::function<void(ArchiveEntry&&)> entry;
  /// What is not read, in one line: "entry '../x': leads out of the archive".
  std::function<void(std::string&& line)> left_out;
};

/// Nothing is unpacked to the disk.
void read_archive(std::string_view bytes, const ArchiveReading& reading);

/// A zip archive. The same entries give the same bytes, whenever and wherever: fixed time, mode and order (that of
/// `entries`), stored without compression. Requires names of letters, digits, '.', '_' and '-', which differ.
[[nodiscard]] std::string zip_of(const std::vector<ArchiveEntry>& entries);

}  // namespace vmapcheck::tool
