// SPDX-License-Identifier: Apache-2.0
//
// A subject on which a load is performed.
//
//     auto driver = Driver::create(load, {.name = "vmap", .make = find_subject("vmap")->make});
//     (*driver)->prepare(1, [] { return false; });  // the state of which the load speaks
//     (*driver)->perform_round();                                         // what is timed
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/loads/load.hpp"
#include "harness/verify/metadata_resource.hpp"

namespace vmapcheck::bench {

/// Who performs loads.
struct Performer {
  std::string name;
  SubjectFactory make;
  bool chooses_places = true;  ///< can be asked for alignments, windows and addresses
};

/// `null` or `malloc`; nothing if it is neither.
[[nodiscard]] std::optional<Performer> baseline_named(const std::string& name);

/// What a subject holds, per area or in relation to its areas; what it does not tell is absent.
struct Holdings {
  std::optional<double> metadata_bytes;  ///< taken from its resource, for each live area
  std::optional<double> extent;          ///< from the lowest begin to the highest end, in bytes for each busy byte
  std::optional<double> fragmentation;   ///< vmap::Stats::fragmentation()
};

/// Counted since its subject was made.
struct Work {
  std::uint64_t nodes_visited = 0;
  std::uint64_t nodes_propagated = 0;
};

/// Processor time of this thread.
[[nodiscard]] double processor_seconds();

class Driver {
 public:
  /// Says in a few words why the load is nothing for that subject, or why it cannot be made.
  [[nodiscard]] static std::expected<std::unique_ptr<Driver>, std::string> create(const Load& load,
                                                                                  const Performer& who);
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;
  ~Driver();

  /// Performs the setup and the rounds of the warm-up. False if that takes more seconds of processor time than `most`,
  /// or `stopped` says so.
  [[nodiscard]] bool prepare(double most, const std::function<bool()>& stopped);

  void perform_round() {
    for (std::size_t i = 0; i < load_.ops_per_round; ++i) perform(load_.ops[at_ + i]);
    at_ += load_.ops_per_round;
    if (at_ == load_.ops.size()) at_ = 0;
  }

  /// Allocations that failed, since the driver was made.
  [[nodiscard]] std::uint64_t failed() const { return failed_; }
  /// Absent where the subject does not count. O(1).
  [[nodiscard]] std::optional<Work> work() const;
  /// O(live).
  [[nodiscard]] Holdings holdings() const;
  [[nodiscard]] const AnySubject& subject() const { return *subject_; }

 private:
  static constexpr Address none = std::numeric_limits<Address>::max();

  Driver(const Load& load, const Performer& who);
  void perform(const LoadOp& op);
  void keep(std::uint32_t slot, const vmap::Result<vmap::Allocation>& result) {
    if (result)
      slots_[slot] = result->range.begin;
    else
      ++failed_;
  }

  const Load& load_;
  bool chooses_places_;
  MetadataResource metadata_;
  std::unique_ptr<AnySubject> subject_;
  std::vector<Address> slots_;
  std::size_t at_ = 0;
  std::uint64_t failed_ = 0;
  std::size_t found_ = 0;
};

}  // namespace vmapcheck::bench
