# SPDX-License-Identifier: Apache-2.0
#
# Turns the examples of header essays into a program. An example is what stands indented by four more spaces, after an
# empty line, in the comment that opens a header; those of one header together are the body of a function. Blocks
# in which no line ends in a semicolon are no C++ (traces, commands, tables, pictures).
#
#   awk -f header_examples.awk -v top=CHECKOUT HEADER...
FNR == 1 { essay = 1; name = FILENAME; sub("^" top "/", "", name); include = name; sub("^allocator/", "", include) }
!essay { next }
!/^\/\// { end_block(); essay = 0; next }
/^\/\/     [^ ]/ && (blank || block != "") || /^\/\/      / && block != "" {
  if (block == "") block = "#line " FNR " \"" FILENAME "\"\n"
  block = block substr($0, 8) "\n"
  if (/;[ ]*(\/\/.*)?$/) code = 1
  blank = 0
  next
}
/^\/\/$/ && block != "" { block = block "\n"; blank = 1; next }
{ end_block(); blank = /^\/\/$/ }

END {
  for (i = 1; i <= count; ++i) print "#include \"" includes[i] "\""
  print "#include \"model/trace.hpp\"\n#include <cstdio>"
  for (i = 1; i <= count; ++i) printf "namespace %s {\nvoid example_%d() {\n%s}\n}\n", space(i), i, bodies[i]
  print "#line 1 \"main\"\nint main() {"
  for (i = 1; i <= count; ++i) printf "  std::puts(\"%s\");\n  %s::example_%d();\n", includes[i], space(i), i
  print "}"
}

# A user of the allocator writes vmap::; the other headers speak to those who work inside vmapcheck.
function space(i) { return includes[i] ~ /^vmap\// ? "user" : "vmapcheck" }

function end_block() {
  if (block != "" && code) {
    if (includes[count] != include) includes[++count] = include
    bodies[count] = bodies[count] block
  }
  block = ""
  code = 0
}
