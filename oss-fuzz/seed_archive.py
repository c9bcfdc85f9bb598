#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""seed_archive.py FOLDER ARCHIVE: the files of FOLDER as a zip file, the same bytes for the same files wherever it runs.

Sorted, stored (the output of a compressor depends on its version), without times, owners and permissions of the moment.
"""
import pathlib
import sys
import zipfile


def main(folder, archive):
    files = sorted(path for path in pathlib.Path(folder).iterdir() if path.is_file())
    if not files:
        sys.exit(f"{folder}: no seeds")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as seeds:
        for file in files:
            entry = zipfile.ZipInfo(file.name)  # of 1 January 1980
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            seeds.writestr(entry, file.read_bytes())


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
