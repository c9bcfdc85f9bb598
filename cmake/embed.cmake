# SPDX-License-Identifier: Apache-2.0
#
# cmake -D OUTPUT=x.cpp -D HEADER=x.hpp -D NAMESPACE=n -P embed.cmake FILE...: each FILE page.css becomes the definition
# of `const std::string_view n::page_css`, which HEADER declares.
set(text "// Generated: the text of files.\n#include \"${HEADER}\"\n\nnamespace ${NAMESPACE} {\n")
math(EXPR last "${CMAKE_ARGC} - 1")
set(is_file FALSE)
foreach(i RANGE ${last})
  if(is_file)
    cmake_path(GET CMAKE_ARGV${i} FILENAME name)
    string(REPLACE "." "_" name "${name}")
    file(READ "${CMAKE_ARGV${i}}" contents)
    string(APPEND text "const std::string_view ${name} = R\"embedded(${contents})embedded\";\n")
  elseif(CMAKE_ARGV${i} MATCHES "embed\\.cmake$")
    set(is_file TRUE)
  endif()
endforeach()
file(WRITE "${OUTPUT}" "${text}}  // namespace ${NAMESPACE}\n")
