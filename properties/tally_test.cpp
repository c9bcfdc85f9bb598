// SPDX-License-Identifier: Apache-2.0
//
// What a fuzz target has counted is read as it was written, or not at all.
#include "fuzz/tally.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

namespace vmapcheck {
namespace {

Counts counts_of(std::uint64_t executions) {
  Counts counts{.executions = executions, .ops = 10 * executions, .skipped = executions / 2};
  counts.skipped_of[7] = counts.skipped;
  counts.coverage.ops[op_kind<Alloc>] = counts.ops;
  counts.coverage.full_checks = executions;
  return counts;
}

bool equal(const Counts& a, const Counts& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

class Tallies : public testing::Test {
 protected:
  ~Tallies() override { std::filesystem::remove(path_); }

  /// Two writes, as a target in session 3 would make them.
  void write_two() {
    TallyFile file(path_);
    write(*file, 3, counts_of(41));
    write(*file, 3, counts_of(42));
    file->bytes = sizeof(Tally);
    file->copy_bytes = sizeof(Tally::Copy);
    file->magic = Tally::magic_value;
  }

  std::string path_ = (std::filesystem::temp_directory_path() / ("tally-" + std::to_string(::getpid()))).string();
};

TEST_F(Tallies, AreReadAsTheyWereWrittenLast) {
  EXPECT_EQ(read_tally(path_).kind, ReadTally::Kind::unused);
  EXPECT_FALSE(std::filesystem::exists(path_));
  write_two();
  const ReadTally tally = read_tally(path_);
  EXPECT_EQ(tally.kind, ReadTally::Kind::whole);
  EXPECT_EQ(tally.session, 3u);
  EXPECT_TRUE(equal(tally.counts, counts_of(42)));
}

TEST_F(Tallies, ABitThatChangesIsNeverCounted) {
  write_two();
  constexpr std::size_t head = offsetof(Tally, copies), end = offsetof(Tally, known_changes);
  std::size_t newest = 0, before = 0;
  const TallyFile file(path_);
  auto* const bytes = reinterpret_cast<unsigned char*>(&*file);
  for (std::size_t bit = 0; bit < 8 * end; ++bit) {
    bytes[bit / 8] ^= static_cast<unsigned char>(1u << bit % 8);
    const ReadTally tally = read_tally(path_);
    if (bit / 8 < head) {
      ASSERT_EQ(tally.kind, ReadTally::Kind::unreadable) << "bit " << bit;
    } else {
      ASSERT_EQ(tally.kind, ReadTally::Kind::whole) << "bit " << bit;
      ASSERT_EQ(tally.session, 3u);
      const bool is_newest = equal(tally.counts, counts_of(42));
      ASSERT_TRUE(is_newest || equal(tally.counts, counts_of(41))) << "bit " << bit;
      ++(is_newest ? newest : before);
    }
    bytes[bit / 8] ^= static_cast<unsigned char>(1u << bit % 8);
  }
  EXPECT_EQ(newest, 8 * sizeof(Tally::Copy));
  EXPECT_EQ(before, newest);
}

TEST_F(Tallies, AWriterKilledWithinAWriteLeavesTheOneBefore) {
  write_two();
  Tally::Copy third{};
  std::size_t index = 0;
  {
    const TallyFile file(path_);
    index = file->copies[0].number < file->copies[1].number ? 0 : 1;
    const Tally::Copy before = file->copies[index];
    write(*file, 3, counts_of(43));
    third = file->copies[index];
    file->copies[index] = before;
  }
  for (std::size_t words = 1; words < sizeof third / sizeof(std::uint64_t); ++words) {
    {
      const TallyFile file(path_);
      std::memcpy(&file->copies[index], &third, words * sizeof(std::uint64_t));
    }
    ASSERT_TRUE(equal(read_tally(path_).counts, counts_of(42))) << words << " words";
  }
  // The next writer replaces what is not whole.
  const TallyFile file(path_);
  write(*file, 3, counts_of(44));
  EXPECT_TRUE(equal(read_tally(path_).counts, counts_of(44)));
}

TEST_F(Tallies, WhatIsNoneIsUnreadable) {
  for (const std::size_t size : {std::size_t{1}, sizeof(Tally) - 1, sizeof(Tally), sizeof(Tally) + 1}) {
    std::ofstream(path_, std::ios::trunc) << std::string(size, 'x');
    EXPECT_EQ(read_tally(path_).kind, ReadTally::Kind::unreadable) << size;
  }
  // A campaign has made it, and the target never came so far.
  std::filesystem::remove(path_);
  const TallyFile file(path_);
  write(*file, 3, {});
  EXPECT_EQ(read_tally(path_).kind, ReadTally::Kind::unused);
}

TEST_F(Tallies, WhatATargetLeftIsReadWithinItsBounds) {
  const TallyFile file(path_);
  file->input_size = ~std::uint64_t{0};
  EXPECT_EQ(input_of(*file).size(), Tally::input_bytes_max);
  std::memset(file->signature, 'x', sizeof file->signature);
  EXPECT_EQ(signature_of(*file).size(), sizeof file->signature);
  file->signature[5] = '\n';
  EXPECT_EQ(signature_of(*file), "xxxxx");
}

}  // namespace
}  // namespace vmapcheck
