// SPDX-License-Identifier: Apache-2.0
//
// A curve over the time of a campaign, as SVG that needs no script.
//
//      4k |                 ______
//         |         ___----'
//      2k |    __--'
//         | _-'
//       0 +------------------------
//         0        30 min        1 h
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vmapcheck::tool {

/// Something that happened, as a mark on the time axis.
struct Mark {
  double seconds = 0;
  std::string text;     ///< shown on hovering
  std::string target;   ///< id that it links to; empty: none
  std::string style;    ///< class
  std::string label{};  ///< written above it
};

struct Plot {
  std::string_view id;
  std::string_view title;
  std::string_view meaning;                       ///< a sentence or two, written below
  std::size_t field;                              ///< its place in a Sample, for the script
  std::vector<std::pair<double, double>> points;  ///< seconds, ascending, and value
  bool stepped = false;                           ///< it holds its value until the next point
  std::vector<Mark> marks{};
  double seconds = 0;  ///< where the time axis ends at least
};

/// A <figure>. Of many points those are drawn that a screen can show.
[[nodiscard]] std::string svg_of(const Plot& plot);

/// At most so many of them, the first and the last included, evenly spread.
inline constexpr std::size_t plot_points_max = 400;
template <class Point>
[[nodiscard]] std::vector<Point> thinned(const std::vector<Point>& points) {
  if (points.size() <= plot_points_max) return points;
  std::vector<Point> some;
  for (std::size_t i = 0; i < plot_points_max; ++i)
    some.push_back(points[i * (points.size() - 1) / (plot_points_max - 1)]);
  return some;
}

}  // namespace vmapcheck::tool
