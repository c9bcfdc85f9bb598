// SPDX-License-Identifier: Apache-2.0
//
// Memory that can be put back to what it was: one piece of fixed size, out of which a subject's metadata comes, and
// which is copied away and back as bytes. What is given back is used again for requests of the same size class.
//
//     Arena arena(1 << 16);
//     Arena::Mark before;
//     arena.mark(before);
//     void* const node = arena.allocate(64);
//     arena.rewind(before);                 // as if it had not been: the next request gets the same address
//     arena.allocate(64) == node;           // true
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <memory>
#include <memory_resource>
#include <new>
#include <vector>

namespace vmapcheck {

class Arena final : public std::pmr::memory_resource {
  struct Spare {
    Spare* next;
  };
  /// What is not in the piece itself.
  struct Books {
    std::size_t end = 0;                             ///< bytes handed out at least once
    std::array<Spare*, sizeof(void*) * 8> spares{};  ///< given back, by the binary logarithm of their size
  };

 public:
  class Mark {
    friend class Arena;
    Books books_;
    std::vector<std::byte> bytes_;
  };

  explicit Arena(std::size_t bytes) : size_(bytes), first_(new(std::align_val_t{align_max}) std::byte[bytes]) {}

  /// O(bytes handed out so far).
  void mark(Mark& mark) const {
    mark.books_ = books_;
    mark.bytes_.assign(first_.get(), first_.get() + books_.end);
  }
  void rewind(const Mark& mark) {
    books_ = mark.books_;
    if (!mark.bytes_.empty()) std::memcpy(first_.get(), mark.bytes_.data(), mark.bytes_.size());
  }
  /// A request was refused because the piece is used up: the memory, not the subject, set the bound.
  [[nodiscard]] bool exhausted() const { return exhausted_; }

 private:
  static constexpr std::size_t align_max = 64;
  struct Release {
    void operator()(std::byte* bytes) const { ::operator delete[](bytes, std::align_val_t{align_max}); }
  };

  /// Sizes are rounded up to powers of two, and lie at multiples of them as far as alignments go.
  static std::size_t rounded(std::size_t bytes) { return std::bit_ceil(bytes < sizeof(Spare) ? sizeof(Spare) : bytes); }

  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    const std::size_t size = rounded(bytes < alignment ? alignment : bytes);
    Spare*& spare = books_.spares[static_cast<std::size_t>(std::countr_zero(size))];
    if (spare != nullptr) {
      Spare* const taken = spare;
      spare = taken->next;
      return taken;
    }
    const std::size_t step = size < align_max ? size : align_max;
    const std::size_t begin = (books_.end + step - 1) & ~(step - 1);
    if (alignment > align_max || begin > size_ || size_ - begin < size) {
      exhausted_ = true;
      throw std::bad_alloc();
    }
    books_.end = begin + size;
    return first_.get() + begin;
  }
  void do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) override {
    Spare*& spare =
        books_.spares[static_cast<std::size_t>(std::countr_zero(rounded(bytes < alignment ? alignment : bytes)))];
    spare = new (memory) Spare{spare};
  }
  [[nodiscard]] bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
    return this == &other;
  }

  std::size_t size_;
  std::unique_ptr<std::byte[], Release> first_;
  Books books_;
  bool exhausted_ = false;
};

}  // namespace vmapcheck
