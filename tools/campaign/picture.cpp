// SPDX-License-Identifier: Apache-2.0
#include "tools/campaign/picture.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/campaign/report.hpp"

namespace vmapcheck::tool {
namespace {

using nlohmann::ordered_json;

/// Cells side by side; what lies beyond is left out.
constexpr std::size_t columns_max = 14;

struct Cell {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  char kind = 'f';  ///< b busy, l lazily freed, f free, ? nobody's
  std::string label{};
};
using Cells = std::vector<Cell>;

/// What the last step of the recording did.
struct Step {
  std::string op;
  std::string answer;
  std::string effect;
  Cells before;
  std::optional<Cells> after;     ///< none if the subject died in it
  std::optional<Cells> expected;  ///< where it differs
  std::vector<std::pair<std::uint64_t, std::uint64_t>> changed;
};

/// A row of the picture.
struct Band {
  std::string_view title;
  Cells cells;
};

std::optional<Step> last_step(std::span<const std::string> lines, const Verdict& verdict);
Cells without_gaps(Cells cells, std::uint64_t begin, std::uint64_t end);
std::vector<std::uint64_t> bounds_of(std::span<const Band> rows);
std::string grid_of(std::span<const Band> rows, const Step& step, const Verdict& verdict);

}  // namespace

std::string picture_of(std::span<const std::string> lines, const Verdict& verdict) {
  const auto step = last_step(lines, verdict);
  if (!step || step->before.empty()) return "";
  std::vector<Band> rows{{"before", step->before}};
  if (step->after) rows.push_back({step->expected ? "after: subject" : "after", *step->after});
  if (step->expected) rows.push_back({"expected: model", *step->expected});
  std::uint64_t begin = UINT64_MAX, end = 0;
  for (const Band& row : rows)
    for (const Cell& cell : row.cells) begin = std::min(begin, cell.begin), end = std::max(end, cell.end);
  for (Band& row : rows) row.cells = without_gaps(std::move(row.cells), begin, end);
  std::string text = "<div class=\"picture\">\n";
  if (!step->op.empty())
    text += fmt::format("<p class=\"op\"><b>{}</b> <span>{}{}{}</span></p>\n", escaped(step->op), escaped(step->answer),
                        step->effect.empty() ? "" : ": ", escaped(step->effect));
  text += grid_of(rows, *step, verdict);
  if (!step->after && !verdict.ok) text += "<p class=\"note\">It did not come back from this step.</p>\n";
  return text + "</div>\n";
}

namespace {

// ---- Reading the recording

std::uint64_t address(const ordered_json& json) {
  std::uint64_t number = 0;
  if (const auto* text = json.get_ptr<const std::string*>())
    std::from_chars(text->data(), text->data() + text->size(), number, 16);
  return number;
}

Cell cell(const ordered_json& json) {
  return {address(json.at(0)), address(json.at(1)), json.at(2).get<std::string>().at(0),
          json.size() > 3 ? json.at(3).get<std::string>() : ""};
}

void apply_splices(const ordered_json& splices, Cells& cells) {
  for (const ordered_json& splice : splices) {
    const auto at = std::min(splice.at(0).get<std::size_t>(), cells.size());
    const auto gone = std::min(splice.at(1).get<std::size_t>(), cells.size() - at);
    const auto begin = cells.begin() + static_cast<std::ptrdiff_t>(at);
    cells.erase(begin, begin + static_cast<std::ptrdiff_t>(gone));
    Cells come;
    for (const ordered_json& one : splice.at(2)) come.push_back(cell(one));
    cells.insert(cells.begin() + static_cast<std::ptrdiff_t>(at), come.begin(), come.end());
  }
}

/// The subject may have died in a step of which nothing was told.
std::optional<Step> last_step(std::span<const std::string> lines, const Verdict& verdict) {
  std::optional<Step> step;
  std::size_t steps = 0;  // told
  Cells map;
  for (const std::string& text : lines) {
    const ordered_json line = ordered_json::parse(text, nullptr, false);
    if (!line.is_object()) continue;
    if (line.contains("begin")) {
      if (line.contains("map")) apply_splices(line["map"], map);
      step = Step{{}, {}, {}, map, {}, {}, {}};
    } else if (line.contains("step")) {
      steps = line["step"].get<std::size_t>() + 1;
      step = Step{line["op"], line["answer"], {}, map, {}, {}, {}};
    } else if (line.contains("after") && step) {
      if (line.contains("map")) apply_splices(line["map"], map);
      step->after = map;
      step->effect = line.value("effect", "");
      if (line.contains("expected")) {
        step->expected.emplace();
        for (const ordered_json& one : line["expected"]) step->expected->push_back(cell(one));
      }
      if (line.contains("changed"))
        for (const ordered_json& one : line["changed"])
          step->changed.emplace_back(address(one.at(0)), address(one.at(1)));
    }
  }
  if (step && !verdict.ok && !verdict.op.empty() && steps <= verdict.step)
    step = Step{verdict.op, "no answer", {}, map, {}, {}, {}};
  return step;
}

// ---- Drawing

Cells without_gaps(Cells cells, std::uint64_t begin, std::uint64_t end) {
  std::ranges::sort(cells, {}, [](const Cell& cell) { return std::pair(cell.begin, cell.end); });
  Cells whole;
  std::uint64_t at = begin;
  for (Cell& one : cells) {
    if (at < one.begin) whole.push_back({at, one.begin, '?', "nobody’s"});
    at = std::max(at, one.end);
    whole.push_back(std::move(one));
  }
  if (at < end) whole.push_back({at, end, '?', "nobody’s"});
  return whole;
}

std::vector<std::uint64_t> bounds_of(std::span<const Band> rows) {
  std::vector<std::uint64_t> bounds;
  for (const Band& row : rows)
    for (const Cell& one : row.cells) {
      bounds.push_back(one.begin);
      bounds.push_back(one.end);
    }
  std::ranges::sort(bounds);
  const auto same = std::ranges::unique(bounds);
  bounds.erase(same.begin(), same.end());
  return bounds;
}

/// The first address of the space that the verdict names, else where something changed.
std::uint64_t focus_of(const Verdict& verdict, const Step& step, std::uint64_t begin, std::uint64_t end) {
  if (!step.changed.empty()) return step.changed.front().first;
  for (const auto& row : verdict.rows)
    for (std::size_t at = row.text.find("0x"); at != std::string::npos; at = row.text.find("0x", at + 2)) {
      std::uint64_t number = 0;
      std::from_chars(row.text.data() + at + 2, row.text.data() + row.text.size(), number, 16);
      if (begin <= number && number < end) return number;
    }
  return begin;
}

std::string_view class_of(char kind) {
  return kind == 'b' ? "busy" : kind == 'l' ? "lazy" : kind == 'f' ? "free" : "lost";
}
std::string_view word_of(char kind) {
  return kind == 'b' ? "busy" : kind == 'l' ? "lazy" : kind == 'f' ? "free" : "nobody’s";
}

/// The part of the address space that is drawn, in columns.
class Grid {
 public:
  Grid(std::vector<std::uint64_t> bounds, std::uint64_t focus);
  void add_row(const Band& row, const Step& step, bool is_marked);
  std::string text() const;

 private:
  [[nodiscard]] std::size_t column_of(std::uint64_t at) const {
    return static_cast<std::size_t>(std::ranges::upper_bound(bounds_, at) - bounds_.begin()) - 1;
  }
  void put(std::string_view what, std::size_t row, std::size_t from, std::size_t to, std::string_view style,
           std::string_view hint = "");

  std::vector<std::uint64_t> bounds_;
  bool cut_ = false;
  std::size_t rows_ = 1;
  std::string text_;
};

Grid::Grid(std::vector<std::uint64_t> bounds, std::uint64_t focus) : bounds_(std::move(bounds)) {
  if (bounds_.size() > columns_max + 1) {
    cut_ = true;
    const auto at = static_cast<std::size_t>(std::ranges::upper_bound(bounds_, focus) - bounds_.begin());
    const std::size_t from =
        std::min(at > columns_max / 2 ? at - columns_max / 2 : 0, bounds_.size() - columns_max - 1);
    bounds_ = {bounds_.begin() + static_cast<std::ptrdiff_t>(from),
               bounds_.begin() + static_cast<std::ptrdiff_t>(from + columns_max + 1)};
  }
  for (std::size_t i = 0; i < bounds_.size(); ++i) {
    std::string number = fmt::format("{:#x}", bounds_[i]);
    if (number.size() > 10) number.insert(number.size() - 8, "<br>");
    text_ += fmt::format("<div class=\"tick\" style=\"grid-row:1;grid-column:{}\">{}</div>\n", i + 2, number);
  }
}

/// What overlaps goes into a line of its own, below.
void Grid::add_row(const Band& row, const Step& step, bool is_marked) {
  const std::size_t first_line = ++rows_;
  text_ += fmt::format("<div class=\"title{}\" style=\"grid-row:{};grid-column:1\">{}</div>\n",
                       is_marked ? " strong" : "", first_line, escaped(row.title));
  std::vector<std::uint64_t> lanes;  // up to where each is taken
  const std::uint64_t begin = bounds_.front(), end = bounds_.back();
  for (const Cell& one : row.cells) {
    if (one.end <= begin || one.begin >= end || one.begin >= one.end) continue;
    auto lane = std::ranges::find_if(lanes, [&](std::uint64_t taken) { return taken <= one.begin; });
    if (lane == lanes.end()) lane = lanes.insert(lanes.end(), 0);
    *lane = one.end;
    const std::size_t line = first_line + static_cast<std::size_t>(lane - lanes.begin());
    rows_ = std::max(rows_, line);
    const std::string size = fmt::format("{:#x}", one.end - one.begin);
    const std::string word = one.label.empty() ? std::string(word_of(one.kind)) : one.label;
    put(fmt::format("<b>{}{}</b><span>{}</span>", escaped(word), line > first_line ? " overlaps" : "", size), line,
        column_of(std::max(one.begin, begin)), column_of(std::min(one.end, end) - 1),
        fmt::format("cell {}{}{}{}{}", class_of(one.kind), is_marked ? "" : " faint",
                    line > first_line ? " overlaps" : "", one.begin < begin ? " from" : "", one.end > end ? " on" : ""),
        fmt::format("{} {:#x}..{:#x}, {} bytes", word, one.begin, one.end, size));
  }
  if (!is_marked) return;
  for (const auto& [from, to] : step.changed) {
    if (to <= begin || from >= end) continue;
    put("changed", rows_ + 1, column_of(std::max(from, begin)), column_of(std::min(to, end) - 1), "bracket");
  }
  if (!step.changed.empty()) ++rows_;
}

void Grid::put(std::string_view what, std::size_t row, std::size_t from, std::size_t to, std::string_view style,
               std::string_view hint) {
  text_ += fmt::format("<div class=\"{}\" style=\"grid-row:{};grid-column:{} / {}\"{}>{}</div>\n", style, row, from + 2,
                       to + 3, hint.empty() ? "" : fmt::format(" title=\"{}\"", escaped(hint)), what);
}

std::string Grid::text() const {
  std::string tracks;
  std::uint64_t least = UINT64_MAX;
  for (std::size_t i = 0; i + 1 < bounds_.size(); ++i) least = std::min(least, bounds_[i + 1] - bounds_[i]);
  for (std::size_t i = 0; i + 1 < bounds_.size(); ++i) {
    const double size = static_cast<double>(bounds_[i + 1] - bounds_[i]);
    tracks += fmt::format(" minmax(72px,{:.2f}fr)", 1 + 0.5 * std::log2(size / static_cast<double>(least)));
  }
  return fmt::format(
      "<div class=\"scroll\"><div class=\"map\" style=\"grid-template-columns:max-content{} 72px\">\n{}"
      "</div></div>\n{}",
      tracks, text_, cut_ ? "<p class=\"note\">Only the part around the failure is drawn.</p>\n" : "");
}

std::string grid_of(std::span<const Band> rows, const Step& step, const Verdict& verdict) {
  std::vector<std::uint64_t> bounds = bounds_of(rows);
  if (bounds.size() < 2) return "";
  Grid grid(bounds, focus_of(verdict, step, bounds.front(), bounds.back()));
  for (std::size_t i = 0; i < rows.size(); ++i) grid.add_row(rows[i], step, i == 1);
  return grid.text();
}

}  // namespace
}  // namespace vmapcheck::tool
