// SPDX-License-Identifier: Apache-2.0
//
// The commands of `campaign`. Each function adds one to it.
#pragma once

#include "tools/options.hpp"

namespace vmapcheck::tool {

void add_campaign_status(CLI::App& campaign, Session& session);
void add_campaign_report(CLI::App& campaign, Session& session);

}  // namespace vmapcheck::tool
