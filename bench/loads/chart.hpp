// SPDX-License-Identifier: Apache-2.0
//
// How time grows with the number of areas: a drawing with logarithmic axes, a line for each subject.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "bench/loads/results.hpp"

namespace vmapcheck::bench {

/// An <svg> of the rows of one load. `subjects` are all of the page, which decides who has which colour and marker.
[[nodiscard]] std::string chart_of(std::span<const Row> rows, const std::vector<std::string>& subjects);

/// The class of a subject in the page: "s0" to "s5", "null".
[[nodiscard]] std::string style_of(const std::string& subject, const std::vector<std::string>& subjects);

}  // namespace vmapcheck::bench
