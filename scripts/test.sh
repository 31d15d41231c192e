#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# test.sh [ARGUMENTS FOR swift build AND swift test]: all tests, in two halves that take about as long as each other and run side by side, one test at a
# time each: disks and labs, which mostly wait for the kernel, with some others, and the rest. With --filter or --skip, one run. The output has tens of
# thousands of lines: what failed is said last.
set -euo pipefail

swift=${SWIFT:-swift}
logs=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$logs"' EXIT
half='^(DiskWipeTests|HostProbeTests|LabTests|MeshTrustTests|RehearsalTests)\.'

# What failed in a half: issues, what the values were, and the tests and suites they belong to.
failures() {
    echo
    echo "== what failed ($1)"
    if grep -qE '^✘|: error:' "$logs/$1"; then
        grep -E '^(✘|↳)|: error:' "$logs/$1" | cut -c 1-4000 | tail -n 200
    else
        echo "no test says that it failed; the last that began, and the end:"
        grep -E '^◇ Test ' "$logs/$1" | tail -n 1 || true
        tail -n 20 "$logs/$1"
    fi
}

case " $* " in
*" --filter "* | *" --skip "*)
    "$swift" test --no-parallel "$@" 2>&1 | tee "$logs/tests" || { failures tests; exit 1; }
    exit 0
    ;;
esac

"$swift" build --build-tests "$@"
# Two of `swift test` would wait for each other.
program=$("$swift" build --show-bin-path)/meshgatePackageTests.xctest
run() { NO_COLOR=1 "$program" --testing-library swift-testing --no-parallel "$@" 2>&1; }

run --filter "$half" >"$logs/disks-and-labs" &
beside=$!
failed=()
run --skip "$half" | tee "$logs/all-others" || failed+=(all-others)
wait "$beside" || failed+=(disks-and-labs)
cat "$logs/disks-and-labs"
for name in "${failed[@]}"; do failures "$name"; done
[ "${#failed[@]}" = 0 ]
