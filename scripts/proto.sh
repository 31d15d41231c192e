#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Generates the Swift code of the agent link and the feed with Debian's protoc and the plugin of the very swift-protobuf that the package is built with.
#
#   scripts/proto.sh            writes Sources/Shared/MeshWire/*.pb.swift
#   scripts/proto.sh --check    compares, and ends with 1 when it differs
set -euo pipefail
cd "$(dirname "$0")/.."
room=Sources/Shared/MeshWire

# The same flags as `make build` has, so that nothing is built twice.
flags=()
if [ -n "${STRICT:-}" ]; then flags=(-Xswiftc -warnings-as-errors --explicit-target-dependency-import-check error); fi
"${SWIFT:-swift}" build --product protoc-gen-swift "${flags[@]}"
plugin=$("${SWIFT:-swift}" build --show-bin-path)/protoc-gen-swift

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
(
    cd "$room"
    protoc -I . --plugin=protoc-gen-swift="$plugin" --swift_out="$out" --swift_opt=Visibility=Package --swift_opt=UseAccessLevelOnImports=true ./*.proto
)
for file in "$out"/*.pb.swift; do
    name=$(basename "$file")
    if [ "${1:-}" = --check ]; then
        diff -u "$room/$name" "$file" || {
            echo "proto: $room/$name is not what the .proto says; run make proto and commit it" >&2
            exit 1
        }
        echo "proto: $room/$name is what the .proto says"
    else
        cp "$file" "$room/$name"
        echo "proto: wrote $room/$name"
    fi
done
