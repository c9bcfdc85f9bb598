# SPDX-License-Identifier: Apache-2.0
include("${CMAKE_CURRENT_LIST_DIR}/needs.cmake")
if(vmap_lacks)
  set(vmap_FOUND FALSE)
  set(vmap_NOT_FOUND_MESSAGE "${vmap_lacks}")
  return()
endif()
include("${CMAKE_CURRENT_LIST_DIR}/vmapTargets.cmake")
