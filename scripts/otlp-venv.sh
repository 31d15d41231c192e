#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes a Python environment with OpenTelemetry's own message definitions, for the tests that let a decoder which is not ours read what we send, and
# prints its path. Without a way to the package index it says so and prints nothing: those tests are then skipped.
#
#   MESHGATE_OTLP_VENV=$(scripts/otlp-venv.sh) make test
set -euo pipefail
cd "$(dirname "$0")/.."

version=1.45.2
venv=$PWD/.build/opentelemetry-proto-$version
if [ -e "$venv/ready" ]; then
    echo "$venv"
    exit 0
fi
rm -rf "$venv"
if ! python3 -m venv "$venv" >&2; then
    rm -rf "$venv"
    echo "otlp-venv: python3 cannot make an environment here (is python3-venv there?); the other decoder is left out" >&2
    exit 0
fi
for try in 1 2; do
    if "$venv/bin/pip" install --quiet --disable-pip-version-check --timeout 20 --retries 2 "opentelemetry-proto==$version" >&2; then
        touch "$venv/ready"
        echo "$venv"
        exit 0
    fi
    [ "$try" = 2 ] || echo "otlp-venv: that failed; once more" >&2
done
rm -rf "$venv"
echo "otlp-venv: opentelemetry-proto $version cannot be had (no network?); the other decoder is left out" >&2
