// SPDX-License-Identifier: Apache-2.0
//
// Curves over the time of a campaign, as SVG that needs no script.
//
//      4k |                 ______
//         |         ___----'
//      2k |    __--'
//         | _-'
//       0 +------------------------
//         0        30 min        1 h
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vmapcheck::tool {

struct Curve {
  std::string_view title;                         ///< written at its end, if there are several
  std::string_view style;                         ///< class of the line: "one", "two"
  std::vector<std::pair<double, double>> points;  ///< seconds, ascending, and value
  bool stepped = false;                           ///< holds its value until the next point
};

/// Something that happened, as a mark on the time axis.
struct Mark {
  double seconds = 0;
  std::string text;    ///< shown on hovering
  std::string target;  ///< id that it links to
  std::string style;   ///< class
};

struct Plot {
  std::string_view id;
  std::string_view title;
  std::vector<Curve> curves;
  std::vector<Mark> marks;
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
