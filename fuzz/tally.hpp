// SPDX-License-Identifier: Apache-2.0
//
// What a fuzz target counts for the campaign that runs it: a page of memory that is a file, which the kernel keeps
// whatever way either of them ends.
//
// The target adds to it after each input, and copies each input into it before it is run: one that takes the process
// with it, so that the engine cannot write it, is found here. The campaign reads it while it is written (counters are
// numbers of their own, none is torn), and says through it that there are new known signatures.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "harness/coverage.hpp"

namespace vmapcheck {

struct Tally {
  static constexpr std::uint64_t magic_value = 0x31796c6c61746d76;  ///< "vmtally1"
  static constexpr std::size_t known_max = 64;
  static constexpr std::size_t input_bytes_max = std::size_t{1} << 20;

  std::uint64_t magic;    ///< 0 until the target has looked at it
  std::uint64_t bytes;    ///< of this struct: another size is another build's
  std::uint64_t session;  ///< of the campaign

  std::atomic<std::uint64_t> executions;  ///< inputs that were run to their end, or to a known failure
  std::atomic<std::uint64_t> ops;         ///< performed and verified in them
  std::atomic<std::uint64_t> skipped;     ///< of the executions: ended by a failure that is known
  std::array<std::atomic<std::uint64_t>, known_max> skipped_of;  ///< by the signature's place in the file of known ones
  Coverage coverage;

  std::atomic<std::uint64_t> known_changes;  ///< written by the campaign: look at the file of known signatures again

  std::atomic<std::uint64_t> input_size;  ///< of the input that is being run; 0: none is
  char signature[512];                    ///< of the failure for which the target is about to end itself
  std::uint8_t input[input_bytes_max];
};
static_assert(std::is_standard_layout_v<Tally> && std::atomic<std::uint64_t>::is_always_lock_free);

/// A tally in a file, which is mapped for as long as this lives.
class TallyFile {
 public:
  /// Opens, or makes one of zeros, with room on the disk. Throws std::system_error.
  explicit TallyFile(const std::string& path);
  TallyFile(const TallyFile&) = delete;
  TallyFile& operator=(const TallyFile&) = delete;
  ~TallyFile();

  Tally& operator*() const { return *tally_; }
  Tally* operator->() const { return tally_; }

 private:
  Tally* tally_ = nullptr;
};

}  // namespace vmapcheck
