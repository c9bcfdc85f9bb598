// SPDX-License-Identifier: Apache-2.0
//
// The op-level mutator for libFuzzer, and for engines that honour its hooks. To be linked into targets whose input are
// records.
//
// VMAPCHECK_MUTATOR=bytes in the environment leaves all mutation and crossover to the engine, as if these hooks were
// not there: for measuring what they are worth (bench/mutator.py). Another value than `bytes` or `ops`, which is the
// default, ends the target with status 2.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>
#include <vector>

#include "fuzz/mutator.hpp"
#include "fuzz/records.hpp"

/// Of the engine. Weak: an engine without it never calls a custom mutator either, and must still link.
extern "C" __attribute__((weak)) std::size_t LLVMFuzzerMutate(std::uint8_t* bytes, std::size_t size,
                                                              std::size_t size_max);

namespace {

/// Whether mutation is left to the engine. No exit(): the engine would take it for a crash of its input.
bool bytes_alone() {
  static const bool chosen = [] {
    const char* const variable = std::getenv("VMAPCHECK_MUTATOR");
    const std::string_view name = variable != nullptr ? variable : "ops";
    if (name == "ops") return false;
    if (name == "bytes" && LLVMFuzzerMutate != nullptr) return true;
    std::fprintf(stderr, "VMAPCHECK_MUTATOR: it is ops or, with libFuzzer, bytes; not '%s'\n", variable);
    std::_Exit(2);
  }();
  return chosen;
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* bytes, std::size_t size, std::size_t size_max,
                                               unsigned int seed) {
  // Now and then bytes change, for what decoding makes of them is tested, too.
  const bool by_bytes = bytes_alone() || size_max < vmapcheck::record_bytes || seed % 16 == 0;
  if (by_bytes && LLVMFuzzerMutate != nullptr) return LLVMFuzzerMutate(bytes, size, size_max);
  if (size_max < vmapcheck::record_bytes) return size;
  const auto mutant = vmapcheck::encode(vmapcheck::mutate(vmapcheck::decode(std::span(bytes, size)), size_max, seed));
  std::ranges::copy(mutant, bytes);
  return mutant.size();
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* first, std::size_t first_size,
                                                 const std::uint8_t* second, std::size_t second_size,
                                                 std::uint8_t* bytes, std::size_t size_max, unsigned int seed) {
  if (bytes_alone() || size_max < vmapcheck::record_bytes) return 0;  // no crossover: another mutation is tried
  const auto child =
      vmapcheck::encode(vmapcheck::cross(vmapcheck::decode(std::span(first, first_size)),
                                         vmapcheck::decode(std::span(second, second_size)), size_max, seed));
  std::ranges::copy(child, bytes);
  return child.size();
}
