// SPDX-License-Identifier: Apache-2.0
//
// The files in page/, and the styles of tools/page/, as they were when this was built. bench.html marks what is filled
// in:
// /*page.css*/, /*campaign.css*/, /*bench.css*/ and <!--body-->.
#pragma once

#include <string_view>

namespace vmapcheck::bench {

extern const std::string_view bench_html;
extern const std::string_view bench_css;
extern const std::string_view page_css;
extern const std::string_view campaign_css;

}  // namespace vmapcheck::bench
