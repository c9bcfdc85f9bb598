// SPDX-License-Identifier: Apache-2.0
//
// Why a call failed. Errors are values: no exception leaves the library, and a call that fails changes nothing.
#pragma once

#include <cstdint>
#include <expected>
#include <string_view>

#ifndef __cpp_lib_expected
#error "vmap needs C++23 with <expected>: -std=c++23 and GCC 12 or newer, or with its library Clang 19 or newer"
#endif

namespace vmap {

/// The first that applies, in the order argument, space (or area), memory.
enum class Error : std::uint8_t {
  invalid_argument,  ///< the request can be met in no state of this address space
  no_space,          ///< no address satisfies the request, also after a purge and all exhaustion hooks
  not_busy,          ///< the address is not the begin of a busy area
  out_of_memory,     ///< the memory resource gave no metadata
};

inline constexpr std::size_t error_count = 4;

template <class T>
using Result = std::expected<T, Error>;

[[nodiscard]] constexpr std::string_view name(Error error) {
  switch (error) {
    case Error::invalid_argument: return "invalid_argument";
    case Error::no_space: return "no_space";
    case Error::not_busy: return "not_busy";
    case Error::out_of_memory: return "out_of_memory";
  }
  return "unknown";
}

}  // namespace vmap
