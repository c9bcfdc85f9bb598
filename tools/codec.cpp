// SPDX-License-Identifier: Apache-2.0
//
// `encode` and `decode`: traces as text to the bytes of fuzzers, and back.
#include <initializer_list>
#include <span>
#include <string>

#include "fuzz/records.hpp"
#include "model/trace.hpp"
#include "tools/commands.hpp"
#include "tools/files.hpp"

namespace vmapcheck::tool {
namespace {

constexpr std::initializer_list<Exit> codec_statuses{Exit::ok, Exit::usage, Exit::io, Exit::interrupted};

struct Options {
  std::string file;
  std::string output = "-";
};

void add_files(CLI::App& command, Session& session, const std::string& input,
               Exit (*run)(const Common&, const Options&)) {
  const auto options = add_options<Options>(command, session, run);
  add_place(command, "FILE", options->file, input + "; - is standard input")->required();
  add_text(command, "-o,--output", options->output, "Where to (default: standard output)", "FILE");
}

Exit encode_file(const Common& /*common*/, const Options& options) {
  if (options.output == "-" && out_is_terminal())
    throw Stop{Exit::usage, "this would write bytes to the terminal: name a file with -o"};
  const std::vector<std::uint8_t> bytes = encode(read_trace(options.file));
  write_file(options.output, std::string(bytes.begin(), bytes.end()));
  return Exit::ok;
}

Exit decode_file(const Common& /*common*/, const Options& options) {
  const std::string text = read_file(options.file, trace_bytes_max);
  const std::vector<std::uint8_t> bytes(text.begin(), text.end());
  write_file(options.output, print(decode(bytes)));
  return Exit::ok;
}

}  // namespace

void add_encode(CLI::App& app, Session& session) {
  CLI::App& command = add_command(app, session, "encode", "A trace as the bytes that fuzzers work on", uses_none,
                                  "vmapcheck encode FILE.trace -o SEED", codec_statuses);
  add_files(command, session, "Trace", encode_file);
}

void add_decode(CLI::App& app, Session& session) {
  CLI::App& command = add_command(app, session, "decode", "The bytes of a fuzzer as a trace", uses_none,
                                  "vmapcheck decode crash-0123 -o FILE.trace\n"
                                  "vmapcheck decode crash-0123 | vmapcheck replay -",
                                  codec_statuses);
  add_files(command, session, "Bytes: any are a trace", decode_file);
}

}  // namespace vmapcheck::tool
