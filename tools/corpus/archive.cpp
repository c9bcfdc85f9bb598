// SPDX-License-Identifier: Apache-2.0
#include "tools/corpus/archive.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <ctime>
#include <memory>

#include "tools/exit_status.hpp"
#include "tools/files.hpp"
#include "tools/interruption.hpp"

#ifdef VMAPCHECK_HAS_ARCHIVES
#include <archive.h>
#include <archive_entry.h>
#endif

namespace vmapcheck::tool {

bool looks_like_archive(std::string_view name, std::string_view bytes) {
  using namespace std::string_view_literals;
  for (const std::string_view ending : {".zip"sv, ".tar"sv, ".tar.gz"sv, ".tgz"sv})
    if (name.ends_with(ending)) return true;
  constexpr std::size_t tar_magic_at = 257;
  return bytes.starts_with("PK\x03\x04"sv) || bytes.starts_with("PK\x05\x06"sv) ||
         (bytes.size() > tar_magic_at && bytes.substr(tar_magic_at).starts_with("ustar"));
}

#ifndef VMAPCHECK_HAS_ARCHIVES

bool has_archives() { return false; }

void read_archive(std::string_view, const ArchiveReading&) {
  throw Stop{Exit::subject, "this program was built without libarchive: it reads no archives (Debian: libarchive-dev)"};
}

std::string zip_of(const std::vector<ArchiveEntry>&) {
  throw Stop{Exit::subject,
             "this program was built without libarchive: it writes no archives (Debian: libarchive-dev)"};
}

#else

namespace {

struct Close {
  void operator()(archive* a) const { archive_free(a); }
  void operator()(archive_entry* e) const { archive_entry_free(e); }
};

std::string why(archive* a) {
  const char* const text = archive_error_string(a);
  return text != nullptr ? one_line(text, 200) : "it cannot be read";
}

std::string name_of(archive_entry* entry) {
  const char* name = archive_entry_pathname(entry);
  if (name == nullptr) name = archive_entry_pathname_utf8(entry);
  return name != nullptr ? name : "";
}

/// True for a name that, taken as a path, would lie outside of the archive. It is never used as a path.
bool leads_out(std::string_view name) {
  if (name.starts_with('/')) return true;
  while (!name.empty()) {
    const std::size_t end = std::min(name.find('/'), name.size());
    if (name.substr(0, end) == "..") return true;
    name.remove_prefix(std::min(end + 1, name.size()));
  }
  return false;
}

enum class Read { whole, too_large, broken };

Read read_entry(archive* a, std::string& contents, std::size_t bytes_max) {
  std::array<char, std::size_t{1} << 16> buffer;
  while (true) {
    const la_ssize_t got = archive_read_data(a, buffer.data(), buffer.size());
    if (got == 0) return Read::whole;
    if (got < 0) return Read::broken;
    contents.append(buffer.data(), static_cast<std::size_t>(got));
    if (contents.size() > bytes_max) return Read::too_large;
    if (interrupted()) throw Stop{Exit::interrupted, "interrupted"};
  }
}

}  // namespace

bool has_archives() { return true; }

void read_archive(std::string_view bytes, const ArchiveReading& reading) {
  const std::unique_ptr<archive, Close> a(archive_read_new());
  archive_read_support_format_zip(a.get());
  archive_read_support_format_tar(a.get());
  archive_read_support_filter_gzip(a.get());
  if (archive_read_open_memory(a.get(), bytes.data(), bytes.size()) != ARCHIVE_OK)
    return reading.left_out(fmt::format("no archive that can be read: {}", why(a.get())));
  while (true) {
    if (interrupted()) throw Stop{Exit::interrupted, "interrupted"};
    archive_entry* entry = nullptr;
    const int status = archive_read_next_header(a.get(), &entry);
    if (status == ARCHIVE_EOF) return;
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
      return reading.left_out(fmt::format("broken from here on: {}", why(a.get())));
    const std::string name = name_of(entry);
    const std::string shown = fmt::format("entry '{}'", one_line(name, 200));
    if (archive_entry_filetype(entry) == AE_IFDIR) continue;
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != nullptr) {
      reading.left_out(shown + ": no file");
      continue;
    }
    if (leads_out(name)) {
      reading.left_out(shown + ": leads out of the archive");
      continue;
    }
    ArchiveEntry one{name, {}};
    const Read read = read_entry(a.get(), one.contents, std::min(reading.entry_bytes_max, reading.room));
    reading.room -= std::min(one.contents.size(), reading.room);
    if (read == Read::broken) {
      reading.left_out(fmt::format("{}: {}", shown, why(a.get())));
      continue;
    }
    if (read == Read::too_large && reading.room == 0)
      return reading.left_out(fmt::format("{} and all behind it: more than can be read of one archive", shown));
    if (read == Read::too_large)
      reading.left_out(fmt::format("{}: expected at most {} MiB", shown, reading.entry_bytes_max >> 20));
    else
      reading.entry(std::move(one));
  }
}

std::string zip_of(const std::vector<ArchiveEntry>& entries) {
  // A zip archive holds local times, and must not depend on where this is run.
  ::setenv("TZ", "UTC0", 1);
  ::tzset();
  constexpr time_t beginning_of_zip = 315'532'800;  // 1980-01-01 00:00:00 UTC
  std::string zip;
  const auto append = [](archive*, void* to, const void* from, std::size_t size) {
    static_cast<std::string*>(to)->append(static_cast<const char*>(from), size);
    return static_cast<la_ssize_t>(size);
  };
  const std::unique_ptr<archive, Close> a(archive_write_new());
  const auto expect_ok = [&](int status) {
    if (status != ARCHIVE_OK) throw Stop{Exit::io, "cannot make the archive: " + why(a.get())};
  };
  expect_ok(archive_write_set_format_zip(a.get()));
  expect_ok(archive_write_zip_set_compression_store(a.get()));  // compressors differ from version to version
  expect_ok(archive_write_set_bytes_in_last_block(a.get(), 1));
  expect_ok(archive_write_open(a.get(), &zip, nullptr, append, nullptr));
  for (const ArchiveEntry& entry : entries) {
    const std::unique_ptr<archive_entry, Close> about(archive_entry_new());
    archive_entry_set_pathname(about.get(), entry.name.c_str());
    archive_entry_set_filetype(about.get(), AE_IFREG);
    archive_entry_set_perm(about.get(), 0644);
    archive_entry_set_size(about.get(), static_cast<la_int64_t>(entry.contents.size()));
    archive_entry_set_mtime(about.get(), beginning_of_zip, 0);
    expect_ok(archive_write_header(a.get(), about.get()));
    if (archive_write_data(a.get(), entry.contents.data(), entry.contents.size()) !=
        static_cast<la_ssize_t>(entry.contents.size()))
      throw Stop{Exit::io, "cannot make the archive: " + why(a.get())};
  }
  expect_ok(archive_write_close(a.get()));
  return zip;
}

#endif

}  // namespace vmapcheck::tool
