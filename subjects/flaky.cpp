// SPDX-License-Identifier: Apache-2.0
#include "subjects/flaky.hpp"

#include <unistd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "harness/isolate/isolation.hpp"
#include "subjects/vmap_subject.hpp"

namespace vmapcheck {
namespace {

/// Processes that have made one, and the last of them; shared by a driver and all its children, which run one after
/// the other. (The number of a process would not do: a child that starts a thread takes two of them.)
struct Turns {
  std::uint64_t processes;
  pid_t last;
};

/// Finds nothing, where it is this process's turn.
struct Flaky : VmapSubject<vmap::FreeSpace> {
  Flaky(VmapSubject<vmap::FreeSpace> sound, bool wrong)
      : VmapSubject<vmap::FreeSpace>(std::move(sound)), wrong_(wrong) {}
  [[nodiscard]] std::optional<Range> find(Address address) const {
    return wrong_ ? std::nullopt : VmapSubject<vmap::FreeSpace>::find(address);
  }

 private:
  bool wrong_;
};

}  // namespace

SubjectEntry flaky_subject() {
  const auto turns = std::make_shared<SharedArray<Turns>>(1);
  const auto create = [turns](const SubjectConfig& config) -> std::expected<Flaky, std::string> {
    auto sound = VmapSubject<vmap::FreeSpace>::create(config);
    if (!sound) return std::unexpected(std::move(sound.error()));
    Turns& turn = (*turns)[0];
    if (std::exchange(turn.last, ::getpid()) != ::getpid()) ++turn.processes;
    return Flaky(*std::move(sound), turn.processes % 2 == 1);
  };
  return {"flaky", SubjectKind::specimen, "finds nothing in every second process: its failures do not come again",
          factory(create)};
}

}  // namespace vmapcheck
