// SPDX-License-Identifier: Apache-2.0
//
// A recording as one self-contained page.
//
// Two halves, so that they may be in two processes. PageLines turns events into lines of JSON, as they come; each line
// holds what a step changed, so that 5,000 steps of 300 free blocks are a few megabytes. page() puts lines into the
// page with what is around them; it needs nothing else, so lines whose writer has died make a page, too.
//
//     {"begin":0,"map":[...],"nodes":[...],"root":0}      before the first step; as below
//     {"step":0,"op":"alloc a0 size=0x1000","answer":"0x1000..0x2000 left_edge","kind":"alloc","fit":"left_edge"}
//     {"after":0,"effect":"...","changed":[["1000","2000"]],
//      "map":[[at, count, [[begin,end,"b","a0"], [begin,end,"f"]]], ...]    splices, to be applied in this order
//      "nodes":[[id,begin,end,red,subtree_max_size,left,right,expected?,defect?], ...], "gone":[id, ...], "root":id,
//      "expected":[[begin,end,"b","a0"], ...]}                              the model's map, where it differs
//
// Addresses and sizes are hexadecimal digits; b is busy, l lazily freed, f free; a missing child is -1.
#pragma once

#include <cstddef>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "tools/show.hpp"

namespace vmapcheck::tool {

/// The first half.
class PageLines {
 public:
  using Write = std::function<void(std::string line)>;

  PageLines(const Trace& trace, Write write) : trace_(trace), write_(std::move(write)) {}
  void operator()(const RunEvent& event);

 private:
  void show(const Begun& begun);
  void show(const Answered& answered);
  void show(const Held& held);
  void show(const Ended&) {}
  void add_state(ordered_json& line, const Snapshot& snapshot);
  void add_tree(ordered_json& line, const TreeListing& tree);

  struct Node {
    std::int64_t id = 0;
    std::string text;          ///< as it was last written
    std::uint64_t listed = 0;  ///< the listing that had it
  };

  const Trace& trace_;
  Write write_;
  AddressMap map_;
  std::unordered_map<const void*, Node> nodes_;
  std::int64_t id_next_ = 0;
  std::uint64_t listings_ = 0;
  Answer answer_;
};

/// The second half.
[[nodiscard]] std::string page(const Shown& shown, std::span<const std::string> lines, const Verdict& verdict);

}  // namespace vmapcheck::tool
