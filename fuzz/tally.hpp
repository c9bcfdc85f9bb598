// SPDX-License-Identifier: Apache-2.0
//
// What a fuzz target counts for the campaign that runs it: memory that is a file, which the kernel keeps whatever way
// either of them ends.
//
// The target counts after each input, and copies each input into it before it is run: one that takes the process
// with it, so that the engine cannot write it, is found here. The campaign reads it while it is written, and says
// through it that there are new known signatures.
//
// Counts are kept twice, each time with a checksum, and written in turn:
//
//     magic bytes | number 6, session, counts, sum | number 7, session, counts, sum | known_changes | input
//                     the next write goes here          what is believed
//
// A writer that is killed in the middle of one leaves the other, which lacks only what was being counted. Bits that
// change on the disk, or by a write that went astray, make a copy that is not believed.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "harness/verify/coverage.hpp"

namespace vmapcheck {

/// A sum that any one word that is changed does not leave as it was, nor several, but by a chance of 2^-64.
[[nodiscard]] std::uint64_t checksum(std::span<const std::uint64_t> words);
[[nodiscard]] std::uint64_t checksum(std::string_view bytes);

struct Counts {
  static constexpr std::size_t known_max = 64;

  std::uint64_t executions = 0;                       ///< inputs that were run to their end, or to a known failure
  std::uint64_t ops = 0;                              ///< performed and verified in them
  std::uint64_t skipped = 0;                          ///< of the executions: ended by a failure that is known
  std::array<std::uint64_t, known_max> skipped_of{};  ///< by the signature's place in the file of known ones
  Coverage coverage{};
};

struct Tally {
  static constexpr std::uint64_t magic_value = 0x32796c6c61746d76;  ///< "vmtally2"
  static constexpr std::size_t input_bytes_max = std::size_t{1} << 20;

  /// Counts as they are kept. All of it is words.
  struct Copy {
    std::uint64_t number;   ///< of writes so far; 0: never written
    std::uint64_t session;  ///< of the campaign
    Counts counts;
    std::uint64_t sum;  ///< of the words before it
  };

  std::uint64_t magic;       ///< 0 until the target has looked at it
  std::uint64_t bytes;       ///< of this struct: another size is another build's
  std::uint64_t copy_bytes;  ///< of each copy: for readers that do not know this struct
  std::array<Copy, 2> copies;

  std::atomic<std::uint64_t> known_changes;  ///< written by the campaign: look at the file of known signatures again

  std::atomic<std::uint64_t> input_size;  ///< of the input that is being run; 0: none is
  char signature[512];                    ///< of the failure for which the target is about to end itself
  std::uint8_t input[input_bytes_max];
};
static_assert(std::is_standard_layout_v<Tally> && std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(std::is_trivially_copyable_v<Tally::Copy> && sizeof(Tally::Copy) % sizeof(std::uint64_t) == 0);

/// The newest copy that is whole, or nothing. It may be written meanwhile.
[[nodiscard]] std::optional<Tally::Copy> newest(std::span<const Tally::Copy, 2> copies);
/// Replaces the older copy.
void write(Tally& tally, std::uint64_t session, const Counts& counts);

/// What the target has left of the input that it was running; no more than there is room for, whatever stands there.
[[nodiscard]] std::string_view input_of(const Tally& tally);
/// One line, or empty.
[[nodiscard]] std::string signature_of(const Tally& tally);

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

/// What the file of a tally says to whoever has not mapped it.
struct ReadTally {
  enum class Kind : std::uint8_t {
    unused,      ///< there is none, or no target has looked at it
    unreadable,  ///< it is damaged, or another version's
    whole,
  };
  Kind kind = Kind::unused;
  std::uint64_t session = 0;  ///< if it is whole
  Counts counts{};
};
/// Changes nothing.
[[nodiscard]] ReadTally read_tally(const std::string& path);

}  // namespace vmapcheck
