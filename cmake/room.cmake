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
function(vmapcheck_room name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "FOLDER;WITHOUT" "LINK")
  cmake_path(APPEND CMAKE_CURRENT_SOURCE_DIR "${arg_FOLDER}" OUTPUT_VARIABLE folder)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${folder}/*.cpp")
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS "${folder}/*.hpp")
  if(arg_WITHOUT)
    list(FILTER sources EXCLUDE REGEX "/${arg_WITHOUT}$")
  endif()
  vmapcheck_library(${name} BASE "${PROJECT_SOURCE_DIR}" SOURCES ${sources} HEADERS ${headers} LINK ${arg_LINK})
endfunction()

# vmapcheck_test(NAME ...): add_test with this build's prefix; what follows the name is the command.
function(vmapcheck_test name)
  add_test(NAME "${VMAPCHECK_TEST_PREFIX}${name}" COMMAND ${ARGN})
endfunction()

# vmapcheck_under_test(TARGET...): holds what is under test, and is compiled with VMAPCHECK_INSTRUMENT.
function(vmapcheck_under_test)
  foreach(target IN LISTS ARGN)
    target_compile_options(${target} PRIVATE ${VMAPCHECK_INSTRUMENT})
  endforeach()
endfunction()
