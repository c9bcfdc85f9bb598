#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# corpus_cli_test.sh VMAPCHECK [SOURCE_DIR]: `corpus import PATH`, `minimize`, `export` and `stats` from outside: what is
# taken from where, that nothing is lost, what is said of bad input. Prints each check that failed; the last line counts
# them.
# shellcheck source=properties/cli_checks.sh
. "$(dirname -- "$0")/cli_checks.sh"

main() {
  begin "$@"
  write_inputs
  usage
  import_from_everywhere
  import_of_bad_input
  import_of_archives
  import_of_a_log
  passes_by_what_is_no_file
  export_archive
  export_folders
  stats
  minimize_readable
  minimize_bytes
  minimize_with_failures
  minimize_of_bad_input
  minimize_killed
  full_disk
  finish
}

# ---- What is used often -------------------------------------------------------------------------------------------

traces_in() { find "$1" -name '*.trace' -type f | wc -l; }
snapshot() { (cd "$1" && find . -type f -exec sha256sum {} + | LC_ALL=C sort -k2 | sha256sum); }

write_inputs() {
  header=$'vmapcheck-trace 1\n'
  printf '%s# a first\nspace 0x0..0x10\nalloc a0 size=1\n' "$header" >one.trace
  printf '%sspace 0x0..0x10\nalloc a7 size=1\n' "$header" >same.trace  # another label, no comment: the same trace
  printf '%sspace 0x0..0x20\nalloc a0 size=2\nfree a0\n' "$header" >two.trace
  printf '%sspace 0x0..0x40\nalloc a0 size=3\nfind 0\npurge\n' "$header" >three.trace
  printf '%sspace 0x100000..0x140000 granule=0x1000\nalloc a0 size=0x1000\nalloc a1 size=0x1000 align=0x2000\nalloc a2 size=0x1000\n' \
    "$header" >fault.trace
  printf '%sspace 0x0..0x10\nfrobnicate\n' "$header" >bad.trace
  for name in one two three; do "$binary" encode "$name.trace" -o "$name.bytes" || exit 1; done
}

# ---- Import --------------------------------------------------------------------------------------------------------

usage() {
  refuses 2 'PATH, or --strace' corpus import
  refuses 2 'name a folder with -o' corpus import one.trace
  refuses 2 '--strace' corpus import one.trace --pid 3 -o x
  refuses 2 'excludes' corpus import one.trace --strace log -o x
  for name in import minimize export stats; do
    run 0 corpus "$name" --help
    says out '^Exit status:$'
  done
  verdict "nothing was made" no "$([ -e x ] && echo yes || echo no)"
}

import_from_everywhere() {
  mkdir -p afl/main/queue/.state afl/main/crashes afl/main/hangs campaign/corpus campaign/crashes libfuzzer/sub
  cp one.bytes 'afl/main/queue/id:000000,time:0,orig:one'
  cp two.bytes 'afl/main/crashes/id:000000,sig:06'
  cp three.bytes 'afl/main/hangs/id:000000,src:000000'
  cp one.bytes 'afl/main/queue/.state/id:000009'
  echo 'for people' >afl/main/crashes/README.txt
  echo 'start_time : 1' >afl/main/fuzzer_stats
  echo rubbish >afl/main/fuzz_bitmap
  run 0 corpus import afl -o from-afl
  verdict "traces" 3 "$(traces_in from-afl)"
  says out 'read +3 traces in 3 files: 1 AFL crash, 1 AFL hang, 1 AFL queue$'
  says out 'passed by +1 file '
  grep -rl 'From afl/main/crashes/id:000000,sig:06 (AFL crash)' from-afl >found
  verdict "the first comment says whence" 1 "$(wc -l <found)"
  for file in from-afl/*.trace; do run 0 replay "$file"; done
  # Readable in, the same bytes out.
  run 0 encode "$(cat found)" -o again.bytes
  cmp -s again.bytes two.bytes
  verdict "the bytes again" 0 "$?"
  run 0 corpus import afl/main/queue -o from-queue
  verdict "traces" 1 "$(traces_in from-queue)"

  cp one.bytes campaign/corpus/0123456789012345678901234567890123456789
  cp two.bytes campaign/crashes/crash-1
  touch campaign/lock campaign/worker-0.log
  run 0 corpus import campaign -o from-campaign
  verdict "traces" 1 "$(traces_in from-campaign)"
  says out '1 libFuzzer corpus$'

  cp one.bytes libfuzzer/crash-1
  cp two.bytes libfuzzer/sub/clusterfuzz-testcase-minimized-2
  cp three.trace libfuzzer/
  cp one.trace "libfuzzer/name with spaces
and a newline.trace"
  cp same.trace libfuzzer/same.trace
  cp one.bytes libfuzzer/.hidden
  echo text >libfuzzer/README
  : >libfuzzer/empty
  ln -s . libfuzzer/loop
  run 0 corpus import libfuzzer -o mixed
  verdict "traces" 3 "$(traces_in mixed)"
  says out '^read +5 traces in 6 files: 1 ClusterFuzz test case, 1 libFuzzer artifact, 3 trace$'
  says out '^duplicates 2, '
  says out '^left out +1, 1 of them empty$'
  verdict "its name is kept" yes "$([ -e mixed/three.trace ] && echo yes || echo no)"
  before="$(snapshot mixed)"
  run 0 corpus import libfuzzer -o mixed --json
  says out '"written":\[\],"duplicates":0,"already_there":5,'
  verdict "nothing changes" "$before" "$(snapshot mixed)"

  # A name that is taken by another stays what it is.
  mkdir taken
  printf '%s# other\nspace 0x0..0x80\n' "$header" >taken/three.trace
  cp taken/three.trace taken.before
  run 0 corpus import three.trace -o taken
  cmp -s taken/three.trace taken.before
  verdict "the other trace" 0 "$?"
  verdict "traces" 2 "$(traces_in taken)"
  run 0 corpus import one.trace -o comment
  says comment/one.trace '^# a first$'
  "$binary" corpus import - -o from-pipe <one.bytes >out 2>err
  verdict "exit status" 0 "$?"
}

import_of_bad_input() {
  mkdir empty folder
  refuses 2 'nothing to import in empty' corpus import empty -o x
  refuses 4 'cannot read missing: No such file' corpus import missing -o x
  verdict "nothing was made" no "$([ -e x ] && echo yes || echo no)"
  cp one.trace bad.trace folder/
  ln -s nowhere folder/dangling
  mkfifo folder/pipe
  run 4 corpus import folder -o good
  says err '^folder/bad.trace:3:1: expected'
  says err 'cannot read folder/dangling: No such file'
  verdict "lines on standard error" 2 "$(wc -l <err)"
  verdict "the others are imported" 1 "$(traces_in good)"
  run 2 corpus import bad.trace one.trace -o good --json
  says out '"left_out":\["bad.trace:3:1: expected'
  truncate -s 300M huge
  refuses_and_counts 2 '^huge:1:1: expected at most 256 MiB$' corpus import huge -o good
  refuses 4 'cannot make the directory /dev/null/x' corpus import one.trace -o /dev/null/x
  refuses 4 'cannot make the directory one.trace' corpus import two.trace -o one.trace
}

refuses_and_counts() {  # the same as refuses, but for the summary on standard output
  local status="$1" pattern="$2"
  shift 2
  run "$status" "$@"
  verdict "lines on standard error" 1 "$(wc -l <err)"
  says err "$pattern"
  says out '^left out +1$'
}

import_of_archives() {
  has_archives || return
  make_archives || return
  run 0 corpus import fuzz.zip -o from-zip
  verdict "traces" 2 "$(traces_in from-zip)"
  grep -rqs 'From fuzz.zip: crash-1 (libFuzzer artifact)' from-zip
  verdict "whence" 0 "$?"
  run 0 corpus import nested.zip -o from-nested
  verdict "traces of an archive in an archive" 3 "$(traces_in from-nested)"
  run 2 corpus import deep.zip -o from-deep
  says err '^deep.zip: inner.zip: in[^ ]*: an archive in an archive in an archive: expected at most one in another$'
  verdict "what is beside it" 1 "$(traces_in from-deep)"
  run 2 corpus import foreign.zip fuzz.tar.xz -o from-foreign
  says err 'foreign.zip: all.7z: an archive of a kind that is not read: expected zip, tar or tar.gz$'
  says err 'fuzz.tar.xz: an archive of a kind'
  verdict "no junk" 1 "$(traces_in from-foreign)"
  run 2 corpus import escape.zip -o from-escape
  says err "escape.zip: entry '../../escaped': leads out of the archive"
  verdict "the others" 1 "$(traces_in from-escape)"
  verdict "nothing is unpacked" no "$([ -e escaped ] || [ -e ../escaped ] || [ -e ../../escaped ] && echo yes || echo no)"
  run 2 corpus import bomb.zip -o from-bomb
  says err "bomb.zip: entry 'zeros': expected at most 256 MiB"
  verdict "the others" 1 "$(traces_in from-bomb)"
  run 2 corpus import broken.zip -o from-broken
  says err 'broken.zip: '
  run 2 corpus import rubbish.zip -o from-rubbish
  says err 'rubbish.zip: '
  run 2 corpus import crc.zip -o from-crc
  says err "crc.zip: entry 'crash-1'"
  verdict "no trace of wrong bytes" 0 "$(grep -rl 'crash-1' from-crc | wc -l)"
}

# What was read before an interrupt is kept.
import_of_a_log() {
  mkfifo log.fifo
  for i in {10000..29999}; do
    printf 'mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7f%s000\n' "$i"
  done >whole.strace
  ( cat whole.strace; : >written; exec sleep 20 ) >log.fifo &
  local writer=$!
  "$binary" corpus import --strace log.fifo -o begun.trace >out 2>err &
  local importing=$! lines
  for _ in {1..100}; do [ -e written ] && break; sleep 0.1; done
  kill -TERM "$importing"
  wait "$importing"
  verdict "status of an import that was interrupted" 5 $?
  kill "$writer" 2>/dev/null
  lines="$(sed -n 's/^vmapcheck: interrupted: the trace says what was done up to line \(.*\) of log.fifo$/\1/p' err)"
  verdict "almost all was read" yes "$([ "${lines:-0}" -gt 15000 ] && echo yes)"
  verdict "ops" "$lines" "$(grep -c '^alloc-at' begun.trace)"
  run 0 replay begun.trace
  : >empty.strace
  mkdir directory.strace
  refuses 2 '^empty.strace:1:1: expected the log of an strace' corpus import --strace empty.strace -o x
  refuses 4 'cannot read directory.strace: Is a directory' corpus import --strace directory.strace -o x
}

# Nothing is opened that may block, and a directory that links lead to is listed once.
passes_by_what_is_no_file() {
  mkdir -p round/sub round/queue
  cp one.trace round/sub/
  ln -s .. round/sub/up
  ln -s sub round/also
  ln -s one.trace round/sub/again.trace
  mkfifo round/pipe.trace round/sub/pipe round/queue/id:000000
  cp one.bytes round/queue/id:000001
  run_soon 0 corpus list round
  verdict "each once" 'sub/again.trace sub/one.trace' "$(awk '{print $1}' out | xargs)"
  run_soon 0 corpus stats round
  run_soon 0 corpus import round -o from-round
  verdict "traces" 1 "$(traces_in from-round)"
  run_soon 0 corpus export --format traces round -o out-round
  run_soon 0 corpus import round/queue -o from-queue
}

# Like run, but it must not wait for anybody.
run_soon() {
  local expected="$1"
  shift
  command=("$@")
  timeout 10 "$binary" "$@" >out 2>err </dev/null
  verdict "exit status" "$expected" "$?"
}

has_archives() { ! "$binary" corpus export --oss-fuzz -o /dev/null one.trace 2>&1 | grep -q 'without libarchive'; }

make_archives() {
  command -v python3 >/dev/null || return 1
  python3 - <<'PY'
import io, tarfile, zipfile
one, two, three = (open(n + '.bytes', 'rb').read() for n in ('one', 'two', 'three'))
def zipped(name, *entries):
    with zipfile.ZipFile(name, 'w', zipfile.ZIP_DEFLATED) as z:
        for entry, data in entries:
            z.writestr(entry, data)
zipped('fuzz.zip', ('crash-1', one), ('sub/', b''), ('sub/id_000001,src_1', two), ('README.txt', b'for people'))
tar = io.BytesIO()
with tarfile.open(fileobj=tar, mode='w:gz') as t:
    for name, data in (('corpus/a', one), ('corpus/b', two)):
        info = tarfile.TarInfo(name)
        info.size = len(data)
        t.addfile(info, io.BytesIO(data))
zipped('nested.zip', ('cifuzz-corpus.tar.gz', tar.getvalue()), ('c', three))
def bytes_of(name):
    return open(name, 'rb').read()
nameless = io.BytesIO()
with tarfile.open(fileobj=nameless, mode='w', format=tarfile.USTAR_FORMAT) as t:
    info = tarfile.TarInfo('a'); info.size = len(one); t.addfile(info, io.BytesIO(one))
zipped('innermost.zip', ('a', one))
zipped('inner.zip', ('innermost.zip', bytes_of('innermost.zip')), ('in', nameless.getvalue()))
zipped('deep.zip', ('inner.zip', bytes_of('inner.zip')), ('b', two))
zipped('foreign.zip', ('all.7z', b'7z rubbish'), ('c', three))
open('fuzz.tar.xz', 'wb').write(b'xz rubbish')
zipped('escape.zip', ('../../escaped', one), ('fine', two))
zipped('bomb.zip', ('zeros', b'\0' * (270 << 20)), ('fine', two))
whole = open('fuzz.zip', 'rb').read()
open('broken.zip', 'wb').write(whole[:45])
open('rubbish.zip', 'wb').write(b'this is no archive at all, but it says so' * 9)
with zipfile.ZipFile('crc.zip', 'w', zipfile.ZIP_STORED) as z:
    z.writestr('crash-1', one)
    z.writestr('fine', two)
raw = bytearray(open('crc.zip', 'rb').read())
raw[raw.index(one) + 16] ^= 1
open('crc.zip', 'wb').write(raw)
PY
}

# ---- Export --------------------------------------------------------------------------------------------------------

export_archive() {
  if ! has_archives; then
    refuses 3 'built without libarchive' corpus export --oss-fuzz mixed
    return
  fi
  mkdir -p seeds/group
  cp two.trace seeds/group/b.trace
  cp one.trace seeds/a.trace
  cp one.bytes seeds/z
  run 0 corpus export --oss-fuzz seeds
  says out '^allocator_fuzz_seed_corpus.zip: 2 traces, [0-9]+ bytes; 1 left out'
  mkdir -p other/group
  touch -d 2001-02-03 seeds/a.trace
  cp one.bytes other/z
  cp two.trace other/group/b.trace
  cp one.trace other/a.trace
  chmod 600 other/a.trace
  TZ=Asia/Kolkata LC_ALL=C run 0 corpus export --format oss-fuzz other -o again.zip
  cmp allocator_fuzz_seed_corpus.zip again.zip
  verdict "the same bytes" 0 "$?"
  command -v python3 >/dev/null && python3 -c '
import zipfile
z = zipfile.ZipFile("again.zip")
assert z.testzip() is None
assert z.namelist() == ["a", "group-b"], z.namelist()
assert z.read("a") == open("one.bytes", "rb").read()
assert all(i.date_time == (1980, 1, 1, 0, 0, 0) for i in z.infolist()), z.infolist()
'
  verdict "what is in it" 0 "$?"
  run 0 corpus import again.zip -o round
  verdict "traces that come back" 2 "$(traces_in round)"
  refuses 2 'no traces in empty' corpus export --oss-fuzz empty
  refuses 4 'cannot read missing' corpus export --oss-fuzz missing
  run 4 corpus export --oss-fuzz seeds -o /dev/full
  says err 'cannot write /dev/full: No space'
  refuses 4 'cannot write /dev/null/x' corpus export --oss-fuzz seeds -o /dev/null/x
}

export_folders() {
  mkdir -p few/group
  cp one.trace few/a.trace
  cp two.bytes few/group/b
  run 0 corpus export --format libfuzzer few -o inputs
  cmp -s inputs/a one.bytes && cmp -s inputs/group-b two.bytes
  verdict "the inputs" 0 "$?"
  run 0 corpus export --format traces few -o readable --json
  says out '^\{"output":"readable","format":"traces","traces":2,'
  says readable/a.trace '^# a first$'
  says readable/group-b.trace '^# From group/b '
  run 0 replay readable/group-b.trace
  run 0 corpus export --format libfuzzer few -o inputs
  echo other >inputs/a
  refuses 2 'inputs/a is there already, and is another' corpus export --format libfuzzer few -o inputs
  verdict "it is not overwritten" other "$(cat inputs/a)"
  refuses 2 'needs a folder' corpus export --format traces few
  refuses 2 'corpus export needs --oss-fuzz' corpus export few
}

# ---- Stats ---------------------------------------------------------------------------------------------------------

stats() {
  mkdir counted
  cp one.trace two.trace three.trace same.trace counted
  run 0 corpus stats counted
  says out '^traces +4 in counted: 4 readable, 0 bytes of fuzzers; 1 duplicate$'
  says out '^ops +7: mean 1.8, median 1, most 3$'
  says out '^alloc +4 '
  says out '^  free-lazily$'
  says out '1 trace: t(wo|hree).trace$'
  run 0 corpus stats counted --json --rarest 0
  says out '"ops":\{"sum":7,"median":1,"most":3,"histogram":\[0,2,2\],"by_kind":\{"alloc":4,'
  cp fault.trace counted
  run 0 corpus stats counted
  run 10 corpus stats counted --subject seed_2019
  says out '^fails +fault.trace: answer at step 2: alloc a2'
  cp bad.trace counted
  run 2 corpus stats counted
  says err '^counted/bad.trace:3:1: expected'
  refuses 4 'cannot read missing' corpus stats missing
  refuses 2 'no traces in empty' corpus stats empty
  refuses 2 'one.trace is a file' corpus stats one.trace
  refuses 3 'no subject nobody|nobody' corpus stats counted --subject nobody
}

# ---- Minimize ------------------------------------------------------------------------------------------------------

minimize_readable() {
  cp -r "$source_dir/corpus" big
  echo 'notes' >big/README.md
  echo hidden >big/.keep
  ln -s fits big/link
  for file in big/fits/*.trace; do cp "$file" "big/fits/twin-$(basename "$file")"; done
  before="$(traces_in big)"
  cp -r big big.copy
  run 0 corpus minimize big -o smaller
  verdict "the original stays" "$(snapshot big.copy)" "$(snapshot big)"
  run 0 corpus minimize big
  says out '^features +([0-9]+) of \1 on vmap: the new corpus was run, and none is missing$'
  after="$(traces_in big)"
  [ "$after" -lt "$before" ]
  verdict "fewer traces ($after of $before)" 0 "$?"
  verdict "the same with -o" "$(cd smaller && find . -name '*.trace' | sort)" "$(cd big && find . -name '*.trace' | sort)"
  verdict "notes are kept" notes "$(cat big/README.md)"
  verdict "hidden files are kept" hidden "$(cat big/.keep)"
  verdict "links are kept" fits "$(readlink big/link)"
  for file in $(cd big && find . -name '*.trace' -type f); do
    cmp -s "big/$file" "big.copy/$file" || verdict "a trace that was kept" "as it was" "$file"
  done
  "$binary" corpus stats big.copy --json >all.json
  "$binary" corpus stats big --json >few.json
  verdict "features" "$(grep -o '"features":{[^}]*}' all.json)" "$(grep -o '"features":{[^}]*}' few.json)"
  before="$(snapshot big)"
  run 0 corpus minimize big --keep-old --json
  verdict "minimizing again changes nothing" "$before" "$(snapshot big)"
  verdict "the old one" "$before" "$(snapshot big.before)"
  refuses 2 'big.before is there already' corpus minimize big --keep-old
  verdict "nothing is left over" 0 "$(find . -maxdepth 1 -name '.*minimized*' | wc -l)"
}

minimize_bytes() {
  run 0 corpus export --format libfuzzer big.copy -o bytes
  cp -r bytes bytes.copy
  run 0 corpus minimize bytes
  count="$(find bytes -type f | wc -l)"
  [ "$count" -gt 0 ] && [ "$count" -lt "$(find bytes.copy -type f | wc -l)" ]
  verdict "fewer inputs" 0 "$?"
  for file in bytes/*; do cmp -s "$file" "bytes.copy/$(basename "$file")" || verdict "an input" "as it was" "$file"; done
  ln -s bytes to-bytes
  run 0 corpus minimize to-bytes
  verdict "a link stays a link" bytes "$(readlink to-bytes)"
  mkdir -p run/corpus && cp bytes.copy/* run/corpus && touch run/lock
  run 0 corpus minimize run
  verdict "the corpus of a campaign" "$count" "$(find run/corpus -type f | wc -l)"
}

minimize_with_failures() {
  mkdir -p some/sub
  cp one.trace two.trace some
  cp fault.trace some/sub
  run 10 corpus minimize some --subject seed_2019
  says out '^fails +sub/fault.trace: answer at step 2: alloc a2'
  cmp -s some.failing/sub/fault.trace fault.trace
  verdict "it is kept aside" 0 "$?"
  verdict "and no longer in the corpus" no "$([ -e some/sub/fault.trace ] && echo yes || echo no)"
  cp bad.trace some
  run 2 corpus minimize some
  says err 'some/bad.trace:3:1: expected'
  cmp -s some/bad.trace bad.trace
  verdict "what is no trace stays" 0 "$?"
  mkdir deadly
  printf '%sspace 0x0..0x10\nalloc a0 size=1\nfree a0\n' "$header" >deadly/dies.trace
  printf '%sspace 0x0..0x10\nfind 0\n' "$header" >deadly/lives.trace
  run 10 corpus minimize deadly --subject fault_division --json
  says out '"kept":\["lives.trace"\],"failing":\[\{"name":"dies.trace","signature":"'
}

minimize_of_bad_input() {
  refuses 4 'cannot read missing' corpus minimize missing
  refuses 2 'no traces in .*empty' corpus minimize empty
  refuses 2 'one.trace is a file' corpus minimize one.trace
  refuses 2 'belongs to AFL' corpus minimize afl/main
  refuses 2 'mixed is there already' corpus minimize seeds -o mixed
  refuses 2 'you are in it' corpus minimize .
  before="$(snapshot folder)"
  refuses 4 'cannot read .*folder/dangling' corpus minimize folder
  rm folder/dangling
  run 4 corpus minimize folder
  says err 'folder/pipe is neither a file nor a folder'
  verdict "nothing changes" "$before" "$(snapshot folder)"
  refuses 3 'nobody' corpus minimize counted --subject nobody
  verdict "nothing is left over" 0 "$(find . -maxdepth 1 -name '.*minimized*' | wc -l)"
}

# Whenever it is killed or interrupted: the old corpus whole, or the new one.
minimize_killed() {
  old="$(snapshot big.copy)"
  cp -r big.copy victim
  "$binary" corpus minimize victim >/dev/null 2>&1
  new="$(snapshot victim)"
  command=(corpus minimize victim, killed)
  local signal delay whole=0 tries=0
  for delay in 0.01 0.03 0.05 0.08 0.1 0.12 0.15 0.2 0.25 0.3 0.4 0.6; do
    for signal in KILL INT; do
      rm -rf victim .victim.minimized.*
      cp -r big.copy victim
      timeout -s "$signal" "$delay" "$binary" corpus minimize victim >/dev/null 2>&1
      now="$(snapshot victim)"
      tries=$((tries + 1))
      if [ "$now" = "$old" ] || [ "$now" = "$new" ]; then whole=$((whole + 1)); fi
      if [ "$signal" = INT ]; then
        verdict "nothing is left over" 0 "$(find . -maxdepth 1 -name '.victim*' | wc -l)"
      fi
    done
  done
  verdict "times that the corpus is whole" "$tries" "$whole"
  rm -rf victim .victim.minimized.*
  cp -r big.copy victim
  for n in $(seq 400); do cp victim/real/java.trace "victim/real/java-$n.trace"; done
  old="$(snapshot victim)"
  command=(corpus minimize victim, interrupted)
  "$binary" corpus minimize victim >out 2>err &
  local pid=$!
  sleep 0.3
  kill -TERM "$pid"  # SIGINT is ignored by what a script runs in the background
  wait "$pid"
  verdict "exit status" 5 "$?"
  says err 'interrupted'
  verdict "the corpus" "$old" "$(snapshot victim)"
  verdict "nothing is left over" 0 "$(find . -maxdepth 1 -name '.victim*' | wc -l)"
}

# A file system of 256 KiB, where one can be had.
full_disk() {
  mkdir tiny
  unshare -rm true 2>/dev/null || return
  command=(corpus on a full disk)
  unshare -rm bash -c '
    mount -t tmpfs -o size=256k none tiny || exit 0
    "$0" corpus import big.copy -o tiny/imported >import.out 2>import.err; echo $? >import.status
    find tiny -name "*.tmp" | wc -l >import.left
    rm -rf tiny/imported
    mkdir tiny/c && cp big.copy/fits/*.trace big.copy/real/python3.trace tiny/c
    head -c 1M /dev/zero >tiny/fill 2>/dev/null
    (cd tiny/c && find . -type f -exec sha256sum {} + | sort) >before
    "$0" corpus minimize tiny/c >minimize.out 2>minimize.err; echo $? >minimize.status
    (cd tiny/c && find . -type f -exec sha256sum {} + | sort) >after
    find tiny -maxdepth 1 -name ".*" ! -name . | wc -l >minimize.left' "$binary"
  [ -e import.status ] || return
  verdict "exit status of import" 4 "$(cat import.status)"
  says import.err '^vmapcheck: cannot write tiny/imported/.*: No space left on device$'
  verdict "lines" 1 "$(wc -l <import.err)"
  verdict "left over" 0 "$(cat import.left)"
  verdict "exit status of minimize" 4 "$(cat minimize.status)"
  says minimize.err 'No space left on device$'
  verdict "the corpus" "$(cat before)" "$(cat after)"
  verdict "left over" 0 "$(cat minimize.left)"
}

main "$@"
