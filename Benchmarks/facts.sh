#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The network and disk facts of many hosts at once, and then the ways between them: meshgate's agents beside ansible-core's setup module and pdsh, which ask one sshd on loopback
# as often. All "hosts" are this machine, for all three. Needs root, openssh-server, pdsh and python3-venv.
#
#   Benchmarks/facts.sh [HOSTS]     100 unless given
#
#   BENCH_BIN=DIR     where meshgate and meshgate-agent are; .build/release unless given
#   BENCH_ROUNDS=N    rounds of each (3)
set -euo pipefail
cd "$(dirname "$0")/.."
hosts=${1:-100}
rounds=${BENCH_ROUNDS:-3}
bin=$(readlink -f "${BENCH_BIN:-.build/release}")
venv=$(scripts/venv.sh ansible)
work=$(mktemp -d /tmp/facts.XXXXXX)
jobs_of_ours=()
finish() {
    for job in "${jobs_of_ours[@]}"; do kill "$job" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

# One sshd answers for every host name; each connection is a process of its own, as it would be on a machine of its own.
ssh-keygen -q -t ed25519 -N '' -f "$work/host"
ssh-keygen -q -t ed25519 -N '' -f "$work/key"
port=22022
{
    cat <<CONFIG
Port $port
ListenAddress 127.0.0.1
HostKey $work/host
AuthorizedKeysFile $work/key.pub
PidFile none
StrictModes no
UsePAM no
MaxStartups 1000
PermitRootLogin prohibit-password
CONFIG
} >"$work/sshd_config"
mkdir -p /run/sshd
/usr/sbin/sshd -D -f "$work/sshd_config" 2>"$work/sshd.log" &
jobs_of_ours+=($!)
{
    echo "Host h*"
    echo "  HostName 127.0.0.1"
    echo "  Port $port"
    echo "  IdentityFile $work/key"
    echo "  StrictHostKeyChecking no"
    echo "  UserKnownHostsFile /dev/null"
    echo "  LogLevel ERROR"
} >"$work/ssh_config"

# Agents as they are, one state directory each; they share a wiper, which reads the disks.
export HOME=$work
"$bin/meshgate" serve --state-dir "$work/state" --listen 127.0.0.1:0 --http 127.0.0.1:0 --mesh docs/guide/mesh.example.yaml 2>"$work/serve.log" &
jobs_of_ours+=($!)
mg() { "$bin/meshgate" "$@" --state-dir "$work/state"; }
for ((i = 0; i < 100; i++)); do
    if mg status >/dev/null 2>&1; then break; fi
    sleep 0.2
done
mg status >/dev/null || {
    cat "$work/serve.log" >&2
    exit 1
}
: >"$work/signers"
"$bin/meshgate-agent" wiper serve --node h0 --wiper-socket "$work/wiper.sock" --wiper-state "$work/wiper" --signers "$work/signers" \
    --node-key "$work/k0" 2>"$work/wiper.log" &
jobs_of_ours+=($!)
for ((i = 0; i < hosts; i++)); do
    # The answer's token goes to the file, and where to dial beside it.
    mg node invite "h$i" --output json | python3 -c 'import json,sys; r=json.load(sys.stdin); print(r["token"]); print(r["coordinator"], file=sys.stderr)' \
        >"$work/token" 2>"$work/where"
    "$bin/meshgate-agent" join --coordinator "$(cat "$work/where")" --node "h$i" --token-file "$work/token" --state "$work/a$i" >/dev/null
    "$bin/meshgate-agent" run --state "$work/a$i" --node-key "$work/k$i" --wiper-socket "$work/wiper.sock" \
        --prober-socket "$work/p$i.sock" 2>"$work/a$i.log" &
    jobs_of_ours+=($!)
done
for ((i = 0; i < 300; i++)); do
    connected=$(mg node list --output json | python3 -c 'import json,sys; print(sum(n["connected"] for n in json.load(sys.stdin)["nodes"]))')
    if [ "$connected" = "$hosts" ]; then break; fi
    sleep 0.5
done
[ "$connected" = "$hosts" ] || { echo "facts.sh: only $connected of $hosts agents are connected; see $work" >&2; trap - EXIT; exit 1; }

cat >"$work/setup.yaml" <<'PLAY'
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.setup: { gather_subset: ["!all", "!min", "network", "devices"] }
PLAY
for ((i = 0; i < hosts; i++)); do echo "h$i ansible_python_interpreter=/usr/bin/python3"; done >"$work/inventory"
list=$(seq -s, -f 'h%g' 0 $((hosts - 1)))
meshgate() { mg check net disk --output json >"$work/out.meshgate"; }
ansible() {
    ANSIBLE_SSH_ARGS="-F $work/ssh_config -o ControlMaster=no" ANSIBLE_PIPELINING=1 "$venv/bin/ansible-playbook" -i "$work/inventory" \
        --forks "$hosts" "$work/setup.yaml" >"$work/out.ansible"
}
over_ssh() {
    PDSH_SSH_ARGS_APPEND="-F $work/ssh_config" pdsh -S -R ssh -f "$hosts" -w "$list" 'ip -j addr; ip -j route; lsblk -J -b -o NAME,SIZE,SERIAL,FSTYPE' \
        >"$work/out.pdsh" 2>"$work/pdsh.log"
}
answers() {
    case "$1" in
    meshgate)
        python3 - "$work/out.meshgate" <<'COUNT'
import json, sys
def whole(topic):
    return {r["node"] for r in json.load(open(sys.argv[1])) if r["topic"] == topic and r["answered"]
            and not any("unavailable" in f for e in r["evidence"] for f in e["facts"])}
print(len(whole("net") & whole("disk")))
COUNT
        ;;
    ansible) grep -c 'ok=1 .*unreachable=0 .*failed=0' "$work/out.ansible" ;;
    over_ssh) grep -c ' \[{"ifindex' "$work/out.pdsh" ;;
    esac
}
echo "| who | hosts that answered | seconds, round by round | load before |"
echo "| --- | --- | --- | --- |"
for who in meshgate over_ssh ansible; do
    times=()
    load=$(cut -d' ' -f1 /proc/loadavg)
    for ((round = 0; round < rounds; round++)); do
        began=$(date +%s%N)
        "$who" || true
        times+=("$(python3 -c "print(round(($(date +%s%N) - $began) / 1e9, 2))")")
    done
    echo "| $who | $(answers "$who") | ${times[*]} | $load |"
done

# The ways between all of them, as a plan of two clusters asks: each with a prober of its own, on an address of its own.
probers=()
for ((i = 0; i < hosts; i++)); do
    "$bin/meshgate-agent" prober serve --prober-socket "$work/p$i.sock" 2>"$work/p$i.log" &
    probers+=($!)
    jobs_of_ours+=($!)
done
for ((i = 0; i < hosts; i++)); do
    for ((tries = 0; tries < 200; tries++)); do
        [ -S "$work/p$i.sock" ] && break
        sleep 0.1
    done
done
Benchmarks/matrix-mesh.py "$hosts" >"$work/mesh.yaml"
echo
echo "| nodes that answered | ways | measured | checks | seconds, round by round | load before |"
echo "| --- | --- | --- | --- | --- | --- |"
times=()
load=$(cut -d' ' -f1 /proc/loadavg)
for ((round = 0; round < rounds; round++)); do
    began=$(date +%s%N)
    # That nobody listens on the ports of Kubernetes is as it should be here.
    mg check net -f "$work/mesh.yaml" --output json >"$work/out.matrix" || true
    times+=("$(python3 -c "print(round(($(date +%s%N) - $began) / 1e9, 2))")")
done
read -r answered ways measured checks <<<"$(Benchmarks/matrix-mesh.py --count "$work/out.matrix")"
echo "| $answered | $ways | $measured | $checks | ${times[*]} | $load |"
echo

rss() { awk '/VmHWM/ { print $2 }' "/proc/$1/status" 2>/dev/null; }
for job in "${jobs_of_ours[@]:3:hosts}"; do rss "$job"; done | sort -n | awk '{ a[NR] = $1 } END { printf "agents, peak RSS in MiB: median %.1f, most %.1f\n", a[int((NR + 1) / 2)] / 1024, a[NR] / 1024 }'
for job in "${probers[@]}"; do rss "$job"; done | sort -n | awk '{ a[NR] = $1 } END { printf "probers, peak RSS in MiB: median %.1f, most %.1f\n", a[int((NR + 1) / 2)] / 1024, a[NR] / 1024 }'
