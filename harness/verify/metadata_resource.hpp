// SPDX-License-Identifier: Apache-2.0
//
// The memory resource that the executor gives a subject for its metadata: it counts, and fails when told to. The memory
// itself comes from another resource, by default from operator new.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <new>
#include <vector>

namespace vmapcheck {

class MetadataResource final : public std::pmr::memory_resource {
 public:
  /// What it has counted, and which failures are to come.
  struct Counts {
    std::uint64_t requests = 0;
    std::uint64_t failures = 0;
    std::size_t blocks = 0;
    std::size_t bytes = 0;
    std::vector<std::uint64_t> armed{};  ///< numbers of requests
  };

  explicit MetadataResource(std::pmr::memory_resource* source = nullptr)
      : source_(source != nullptr ? source : std::pmr::new_delete_resource()) {}

  /// The counts. Who puts the memory back to what it was puts them back with restore().
  [[nodiscard]] const Counts& counts() const { return counts_; }
  void restore(const Counts& counts) { counts_ = counts; }

  /// The `countdown`-th request from here fails, once. Failures that are armed at the same time do not disturb each
  /// other.
  void fail_at(std::uint64_t countdown) {
    const std::uint64_t request = counts_.requests + countdown;
    if (request >= counts_.requests) counts_.armed.push_back(request);  // else it lies beyond all requests
  }

  /// Of each failure that is still to come: how many requests from here. In the order in which they were armed.
  [[nodiscard]] std::vector<std::uint64_t> armed() const {
    std::vector<std::uint64_t> countdowns;
    for (const std::uint64_t request : counts_.armed) countdowns.push_back(request - counts_.requests);
    return countdowns;
  }
  [[nodiscard]] std::uint64_t requests() const { return counts_.requests; }
  [[nodiscard]] std::uint64_t failures() const { return counts_.failures; }
  [[nodiscard]] std::size_t blocks_outstanding() const { return counts_.blocks; }
  [[nodiscard]] std::size_t bytes_outstanding() const { return counts_.bytes; }

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    ++counts_.requests;
    if (!counts_.armed.empty() && std::erase(counts_.armed, counts_.requests) != 0) {
      ++counts_.failures;
      throw std::bad_alloc();
    }
    void* const memory = source_->allocate(bytes, alignment);
    ++counts_.blocks;
    counts_.bytes += bytes;
    return memory;
  }

  void do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) override {
    --counts_.blocks;
    counts_.bytes -= bytes;
    source_->deallocate(memory, bytes, alignment);
  }

  [[nodiscard]] bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
    return this == &other;
  }

  std::pmr::memory_resource* source_;
  Counts counts_;
};

}  // namespace vmapcheck
