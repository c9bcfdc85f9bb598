// SPDX-License-Identifier: Apache-2.0
//
// How the sizes of things in a run are distributed, and a hash of all that was seen of it. Collected beside the
// executor and from what it shows anyway, so that a run that does not ask for it does not pay for it.
//
//     Observer observer(histograms, executor)
//     for each op: executor.step(op), observer.step(op)       unless it showed a violation
//     executor.finish(), observer.finish()
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "model/op.hpp"

namespace vmapcheck {

class Executor;

/// Numbers, counted by powers of two: bucket 0 holds 0, and bucket b holds [2^(b-1), 2^b).
struct Histogram {
  std::array<std::uint64_t, 65> buckets{};
  std::uint64_t count = 0;
  std::uint64_t max = 0;
  double sum = 0;

  void add(std::uint64_t number) {
    ++buckets[static_cast<std::size_t>(std::bit_width(number))];
    ++count;
    max = std::max(max, number);
    sum += static_cast<double>(number);
  }
  [[nodiscard]] double mean() const { return count == 0 ? 0.0 : sum / static_cast<double>(count); }
  /// The bucket of the median, of two middle numbers that of the lower one; 0 if there is none.
  [[nodiscard]] std::size_t median_bucket() const {
    std::size_t bucket = 0;
    for (std::uint64_t below = buckets[0]; count != 0 && below < count - count / 2;) below += buckets[++bucket];
    return bucket;
  }
  Histogram& operator+=(const Histogram& other) {
    for (std::size_t i = 0; i < buckets.size(); ++i) buckets[i] += other.buckets[i];
    count += other.count;
    max = std::max(max, other.max);
    sum += other.sum;
    return *this;
  }
};

/// A hash with one more number in it.
[[nodiscard]] constexpr std::uint64_t hash_with(std::uint64_t hash, std::uint64_t n) {
  return (hash ^ n) * 0x9e3779b97f4a7c15u + (n >> 29) + (hash >> 31);
}

struct Histograms {
  Histogram sizes;          ///< asked for, in granules, rounded up; each block of a congruent placement
  Histogram aligns;         ///< asked for, in granules, rounded down: 0 acts as the granule
  Histogram areas;          ///< busy and lazily freed, after each op
  Histogram free_blocks;    ///< after each op
  Histogram tree_depth;     ///< of the free blocks, whenever the whole state was checked; only of a tree that is seen
  Histogram nodes_visited;  ///< by each op; only of a subject that counts them
  /// A hash of every answer, and of the whole visible state whenever it was checked, in their order. Equal runs have
  /// equal hashes, with every compiler.
  std::uint64_t states_hash = 0;

  /// Adds what came after this.
  Histograms& operator+=(const Histograms& later) {
    sizes += later.sizes;
    aligns += later.aligns;
    areas += later.areas;
    free_blocks += later.free_blocks;
    tree_depth += later.tree_depth;
    nodes_visited += later.nodes_visited;
    states_hash = hash_with(states_hash, later.states_hash);
    return *this;
  }
};

/// Adds what the steps of one executor show to `histograms`.
class Observer {
 public:
  Observer(Histograms& histograms, const Executor& executor);
  /// After a step that showed no violation.
  void step(const Op& op);
  /// After Executor::finish().
  void finish() { state(); }

 private:
  void requested(const Op& op);
  void answered();
  void state();
  void mix(std::uint64_t n) { histograms_.states_hash = hash_with(histograms_.states_hash, n); }

  Histograms& histograms_;
  const Executor& executor_;
  Size granule_;
  std::uint64_t full_checks_ = 1;  ///< that were seen, or came before the first op
};

}  // namespace vmapcheck
