// SPDX-License-Identifier: Apache-2.0
//
// Input and output. Whatever goes wrong is a Stop with one line that names the file and the reason.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "model/op.hpp"
#include "tools/exit_status.hpp"

namespace vmapcheck::tool {

namespace fs = std::filesystem;

/// The most bytes that a trace, or a log, may have. A larger file is refused as malformed.
inline constexpr std::size_t trace_bytes_max = std::size_t{256} << 20;
inline constexpr std::size_t log_bytes_max = std::size_t{1} << 30;

/// What an interrupt does to a read: it is a Stop, or what was read until then is all.
enum class when_interrupted : bool { stop, keep };

/// "DIR/name"
[[nodiscard]] inline std::string path_in(const fs::path& directory, std::string_view name) {
  return (directory / name).string();
}

/// Stops with Exit::io: "cannot WHAT PATH: why".
[[noreturn]] void cannot(std::string_view what, const fs::path& path, const std::error_code& why);

/// The contents; "-" is standard input.
[[nodiscard]] std::string read_file(const std::string& path, std::size_t bytes_max,
                                    when_interrupted then = when_interrupted::stop);

/// A malformed text is a Stop "FILE:LINE:COLUMN: expected ...".
[[nodiscard]] Trace trace_from(std::string_view text, std::string_view file);
/// Reads a file and parses it.
[[nodiscard]] Trace read_trace(const std::string& path);

/// All or nothing: the file appears, or is replaced, when all of it was written. "-" is standard output: every byte as
/// it is, but for a terminal visible(). What is not a regular file (a pipe, a device) is written directly.
void write_file(const std::string& path, std::string_view contents);

/// Like write_file(), and on the disk when this returns: also if the machine stops right after it.
void write_durably(const std::string& path, std::string_view contents);

/// Stops with Exit::io if write_file() could not write there; changes nothing.
void check_writable(const std::string& path);

/// With its parents, unless it is there.
void make_directory(const std::string& path);

/// Every *.trace below a directory, as paths relative to it, in the order of their names. Links are followed, and each
/// directory is visited once; what is no file (a pipe, a device) is passed by.
[[nodiscard]] std::vector<std::string> traces_below(const std::string& directory);
/// Like traces_below(), but without subdirectories.
[[nodiscard]] std::vector<std::string> traces_in(const std::string& directory);

/// Standard output, buffered, also across a fork: what a child has said before it died is written by its parent. A
/// failed write is a Stop with Exit::io; it is silent where nobody reads any more.
///
/// out() is for people: it writes visible(text), so that no name, comment or message from outside reaches a terminal
/// as anything but text. out_data() is for programs and for what has colours of ours: it writes every byte as it is.
void out(std::string_view text);
void out_data(std::string_view text);
void flush_out();
[[nodiscard]] bool out_is_terminal();
/// True once a write has failed: nothing more is written.
[[nodiscard]] bool out_is_broken();
/// For the parent of a child whose write has failed, and for a child that is to be silent.
void give_up_out();

/// As long as there is one, out() is standard output also in the child of a walk, where what the subject prints is not.
struct OutOfChildren {
  OutOfChildren();
  OutOfChildren(const OutOfChildren&) = delete;
  OutOfChildren& operator=(const OutOfChildren&) = delete;
  ~OutOfChildren();
};

/// One line for standard error, after what standard output has so far; visible().
void say(std::string_view line);
/// The line of a Stop: a place in a file comes first, else the name of the program.
void report(const Stop& stop);

/// The text with what a terminal may take for a command, or shows other than it stands there, as \x1b or \u009b:
/// control characters but newline and tab, bytes that are no UTF-8, marks that turn or break lines (U+061C, U+200E,
/// U+200F, U+2028 to U+202E, U+2066 to U+2069).
[[nodiscard]] std::string visible(std::string_view text);

/// Like visible(), for a part of a line: newline and tab are escaped as well, and a long text is cut off.
[[nodiscard]] std::string one_line(std::string_view text, std::size_t bytes_max = 1000);

/// The text as one word of a shell: where something in it is not visible, $'...' with that in octal.
[[nodiscard]] std::string shell_word(std::string_view text);

/// The text with U+FFFD in place of what is no character or not allowed in XML and HTML.
[[nodiscard]] std::string only_characters(std::string_view text);
/// Like only_characters(), and escaped as text and as the value of an attribute of HTML.
[[nodiscard]] std::string escaped(std::string_view text);

/// Bytes of the UTF-8 character that begins there, 0 if none does. Sequences that are too long, surrogates and what is
/// above the last character are none.
[[nodiscard]] std::size_t character_size(std::string_view text, char32_t& character);

/// 0, 1 and 2 are open, so that no file that is opened later is taken for one of them; a write to a closed pipe is an
/// error like any other.
void prepare_standard_files();

}  // namespace vmapcheck::tool
