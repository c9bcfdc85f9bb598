// SPDX-License-Identifier: Apache-2.0
#include "tools/progress.hpp"

#include <sys/ioctl.h>

#include <algorithm>

#include "tools/report.hpp"

namespace vmapcheck::tool {
namespace {

/// Bytes of the character that the text begins with, and the columns that it takes: two for those from 0x1100 on, of
/// which some are wide.
struct Step {
  std::size_t bytes = 1;
  std::size_t columns = 1;
};

Step first_of(std::string_view text) {
  char32_t character = 0;
  const std::size_t bytes = character_size(text, character);
  return {std::max<std::size_t>(bytes, 1), bytes > 1 && character >= 0x1100 ? 2u : 1u};
}

/// The bytes of the longest begin that fits.
std::size_t fitting(std::string_view text, std::size_t columns) {
  std::size_t at = 0;
  while (at < text.size()) {
    const Step step = first_of(text.substr(at));
    if (step.columns > columns) break;
    columns -= step.columns;
    at += step.bytes;
  }
  return at;
}

std::size_t width_of(std::string_view text) {
  std::size_t width = 0;
  for (Step step; !text.empty(); text.remove_prefix(step.bytes)) {
    step = first_of(text);
    width += step.columns;
  }
  return width;
}

}  // namespace

Window window_of(int descriptor) {
  winsize size{};
  if (::ioctl(descriptor, TIOCGWINSZ, &size) != 0) return {};
  if (size.ws_col == 0 || size.ws_row == 0) return {80, 24};
  return {size.ws_col, size.ws_row};
}

std::string cut(std::string_view line, std::size_t columns) {
  constexpr std::string_view ellipsis = "...", between = " ,;:";
  if (fitting(line, columns) == line.size()) return std::string(line);
  const std::string_view mark = ellipsis.substr(0, columns);
  const std::size_t most = fitting(line, columns - mark.size());
  // The end of the last word that fits as a whole.
  std::size_t end = line[most] == ' ' ? most : line.substr(0, most).rfind(' ');
  if (end != line.npos) end = line.substr(0, end).find_last_not_of(between);
  return std::string(line.substr(0, end == line.npos ? most : end + 1)).append(mark);
}

std::string fitted(const Fields& fields, std::size_t columns, std::string_view separator) {
  if (fields.empty()) return "";
  std::string line = cut(fields.front(), columns);
  std::size_t width = width_of(line);
  for (const std::string& field : std::span(fields).subspan(1)) {
    width += width_of(separator) + width_of(field);
    if (width > columns) break;
    line.append(separator).append(field);
  }
  return line;
}

std::string table(std::span<const Fields> rows, std::size_t columns) {
  constexpr std::size_t gap = 2;
  std::vector<std::size_t> widths;
  for (const Fields& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::size_t shown = 0;
  for (std::size_t width = 0; shown < widths.size(); ++shown) {
    width += widths[shown] + (shown == 0 ? 0 : gap);
    if (width > columns && shown != 0) break;
  }
  std::string text;
  for (const Fields& row : rows) {
    std::string line = cut(row.front(), columns);
    for (std::size_t i = 1; i < std::min(shown, row.size()); ++i) {
      if (i == 1) line.append(widths.front() - width_of(line), ' ');
      line.append(gap + widths[i] - width_of(row[i]), ' ').append(row[i]);
    }
    text += line + "\n";
  }
  if (shown < widths.size())
    text += cut(fmt::format("{} more where there is room", count_of(widths.size() - shown, "column")), columns) + "\n";
  return text;
}

}  // namespace vmapcheck::tool
