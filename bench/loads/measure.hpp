// SPDX-License-Identifier: Apache-2.0
//
// Subjects in turn under the same load, with Google Benchmark: all that share a load and a number of areas in one run
// of it, in random order, so that what else the machine does falls on all alike. Each call of measure() makes states of
// its own; repetitions that lie far apart, with other loads between them, have a spread that includes what depends on
// where memory happens to lie, and on what the machine does for a minute.
//
//     Measuring measuring({.performers = {*baseline_named("null")}});
//     for (int pass = 0; pass < 5; ++pass) measuring.measure(make_load("churn", 1000, 7), 1);
//     measuring.rows();  // one, with five times
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/loads/cache_misses.hpp"
#include "bench/loads/driver.hpp"
#include "bench/loads/results.hpp"

namespace vmapcheck::bench {

struct Plan {
  std::vector<Performer> performers;
  double seconds = 0.08;  ///< of each repetition
  /// Called now and then with the row that is being measured; true ends it.
  std::function<bool(const Row&)> stopped = [](const Row&) { return false; };
};

class Measuring {
 public:
  explicit Measuring(Plan plan);
  ~Measuring();

  /// Adds so many repetitions to the rows of that load, one for each performer. What is larger is to come after what is
  /// smaller: who takes too long to make a state is not asked for a larger one.
  void measure(const Load& load, std::size_t repetitions);

  /// In the order in which they were begun, those of one load in the order of the performers.
  [[nodiscard]] std::vector<Row> rows() const;

  /// Why cache misses are not counted; empty: they are.
  [[nodiscard]] const std::string& why_no_cache_misses() const { return cache_misses_.why_not(); }

 private:
  struct Measured;
  class Benchmark;

  Measured& find_or_begin(const Load& load, const Performer& who);

  Plan plan_;
  CacheMisses cache_misses_;
  std::vector<std::unique_ptr<Measured>> measured_;
};

}  // namespace vmapcheck::bench
