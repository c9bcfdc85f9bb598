# SPDX-License-Identifier: Apache-2.0
#
# What holds for every target of ours. There are no others: dependencies come from find_package.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_VERIFY_INTERFACE_HEADER_SETS ON)

# Fuzzing should spend its time in what is under test: its counters are what guides the engine, and its memory is what
# the sanitizers watch. Everything else is compiled without them, and faster by far.
set(VMAPCHECK_INSTRUMENT "" CACHE STRING "Compile options for what is under test alone (the preset `fuzz` has them)")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
endif()
# With clang they save a seventh of the time; ccache, which takes none of them, saves it all. With g++ they save nothing: it
# takes as long to read 150 MB of them as to compile the headers.
if(CMAKE_CXX_COMPILER_LAUNCHER OR CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(CMAKE_DISABLE_PRECOMPILE_HEADERS ON)
endif()

add_compile_options(
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Wcast-qual -Wcast-align
  -Wnon-virtual-dtor -Woverloaded-virtual -Wextra-semi -Wimplicit-fallthrough -Wformat=2 -Wundef)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  add_compile_options(-Wno-restrict)  # false alarms about std::string (GCC bug 105329)
endif()
if(VMAPCHECK_WERROR)
  add_compile_options(-Werror)
endif()
