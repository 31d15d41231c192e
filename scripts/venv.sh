#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes a Python environment with a program or library that the tests let speak with ours, and prints its path. Without a way to the package index it
# says so and prints nothing: those tests are then skipped.
#
#   MESHGATE_ANSIBLE_VENV=$(scripts/venv.sh ansible)   the real ansible-core, for a real playbook; Debian's is older than what the driver is written for
#   MESHGATE_OTLP_VENV=$(scripts/venv.sh otlp)         OpenTelemetry's own message definitions, to read what we send, and gRPC's own server, to take it
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-} in
ansible) packages=(ansible-core==2.19.14) ;;
otlp) packages=(opentelemetry-proto==1.45.2 grpcio-status==1.85.1) ;;
*)
    echo "usage: scripts/venv.sh ansible|otlp" >&2
    exit 64
    ;;
esac
named=$(printf '%s, ' "${packages[@]/==/ }")
named=${named%, }
venv=$PWD/.build/venv-$(printf '%s+' "${packages[@]/==/-}")
venv=${venv%+}
if [ -e "$venv/ready" ]; then
    echo "$venv"
    exit 0
fi
rm -rf "$venv"
if ! python3 -m venv "$venv" >&2; then
    rm -rf "$venv"
    echo "venv: python3 cannot make an environment here (is python3-venv there?); $named left out" >&2
    exit 0
fi
for try in 1 2; do
    if "$venv/bin/pip" install --quiet --disable-pip-version-check --timeout 20 --retries 2 "${packages[@]}" >&2; then
        touch "$venv/ready"
        echo "$venv"
        exit 0
    fi
    [ "$try" = 2 ] || echo "venv: that failed; once more" >&2
done
rm -rf "$venv"
echo "venv: $named cannot be had (no network?); left out" >&2
