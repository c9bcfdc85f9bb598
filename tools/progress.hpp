// SPDX-License-Identifier: Apache-2.0
//
// Says on standard error how far a command has come: nothing in the first seconds; then, on a terminal, a line or a
// block of lines that is rewritten, and elsewhere a line now and then.
#pragma once

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "tools/files.hpp"

namespace vmapcheck::tool {

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

  /// `describe` gives the line; it is called only when one is due.
  template <class Describe>
  void update(Describe describe) {
    update(describe, describe);
  }
  /// Like update(describe), with a block of lines for a terminal.
  template <class Line, class Block>
  void update(Line line, Block block) {
    const Clock::time_point now = Clock::now();
    if (now < next_) return;
    next_ = now + period_;
    if (!terminal_) return say(line());
    clear();
    show(visible(block()));
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
  /// Of a line that is too long, whole fields are left out, from its end: a line that the terminal breaks would count
  /// as two, and half a number is another one. Fields end at ", " or "; ".
  void show(std::string_view block) {
    winsize size{};
    const bool known = ::ioctl(2, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 && size.ws_row > 1;
    const std::size_t columns = known ? size.ws_col - 1u : 79, rows = known ? size.ws_row - 1u : 24;
    std::string text;
    while (!block.empty() && lines_ < rows) {
      std::string_view line = block.substr(0, block.find('\n'));
      block.remove_prefix(std::min(line.size() + 1, block.size()));
      while (line.size() > columns) {
        const std::size_t last = std::max(line.rfind(", ") + 1, line.rfind("; ") + 1);  // 0: there is one field
        line = line.substr(0, last == 0 ? 0 : last - 1);
      }
      if (line.empty()) continue;
      if (lines_++ != 0) text += '\n';
      text += line;
    }
    [[maybe_unused]] const auto written = ::write(2, text.data(), text.size());
  }

  bool terminal_ = ::isatty(2) == 1;
  std::size_t lines_ = 0;  ///< that are shown
  Clock::duration period_;
  Clock::time_point next_;
};

}  // namespace vmapcheck::tool
