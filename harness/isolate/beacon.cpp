// SPDX-License-Identifier: Apache-2.0
#include "harness/isolate/beacon.hpp"

#include <unistd.h>

#include <cerrno>

namespace vmapcheck {

std::size_t write_all(int file, std::string_view bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t written = ::write(file, bytes.data() + done, bytes.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    done += static_cast<std::size_t>(written);
  }
  return done;
}

void Beacon::at(Phase phase, std::uint64_t step) {
  if (shared_ == nullptr) return;
  if (shared_->doomed.load(std::memory_order_relaxed)) shared_->leave();
  errno = 0;  // an allocation that fails from here on is one of this step
  shared_->step.store(step, std::memory_order_relaxed);
  shared_->phase.store(phase, std::memory_order_relaxed);
  shared_->times_longer.store(0, std::memory_order_relaxed);
  // If two threads do this at the same time, one sign of life may be lost: the other is as good.
  shared_->progress.store(shared_->progress.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void Beacon::allow(std::uint32_t times_longer) {
  if (shared_ != nullptr) shared_->times_longer.store(times_longer, std::memory_order_relaxed);
}

void Beacon::aside(bool now) {
  if (shared_ == nullptr) return;
  shared_->aside.store(now, std::memory_order_relaxed);
  shared_->progress.store(shared_->progress.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void Beacon::tell(std::string_view bytes) {
  if (shared_ == nullptr) return;
  aside(true);
  shared_->told.fetch_add(write_all(shared_->answer_to, bytes));
  aside(false);
}

void Beacon::answer(std::string_view answer) {
  if (shared_ == nullptr) return;
  aside(true);  // the time depends on how fast the parent reads
  shared_->answered.store(true);
  if (write_all(shared_->answer_to, answer) != answer.size()) ::_exit(status_of_dying);  // cut off: it is none
  shared_->finished.store(true);
  ::_exit(0);
}

bool Beacon::stop_wanted() const { return shared_ != nullptr && shared_->stop.load(std::memory_order_relaxed); }

}  // namespace vmapcheck
