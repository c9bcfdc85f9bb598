// SPDX-License-Identifier: Apache-2.0
#include "tools/junit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <pugixml.hpp>
#include <sstream>
#include <string_view>
#include <utility>

#include "tools/files.hpp"

namespace vmapcheck::tool {
namespace {

void set(pugi::xml_node node, const char* name, std::string_view value) {
  // A reader takes a newline in an attribute for a space.
  node.append_attribute(name).set_value(only_characters(one_line(value, 4000)).c_str());
}

void set_seconds(pugi::xml_node node, double seconds) { set(node, "time", fmt::format("{:.3f}", seconds)); }

void set_counts(pugi::xml_node node, const JUnitSuite& suite) {
  const auto count = [&](Outcome outcome) { return std::ranges::count(suite.cases, outcome, &JUnitCase::outcome); };
  node.append_attribute("tests").set_value(suite.cases.size());
  node.append_attribute("failures").set_value(count(Outcome::failed));
  node.append_attribute("errors").set_value(0);
  node.append_attribute("skipped").set_value(count(Outcome::skipped));
  set_seconds(node, suite.seconds);
}

void add_case(pugi::xml_node suite, const JUnitCase& one) {
  pugi::xml_node test = suite.append_child("testcase");
  set(test, "classname", "vmapcheck." + one.group);
  set(test, "name", one.title);
  set_seconds(test, one.seconds);
  const std::string text = only_characters(one.text);
  if (one.outcome == Outcome::failed) {
    pugi::xml_node failure = test.append_child("failure");
    set(failure, "type", one.type);
    set(failure, "message", one.message);
    failure.text().set(text.c_str());
    return;
  }
  if (one.outcome == Outcome::skipped) set(test.append_child("skipped"), "message", one.message);
  if (!text.empty()) test.append_child("system-out").text().set(text.c_str());
}

}  // namespace

std::string text_of(const JUnitSuite& suite) {
  pugi::xml_document document;
  pugi::xml_node all = document.append_child("testsuites");
  set(all, "name", suite.tool);
  set_counts(all, suite);
  pugi::xml_node node = all.append_child("testsuite");
  set(node, "name", suite.tool + " on " + suite.subject);
  set(node, "timestamp", suite.timestamp);
  set_counts(node, suite);
  pugi::xml_node properties = node.append_child("properties");
  for (const auto& [name, value] : suite.properties) {
    pugi::xml_node property = properties.append_child("property");
    set(property, "name", name);
    set(property, "value", value);
  }
  for (const JUnitCase& one : suite.cases) add_case(node, one);
  std::ostringstream text;
  document.save(text, "  ", pugi::format_default, pugi::encoding_utf8);
  return std::move(text).str();
}

}  // namespace vmapcheck::tool
