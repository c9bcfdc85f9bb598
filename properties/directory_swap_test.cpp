// SPDX-License-Identifier: Apache-2.0
//
// A directory in the place of another: by the system call for it, and by two renames where there is none.
#include "tools/corpus/directory_swap.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace vmapcheck::tool {
namespace {

namespace fs = std::filesystem;

class DirectorySwap : public testing::TestWithParam<SwapBy> {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "vmapcheck-swap-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
    write(root_ / "target/deep/old", "old");
    write(root_ / "fresh/new", "new");
  }
  void TearDown() override { fs::remove_all(root_); }

  static void write(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  [[nodiscard]] std::ptrdiff_t entries() const {
    return std::distance(fs::directory_iterator(root_), fs::directory_iterator());
  }

  fs::path root_;
};

TEST_P(DirectorySwap, PutsEachInThePlaceOfTheOther) {
  ASSERT_EQ(swap_directories(root_ / "fresh", root_ / "target", GetParam()), std::error_code());
  EXPECT_TRUE(fs::exists(root_ / "target/new"));
  EXPECT_FALSE(fs::exists(root_ / "target/deep"));
  EXPECT_TRUE(fs::exists(root_ / "fresh/deep/old"));
  EXPECT_EQ(entries(), 2);
}

TEST_P(DirectorySwap, ChangesNothingWhereItCannot) {
  EXPECT_NE(swap_directories(root_ / "missing", root_ / "target", GetParam()), std::error_code());
  EXPECT_NE(swap_directories(root_ / "fresh", root_ / "missing", GetParam()), std::error_code());
  EXPECT_TRUE(fs::exists(root_ / "target/deep/old"));
  EXPECT_TRUE(fs::exists(root_ / "fresh/new"));
  EXPECT_EQ(entries(), 2);
}

/// The second rename fails: a directory cannot be moved into what is below it.
TEST_P(DirectorySwap, PutsTheOldOneBackWhereTheNewOneCannotBeMoved) {
  EXPECT_NE(swap_directories(root_ / "target/deep", root_ / "target", GetParam()), std::error_code());
  EXPECT_TRUE(fs::exists(root_ / "target/deep/old"));
  EXPECT_EQ(entries(), 2);
}

INSTANTIATE_TEST_SUITE_P(Ways, DirectorySwap, testing::Values(SwapBy::exchange_or_renames, SwapBy::renames));

}  // namespace
}  // namespace vmapcheck::tool
