# SPDX-License-Identifier: Apache-2.0

# vmapcheck_library(NAME BASE dir [SOURCES file...] [HEADERS file...] [LINK target...])
#
# A static library. HEADERS are found below BASE, and are each compiled alone by `all_verify_interface_header_sets`.
function(vmapcheck_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "BASE" "SOURCES;HEADERS;LINK")
  if(arg_SOURCES)
    add_library(${name} STATIC ${arg_SOURCES})
    set(scope PUBLIC)
  else()
    add_library(${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_compile_features(${name} ${scope} cxx_std_23)
  target_sources(${name} ${scope} FILE_SET HEADERS BASE_DIRS "${arg_BASE}" FILES ${arg_HEADERS})
  target_link_libraries(${name} ${scope} ${arg_LINK})
endfunction()

# vmapcheck_room(NAME [FOLDER folder] [LINK target...] [WITHOUT regex]): a folder (default: the current one) as a library,
# its headers included from the top. Sources whose names match WITHOUT are left out.
#
# That x.hpp compiles alone is shown by x.cpp, if that includes it before all else; only the other headers are verified.
function(vmapcheck_room name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "FOLDER;WITHOUT" "LINK")
  cmake_path(APPEND CMAKE_CURRENT_SOURCE_DIR "${arg_FOLDER}" OUTPUT_VARIABLE folder)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${folder}/*.cpp")
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS "${folder}/*.hpp")
  if(arg_WITHOUT)
    list(FILTER sources EXCLUDE REGEX "/${arg_WITHOUT}$")
  endif()
  vmapcheck_library(${name} BASE "${PROJECT_SOURCE_DIR}" SOURCES ${sources} HEADERS ${headers} LINK ${arg_LINK})
  foreach(source IN LISTS sources)
    cmake_path(REPLACE_EXTENSION source .hpp OUTPUT_VARIABLE header)
    cmake_path(GET header FILENAME header_name)
    file(STRINGS "${source}" includes REGEX "^#include" LIMIT_COUNT 1)
    if(includes MATCHES "[</\"]${header_name}[>\"]")
      list(REMOVE_ITEM headers "${header}")
    endif()
  endforeach()
  target_sources(${name} PUBLIC FILE_SET alone TYPE HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}" FILES ${headers})
  set_target_properties(${name} PROPERTIES INTERFACE_HEADER_SETS_TO_VERIFY alone)
endfunction()

# vmapcheck_test(NAME ...): add_test with this build's prefix; what follows the name is the command. It ends with 77 where
# it, or a part of it, could not be run: ctest counts it as skipped.
function(vmapcheck_test name)
  add_test(NAME "${VMAPCHECK_TEST_PREFIX}${name}" COMMAND ${ARGN})
  set_tests_properties("${VMAPCHECK_TEST_PREFIX}${name}" PROPERTIES SKIP_RETURN_CODE 77)
endfunction()

# vmapcheck_weekly_test(NAME ...): one that only `./vmapcheck test --all` runs (docs/testing.md).
function(vmapcheck_weekly_test name)
  vmapcheck_test(${name} ${ARGN})
  set_tests_properties("${VMAPCHECK_TEST_PREFIX}${name}" PROPERTIES LABELS weekly)
endfunction()

# vmapcheck_under_test(TARGET...): holds what is under test, and is compiled with VMAPCHECK_INSTRUMENT.
function(vmapcheck_under_test)
  foreach(target IN LISTS ARGN)
    target_compile_options(${target} PRIVATE ${VMAPCHECK_INSTRUMENT})
  endforeach()
endfunction()
