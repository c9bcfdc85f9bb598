#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# oss-fuzz/project.sh DIR [REPOSITORY [CONTACT]]
#
# Writes what OSS-Fuzz wants of a project into DIR, which is projects/vmapcheck in a checkout of OSS-Fuzz: project.yaml and
# Dockerfile. REPOSITORY is where this one is cloned from, and CONTACT an address that reads reports. Unless they are
# given, they are what git says: the remote `origin`, and who commits here.
set -euo pipefail

source_dir="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)"

usage() {
  printf 'project.sh: %s\nUsage: oss-fuzz/project.sh DIR [REPOSITORY [CONTACT]]\n' "$1" >&2
  exit 2
}

(($# >= 1 && $# <= 3)) || usage "$# arguments"
directory="$1"
repository="${2:-$(git -C "$source_dir" remote get-url origin 2>/dev/null)}" || usage "there is no remote 'origin': which REPOSITORY?"
contact="${3:-$(git -C "$source_dir" config user.email)}" || usage "git knows no address: which CONTACT?"
[[ $repository == https://* ]] || usage "OSS-Fuzz clones without a key: REPOSITORY begins with https://, unlike '$repository'"

mkdir -p "$directory"
cat >"$directory/project.yaml" <<EOF
homepage: "$repository"
main_repo: "$repository"
primary_contact: "$contact"
language: c++
fuzzing_engines:
  - libfuzzer
  - afl
sanitizers:
  - address
  - undefined
architectures:
  - x86_64
EOF
# The base has clang with libc++, CMake and Python; nothing else is needed.
cat >"$directory/Dockerfile" <<EOF
FROM gcr.io/oss-fuzz-base/base-builder
RUN git clone --depth 1 $repository \$SRC/vmapcheck
WORKDIR \$SRC/vmapcheck
RUN cp .clusterfuzzlite/build.sh \$SRC/build.sh
EOF
