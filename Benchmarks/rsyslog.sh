#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The peer of `feed`: rsyslog carries lines of Tetragon's log from a file on one side into a file on the other, over TLS with certificates on
# both sides, and with a queue on disk that outlives a receiver which is away. Prints a row: lines, bytes a line, lines a second, lines a second
# for a core of both ends, microseconds of processor time a line, and the peak RSS of sender and receiver.
#
#   Benchmarks/rsyslog.sh LINES SAMPLES DIRECTORY
set -euo pipefail
lines=$1 samples=$2 dir=$3/rsyslog
rm -rf "$dir"/{send,receive}
mkdir -p "$dir"/{send,receive}
trap 'kill "${sender:-}" "${receiver:-}" 2>/dev/null || true' EXIT

if [ ! -e "$dir/ca.pem" ]; then
    key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2)
    openssl req -x509 -subj /CN=bench -keyout "$dir/ca.key" -out "$dir/ca.pem" "${key[@]}" 2>/dev/null
    openssl req -x509 -subj /CN=bench.test -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -addext subjectAltName=DNS:bench.test \
        -keyout "$dir/own.key" -out "$dir/own.pem" "${key[@]}" 2>/dev/null
fi
# Each line with a number of its own, as real ones differ in ids and times.
awk -v wanted="$lines" '{ text[NR] = $0 } END { for (i = 0; i < wanted; i++) { line = text[i % NR + 1]; sub(/"pid":[0-9]+/, "\"pid\":" i, line); print line } }' \
    "$samples" >"$dir/in.log"
bytes=$(($(stat -c %s "$dir/in.log") / lines))
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

cat >"$dir/receive.conf" <<EOF
global(workDirectory="$dir/receive" maxMessageSize="64k" defaultNetstreamDriverCAFile="$dir/ca.pem"
    defaultNetstreamDriverCertFile="$dir/own.pem" defaultNetstreamDriverKeyFile="$dir/own.key")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/name" permittedPeer=["bench.test"])
template(name="plain" type="string" string="%msg:2:\$%\n")
input(type="imtcp" port="$port" address="127.0.0.1" ruleset="keep")
ruleset(name="keep") { action(type="omfile" file="$dir/out.log" template="plain" ioBufferSize="256k") }
EOF
cat >"$dir/send.conf" <<EOF
global(workDirectory="$dir/send" maxMessageSize="64k" defaultNetstreamDriverCAFile="$dir/ca.pem"
    defaultNetstreamDriverCertFile="$dir/own.pem" defaultNetstreamDriverKeyFile="$dir/own.key")
module(load="imfile")
input(type="imfile" file="$dir/in.log" tag="tetragon" ruleset="forward")
ruleset(name="forward") {
    action(type="omfwd" target="127.0.0.1" port="$port" protocol="tcp" streamDriver="gtls" streamDriverMode="1"
        streamDriverAuthMode="x509/name" streamDriverPermittedPeers="bench.test" action.resumeRetryCount="-1" action.resumeInterval="1"
        queue.type="linkedList" queue.filename="forward" queue.maxDiskSpace="4g" queue.saveOnShutdown="on")
}
EOF

rsyslogd -n -f "$dir/receive.conf" -i "$dir/receive.pid" 2>"$dir/receive.err" &
receiver=$!
for _ in $(seq 100); do
    ! (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    kill -0 "$receiver"
    sleep 0.1
done
load=$(cut -d' ' -f1 /proc/loadavg)
begun=$(date +%s%N)
rsyslogd -n -f "$dir/send.conf" -i "$dir/send.pid" 2>"$dir/send.err" &
sender=$!
for _ in $(seq 1200); do
    # rsyslog writes its buffer out when it is full, or on HUP.
    kill -HUP "$receiver"
    [ ! -e "$dir/out.log" ] || [ "$(wc -l <"$dir/out.log")" -lt "$lines" ] || break
    kill -0 "$sender" && kill -0 "$receiver"
    sleep 0.25
done
wall=$(($(date +%s%N) - begun))
cpu() { awk '{ sub(/.*\) /, ""); print ($12 + $13) * 10000 }' "/proc/$1/stat"; }
peak() { awk '/VmHWM/ { printf "%.0f", $2 / 1024 }' "/proc/$1/status"; }
[ "$(wc -l <"$dir/out.log")" -ge "$lines" ] || { echo "rsyslog.sh: only $(wc -l <"$dir/out.log") of $lines lines arrived" >&2; exit 1; }
spent=$(($(cpu "$sender") + $(cpu "$receiver")))
awk -v n="$lines" -v b="$bytes" -v wall="$wall" -v us="$spent" -v rss="$(peak "$sender") / $(peak "$receiver")" -v load="$load" \
    'BEGIN { printf "| %d | %d | %.0f | %.0f | %.1f | %s | %s |\n", n, b, n / (wall / 1e9), n / (us / 1e6), us / n, rss, load }'
rm -f "$dir/in.log" "$dir/out.log"
