// SPDX-License-Identifier: Apache-2.0
#include "tools/finding.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <utility>

#include "harness/minimize.hpp"
#include "model/trace.hpp"
#include "tools/files.hpp"
#include "tools/interruption.hpp"
#include "tools/progress.hpp"
#include "tools/report.hpp"

namespace vmapcheck::tool {

Finding make_finding(const SubjectEntry& subject, const Trace& trace, const Failure& failure, bool minimizing,
                     const std::string& found_by) {
  Finding finding{&subject, trace, failure, "not shortened"};
  if (minimizing) {
    Progress progress;
    std::size_t runs = 0;
    const auto keep_going = [&] {
      progress.update([&] { return fmt::format("shortening {} ops: {} candidates so far", trace.ops.size(), runs); });
      ++runs;
      return !interrupted();
    };
    Minimized shorter = minimize(trace, failure, subject.make, 100'000, keep_going);
    finding.trace = std::move(shorter.trace);
    finding.failure = std::move(shorter.failure);
    finding.shortened = fmt::format("shortened from {} to {} ops{}", trace.ops.size(), finding.trace.ops.size(),
                                    shorter.complete ? "" : ", and not to the end");
  }
  finding.trace.comments = {fmt::format("Breaks {} (subject {}): {}", name(finding.failure.violation.invariant),
                                        subject.name, one_line(finding.failure.violation.detail)),
                            fmt::format("Found by {}; {}.", found_by, finding.shortened)};
  return finding;
}

std::string file_name(const Finding& finding) {
  const Trace bare{{}, finding.trace.space, finding.trace.ops};
  return fmt::format("{}-{}-{}.trace", finding.subject->name, name(finding.failure.violation.invariant),
                     hash_of(print(bare)));
}

/// Source: the hash FNV-1a of Fowler, Noll and Vo, folded to 32 bits.
std::string hash_of(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return fmt::format("{:08x}", static_cast<std::uint32_t>(hash ^ hash >> 32));
}

std::string save(const Finding& finding, const std::string& directory) {
  make_directory(directory);
  const std::string path = (std::filesystem::path(directory) / file_name(finding)).string();
  write_file(path, print(finding.trace));
  return path;
}

std::string text_of(const Finding& finding) {
  const Replayed replayed = replay(finding.trace, *finding.subject, Checking::every_step, {});
  return fmt::format("\n{}\n{}", print(finding.trace), replayed.failure_text);
}

std::string replay_command(const Finding& finding, const Common& common, const std::string& path) {
  return fmt::format("{} replay --subject {} {}", shell_word(common.program), finding.subject->name, shell_word(path));
}

}  // namespace vmapcheck::tool
