#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes a Python environment with the real ansible-core, for the test that plays a real playbook, and prints its path. Debian's own package
# is older than what the driver is written for. Without a way to the package index it says so and prints nothing: the test is then skipped.
#
#   MESHGATE_ANSIBLE_VENV=$(scripts/ansible-venv.sh) make test
set -euo pipefail
cd "$(dirname "$0")/.."

version=2.19.14
venv=$PWD/.build/ansible-core-$version
if [ -x "$venv/bin/ansible-playbook" ]; then
    echo "$venv"
    exit 0
fi
rm -rf "$venv"
if ! python3 -m venv "$venv" >&2; then
    rm -rf "$venv"
    echo "ansible-venv: python3 cannot make an environment here (is python3-venv there?); real Ansible is left out" >&2
    exit 0
fi
for try in 1 2; do
    if "$venv/bin/pip" install --quiet --disable-pip-version-check --timeout 20 --retries 2 "ansible-core==$version" >&2; then
        echo "$venv"
        exit 0
    fi
    [ "$try" = 2 ] || echo "ansible-venv: that failed; once more" >&2
done
rm -rf "$venv"
echo "ansible-venv: ansible-core $version cannot be had (no network?); real Ansible is left out" >&2
