# SPDX-License-Identifier: Apache-2.0
#
# Sets vmap_lacks to what the compiler lacks, in a sentence; empty: nothing.
include(CheckCXXSourceCompiles)

function(vmap_check_needs)
  set(CMAKE_CXX_STANDARD 23)
  set(CMAKE_CXX_STANDARD_REQUIRED OFF)
  set(CMAKE_REQUIRED_QUIET ON)
  set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
  check_cxx_source_compiles("
    #include <expected>
    int main() { return std::expected<int, int>(0).value(); }" vmap_has_expected)
endfunction()

vmap_check_needs()
set(vmap_lacks)
if(NOT vmap_has_expected)
  set(vmap_lacks "vmap needs C++23 with <expected>, which ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION} (${CMAKE_CXX_COMPILER}) does not have here: GCC 12 or newer does, and with its library Clang 19 or newer.")
endif()
