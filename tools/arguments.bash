# SPDX-License-Identifier: Apache-2.0
#
# The arguments of ./vmapcheck, checked before anything is built: by tools/arguments.table, which the program prints
# (`vmapcheck table`), and in the order in which the program looks at them. properties/cli/arguments.py holds the answers of
# both against each other.
#
# Lines of the table, with tabs between the fields, - for nothing:
#   version  VERSION
#   subjects NAME...
#   metrics  NAME...     with a % behind it: a percentage can be demanded
#   command  PATH  shown|hidden  COMMANDS-NEEDED
#   option   PATH  NAMES  flag|value|one|many  shown|hidden|required  NEEDS  EXCLUDES  KIND  EXPECTED
#   listing  LINE        of `subjects`
#   help     PATH  LINE
# `one` and `many` have no dash: FILE, FILE... KIND is a word, for some its bounds, and names that are taken.

# check_arguments ARGUMENT...: ends the launcher where the program would only say its help, its version, or what is wrong.
# Else it sets `command` to the last command ("corpus import"), `given` to the last value of each option by its last name
# (--jobs), `script_options` to the options as a script takes them, `script_words` to the other words.
check_arguments() {
  local LC_ALL=C path=vmapcheck deepest=vmapcheck levels=() places_only=false word
  local names=() takes=() shown=() needs=() excludes=() kinds=() expected=() counts=() level_of=()
  local value_of=() values=()
  local -A unknown=()
  mapfile -t table <"$source_dir/tools/arguments.table"
  enter vmapcheck
  while (($# > 0)); do
    word="$1"
    shift
    if ! $places_only; then
      case "$word" in
        --)
          if [[ $path == vmapcheck ]] || has_place; then places_only=true; else path="${path% *}"; fi
          continue ;;
        --[!-\!\ ]*) if read_long "$@"; then shift "$taken"; fi; continue ;;
        -[!-\!\ 0-9]*) if read_short "$@"; then shift "$taken"; fi; continue ;;
      esac
    fi
    if [[ $path == "$deepest" ]] && is_command "$path $word"; then
      if $places_only; then break; fi  # a command behind -- is none
      enter "$path $word"
    else
      read_place
    fi
  done
  refuse_unknown
  if is_given --version; then answer "vmapcheck ${table[1]#*$'\t'}"; exit 0; fi
  check_values
  if is_given --help; then print_help "$deepest"; exit 0; fi
  check_requirements
  command="${deepest#vmapcheck}"
  command="${command# }"
  if [[ -z $command ]]; then print_help vmapcheck >&2; exit 2; fi
  if [[ $command == help ]]; then answer_help; fi
  sum_up
}

# ---- Reading

# Goes down to a command, and appends its options to those that are known.
enter() {
  local line fields
  path="$1" deepest="$1"
  levels+=("$path")
  for line in "${table[@]}"; do
    if [[ $line == help* ]]; then break; fi
    if [[ $line != "option"$'\t'"$path"$'\t'* ]]; then continue; fi
    IFS=$'\t' read -ra fields <<<"$line"
    level_of+=("$path") names+=("${fields[2]}") takes+=("${fields[3]}") shown+=("${fields[4]}")
    needs+=("${fields[5]}") excludes+=("${fields[6]}") kinds+=("${fields[7]}") expected+=("${fields[8]}") counts+=(0)
  done
}

is_command() {
  local line
  for line in "${table[@]}"; do
    if [[ $line == help* ]]; then return 1; fi
    if [[ $line == "command"$'\t'"$1"$'\t'* ]]; then return 0; fi
  done
  return 1
}

# Sets `found` to the option of this level with that name.
find_option() {
  for ((found = 0; found < ${#names[@]}; ++found)); do
    if [[ ${level_of[found]} == "$path" && ",${names[found]}," == *",$1,"* ]]; then return 0; fi
  done
  return 1
}

# What follows is given as arguments: sets `taken` to how many of them belong to the option in `word`.
read_long() {
  local name="${word%%=*}" value=""
  taken=0
  if [[ $word == *=* ]]; then value="${word#*=}"; fi
  if ! find_option "$name"; then note_unknown; return 0; fi
  if [[ ${takes[found]} == flag ]]; then
    if [[ -n $value && $value != true ]]; then refuse_at_once "$name takes no value"; fi
    add_value true
  elif [[ -n $value ]]; then
    add_value "$value"
  else
    read_next "$@"
  fi
}

read_short() {
  taken=0
  while true; do
    if ! find_option "${word:0:2}"; then note_unknown; return 0; fi
    if [[ ${takes[found]} != flag ]]; then break; fi
    add_value true
    if ((${#word} == 2)); then return 0; fi
    word="-${word:2}"  # -hj4
    if [[ $word == -[-\!\ 0-9]* ]]; then read_place; return 0; fi
  done
  if ((${#word} > 2)); then add_value "${word:2}"; else read_next "$@"; fi
}

read_next() {
  if (($# == 0)); then refuse_at_once "${names[found]##*,} needs a value"; fi
  add_value "$1"
  taken=1
}

add_value() {
  value_of+=("$found") values+=("$1")
  counts[found]=$((counts[found] + 1))
}

has_place() {
  local i
  for ((i = 0; i < ${#names[@]}; ++i)); do
    if [[ ${level_of[i]} == "$path" && ${takes[i]} == @(one|many) ]] && ((counts[i] == 0)); then return 0; fi
  done
  return 1
}

read_place() {
  for ((found = 0; found < ${#names[@]}; ++found)); do
    if [[ ${level_of[found]} != "$path" ]]; then continue; fi
    if [[ ${takes[found]} == many || (${takes[found]} == one && ${counts[found]} == 0) ]]; then
      add_value "$word"
      return
    fi
  done
  note_unknown
}

note_unknown() { if [[ -z ${unknown[$path]+x} ]]; then unknown[$path]="$word"; fi; }

# ---- Checking

refuse_unknown() {
  local level
  for level in "${levels[@]}"; do
    if [[ -n ${unknown[$level]+x} ]]; then refuse_word "$level" "${unknown[$level]}"; fi
  done
}

# refuse_word PATH WORD: the command has no such word.
refuse_word() {
  local what="unknown command" near=() i
  if [[ $2 == -* ]]; then
    for ((i = 0; i < ${#names[@]}; ++i)); do
      if [[ ${level_of[i]} == "$1" && ${shown[i]} != hidden && ${names[i]##*,} == --* ]]; then near+=("${names[i]##*,}"); fi
    done
    guess "${2%%=*}" "${near[@]}"
    refuse "$1" "unknown option '$(visible "$2" 100)'$guessed"
  fi
  commands_below "$1"
  guess "$2" "${below[@]}"
  if ((${#below[@]} == 0)); then what="unexpected argument"; fi
  refuse "$1" "$what '$(visible "$2" 100)'$guessed"
}

# Sets `below` to the commands of a command.
commands_below() {
  local line
  below=()
  for line in "${table[@]}"; do
    if [[ $line =~ ^"command"$'\t'"$1 "([^\ ]+)$'\t'"shown" ]]; then below+=("${BASH_REMATCH[1]}"); fi
  done
}

check_values() {
  local i j first word words
  for ((i = 0; i < ${#names[@]}; ++i)); do
    first=true
    for ((j = 0; j < ${#values[@]}; ++j)); do
      if ((value_of[j] != i)); then continue; fi
      read -ra words <<<"${kinds[i]}"
      if [[ ${words[0]} == flags ]]; then
        if [[ ${values[j]} != -* && ($first == true || ${words[1]-} != first) ]]; then
          refuse_word "$deepest" "${values[j]}"
        fi
      elif [[ ${words[0]} == @(list|mask) && ${values[j]} == *,* ]]; then
        IFS=, read -ra words <<<"${values[j]}"
        for word in "${words[@]}"; do
          if [[ -n $word ]]; then check_value "$i" "$word"; fi
        done
      else
        check_value "$i" "${values[j]}"
      fi
      first=false
    done
  done
}

check_value() {
  local value="$2" kind rest=()
  read -r kind rest <<<"${kinds[$1]}"
  read -ra rest <<<"$rest"
  case "$kind" in
    any) return ;;
    count) if is_count "$value" "${rest[@]:0:2}"; then return; fi; rest=("${rest[@]:2}") ;;
    duration) if is_duration "$value"; then return; fi ;;
    mask) if is_count "$value" 1 "${rest[0]}"; then return; fi; rest=("${rest[@]:1}") ;;
    size) if is_size "$value" "${rest[0]}"; then return; fi; rest=() ;;
    percent) if is_percentage "$value"; then return; fi ;;
    shares) if is_shares "$value" "${rest[@]}"; then return; fi; guessed=; refuse_value "$1" "$value" ;;
    subject)
      if [[ ($value == */* || $value == *.so) && -e $value ]]; then return; fi
      # One that was added to the sources since: the program knows.
      if grep -qsF -- "\"$value\"" "$source_dir"/subjects/*.cpp; then return; fi
      IFS=$'\t' read -ra rest <<<"${table[2]#*$'\t'}" ;;
    demand) check_demand "$value"; return ;;
    choice | list) ;;
    *) return ;;
  esac
  local name
  for name in "${rest[@]}"; do
    if [[ $value == "$name" ]]; then return; fi
  done
  guess "$value" "${rest[@]}"
  refuse_value "$1" "$value"
}

# As parse_demand() in harness/random/demands.cpp.
check_demand() {
  local written="${1// /}" name number metrics known why
  if [[ $written == help ]]; then return; fi
  IFS=$'\t' read -ra metrics <<<"${table[3]#*$'\t'}"
  known=("${metrics[@]%\%}")
  [[ $written =~ ^([^\<\>=]*)(\>=|\<=|==|\>|\<)?(.*)$ ]] || true
  name="${BASH_REMATCH[1]}" number="${BASH_REMATCH[3]}"
  if [[ -z $name || -z ${BASH_REMATCH[2]} ]]; then
    why="expected NAME>=NUMBER (or >, <=, <, ==), found '$written'"
  elif [[ " ${known[*]} " != *" $name "* ]]; then
    guess "$name" "${known[@]}"
    why="there is no '$name'$guessed (--require help lists all names)"
  elif ! [[ $number =~ ^[0-9]+(\.[0-9]*)?[kKmM%]?$ ]]; then
    why="expected a number such as 300, 2.5, 10k, 1m or 1%, found '$number'"
  elif [[ $number == *% && " ${metrics[*]} " != *" $name% "* ]]; then
    why="there is no percentage of $name: it is not a part of anything"
  elif [[ $number == *% ]] && ! is_percentage "${number%\%}"; then
    why="'$number' is more than all"
  else
    return 0
  fi
  refuse "$deepest" "--require: $(visible "$why" 400)"
}

refuse_value() {
  refuse "$deepest" "${names[$1]##*,}: expected ${expected[$1]}, found '$(visible "$2" 60)'$guessed"
}

check_requirements() {
  local level line i other
  for level in "${levels[@]}"; do
    for ((i = 0; i < ${#names[@]}; ++i)); do
      if [[ ${level_of[i]} != "$level" ]]; then continue; fi
      if [[ ${shown[i]} == required ]] && ((counts[i] == 0)); then refuse "$deepest" "${names[i]##*,} is required"; fi
      if ((counts[i] == 0)); then continue; fi
      for other in ${needs[i]//,/ }; do
        if [[ $other != - ]] && ! is_given "$other"; then refuse "$deepest" "${names[i]##*,} requires $other"; fi
      done
      for other in ${excludes[i]//,/ }; do
        if [[ $other != - ]] && is_given "$other"; then refuse "$deepest" "${names[i]##*,} excludes $other"; fi
      done
    done
    if [[ $level == "$deepest" ]]; then
      for ((i = 0; i < ${#names[@]}; ++i)); do
        other="${kinds[i]#or }"
        if [[ ${kinds[i]} == or* ]] && ((counts[i] == 0)) && ! is_given "$other"; then
          refuse "$level" "${names[i]}, or $other, is required"
        fi
      done
      for line in "${table[@]}"; do
        if [[ $line == "command"$'\t'"$level"$'\t'*$'\t'1 ]]; then
          commands_below "$level"
          refuse "$level" "${level##* } needs a command: $(one_of "${below[@]}")"
        fi
      done
    fi
  done
}

# Whether the option of that name is given, to any of the commands.
is_given() {
  local i
  for ((i = 0; i < ${#names[@]}; ++i)); do
    if [[ ",${names[i]}," == *",$1,"* ]] && ((counts[i] > 0)); then return 0; fi
  done
  return 1
}

# ---- Values

# A number from LEAST to MOST, of 64 bits without a sign: bash has such numbers as text only.
is_count() {
  if ! number_of "$1"; then return 1; fi
  not_below "$number" "$2" && not_below "$3" "$number"
}

# Sets `number` to it in decimal, without zeros before it.
number_of() {
  if [[ $1 =~ ^0x0*([0-9a-fA-F]{1,16})$ ]]; then
    printf -v number '%u' "0x${BASH_REMATCH[1]}"
  elif [[ $1 =~ ^0*([0-9]{1,20})$ ]]; then
    number="${BASH_REMATCH[1]}"
    not_below 18446744073709551615 "$number"
  else
    return 1
  fi
}

not_below() { ((${#1} > ${#2})) || { ((${#1} == ${#2})) && [[ ! $1 < $2 ]]; }; }

# From a millisecond to a year of 366 days, in millionths of the unit.
is_duration() {
  if ! [[ $1 =~ ^([0-9]*)(\.([0-9]*))?(ms|s|m|h)?$ && -n ${BASH_REMATCH[1]}${BASH_REMATCH[3]} ]]; then return 1; fi
  local whole="${BASH_REMATCH[1]}" part="${BASH_REMATCH[3]}000000" milliseconds=1000 least
  case "${BASH_REMATCH[4]}" in ms) milliseconds=1 ;; m) milliseconds=60000 ;; h) milliseconds=3600000 ;; esac
  whole="${whole#"${whole%%[!0]*}"}"
  if ((${#whole} > 11)); then return 1; fi
  least=$((10#${whole:-0} * 1000000 + 10#${part:0:6}))
  ((least * milliseconds >= 1000000 || least >= 1000000)) && ((least <= 31622400000 * 1000000 / milliseconds))
}

is_size() {
  local unit=1 text="$1"
  case "$text" in
    *[kK]) unit=1024 ;; *[mM]) unit=$((1 << 20)) ;; *[gG]) unit=$((1 << 30)) ;; *[tT]) unit=$((1 << 40)) ;;
  esac
  if ((unit > 1)); then text="${text%?}"; fi
  if ! number_of "$text"; then return 1; fi
  not_below $(((1 << 60) / unit)) "$number" && ((number * unit >= $2))
}

is_percentage() {
  if ! [[ $1 =~ ^([0-9]*)(\.([0-9]*))?$ && -n ${BASH_REMATCH[1]}${BASH_REMATCH[3]} ]]; then return 1; fi
  local whole="${BASH_REMATCH[1]}" part="${BASH_REMATCH[3]}"
  whole="${whole#"${whole%%[!0]*}"}"
  not_below 99 "${whole:-0}" || [[ $whole == 100 && -z ${part//0/} ]]
}

is_shares() {
  local part text="$1,"
  shift
  while [[ -n $text ]]; do
    part="${text%%,*}" text="${text#*,}"
    if ! [[ $part =~ ^([a-z]+)=[0-9]{1,3}$ && " $* " == *" ${BASH_REMATCH[1]} "* ]]; then return 1; fi
  done
}

# ---- Words

# guess WORD NAME...: sets `guessed` to ": did you mean NAME?" where one is spelled alike, or contains the word. The rule is
# that of model/near.cpp.
guess() {
  local word="$1" name most best="" least=1000
  shift
  most=$((${#word} / 4))
  if ((${#word} < 4)); then most=1; elif ((most < 2)); then most=2; fi
  for name in "$@"; do
    apart=$((${#name} > ${#word} ? ${#name} - ${#word} : ${#word} - ${#name}))
    if ((apart <= most)) || [[ ${#word} -ge 3 && $name == *"$word"* ]]; then
      distance "$word" "$name"
      if ! ((apart <= most)) && ! [[ ${#word} -ge 3 && $name == *"$word"* ]]; then continue; fi
      if ((apart < least)) || { ((apart == least)) && [[ $name < $best ]]; }; then best="$name" least="$apart"; fi
    fi
  done
  guessed="${best:+: did you mean $best?}"
}

# Sets `apart` to how many characters have to be inserted, deleted and replaced.
distance() {
  local i j row=() diagonal replaced
  for ((j = 0; j <= ${#2}; ++j)); do row[j]=$j; done
  for ((i = 0; i < ${#1}; ++i)); do
    diagonal=${row[0]}
    row[0]=$((i + 1))
    for ((j = 0; j < ${#2}; ++j)); do
      replaced=$diagonal
      if [[ ${1:i:1} != "${2:j:1}" ]]; then replaced=$((diagonal + 1)); fi
      diagonal=${row[j + 1]}
      row[j + 1]=$((diagonal < row[j] ? diagonal + 1 : row[j] + 1))
      if ((replaced < row[j + 1])); then row[j + 1]=$replaced; fi
    done
  done
  apart=${row[${#2}]}
}

one_of() {
  local text="$1"
  while shift && (($# > 1)); do text+=", $1"; done
  if (($# == 1)); then text+=" or $1"; fi
  printf '%s' "$text"
}

# visible TEXT BYTES: with control characters as \x1b, and cut off behind so many bytes.
visible() {
  local text="" i
  for ((i = 0; i < ${#1}; ++i)); do
    if ((${#text} >= $2)); then text+=...; break; fi
    case "${1:i:1}" in
      [[:cntrl:]]) printf -v text '%s\\x%02x' "$text" "'${1:i:1}" ;;
      *) text+="${1:i:1}" ;;
    esac
  done
  printf '%s' "$text"
}

refuse() {
  say "$2 (see $1 --help)"
  exit 2
}

# Of a word that was unknown before, that is said.
refuse_at_once() {
  refuse_unknown
  refuse "$deepest" "$1"
}

# ---- Answers

print_help() { print_lines "help"$'\t'"$1"; }

# What stands in the lines that begin so, behind a tab.
print_lines() {
  local line
  for line in "${table[@]}"; do
    if [[ $line == "$1"$'\t'* ]]; then answer "${line#"$1"$'\t'}"; fi
  done
}

answer() {
  printf '%s\n' "$1" 2>/dev/null || { say "cannot write to standard output"; exit 4; }
}

answer_help() {
  local at=vmapcheck i
  for ((i = 0; i < ${#values[@]}; ++i)); do
    if [[ ${names[value_of[i]]} != COMMAND ]]; then continue; fi
    if ! is_command "$at ${values[i]}"; then
      levels=() path="$at"
      enter "$at"
      refuse_word "$at" "${values[i]}"
    fi
    at+=" ${values[i]}"
  done
  print_help "$at"
  exit 0
}

# What is left of it for those who run it.
sum_up() {
  local i name
  for ((i = 0; i < ${#values[@]}; ++i)); do
    found=${value_of[i]} path="vmapcheck $command"
    name="${names[found]##*,}"
    # What all commands have is said before the command, too; not each script takes it.
    if [[ ${level_of[found]} != "$path" ]] && ! find_option "$name"; then continue; fi
    found=${value_of[i]}
    case "${takes[found]}" in
      flag) script_options+=("$name"); given[$name]=true ;;
      value)
        given[$name]="${values[i]}"
        if [[ $name == --* ]]; then name+="="; fi
        script_options+=("$name${values[i]}") ;;
      *) script_words+=("${values[i]}") ;;
    esac
  done
}
