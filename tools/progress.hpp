// SPDX-License-Identifier: Apache-2.0
//
// Says on standard error how far a command has come: nothing in the first seconds; then, on a terminal, one line that
// is rewritten, and elsewhere a line now and then.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <chrono>
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
    const Clock::time_point now = Clock::now();
    if (now < next_) return;
    next_ = now + period_;
    const std::string line = describe();
    if (terminal_) {
      const std::string text = "\r\033[K" + line.substr(0, 110);
      shown_ = ::write(2, text.data(), text.size()) > 0;
    } else {
      say(line);
    }
  }

  /// Takes the line off the terminal.
  void clear() {
    if (!shown_) return;
    shown_ = false;
    constexpr std::string_view text = "\r\033[K";
    [[maybe_unused]] const auto written = ::write(2, text.data(), text.size());
  }

 private:
  bool terminal_ = ::isatty(2) == 1;
  bool shown_ = false;
  Clock::duration period_;
  Clock::time_point next_;
};

}  // namespace vmapcheck::tool
