// SPDX-License-Identifier: Apache-2.0
//
// Says on standard error how far a command has come: nothing in the first seconds; then, on a terminal, a line or a
// block of lines that is rewritten, and elsewhere a line now and then.
//
// And how lines and tables fit a terminal: what is least important is left out as a whole, and no word is cut.
//
//     Progress progress;
//     progress.update([&] { return Fields{fmt::format("import: {} of {}", done, all), count_of(traces, "trace")}; });
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/files.hpp"

namespace vmapcheck::tool {

struct Window {
  std::size_t columns = std::numeric_limits<std::size_t>::max();
  std::size_t rows = std::numeric_limits<std::size_t>::max();
};
/// Of the terminal behind a descriptor: 80 by 24 if it does not say, and without bounds if there is none.
[[nodiscard]] Window window_of(int descriptor);

/// As much of a line as fits, and an ellipsis: whole words, or a part of the first one where not even that fits.
[[nodiscard]] std::string cut(std::string_view line, std::size_t columns);

/// The parts of a line, the most important first.
using Fields = std::vector<std::string>;
/// One line: as many fields as fit, of the first one what cut() leaves of it.
[[nodiscard]] std::string fitted(const Fields& fields, std::size_t columns, std::string_view separator = ", ");

/// A line for each row, the heading first. Columns are as wide as what stands in them; as many as fit, and a last line
/// says how many are left out.
[[nodiscard]] std::string table(std::span<const Fields> rows, std::size_t columns);

/// How long the longest bar of a chart may be, behind so many columns of text; 0 where it would show little.
[[nodiscard]] constexpr std::size_t bar_room(std::size_t columns, std::size_t text, std::size_t most) {
  constexpr std::size_t least = 10;
  return columns < text + least ? 0 : std::min(columns - text, most);
}

class Progress {
  using Clock = std::chrono::steady_clock;

 public:
  struct Pace {
    std::chrono::milliseconds silence{2000};
    std::chrono::milliseconds on_terminal{200};
    std::chrono::milliseconds elsewhere{10'000};
  };

  Progress() : Progress(Pace{}) {}
  explicit Progress(Pace pace) : period_(terminal_ ? pace.on_terminal : pace.elsewhere) {
    next_ = Clock::now() + (terminal_ ? pace.silence : std::max(pace.silence, pace.elsewhere));
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { clear(); }

  /// `describe` gives the line, as Fields or as one that is a string; it is called only when one is due.
  template <class Describe>
  void update(Describe describe) {
    update(describe, describe);
  }
  /// Like update(describe), with a block of lines for a terminal: some Fields, or a string.
  template <class Line, class Block>
  void update(Line line, Block block) {
    const Clock::time_point now = Clock::now();
    if (now < next_) return;
    next_ = now + period_;
    if (!terminal_) return say(fitted(lines_of(line()).front(), Window{}.columns));
    clear();
    show(lines_of(block()));
  }

  /// Takes what is shown off the terminal.
  void clear() {
    if (lines_ == 0) return;
    std::string text = "\r\033[J";
    if (lines_ > 1) text = fmt::format("\r\033[{}A\033[J", lines_ - 1);
    lines_ = 0;
    [[maybe_unused]] const auto written = ::write(2, text.data(), text.size());
  }

 private:
  using Block = std::vector<Fields>;
  static Block lines_of(Block block) { return block; }
  static Block lines_of(Fields line) { return {std::move(line)}; }
  static Block lines_of(std::string_view text) {
    Block block;
    for (std::size_t begin = 0, end = 0; begin <= text.size(); begin = end + 1) {
      end = std::min(text.find('\n', begin), text.size());
      block.push_back({std::string(text.substr(begin, end - begin))});
    }
    return block;
  }

  /// A line that the terminal breaks would count as two.
  void show(Block block) {
    const Window window = window_of(2);
    std::string text;
    for (Fields& line : block) {
      if (lines_ + 1 >= window.rows) break;
      if (lines_++ != 0) text += '\n';
      for (std::string& field : line) field = visible(field);
      text += fitted(line, window.columns - 1);
    }
    [[maybe_unused]] const auto written = ::write(2, text.data(), text.size());
  }

  bool terminal_ = ::isatty(2) == 1;
  std::size_t lines_ = 0;  ///< that are shown
  Clock::duration period_;
  Clock::time_point next_;
};

}  // namespace vmapcheck::tool
