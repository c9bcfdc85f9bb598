// SPDX-License-Identifier: Apache-2.0
//
// The files in page/, as they were when this was built. What they mark is filled in: /*page.css*/, /*page.js*/ and
// {/*recording*/} in page.html; /*page.css*/, /*campaign.css*/, /*campaign.js*/, [/*samples*/], <!--title--> and
// <!--body--> in campaign.html.
#pragma once

#include <string>
#include <string_view>

namespace vmapcheck::tool {

extern const std::string_view page_html;
extern const std::string_view page_css;
extern const std::string_view page_js;
extern const std::string_view campaign_html;
extern const std::string_view campaign_css;
extern const std::string_view campaign_js;

/// Puts the value where the mark stands. Requires that it does.
inline void fill(std::string& page, std::string_view mark, std::string_view value) {
  page.replace(page.find(mark), mark.size(), value);
}

}  // namespace vmapcheck::tool
