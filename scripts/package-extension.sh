#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the Talos system extension of a built agent, as an OCI archive: no Docker, no root, and the same program gives the same bytes.
#
#   scripts/package-extension.sh BIN_DIR OUT_DIR
#
# The agent's shared libraries and the loader are taken from this machine into its root file system: Talos has none of them.
set -euo pipefail
[ $# = 2 ] || { echo "usage: scripts/package-extension.sh BIN_DIR OUT_DIR" >&2; exit 64; }
bin=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
cd "$(dirname "$0")/.."
umask 022
version=$(scripts/version.sh)
arch=$(dpkg --print-architecture)
epoch=${SOURCE_DATE_EPOCH:-$(scripts/version.sh --epoch)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
containers=$work/rootfs/usr/local/lib/containers
root=$containers/meshgate-agent

install -d "$work/rootfs/usr/local/etc/containers"
sed "s|@VERSION@|$version|" packaging/talos-extension/manifest.yaml >"$work/manifest.yaml"
for service in meshgate-agent meshgate-wiper meshgate-prober meshgate-tracer; do
    install -m 0644 "packaging/talos-extension/$service.yaml" "$work/rootfs/usr/local/etc/containers/"
    # Where things are mounted, and the names under which the loader is looked for.
    install -d "$containers/$service"/{dev,etc/meshgate,proc,run/meshgate-agent,run/meshgate-wiper,run/meshgate-prober,run/meshgate-tracer,sys,tmp,usr,var/lib,var/log/tetragon,var/run/cilium,var/run/tetragon}
    install -d "$containers/$service/var/lib/meshgate-${service#meshgate-}"
    ln -s usr/lib "$containers/$service/lib"
    ln -s usr/lib64 "$containers/$service/lib64"
done

install -D -m 0755 "$bin/meshgate-agent" "$root/usr/bin/meshgate-agent"
strip --strip-unneeded "$root/usr/bin/meshgate-agent"
install -d "$root/usr/lib" "$root/usr/lib64"
# `name => /path (address)` for libraries, `/path (address)` for the loader, which must lie where the program says.
ldd "$root/usr/bin/meshgate-agent" >"$work.ldd"
if grep "not found" "$work.ldd" >&2; then
    echo "package-extension: the agent needs libraries that are not here; build it with --static-swift-stdlib" >&2
    exit 70
fi
while read -r library; do
    install -m 0644 "$library" "$root/usr/lib/$(basename "$library")"
done < <(sed -n 's/.* => \(\/.*\) (.*/\1/p' "$work.ldd")
loader=$(sed -n 's/^[[:space:]]*\(\/.*\) (.*/\1/p' "$work.ldd")
rm -f "$work.ldd"
install -m 0755 "$loader" "$root/usr/${loader#/}"

archive=$out/meshgate-agent-extension_${version}_${arch}.oci.tar
python3 scripts/oci_archive.py "$work" "$archive" "meshgate-agent-extension:$version" "$arch" "$epoch" >/dev/null
scripts/check-extension.sh "$archive"
