// SPDX-License-Identifier: Apache-2.0
//
// A campaign: fuzz target processes that share a corpus, watched, started again after each find, until the time is over
// or the user wants it.
//
// It goes on from what its directory has kept, whatever way it ended (see state.hpp for what is there).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fuzz/tally.hpp"
#include "tools/campaign/engine.hpp"
#include "tools/campaign/findings.hpp"
#include "tools/campaign/state.hpp"
#include "tools/campaign/workers.hpp"
#include "tools/exit_status.hpp"
#include "tools/progress.hpp"

namespace vmapcheck::tool {

class Supervisor {
 public:
  Supervisor(const Common& common, CampaignOptions options);
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;
  ~Supervisor();

  Exit run();

 private:
  using Clock = std::chrono::steady_clock;
  struct Lane;

  void take_directory();
  void resume();
  void encode_seeds();
  void begin_session();
  void start(Lane& lane);
  void watch();
  void attend(Lane& lane);
  void take_leftovers();
  void take_in(Lane& lane);
  Digested take_artifacts(Lane& lane, const std::vector<std::string>& artifacts);
  void remove_taken(const std::vector<std::string>& artifacts);
  void drop_seed(std::string_view input);
  void look_at_end(Lane& lane, bool found, bool was_killed);
  void finish_findings();
  void take_stock();
  void measure_rates();
  void look_at_limits();
  [[nodiscard]] std::string why_to_stop() const;
  void save(bool durably);
  Exit conclude();

  [[nodiscard]] std::string in(std::string_view name) const;
  [[nodiscard]] bool is_afl() const { return options_.engine == "afl"; }
  [[nodiscard]] double seconds() const;
  [[nodiscard]] std::string command() const;

  const Common& common_;
  CampaignOptions options_;
  const SubjectEntry& subject_;
  Target target_;
  State state_;
  std::unique_ptr<Findings> findings_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  Clock::time_point began_;
  bool resumed_ = false;
  std::string ended_;
  Clock::time_point next_stock_, next_save_, next_sync_, next_sample_, next_size_;
  Clock::time_point rates_at_;
  Totals rates_from_;
};

/// As it stands in JSON.
[[nodiscard]] std::string_view verdict_name(Exit verdict);

}  // namespace vmapcheck::tool
