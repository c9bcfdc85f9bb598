// SPDX-License-Identifier: Apache-2.0
//
// The trace format: the one durable form of a sequence of ops. docs/trace-format.md describes it.
//
//     vmapcheck-trace 1
//     # why this trace is kept
//     space 0x1000..0x11000 granule=0x1000
//     alloc a0 size=0x1000
//     free a0
//
// Printing is canonical: parse(print(t)) == t for every valid trace, and print(parse(s)) differs from s only in white
// space, number forms, defaults written out, comments after the space line, and a byte order mark at the beginning.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

#include "model/op.hpp"

namespace vmapcheck {

/// Where a text is not a trace, and what was expected there.
struct ParseError {
  std::size_t line = 1;    ///< from 1
  std::size_t column = 1;  ///< from 1, in bytes
  std::string expected;    ///< "expected a size, found 'x'": one line, control characters escaped
  friend bool operator==(const ParseError&, const ParseError&) = default;
};

/// Reads a whole trace. Any bytes are acceptable input; never throws but for want of memory. O(n log n) in the text.
[[nodiscard]] std::expected<Trace, ParseError> parse_trace(std::string_view text);

/// The canonical text. Ends with a newline.
[[nodiscard]] std::string print(const Trace&);

/// One op as its line in a trace, without the newline.
[[nodiscard]] std::string print(const Op&);
[[nodiscard]] std::string print(Label);
/// "0x1000..0x2000"
[[nodiscard]] std::string print(Range);

/// Why `space` cannot be constructed (bad granule, misaligned or overlapping ranges), or an empty string.
[[nodiscard]] std::string defect(const Space&);

/// The same trace with labels a0, a1, ... in order of binding. Labels that no op binds keep a number above those.
[[nodiscard]] Trace relabel(Trace);

}  // namespace vmapcheck
