#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Prints the version, as the programs say it; with --epoch the time of the last change, in seconds, for reproducible packages.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "${1:-}" = --epoch ]; then
    git log -1 --format=%ct 2>/dev/null || date --date="$(sed -n 's/^ -- .*>  //p' packaging/debian/changelog | head -1)" +%s
    exit
fi
coordinator=$(sed -n '/^enum Version /,/^}/s/.*text = "\(.*\)".*/\1/p' Sources/Coordinator/meshgate/*.swift)
agent=$(sed -n 's/.*static let version = "\(.*\)".*/\1/p' Sources/Agent/meshgate-agent/Main.swift)
changelog=$(sed -n '1s/.*(\(.*\)).*/\1/p' packaging/debian/changelog)
if [ -z "$coordinator" ] || [ "$coordinator" != "$agent" ] || [ "$coordinator" != "$changelog" ]; then
    echo "version: meshgate says \"$coordinator\", meshgate-agent \"$agent\", packaging/debian/changelog \"$changelog\"; make them one" >&2
    exit 1
fi
echo "$coordinator"
