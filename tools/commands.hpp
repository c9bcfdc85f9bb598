// SPDX-License-Identifier: Apache-2.0
//
// The commands. Each function adds one to the command line; each has its own file.
#pragma once

#include <cstddef>
#include <string>

#include "tools/options.hpp"

namespace vmapcheck::tool {

void add_check(CLI::App& app, Session& session);
void add_campaign(CLI::App& app, Session& session);
void add_replay(CLI::App& app, Session& session);
void add_explore(CLI::App& app, Session& session);
void add_minimize(CLI::App& app, Session& session);
void add_show(CLI::App& app, Session& session);
void add_corpus(CLI::App& app, Session& session);
void add_encode(CLI::App& app, Session& session);
void add_decode(CLI::App& app, Session& session);
void add_subjects(CLI::App& app, Session& session);
/// What `subjects` says, a line at most so wide.
[[nodiscard]] std::string listing_of_subjects(std::size_t columns);
void add_help(CLI::App& app, Session& session);
void add_completion(CLI::App& app, Session& session);
void add_man(CLI::App& app, Session& session);
void add_table(CLI::App& app, Session& session);

/// `test`, `mutants`, `mutation`, `coverage` and `bench`: they build a checkout, and only ./vmapcheck at its top runs
/// them.
void add_commands_of_the_checkout(CLI::App& app, Session& session);

// Commands of `campaign`.
void add_campaign_status(CLI::App& campaign, Session& session);
void add_campaign_report(CLI::App& campaign, Session& session);

// Commands of `corpus`.
void add_corpus_add(CLI::App& corpus, Session& session);
void add_corpus_minimize(CLI::App& corpus, Session& session);
void add_corpus_export(CLI::App& corpus, Session& session);
void add_corpus_stats(CLI::App& corpus, Session& session);

}  // namespace vmapcheck::tool
