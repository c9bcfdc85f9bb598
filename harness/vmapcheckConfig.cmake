# SPDX-License-Identifier: Apache-2.0
include(CMakeFindDependencyMacro)
find_dependency(vmap)
find_dependency(fmt)
include("${CMAKE_CURRENT_LIST_DIR}/vmapcheckTargets.cmake")
