// SPDX-License-Identifier: Apache-2.0
//
// What was measured, and what has changed since it was measured before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace vmapcheck::bench {

/// A subject under a load, in a state of so many live areas.
struct Row {
  std::string load;
  std::string subject;
  std::size_t live = 0;
  std::string unit;        ///< what `ns` is the time of
  std::string skipped;     ///< why nothing was measured; empty: it was
  std::vector<double> ns;  ///< processor time of a unit, of each repetition in turn; not empty unless skipped
  double failed = 0;       ///< allocations that failed, for each unit

  // For each unit; absent where they are not counted.
  std::optional<double> nodes_visited;
  std::optional<double> nodes_propagated;
  std::optional<double> cache_misses;
  // As the state was at the end (driver.hpp).
  std::optional<double> metadata_bytes;
  std::optional<double> extent;
  std::optional<double> fragmentation;

  [[nodiscard]] bool is_of(const Row& other) const {
    return load == other.load && subject == other.subject && live == other.live;
  }
};

/// Where, by what and of what it was measured.
struct Context {
  std::string began;  ///< "2024-02-29 13:05:09 UTC"
  std::string cpu;
  std::size_t cpus = 0;
  std::string compiler;
  std::string build;        ///< "optimized", or what it is instead
  double load_average = 0;  ///< processes that wanted to run in the last minute, as it began
  std::uint64_t seed = 0;
  double seconds = 0;  ///< that were measured of each row, all repetitions together
  friend bool operator==(const Context&, const Context&) = default;
};

struct Results {
  Context context;
  std::vector<Row> rows;
};

// ---- Statistics. Each wants at least one number.

/// Of an even number the mean of the two in the middle.
[[nodiscard]] double median_of(std::vector<double> numbers);

/// Half of what lies between the least and the greatest, as a part of the median.
[[nodiscard]] double spread_of(std::span<const double> numbers);

/// How the time of a row has changed.
struct Change {
  const Row* before = nullptr;
  const Row* now = nullptr;
  double ratio = 1;  ///< of the medians: 2 is twice the time
  enum class Verdict : std::uint8_t { same, faster, slower } verdict = Verdict::same;
};

/// A change is news only where every repetition of one run took longer than every one of the other, and the medians
/// differ by more than this part. Of two runs alike, of five repetitions each, the first is so in 1 of 126 rows.
inline constexpr double news_least = 0.05;

/// Of rows that were measured in both, in the order of `now`.
[[nodiscard]] std::vector<Change> changes(std::span<const Row> before, std::span<const Row> now);

}  // namespace vmapcheck::bench
