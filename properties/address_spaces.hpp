// SPDX-License-Identifier: Apache-2.0
//
// What the tests of vmap::AddressSpace have in common: a memory resource that refuses, what a space holds, calls as
// values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <memory_resource>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "vmap/address_space.hpp"

namespace vmap {

inline constexpr Size p = 0x1000;

/// How a memory resource may refuse.
enum class Refusal { bad_alloc, other_exception };
inline constexpr std::array refusals{Refusal::bad_alloc, Refusal::other_exception};

/// Counts, and refuses from a request on. What it gives is aligned as it was asked for, and no better.
class TestResource final : public std::pmr::memory_resource {
 public:
  Refusal refusal = Refusal::bad_alloc;
  std::uint64_t requests = 0;
  std::size_t bytes_outstanding = 0;

  void grant(std::uint64_t more) { granted_ = requests + more; }
  void grant_all() { granted_ = std::numeric_limits<std::uint64_t>::max(); }

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    if (++requests > granted_ || bytes > std::size_t{1} << 24) {
      if (refusal == Refusal::other_exception) throw std::runtime_error("no");
      throw std::bad_alloc();
    }
    bytes_outstanding += bytes;
    return static_cast<std::byte*>(std::pmr::new_delete_resource()->allocate(bytes + alignment, 2 * alignment)) +
           alignment;
  }
  void do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) override {
    bytes_outstanding -= bytes;
    std::memset(memory, 0xdd, bytes);  // nothing may be read of it
    std::pmr::new_delete_resource()->deallocate(static_cast<std::byte*>(memory) - alignment, bytes + alignment,
                                                2 * alignment);
  }
  [[nodiscard]] bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
    return this == &other;
  }

  std::uint64_t granted_ = std::numeric_limits<std::uint64_t>::max();
};

inline AddressSpace make(const Options& options) { return std::move(AddressSpace::create(options).value()); }

template <class Index>
std::vector<Range> busy_in(const BasicAddressSpace<Index>& space, Range window = everywhere) {
  std::vector<Range> ranges;
  space.for_each_busy([&](Range range) { ranges.push_back(range); }, window);
  return ranges;
}
inline std::vector<Range> free_in(const AddressSpace& space, Range window = everywhere) {
  std::vector<Range> ranges;
  space.for_each_free([&](Range range) { ranges.push_back(range); }, window);
  return ranges;
}
inline std::vector<Range> lazy_in(const AddressSpace& space, Range window = everywhere) {
  std::vector<Range> ranges;
  space.for_each_lazy([&](Range range) { ranges.push_back(range); }, window);
  return ranges;
}

struct Contents {
  std::vector<Range> busy;
  std::vector<Range> free;
  std::vector<Range> lazy;
  friend bool operator==(const Contents&, const Contents&) = default;
};
inline Contents contents_of(const AddressSpace& space) { return {busy_in(space), free_in(space), lazy_in(space)}; }

template <class T>
std::optional<Error> error_of(const Result<T>& result) {
  return result ? std::nullopt : std::optional(result.error());
}

inline Address placed(const Result<Allocation>& result) { return result.value().range.begin; }

using Ranges = std::vector<Range>;
using Blocks = std::vector<Block>;

/// Of so many pages, from address 0 on.
inline AddressSpace empty_space(std::uint64_t pages, TestResource& resource, std::size_t nodes_per_slab = 1) {
  return make({.range = {0, pages * p}, .granule = p, .resource = &resource, .nodes_per_slab = nodes_per_slab});
}
/// Nothing of it is free; area after area of one page.
inline AddressSpace full_space(std::uint64_t pages, TestResource& resource, std::size_t nodes_per_slab = 1) {
  AddressSpace space = empty_space(pages, resource, nodes_per_slab);
  for (std::uint64_t i = 0; i < pages; ++i) (void)space.allocate({.size = p});
  return space;
}

/// One call, that can be made in any state.
struct Call {
  std::string name;
  std::function<std::optional<Error>(AddressSpace&)> make;
};

inline Call allocating(const Request& request) {
  return {"allocate", [=](AddressSpace& space) { return error_of(space.allocate(request)); }};
}
inline Call allocating_at(Range range) {
  return {"allocate_at", [=](AddressSpace& space) { return error_of(space.allocate_at(range)); }};
}
inline Call allocating_congruent(const Blocks& blocks, Size align = 1, Range within = everywhere) {
  return {"allocate_congruent",
          [=](AddressSpace& space) { return error_of(space.allocate_congruent(blocks, align, within)); }};
}

}  // namespace vmap
