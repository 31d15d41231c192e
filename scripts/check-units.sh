#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Holds the systemd units against systemd's own checker, and against how open they may be (systemd-analyze security; 0 is closed, 10 is open).
set -euo pipefail
cd "$(dirname "$0")/../packaging/systemd"
command -v systemd-analyze >/dev/null || {
    echo "units: systemd-analyze is not installed, skipped"
    exit 0
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
# In tenths. The coordinator starts tools that need more than the agent may have.
declare -A most=([meshgate]=20 [meshgate-agent]=15 [meshgate-wiper]=15 [meshgate-prober]=20 [meshgate-tracer]=20)
for unit in *.service; do
    # The programs and their pages need not be installed here.
    sed -e 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' -e '/^Documentation=/d' "$unit" >"$work/$unit"
done
for unit in *.service; do
    complaints=$(systemd-analyze verify --man=no "$work/$unit" 2>&1 | grep -F "${unit%.service}" || true)
    if [ -n "$complaints" ]; then
        echo "units: $complaints" >&2
        failed=1
    fi
    score=$(systemd-analyze security --offline=true --no-pager --threshold="${most[${unit%.service}]}" "$work/$unit" 2>/dev/null | tail -1) || {
        echo "units: $unit is more open than it may be: $score" >&2
        failed=1
    }
done
[ $failed = 0 ] && echo "units: $(find . -name '*.service' | wc -l) units, as closed as they must be"
exit $failed
