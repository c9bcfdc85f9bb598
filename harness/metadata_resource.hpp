// SPDX-License-Identifier: Apache-2.0
//
// The memory resource that the executor gives a subject for its metadata: it counts, and fails when told to.
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
  /// The `countdown`-th request from here fails, once. Failures that are armed at the same time do not disturb each
  /// other.
  void fail_at(std::uint64_t countdown) {
    const std::uint64_t request = requests_ + countdown;
    if (request >= requests_) armed_.push_back(request);  // else it lies beyond all requests
  }

  /// How many requests from here each failure lies that is still to come, in the order in which they were armed.
  [[nodiscard]] std::vector<std::uint64_t> armed() const {
    std::vector<std::uint64_t> countdowns;
    for (const std::uint64_t request : armed_) countdowns.push_back(request - requests_);
    return countdowns;
  }
  [[nodiscard]] std::uint64_t requests() const { return requests_; }
  [[nodiscard]] std::uint64_t failures() const { return failures_; }
  [[nodiscard]] std::size_t blocks_outstanding() const { return blocks_; }
  [[nodiscard]] std::size_t bytes_outstanding() const { return bytes_; }

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    ++requests_;
    if (!armed_.empty() && std::erase(armed_, requests_) != 0) {
      ++failures_;
      throw std::bad_alloc();
    }
    void* const memory = std::pmr::new_delete_resource()->allocate(bytes, alignment);
    ++blocks_;
    bytes_ += bytes;
    return memory;
  }

  void do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) override {
    --blocks_;
    bytes_ -= bytes;
    std::pmr::new_delete_resource()->deallocate(memory, bytes, alignment);
  }

  [[nodiscard]] bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
    return this == &other;
  }

  std::uint64_t requests_ = 0;
  std::uint64_t failures_ = 0;
  std::size_t blocks_ = 0;
  std::size_t bytes_ = 0;
  std::vector<std::uint64_t> armed_;  ///< numbers of requests
};

}  // namespace vmapcheck
