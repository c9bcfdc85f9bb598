// SPDX-License-Identifier: Apache-2.0
//
// Which lines and branches of the allocator were run, from what `llvm-cov export` says, and which of the others cannot
// be.
//
// What counts. The allocator is templates, and a test program instantiates them with other things, too: an index that
// is broken on purpose, a tree of test items. A function counts where the types that it was made from are the
// allocator's own: BasicAddressSpace<FreeSpace>, AugmentedRbTree<Node, SubtreeMaxSize>, ... . What was run of any other
// instantiation says nothing of the allocator and is left out. A line or a branch of a template is covered if it is in
// one of those that count: the tree of free blocks and the trees of areas are one piece of source.
//
// What a line is. As in llvm-cov: a line within a function that is no comment, executed as often as the most executed
// piece that begins on it, or else the piece that goes on there. A branch is one outcome, true or false, of one
// condition; but those of a comparison that is defaulted are none, for clang does not count them: it says "always" of
// each.
//
// What cannot be run is named in a list, by its text and not by its number, with a reason:
//
//     free_space.hpp, carve
//       line  std::unreachable();
//       true  classify(block.range, placement)
//       because  the switch has a case for each enumerator
//
// `line` is a line; `true` and `false` are the outcome of a condition that does not occur. A reason holds for all that
// stands above it. The branches of an unreachable line are unreachable with it. An entry of the list that nothing in
// the source matches, or that was executed after all, is a defect of the list.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vmapcheck::tool {

/// A piece of a file; lines and columns count from 1.
struct Span {
  unsigned line = 0;
  unsigned column = 0;
  unsigned line_end = 0;
  unsigned column_end = 0;
  friend auto operator<=>(const Span&, const Span&) = default;
};

struct MeasuredLine {
  std::uint64_t count = 0;
  std::string text;
  std::string function;                  ///< without namespaces, parameters and arguments of templates: "carve"
  std::optional<std::size_t> exclusion;  ///< index in the list
};

struct MeasuredBranch {
  Span at;
  std::uint64_t taken[2] = {0, 0};  ///< true, false
  std::string text;                 ///< of the condition, in one line
  std::string function;
  std::optional<std::size_t> exclusion[2];
};

struct Ratio {
  std::size_t covered = 0;
  std::size_t total = 0;
  Ratio& operator+=(Ratio other) {
    covered += other.covered;
    total += other.total;
    return *this;
  }
  /// 100 where there is nothing to cover.
  [[nodiscard]] double percent() const {
    return total == 0 ? 100.0 : 100.0 * static_cast<double>(covered) / static_cast<double>(total);
  }
};

struct MeasuredFile {
  std::string name;  ///< "free_space.hpp"
  std::map<unsigned, MeasuredLine> lines;
  std::map<Span, MeasuredBranch> branches;

  /// Of what is reachable: what is excluded is not counted.
  [[nodiscard]] Ratio line_ratio() const;
  [[nodiscard]] Ratio branch_ratio() const;
};

struct Measured {
  std::vector<MeasuredFile> files;                            ///< in the order of their names
  std::map<std::string, std::uint64_t, std::less<>> entered;  ///< how often each function that counts was, by its name
  std::size_t left_out = 0;                                   ///< instantiations that do not count

  [[nodiscard]] Ratio line_ratio() const;
  [[nodiscard]] Ratio branch_ratio() const;
};

/// One line of the list, or one outcome of a condition.
struct Exclusion {
  enum class What : std::uint8_t { line, when_true, when_false };
  unsigned list_line = 0;
  std::string file;
  std::string function;
  What what = What::line;
  std::string text;
  std::string because;
};

/// True for a function, demangled, whose types are the allocator's own.
[[nodiscard]] bool is_the_allocators(std::string_view demangled);

/// Reads the JSON of `llvm-cov export`. Files count whose path ends in `folder` and a name ("allocator/vmap"). `source`
/// gives the text of a file. The error says what is wrong with the JSON.
[[nodiscard]] std::expected<Measured, std::string> measure(
    const std::string& json, std::string_view folder,
    const std::function<std::string(const std::string& path)>& source);

/// Reads a list of what is unreachable. The error is "LINE: what is expected there".
[[nodiscard]] std::expected<std::vector<Exclusion>, std::string> parse_exclusions(std::string_view text);

/// Marks what is excluded. Returns the defects of the list: one line for each entry that matches nothing, or that was
/// executed.
[[nodiscard]] std::vector<std::string> exclude(Measured& measured, const std::vector<Exclusion>& exclusions);

}  // namespace vmapcheck::tool
