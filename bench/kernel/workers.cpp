// SPDX-License-Identifier: Apache-2.0
#include "bench/kernel/workers.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <exception>
#include <mutex>
#include <numeric>
#include <optional>
#include <semaphore>
#include <thread>
#include <utility>

#include "bench/kernel/order.hpp"
#include "bench/kernel/tests.hpp"

namespace vmapcheck::bench {
namespace {

using Clock = std::chrono::steady_clock;

/// A target on which only one thread is at a time.
template <class Target>
class Locked {
 public:
  using Area = typename Target::Area;
  Locked(Target target, std::mutex& mutex) : target_(std::move(target)), mutex_(mutex) {}

  std::optional<Area> allocate(std::uint64_t pages, Size align) {
    return locked([&] { return target_.allocate(pages, align); });
  }
  std::optional<std::array<Area, 2>> allocate_pair(std::uint64_t pages) {
    return locked([&] { return target_.allocate_pair(pages); });
  }
  bool free(Area area) {
    return locked([&] { return target_.free(area); });
  }
  bool free_lazily(Area area) {
    return locked([&] { return target_.free_lazily(area); });
  }
  void purge() {
    locked([&] { target_.purge(); });
  }

 private:
  template <class Call>
  auto locked(Call call) {
    const std::scoped_lock lock(mutex_);
    return call();
  }

  Target target_;
  std::mutex& mutex_;
};

/// What a worker says of itself while it runs: written by it, read by the thread that waits.
struct Position {
  std::atomic<std::size_t> test = 0;
  std::atomic<std::uint64_t> runs_done = 0;
  std::atomic<std::uint64_t> loops_done = 0;  ///< of this run
  std::atomic<std::uint64_t> loops = 1;       ///< of this run
  std::atomic<Clock::rep> run_begin = 0;
};

/// For the runs of this test that are left, as long as this one; for the others, as long as the runs before.
double seconds_left(const Position& at, const Settings& settings, Clock::time_point begin) {
  const auto seconds = [](Clock::duration time) { return std::chrono::duration<double>(time).count(); };
  const Clock::time_point run_begin{Clock::duration(at.run_begin.load())};
  const double part = static_cast<double>(at.loops_done) / static_cast<double>(at.loops);
  const std::uint64_t done = at.runs_done, runs = settings.tests.size() * settings.repeats;
  if (part == 0 && done == 0) return -1;
  const double before = done == 0 ? 0 : seconds(run_begin - begin) / static_cast<double>(done);
  const double this_one = part == 0 ? before : seconds(Clock::now() - run_begin) / part;
  const std::uint64_t of_this_test = settings.repeats - 1 - done % settings.repeats;
  const std::uint64_t of_others = runs - std::min(runs, done + 1 + of_this_test);
  return this_one * (1 - part + static_cast<double>(of_this_test)) +
         (done == 0 ? this_one : before) * static_cast<double>(of_others);
}

template <class Target>
class Worker {
 public:
  Worker(std::size_t index, Target target, const Settings& settings, const Features& features, Position& position,
         const std::atomic<bool>& stop)
      : index_(index),
        target_(std::move(target)),
        settings_(settings),
        features_(features),
        position_(position),
        stop_(stop) {
    report_.tests.resize(settings.tests.size());
  }

  WorkerReport run() {
    std::vector<std::size_t> order(settings_.tests.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    Random random(seed_of_run(settings_.seed, index_, 0, 0));
    if (settings_.shuffled) order = cyclic_order(order.size(), random);
    for (const std::size_t place : order) {
      const std::size_t test = settings_.tests[place];
      Tally& tally = report_.tests[place];
      tally.skipped = why_not(test, features_);
      for (std::uint64_t repeat = 0; repeat < settings_.repeats; ++repeat, ++position_.runs_done)
        if (tally.skipped.empty() && !run_once(test, repeat, tally)) return report_;
    }
    return report_;
  }

 private:
  /// False if it was to stop.
  bool run_once(std::size_t test, std::uint64_t repeat, Tally& tally) {
    constexpr std::uint64_t loops_at_once = 1000;
    const std::uint64_t loops = loops_of(test, settings_.loops);
    const auto running = make_test(test_at(test).name, target_, seed_of_run(settings_.seed, index_, test, repeat));
    const Clock::time_point begin = Clock::now();
    position_.test = test;
    position_.loops_done = 0;
    position_.loops = loops;
    position_.run_begin = begin.time_since_epoch().count();
    bool passed = running->prepare();
    for (std::uint64_t done = 0; passed && done < loops && !stop_; position_.loops_done = done) {
      const std::uint64_t now = std::min(loops_at_once, loops - done);
      passed = running->run(now);
      done += now;
    }
    passed = running->finish() && passed;
    const auto elapsed = Clock::now() - begin;
    if (stop_) return false;
    tally.count(passed, elapsed);
    report_.elapsed += elapsed;
    return true;
  }

  std::size_t index_;
  Target target_;
  const Settings& settings_;
  const Features& features_;
  Position& position_;
  const std::atomic<bool>& stop_;
  WorkerReport report_;
};

WorkersAt where(const std::deque<Position>& positions, const Settings& settings, Clock::time_point begin) {
  WorkersAt at{.test = positions.front().test, .runs = settings.workers * settings.tests.size() * settings.repeats};
  for (const Position& position : positions) {
    at.runs_done += position.runs_done;
    at.seconds_left = std::max(at.seconds_left, seconds_left(position, settings, begin));
  }
  return at;
}

}  // namespace

std::vector<WorkerReport> run_workers(AnySubject& subject, const Settings& settings,
                                      const std::function<bool(const WorkersAt&)>& on_progress) {
  const Features features = subject.features();
  const Clock::time_point begin = Clock::now();
  std::vector<WorkerReport> reports(settings.workers);
  std::deque<Position> positions(settings.workers);
  std::atomic<bool> stop = false;
  std::mutex mutex;
  std::counting_semaphore<> ended(0);
  std::vector<std::exception_ptr> thrown(settings.workers);
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < settings.workers; ++i)
    threads.emplace_back([&, i] {
      try {
        if (settings.workers == 1)
          reports[i] = Worker(i, Bare(subject), settings, features, positions[i], stop).run();
        else
          reports[i] = Worker(i, Locked(Bare(subject), mutex), settings, features, positions[i], stop).run();
      } catch (...) {
        thrown[i] = std::current_exception();
        stop = true;
      }
      ended.release();
    });
  for (std::size_t running = settings.workers; running != 0;) {
    if (ended.try_acquire_for(std::chrono::milliseconds(50)))
      --running;
    else if (!on_progress(where(positions, settings, begin)))
      stop = true;
  }
  threads.clear();
  for (const std::exception_ptr& each : thrown)
    if (each) std::rethrow_exception(each);
  return reports;
}

}  // namespace vmapcheck::bench
