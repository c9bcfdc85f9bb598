#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# ClusterFuzzLite and OSS-Fuzz run a copy of this, with the variables that oss-fuzz/build.sh names.
exec "$SRC/vmapcheck/oss-fuzz/build.sh"
