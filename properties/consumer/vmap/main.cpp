// SPDX-License-Identifier: Apache-2.0
//
// Hands out port numbers: a space of 64 ids with a granule of 1.
#include <cstdio>

#include "vmap/address_space.hpp"

int main() {
  auto ports = vmap::AddressSpace::create({.range = {8000, 8064}});
  if (!ports) return 1;
  const auto eight = ports->allocate({.size = 8, .align = 16});
  const auto one = ports->allocate({.size = 1});
  if (!eight || !one || eight->range != vmap::Range{8000, 8008} || one->range != vmap::Range{8008, 8009}) return 1;
  if (ports->allocate({.size = 64}) != std::unexpected(vmap::Error::no_space)) return 1;
  if (!ports->free(eight->range.begin) || !ports->free(one->range.begin)) return 1;
  if (const auto broken = ports->verify()) {
    std::printf("%s\n", broken->detail.c_str());
    return 1;
  }
  return ports->stats().largest_free == 64 ? 0 : 1;
}
