// SPDX-License-Identifier: Apache-2.0
//
// Subjects in turn under the same load, with Google Benchmark: all that share a load and a number of areas in one run of
// it, their repetitions in random order, so that what else the machine does falls on all alike.
//
// Up to `fresh_live_max` areas each repetition begins with a state of its own, so that the spread includes what depends
// on where memory happens to lie. Larger states take too long to make: the repetitions share one.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bench/loads/driver.hpp"
#include "bench/loads/cache_misses.hpp"
#include "bench/loads/results.hpp"

namespace vmapcheck::bench {

inline constexpr std::size_t fresh_live_max = 100'000;

struct Plan {
  std::vector<Performer> performers;
  std::size_t repetitions = 5;
  double seconds = 0.4;  ///< of each row, in all repetitions
  /// Called now and then with the row that is being measured; true ends it.
  std::function<bool(const Row&)> stopped = [](const Row&) { return false; };
};

class Measuring {
 public:
  explicit Measuring(Plan plan);

  /// A row for each performer, in their order. Of a load larger states are to come after smaller ones: who takes too
  /// long to make one is not asked for a larger one.
  [[nodiscard]] std::vector<Row> measure(const Load& load);

  /// Why cache misses are not counted; empty: they are.
  [[nodiscard]] const std::string& why_no_cache_misses() const { return cache_misses_.why_not(); }

 private:
  class Benchmark;
  struct Setup {
    std::size_t live = 0;
    double seconds = 0;
  };

  Plan plan_;
  CacheMisses cache_misses_;
  std::map<std::pair<std::string, std::string>, Setup> setups_;  ///< the last one, by load and subject
};

}  // namespace vmapcheck::bench
