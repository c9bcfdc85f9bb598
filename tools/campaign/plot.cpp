// SPDX-License-Identifier: Apache-2.0
#include "tools/campaign/plot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "tools/amounts.hpp"
#include "tools/files.hpp"

namespace vmapcheck::tool {
namespace {

// Sizes of the drawing, in its own units.
constexpr double width = 460, height = 220, left = 56, right = 34, top = 22, bottom = 30;
constexpr std::size_t marks_max = 500;

struct Axis {
  double end = 1;
  double step = 1;
};

/// An axis for values up to `most`, with about five ticks at round numbers.
Axis axis_of(double most, bool whole) {
  if (!(most > 0)) most = 1;
  const double rough = most / 4;
  double step = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0, 10.0})
    if (step * factor >= rough) {
      step *= factor;
      break;
    }
  if (whole) step = std::max(step, 1.0);
  return {std::ceil(most / step - 1e-9) * step, step};
}

/// An axis of seconds, which ends where the campaign does.
Axis time_axis(double seconds) {
  if (!(seconds > 0)) seconds = 1;
  constexpr std::array<double, 24> steps{0.1,  0.2,   0.5,   1,     2,     5,      10,     15,
                                         30,   60,    120,   300,   600,   900,    1800,   3600,
                                         7200, 10800, 21600, 43200, 86400, 172800, 432000, 864000};
  const auto step = std::ranges::find_if(steps, [&](double one) { return seconds / one <= 6; });
  return {seconds, step == steps.end() ? std::ceil(seconds / 6 / 864000) * 864000 : *step};
}

std::string time_label(double seconds, double step) {
  if (seconds == 0) return "0";
  if (step < 60) return fmt::format("{:g} s", std::round(seconds * 10) / 10);
  if (step < 3600) return fmt::format("{:g} min", std::round(seconds / 6) / 10);
  if (step < 86400) return fmt::format("{:g} h", std::round(seconds / 360) / 10);
  return fmt::format("{:g} d", std::round(seconds / 8640) / 10);
}

class Drawing {
 public:
  explicit Drawing(const Plot& plot);
  std::string draw();

 private:
  [[nodiscard]] double x(double seconds) const { return left + (width - left - right) * seconds / time_.end; }
  [[nodiscard]] double y(double value) const { return height - bottom - (height - top - bottom) * value / value_.end; }
  void draw_axes();
  void draw_curve();
  void draw_marks();

  const Plot& plot_;
  Axis time_;
  Axis value_;
  std::string svg_;
};

Drawing::Drawing(const Plot& plot) : plot_(plot) {
  double seconds = plot.seconds, most = 0;
  for (const auto& [at, value] : plot.points) {
    seconds = std::max(seconds, at);
    most = std::max(most, value);
  }
  time_ = time_axis(seconds);
  value_ = axis_of(most, true);
}

std::string Drawing::draw() {
  draw_axes();
  draw_marks();
  draw_curve();
  return fmt::format(
      "<figure class=\"plot\" id=\"plot-{0}\"><figcaption><b>{1}</b> <output>{2}</output></figcaption>\n"
      "<svg viewBox=\"0 0 {3} {4}\" role=\"img\" tabindex=\"0\" aria-label=\"{1} over time: {2} at the end\" "
      "data-field=\"{5}\" data-end=\"{6}\" data-left=\"{7}\" data-right=\"{8}\" data-top=\"{9}\" "
      "data-bottom=\"{10}\">\n{11}</svg>\n<p class=\"note\">{12}</p></figure>\n",
      plot_.id, escaped(plot_.title), plot_.points.empty() ? "" : short_number(plot_.points.back().second), width,
      height, plot_.field, time_.end, left, width - right, top, height - bottom, svg_, escaped(plot_.meaning));
}

void Drawing::draw_axes() {
  for (double value = 0; value <= value_.end * 1.0001; value += value_.step) {
    svg_ += fmt::format("<line class=\"grid\" x1=\"{}\" y1=\"{:.1f}\" x2=\"{}\" y2=\"{:.1f}\"/>", left, y(value),
                        width - right, y(value));
    svg_ += fmt::format("<text class=\"tick\" x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n", left - 6,
                        y(value) + 4, short_number(value));
  }
  for (double seconds = 0; seconds <= time_.end * 1.0001; seconds += time_.step) {
    svg_ += fmt::format("<line class=\"axis\" x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\"/>",
                        x(seconds), height - bottom, height - bottom + 4);
    svg_ += fmt::format("<text class=\"tick\" x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", x(seconds),
                        height - bottom + 18, time_label(seconds, time_.step));
  }
}

void Drawing::draw_curve() {
  if (plot_.points.empty()) return;
  std::string points;
  double last = 0;
  for (const auto& [seconds, value] : thinned(plot_.points)) {
    if (plot_.stepped && !points.empty()) points += fmt::format("{:.1f},{:.1f} ", x(seconds), y(last));
    points += fmt::format("{:.1f},{:.1f} ", x(seconds), y(value));
    last = value;
  }
  points.pop_back();
  svg_ += fmt::format("<polyline class=\"curve\" points=\"{}\"/>\n", points);
  svg_ +=
      fmt::format("<circle class=\"end\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\"/>", x(plot_.points.back().first), y(last));
}

void Drawing::draw_marks() {
  for (std::size_t i = 0; i < std::min(plot_.marks.size(), marks_max); ++i) {
    const Mark& mark = plot_.marks[i];
    const double at = x(std::clamp(mark.seconds, 0.0, time_.end));
    const bool leads = !mark.target.empty();
    svg_ += leads ? fmt::format("<a href=\"#{}\"", escaped(mark.target)) : "<g";
    svg_ += fmt::format(
        " class=\"mark {0}\"><line class=\"hit\" x1=\"{1:.1f}\" y1=\"{2}\" x2=\"{1:.1f}\" y2=\"{3}\"/>"
        "<line x1=\"{1:.1f}\" y1=\"{2}\" x2=\"{1:.1f}\" y2=\"{3}\"/>",
        escaped(mark.style), at, top, height - bottom);
    if (!mark.label.empty())
      svg_ += fmt::format("<text class=\"tick\" x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>", at, top - 6,
                          escaped(mark.label));
    svg_ += fmt::format("<title>{}</title></{}>\n", escaped(mark.text), leads ? "a" : "g");
  }
}

}  // namespace

std::string svg_of(const Plot& plot) { return Drawing(plot).draw(); }

}  // namespace vmapcheck::tool
