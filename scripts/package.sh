#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds release programs, then the Debian packages and the Talos system extension, into dist/; lists them with size and SHA-256.
# BIN_DIR=DIR takes built programs instead.
set -euo pipefail
cd "$(dirname "$0")/.."
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(scripts/version.sh --epoch)}
swift=${SWIFT:-swift}
if [ -z "${BIN_DIR:-}" ]; then
    # The Swift runtime goes into the programs: no host has its libraries.
    release=(-c release --static-swift-stdlib)
    "$swift" build "${release[@]}" --product meshgate
    "$swift" build "${release[@]}" --product meshgate-agent
    BIN_DIR=$("$swift" build "${release[@]}" --show-bin-path)
fi
rm -rf dist
scripts/package-deb.sh "$BIN_DIR" dist
scripts/package-extension.sh "$BIN_DIR" dist
if command -v lintian >/dev/null; then lintian --allow-root --fail-on error dist/*.deb; fi
echo
cd dist
for file in *; do printf '%10s  %s  dist/%s\n' "$(numfmt --to=iec-i --suffix=B "$(stat -c %s "$file")")" "$(sha256sum "$file" | cut -c1-64)" "$file"; done
