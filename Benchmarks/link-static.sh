#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Links a program once more from the objects of a release build, with the Swift runtime inside it, and strips it.
#
#   Benchmarks/link-static.sh .build/release meshgate-agent OUT
set -euo pipefail
[ $# = 3 ] || {
    echo "usage: link-static.sh BUILD_DIRECTORY PROGRAM OUT" >&2
    exit 64
}
module=${2//-/_}
mapfile -t systems < <(pkg-config --libs-only-l openssl zlib blkid | tr ' ' '\n' | sed '/^$/d')
swiftc -module-name "$module" -emit-executable "@$1/$2.product/Objects.LinkFileList" -o "$3" -Xlinker "--defsym=main=${module}_main" \
    "${systems[@]}" -lstdc++ -lm -static-stdlib -l_FoundationCollections -l_FoundationCShims -Xlinker --gc-sections
strip "$3"
