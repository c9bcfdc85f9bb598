// SPDX-License-Identifier: Apache-2.0
//
// Replaces operator new for one object in the whole test program, and all that frees what it gave: sanitizers tell
// memory of malloc() from memory of their own operator new. Arrays and greater alignments are left as they are.
#include "properties/refused_new.hpp"

#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

thread_local int refusing = 0;

void* memory_or_null(std::size_t bytes) noexcept {
  return refusing != 0 ? nullptr : std::malloc(bytes != 0 ? bytes : 1);
}

}  // namespace

void* operator new(std::size_t bytes) {
  while (true) {
    if (void* const memory = memory_or_null(bytes)) return memory;
    const std::new_handler handler = refusing != 0 ? nullptr : std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return memory_or_null(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }

namespace vmap {

RefusedNew::RefusedNew() { ++refusing; }
RefusedNew::~RefusedNew() { --refusing; }

}  // namespace vmap
