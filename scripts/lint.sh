#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Formatting of the Swift sources (generated code left out), arrows between rooms, systemd units, and shell scripts. Runs all, then ends with 1 if one failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
failed=0

files=()
while IFS= read -r -d '' file; do files+=("$file"); done < <(
    find Package.swift Sources Tests Benchmarks -name '*.swift' ! -name '*.pb.swift' -print0 | sort -z
)
if "${SWIFT:-swift}" format lint --strict --parallel --configuration .swift-format "${files[@]}"; then
    echo "format: ${#files[@]} files, all in form"
else
    echo "format: see above; \`swift format -i --configuration .swift-format FILE\` corrects most of it" >&2
    failed=1
fi

scripts/arrows.sh || failed=1
scripts/check-units.sh || failed=1

scripts=(.ci/run)
while IFS= read -r -d '' file; do scripts+=("$file"); done < <(find scripts Benchmarks Tests -name '*.sh' -print0 | sort -z)
if command -v shellcheck >/dev/null; then
    shellcheck "${scripts[@]}" && echo "shellcheck: ${#scripts[@]} scripts, nothing to complain about" || failed=1
else
    echo "shellcheck: not installed, skipped"
fi
exit $failed
