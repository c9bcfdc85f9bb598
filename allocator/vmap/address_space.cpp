// SPDX-License-Identifier: Apache-2.0
#include "vmap/address_space.hpp"

namespace vmap {

template class BasicAddressSpace<FreeSpace>;

}
