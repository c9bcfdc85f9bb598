# SPDX-License-Identifier: Apache-2.0
#
# cmake -D OUTPUT=x.hpp -P stamp.cmake FILE...: a header that defines VMAPCHECK_INTERFACE_STAMP, a hash of what the files hold.
set(index 0)
while(NOT "${CMAKE_ARGV${index}}" STREQUAL "-P")
  math(EXPR index "${index} + 1")
endwhile()
math(EXPR index "${index} + 2")
set(hashes)
while(index LESS CMAKE_ARGC)
  file(SHA256 "${CMAKE_ARGV${index}}" hash)
  string(APPEND hashes "${hash}")
  math(EXPR index "${index} + 1")
endwhile()
string(SHA256 stamp "${hashes}")
file(WRITE "${OUTPUT}" "// SPDX-License-Identifier: Apache-2.0\n#pragma once\n\n#define VMAPCHECK_INTERFACE_STAMP \"${stamp}\"\n")
