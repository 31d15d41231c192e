#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds for release and measures; prints the tables of RESULTS.md. Without names it runs everything but `facts` (which needs
# openssh-server and pdsh) and `build`.
#
#   Benchmarks/run.sh [plan] [matrix] [tree] [steps] [watch] [intake] [telemetry] [feed] [trace] [journal] [fleet] [agent] [disks] [sizes] [facts] [build]
#
#   BENCH_BIN=DIR        programs that are built already, in place of a build of our own
#   BENCH_DIR=DIR        where the journal and disk images lie; a directory on a real disk (not tmpfs) with 7 GiB of room
#   BENCH_SAMPLES=FILE   NDJSON of real Tetragon events for `telemetry`, which is skipped without, and for the peer of `feed`; BENCH_EVENTS=N how many (1,000,000)
#   BENCH_SESSIONS=LIST  numbers of sessions for `fleet` (1 100 1000 10000)
#   BENCH_SECONDS=N      how long the agent is watched (30)
#   BENCH_STATIC=1       also link the agent with -static-stdlib and watch that
#   BENCH_ROUNDS=N       rounds of each wipe (5)
#   BENCH_NWIPE=0        leave nwipe out of `disks`; it takes minutes
set -euo pipefail
cd "$(dirname "$0")/.."

parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(plan matrix tree steps watch intake telemetry feed trace journal fleet agent disks sizes)
for part in "${parts[@]}"; do
    case "$part" in
    plan | matrix | tree | steps | watch | intake | telemetry | feed | trace | journal | fleet | agent | disks | sizes | facts | build) ;;
    *)
        echo "run.sh: there is no part \"$part\"; known are plan, matrix, tree, steps, watch, intake, telemetry, feed, trace, journal, fleet, agent, disks, sizes, facts, build" >&2
        exit 64
        ;;
    esac
done
wants() { [[ " ${parts[*]} " == *" $1 "* ]]; }

work=$(mktemp -d "${BENCH_DIR:-$PWD}/.bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
if wants telemetry || wants feed || wants journal || wants fleet || wants disks || wants steps; then
    [ "$(stat -f -c %T "$work")" != tmpfs ] || {
        echo "run.sh: $work is in memory, where nothing is durable; set BENCH_DIR to a directory on a disk" >&2
        exit 64
    }
fi

programs=(meshgate-bench)
if wants agent || wants disks || wants feed; then programs+=(meshgate-agent); fi
if wants sizes || wants facts; then programs+=(meshgate meshgate-agent); fi
if [ -z "${BENCH_BIN:-}" ]; then
    for program in $(printf '%s\n' "${programs[@]}" | sort -u); do
        swift build -c release --product "$program" >"$work/build.log" 2>&1 || {
            tail -40 "$work/build.log" >&2
            exit 1
        }
    done
    BENCH_BIN=$(swift build -c release --show-bin-path)
fi
bench=$BENCH_BIN/meshgate-bench

stripped() {
    cp "$BENCH_BIN/$1" "$work/$1"
    strip "$work/$1"
}

head_of() {
    local columns=$#
    printf '|'
    printf ' %s |' "$@"
    printf '\n|'
    for ((i = 0; i < columns; i++)); do printf ' --- |'; done
    printf '\n'
}

echo "$(nproc) cores, Linux $(uname -r), $(awk '/MemTotal/ { printf "%d GiB", $2 / 1048576 + 0.5 }' /proc/meminfo)," \
    "$(swift --version 2>/dev/null | grep -o 'Swift version [0-9.]*' | head -1), load $(cut -d' ' -f1 /proc/loadavg)"

if wants plan; then
    printf '\n### plan\n\n'
    head_of clusters nodes "file kB" steps "read ms" "lint ms" "plan ms" "all ms" range "Yams alone ms" "all / Yams" "peak RSS MB" load
    for clusters in 2 16 64 255; do "$bench" plan "$clusters" 20; done
fi

if wants matrix; then
    printf '\n### matrix (the run is simulated, the choice of who tries whom is measured)\n\n'
    head_of clusters nodes ways "asks per node" "asked per node" "choice ms" range "memory MB" "last way measured s" \
        "most datagrams to a node in 0.1 s" load
    "$bench" matrix 2 500
    "$bench" matrix 10 100
    "$bench" matrix 100 10
    "$bench" matrix 250 20
fi

if wants tree; then
    printf '\n### tree (beside: terraform fmt -check -recursive, which reads the Terraform files alone)\n\n'
    head_of lines files kB findings "lint ms" range "terraform fmt ms" "peak RSS MB" load
    for lines in 1000 10000 100000; do
        peer=-
        if command -v terraform >/dev/null; then
            "$bench" tree-write "$lines" "$work/tree-$lines"
            begun=$(date +%s%N)
            CHECKPOINT_DISABLE=1 terraform fmt -check -recursive "$work/tree-$lines" >/dev/null 2>&1 || true
            peer=$((($(date +%s%N) - begun) / 1000000))
        fi
        "$bench" tree "$lines" "$peer"
    done
fi

if wants steps; then
    printf '\n### steps: a whole run of tools that only take their time\n\n'
    head_of clusters steps "tool ms" "last cluster, times" "sum of tools s" "longest chain s" "steps in it" "run s" "run / chain" \
        "added ms per step" range load
    for times in 1 3; do
        for clusters in 2 5; do "$bench" steps "$clusters" 500 "$times" "$work"; done
    done
fi

if wants watch; then
    printf '\n### watch\n\n'
    head_of objects changes "idle RSS MiB" "peak RSS MiB" "RSS after MiB" "private after MiB" "wall s" "CPU us per object" load
    for objects in 1000 10000; do
        exec {pods}< <(exec python3 Benchmarks/pods.py "$objects")
        server=$!
        read -r port <&"$pods"
        "$bench" watch "$objects" "http://127.0.0.1:$port"
        kill "$server"
        exec {pods}<&-
    done
fi

if wants intake; then
    printf '\n### intake\n\n'
    head_of clusters nodes steps "all nodes answer once, ms" range "us per answer" "tick ms" load
    for clusters in 2 16 64 255; do "$bench" intake "$clusters" 20; done
fi

if wants telemetry; then
    printf '\n### telemetry\n\n'
    if [ -n "${BENCH_SAMPLES:-}" ]; then
        head_of events "B per event" "agent, events/s a core" "coordinator, events/s a core" "CPU s per million, both" "B stored" "peak MiB" \
            "queries, ms: nowhere / newest 1,000 / one second" load
        "$bench" telemetry "${BENCH_EVENTS:-1000000}" "$work" "$BENCH_SAMPLES"
        rm -rf "$work/spool" "$work/store"
    else
        echo "skipped: BENCH_SAMPLES=FILE names no NDJSON of real events"
    fi
fi

if wants feed && [ "$(id -u)" != 0 ]; then
    printf '\n### feed\n\nleft out: the tracer needs root\n'
elif wants feed; then
    printf '\n### feed: from Tetragon to the store\n\n'
    [ -e "$work/agents" ] || "$bench" identities 1 "$work"
    head_of "events/s wanted" events "events/s" "events/s for a core, tracer and agent" "CPU %, tracer / agent" "peak RSS MiB, tracer / agent" \
        "CPU us per event, with Tetragon's stand-in and the coordinator" \
        "p50 / p99 ms, gateway to feed; event to feed" lost load
    stripped meshgate-agent
    for load in "500 10000" "5000 100000" "50000 500000" "- 500000"; do
        read -r rate events <<<"$load"
        "$bench" feed "$work" "$work/meshgate-agent" "$rate" "$events"
        rm -rf "$work"/feed-*
    done
    if [ -n "${BENCH_SAMPLES:-}" ] && command -v rsyslogd >/dev/null; then
        printf '\nBeside it, rsyslog (imfile, omfwd and imtcp with gtls and certificates on both sides, omfile):\n\n'
        head_of lines "B per line" "lines/s" "lines/s for a core of both ends" "CPU us per line" "peak RSS MiB, sender / receiver" load
        for lines in 100000 300000; do Benchmarks/rsyslog.sh "$lines" "$BENCH_SAMPLES" "$work"; done
    else
        echo "rsyslog left out: it needs rsyslog and rsyslog-gnutls, and BENCH_SAMPLES=FILE with NDJSON of real events"
    fi
fi

if wants trace && [ "$(id -u)" != 0 ]; then
    printf '\n### trace\n\nleft out: eBPF needs root\n'
elif wants trace; then
    printf '\n### trace: the reader of our own eBPF\n\n'
    head_of "events/s wanted" "events/s" events "CPU ns per event, read" "CPU ns per event, read and told" lost load
    for rate in 10000 100000; do "$bench" trace "$rate" 10; done
fi

if wants journal; then
    printf '\n### journal (%s)\n\n' "$(stat -f -c %T "$work")"
    head_of batch "B per entry" "entries/s" range "appends/s" "write+fdatasync entries/s" "ours / floor" "CPU us per entry" load
    "$bench" journal "$work"
fi

if wants fleet; then
    printf '\n### fleet\n\n'
    read -ra sessions <<<"${BENCH_SESSIONS:-1 100 1000 10000}"
    most=$(printf '%s\n' "${sessions[@]}" | sort -n | tail -1)
    ulimit -n "$(ulimit -Hn)"
    [ "$(ulimit -n)" -gt $((most + 200)) ] || {
        echo "run.sh: $most sessions need as many open files; ulimit -n is $(ulimit -n)" >&2
        exit 69
    }
    "$bench" identities "$most" "$work"
    head_of what "order / report B" sessions "connects/s" "server CPU ms per connect" "KB per session, connected / after" "wall ms per fan-out" range \
        "p50 ms" "p99 ms" "server CPU us per task" "agents' CPU us per task" "idle CPU %" load
    for count in "${sessions[@]}"; do
        rounds=$((count < 100 ? 1000 : count < 1000 ? 100 : count < 10000 ? 30 : 6))
        for size in small large; do
            "$bench" nats "$work" "$count" "$rounds" "$size"
            "$bench" fleet "$work" "$count" "$rounds" "$size" -
            "$bench" fleet "$work" "$count" "$rounds" "$size" "$work"
        done
    done
fi

if wants agent; then
    printf '\n### agent\n\n'
    [ -e "$work/agents" ] || "$bench" identities 1 "$work"
    head_of program "idle RSS / private / PSS MB" "idle CPU %" threads "after 100 probes" "CPU ms per probe" load
    stripped meshgate-agent
    "$bench" agent "$work" "$work/meshgate-agent" "${BENCH_SECONDS:-30}"
    if [ -n "${BENCH_STATIC:-}" ]; then
        Benchmarks/link-static.sh "$BENCH_BIN" meshgate-agent "$work/meshgate-agent-static"
        "$bench" agent "$work" "$work/meshgate-agent-static" "${BENCH_SECONDS:-30}"
    fi
fi

if wants disks && { [ "$(id -u)" != 0 ] || [ ! -w /dev/loop-control ]; }; then
    printf '\n### disks\n\nleft out: loop devices need root\n'
elif wants disks; then
    rounds=${BENCH_ROUNDS:-5}
    printf '\n### disks: labels (images on %s)\n\n' "$(stat -f -c %T "$work")"
    head_of disk loop content "labels ms" range "judged, first 4 MiB" "write, sync" read-back "last look, record" "first on a sparse image ms" \
        "MiB written" "wipefs -a ms" "sgdisk -Z ms" "ours / both" "signatures left, ours / theirs" load
    for gibibytes in 4 1024; do "$bench" disk-labels "$work" "$gibibytes" "$rounds"; done
    printf '\n### disks: zero and read-back, 2 GiB\n\n'
    head_of loop what MB/s range "ours / peer" range "whole wipe s" load
    nwipe=nwipe
    [ "${BENCH_NWIPE:-1}" != 0 ] || nwipe=-
    "$bench" disk-zero "$work" 2 "$rounds" "$nwipe"
    printf "\n### disks: the wiper's process\n\n"
    head_of work "idle RSS / private MiB" "peak RSS MiB" "private after MiB" "order to report ms" load
    stripped meshgate-agent
    "$bench" disk-memory "$work" "$work/meshgate-agent"
    Benchmarks/link-static.sh "$BENCH_BIN" meshgate-agent "$work/meshgate-agent-static" 2>"$work/link.log"
    printf '\nThe same, with the Swift runtime linked in, as it is packaged:\n\n'
    head_of work "idle RSS / private MiB" "peak RSS MiB" "private after MiB" "order to report ms" load
    "$bench" disk-memory "$work" "$work/meshgate-agent-static"
fi

if wants sizes; then
    printf '\n### sizes\n\n'
    head_of program "stripped MB" "shared libraries"
    for program in meshgate meshgate-agent; do
        stripped "$program"
        printf '| %s | %s | %s |\n' "$program" "$(stat -c %s "$work/$program" | awk '{ printf "%.1f", $1 / 1e6 }')" "$(ldd "$work/$program" | wc -l)"
    done
    if [ -e "$work/meshgate-agent-static" ]; then
        printf '| meshgate-agent, -static-stdlib | %s | %s |\n' \
            "$(stat -c %s "$work/meshgate-agent-static" | awk '{ printf "%.1f", $1 / 1e6 }')" "$(ldd "$work/meshgate-agent-static" | wc -l)"
    fi
fi

if wants build; then
    printf '\n### clean debug build, as in make demo\n\n'
    head_of product "wall s" "user s" "system s" load
    for program in meshgate meshgate-agent; do
        TIMEFORMAT='%R %U %S'
        load=$(cut -d' ' -f1 /proc/loadavg)
        { time swift build --product "$program" --scratch-path "$work/clean" >"$work/build.log" 2>&1; } 2>"$work/time"
        read -r wall user system <"$work/time"
        printf '| %s | %s | %s | %s | %s |\n' "$program" "$wall" "$user" "$system" "$load"
    done
fi

if wants facts; then
    printf '\n### facts of 100 hosts at once\n\n'
    BENCH_BIN=$BENCH_BIN Benchmarks/facts.sh 100
fi
