// SPDX-License-Identifier: Apache-2.0
//
// The op-level mutator for afl-fuzz, as a shared object: AFL_CUSTOM_MUTATOR_LIBRARY=allocator_afl_mutator.so.
//
// AFL++ ignores the hooks of libFuzzer that are in the target (libfuzzer_hooks.cpp); it loads functions by name, with
// the signatures that its documentation of custom mutators gives. An afl-fuzz may have several of these at once, so
// what changes is in an object. docs/beyond-one-machine.md shows how to use it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <vector>

#include "fuzz/mutator.hpp"
#include "fuzz/records.hpp"
#include "harness/random/choices.hpp"

namespace vmapcheck {
namespace {

constexpr std::size_t input_bytes_max = 256 * record_bytes;  // as in a campaign: afl-fuzz alone would go to a megabyte

class AflMutator {
 public:
  explicit AflMutator(unsigned int seed) : random_(seed) {}

  /// Valid until the next call.
  std::span<std::uint8_t> next(std::span<const std::uint8_t> input, std::span<const std::uint8_t> other,
                               std::size_t size_max) {
    size_max = std::min(size_max, input_bytes_max);
    const bool crossed = !other.empty() && one_in(random_, 4);
    const std::uint64_t seed = random_.next();
    const Trace trace = decode(input);
    mutant_ = encode(crossed ? cross(trace, decode(other), size_max, seed) : mutate(trace, size_max, seed));
    return mutant_;
  }

 private:
  Random random_;
  std::vector<std::uint8_t> mutant_;
};

}  // namespace
}  // namespace vmapcheck

#define VMAPCHECK_FOR_AFL extern "C" __attribute__((visibility("default")))

VMAPCHECK_FOR_AFL void* afl_custom_init(void* /*afl*/, unsigned int seed) {
  return new (std::nothrow) vmapcheck::AflMutator(seed);
}

/// Returns the size of *out_bytes, 0 for nothing. `other` is another input of the queue, or null.
VMAPCHECK_FOR_AFL std::size_t afl_custom_fuzz(void* mutator, std::uint8_t* bytes, std::size_t size,
                                              std::uint8_t** out_bytes, std::uint8_t* other, std::size_t other_size,
                                              std::size_t size_max) {
  if (size_max < vmapcheck::record_bytes) return 0;
  const auto mutant = static_cast<vmapcheck::AflMutator*>(mutator)->next(
      {bytes, size}, {other, other != nullptr ? other_size : 0}, size_max);
  *out_bytes = mutant.data();
  return mutant.size();
}

VMAPCHECK_FOR_AFL void afl_custom_deinit(void* mutator) { delete static_cast<vmapcheck::AflMutator*>(mutator); }
