// SPDX-License-Identifier: Apache-2.0
#include "bench/loads/chart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "bench/loads/report.hpp"
#include "tools/amounts.hpp"
#include "tools/files.hpp"

namespace vmapcheck::bench {
namespace {

// Sizes of the drawing, in its own units.
constexpr double width = 460, height = 300, left = 66, right = 116, top = 12, bottom = 44;
constexpr double line_height = 16, label_gap = 12;
constexpr std::size_t styles = 6;

/// Paths around 0, by style: circle, square, triangle, diamond, cross, plus.
constexpr std::array<std::string_view, styles> markers{
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z", "M-4 -4h8v8h-8z",       "M0 -5L5 4H-5z",
    "M0 -5.5L5.5 0L0 5.5L-5.5 0z",         "M-4 -4L4 4M4 -4L-4 4", "M-5 0H5M0 -5V5"};

std::size_t style_at(const std::string& subject, const std::vector<std::string>& subjects) {
  std::size_t at = 0;
  for (const std::string& other : subjects) {
    if (other == subject) break;
    if (other != "null") ++at;
  }
  return at % styles;
}

struct Point {
  double x, y;
  std::string said;
};

struct Line {
  std::string subject;
  std::vector<Point> points;
  double label_y = 0;
};

class Drawing {
 public:
  Drawing(std::span<const Row> rows, const std::vector<std::string>& subjects) : subjects_(subjects) {
    for (const Row& row : rows) {
      if (!row.skipped.empty()) continue;
      const double live = std::log10(static_cast<double>(row.live));
      live_min_ = std::min(live_min_, live);
      live_max_ = std::max(live_max_, live);
      const auto [least, most] = std::ranges::minmax(row.ns);
      ns_min_ = std::min(ns_min_, std::floor(std::log10(least)));
      ns_max_ = std::max(ns_max_, std::ceil(std::log10(most)));
    }
    ns_max_ = std::max(ns_max_, ns_min_ + 1);
  }

  std::string draw(std::span<const Row> rows) {
    draw_axes(rows);
    draw_lines(rows);
    return std::move(svg_);
  }

 private:
  /// One size alone stands in the middle.
  [[nodiscard]] double x(std::size_t live) const {
    const double room = width - left - right;
    if (live_max_ <= live_min_) return left + room / 2;
    return left + room * (std::log10(static_cast<double>(live)) - live_min_) / (live_max_ - live_min_);
  }
  [[nodiscard]] double y(double log_ns) const {
    return height - bottom - (height - top - bottom) * (log_ns - ns_min_) / (ns_max_ - ns_min_);
  }

  void draw_axes(std::span<const Row> rows) {
    for (double decade = ns_min_; decade <= ns_max_; ++decade) {
      svg_ += fmt::format(R"(<line class="grid" x1="{}" y1="{:.1f}" x2="{}" y2="{:.1f}"/>)", left, y(decade),
                          width - right, y(decade));
      svg_ += fmt::format(R"(<text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}</text>)", left - 8,
                          y(decade) + 5, time_of(std::pow(10, decade)));
      for (int digit = 2; digit < 10 && decade < ns_max_; ++digit)
        svg_ += fmt::format(R"(<line class="axis" x1="{}" y1="{:.1f}" x2="{}" y2="{:.1f}"/>)", left - 4,
                            y(decade + std::log10(digit)), left, y(decade + std::log10(digit)));
    }
    svg_ += fmt::format(R"(<path class="axis" fill="none" d="M{0} {1}V{2}H{3}"/>)", left, top, height - bottom,
                        width - right);
    std::size_t last = 0;
    for (const Row& row : rows) {
      if (std::exchange(last, row.live) == row.live) continue;
      svg_ += fmt::format(R"(<line class="axis" x1="{0:.1f}" y1="{1}" x2="{0:.1f}" y2="{2}"/>)", x(row.live),
                          height - bottom, height - bottom + 4);
      svg_ += fmt::format(R"(<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}</text>)", x(row.live),
                          height - bottom + 19, tool::short_number(static_cast<double>(row.live)));
    }
    svg_ += fmt::format("<text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">live areas</text>\n",
                        (left + width - right) / 2, height - 6);
  }

  void draw_lines(std::span<const Row> rows) {
    std::vector<Line> lines;
    for (const std::string& subject : subjects_) {
      Line line{.subject = subject, .points = {}};
      for (const Row& row : rows) {
        if (row.subject != subject || !row.skipped.empty()) continue;
        const double median = median_of(row.ns);
        const auto [least, most] = std::ranges::minmax(row.ns);
        line.points.push_back({x(row.live), y(std::log10(median)),
                               fmt::format("{}, {} areas: {} ({} to {})", subject, tool::grouped(row.live),
                                           time_of(median), time_of(least), time_of(most))});
      }
      if (!line.points.empty()) lines.push_back(std::move(line));
    }
    spread_labels(lines);
    std::ranges::reverse(lines);  // what is above in the picture comes last, and lies on top of others
    for (const Line& line : lines) draw_line(line);
  }

  /// Each beside the end of its line, as far as no two lie above each other.
  static void spread_labels(std::vector<Line>& lines) {
    std::ranges::sort(lines, {},
                      [](const Line& line) { return std::pair(line.points.back().y, std::string_view(line.subject)); });
    double floor = top + line_height / 2;
    for (Line& line : lines) {
      line.label_y = std::max(line.points.back().y, floor);
      floor = line.label_y + line_height;
    }
    double ceiling = height - bottom;
    for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
      line->label_y = std::min(line->label_y, ceiling);
      ceiling = line->label_y - line_height;
    }
  }

  void draw_line(const Line& line) {
    svg_ += fmt::format(R"(<g class="line {}">)", style_of(line.subject, subjects_));
    std::string points;
    for (const Point& point : line.points) points += fmt::format("{:.1f},{:.1f} ", point.x, point.y);
    svg_ += fmt::format(R"(<polyline points="{}"/>)", points);
    for (const Point& point : line.points)
      svg_ +=
          fmt::format(R"-(<path class="marker" transform="translate({:.1f} {:.1f})" d="{}"><title>{}</title></path>)-",
                      point.x, point.y, markers[style_at(line.subject, subjects_)], tool::escaped(point.said));
    const Point& end = line.points.back();
    svg_ += fmt::format(R"(<path class="leader" d="M{:.1f} {:.1f}L{} {:.1f}"/>)", end.x + 6, end.y,
                        width - right + label_gap - 2, line.label_y);
    svg_ += fmt::format("<text x=\"{}\" y=\"{:.1f}\">{}</text></g>\n", width - right + label_gap, line.label_y + 5,
                        tool::escaped(line.subject.substr(0, 12)));
  }

  const std::vector<std::string>& subjects_;
  double live_min_ = 99, live_max_ = 0;  // of their logarithms
  double ns_min_ = 99, ns_max_ = -99;
  std::string svg_;
};

}  // namespace

std::string style_of(const std::string& subject, const std::vector<std::string>& subjects) {
  return subject == "null" ? "null" : fmt::format("s{}", style_at(subject, subjects));
}

std::string chart_of(std::span<const Row> rows, const std::vector<std::string>& subjects) {
  return fmt::format(
      "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}: nanoseconds for each {} over live areas\">\n{}</svg>\n",
      width, height, tool::escaped(rows.front().load), rows.front().unit, Drawing(rows, subjects).draw(rows));
}

}  // namespace vmapcheck::bench
