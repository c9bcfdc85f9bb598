// SPDX-License-Identifier: Apache-2.0
//
// Bytes as the text of a trace. What can be read must survive printing and encoding, and its text be canonical.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "fuzz/records.hpp"
#include "model/trace.hpp"

namespace vmapcheck {
namespace {

/// `law` is what crashes are told apart by.
void require(bool holds, const char* law, const std::string& text) {
  if (holds) return;
  std::fprintf(stderr, "%s\nASSERTION FAILED: trace_format %s\n", text.c_str(), law);
  std::abort();
}

void run_one(std::string_view text) {
  const auto trace = parse_trace(text);
  if (!trace) {
    require(trace.error().line >= 1 && trace.error().column >= 1 && !trace.error().expected.empty(),
            "error_without_place", std::string(text));
    return;
  }
  const std::string printed = print(*trace);
  require(defect(trace->space).empty(), "space_with_defect", printed);
  const auto again = parse_trace(printed);
  require(again.has_value(), "printed_text_not_read", printed);
  require(*again == *trace, "printed_text_read_differently", printed);
  require(print(*again) == printed, "printed_text_not_canonical", printed);

  Trace expected = relabel(*trace);
  expected.comments.clear();
  require(decode(encode(*trace)) == expected, "records_decoded_differently", printed);
}

}  // namespace
}  // namespace vmapcheck

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  vmapcheck::run_one({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
