#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Plays a scenario of the Lab with the debug build; as root if it can, because namespaces, bridges and loop devices need that. Without
# root the Lab says so and runs the part that can run.
set -euo pipefail
cd "$(dirname "$0")/.."
program=$("${SWIFT:-swift}" build --show-bin-path)/meshgate
as_root=()
if [ "$(id -u)" != 0 ] && command -v sudo >/dev/null; then
    echo "demo: namespaces, bridges and loop devices need root; running the lab with sudo"
    as_root=(sudo)
fi
# The loop and bridge drivers may be modules that nobody has loaded yet; where that cannot be done the Lab says what it lacks.
if [ "$(id -u)" = 0 ] || [ ${#as_root[@]} -gt 0 ]; then
    for module in loop bridge 8021q; do "${as_root[@]}" modprobe --quiet "$module" 2>/dev/null || true; done
fi
# Somebody who sits before it may look around before it all goes: the dashboard shows the mesh, and live what the agents' eBPF programs see.
case " $* " in
*" --keep "* | *" --prefix "* | *" --directory "*) ;;
*)
    if [ -t 0 ] && [ -t 1 ]; then
        trap '"${as_root[@]}" "$program" lab down' EXIT
        code=0
        "${as_root[@]}" "$program" lab run "$@" --keep || code=$?
        read -r -p "demo: the dashboard is at the address above; Enter takes everything down. " || true
        exit "$code"
    fi
    ;;
esac
exec "${as_root[@]}" "$program" lab run "$@"
