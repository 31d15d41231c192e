#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs the Debian packages of one or more groups: says which, skips what is there, tries once more after `apt-get update`.
#
#   scripts/install-deps.sh build test
#   scripts/install-deps.sh --list demo        print the packages and end
set -euo pipefail

group() {
    case "$1" in
    # What `swift build` compiles and links against, and what SwiftPM itself calls.
    build) echo libcurl4-openssl-dev libssl-dev zlib1g-dev libblkid-dev libbpf-dev libsqlite3-dev pkg-config git ca-certificates \
        libc6-dev libstdc++-12-dev ;;
    # Real tools that tests run against our code: file systems, volumes, namespaces, keys, faults.
    test) echo btrfs-progs ceph-osd chromium coreutils cryptsetup-bin dosfstools e2fsprogs etcd-server fdisk gdisk gzip hostname iproute2 iputils-ping \
        libfaketime lvm2 mdadm mount nftables openssh-client openssl procps prometheus python3 python3-venv strace util-linux xfsprogs ;;
    # QEMU, what boots in it, and the tools that play there; kernels come packed with lz4 or zstd, their modules with xz.
    vm) echo busybox-static cpio e2fsprogs gdisk iproute2 kmod lvm2 lz4 mdadm nftables openssh-client qemu-system-x86 xz-utils zstd ;;
    # What the Lab calls.
    demo) echo coreutils e2fsprogs iproute2 kmod libfaketime lvm2 mount nftables openssh-client procps ;;
    proto) echo protobuf-compiler ;;
    lint) echo shellcheck systemd ;;
    package) echo binutils dpkg-dev jq lintian python3 python3-yaml util-linux ;;
    bench) echo binutils coreutils e2fsprogs gdisk jq mount nats-server nwipe openssh-client openssl procps python3 util-linux ;;
    *)
        echo "install-deps: there is no group \"$1\"; known are build, test, vm, demo, proto, lint, package, bench" >&2
        exit 64
        ;;
    esac
}

list_only=false
if [ "${1:-}" = --list ]; then
    list_only=true
    shift
fi
[ $# -gt 0 ] || {
    echo "install-deps: name a group: build, test, vm, demo, proto, lint, package or bench" >&2
    exit 64
}

wanted=()
for name in "$@"; do
    packages=$(group "$name")
    for package in $packages; do wanted+=("$package"); done
done
if $list_only; then
    printf '%s\n' "${wanted[@]}" | sort -u
    exit 0
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "install-deps: this is no Debian; install the equivalents yourself: ${wanted[*]}" >&2
    exit 0
fi

missing=()
for package in $(printf '%s\n' "${wanted[@]}" | sort -u); do
    # shellcheck disable=SC2016 # dpkg-query's own syntax
    status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

echo "install-deps: installing for $*: ${missing[*]}"
as_root=()
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "install-deps: cannot install as $(id -un) and there is no sudo; as root run: apt-get install ${missing[*]}" >&2
        exit 77
    fi
    as_root=(sudo)
fi

# A package that brings a service (prometheus, nats-server) is wanted for its program only: Debian's policy-rc.d keeps the service off.
policy=/usr/sbin/policy-rc.d
placed_policy=false
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
    placed_policy=true
fi
remove_policy() { if $placed_policy; then "${as_root[@]}" rm -f "$policy"; fi; }
trap remove_policy EXIT

install_missing() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "${missing[@]}"
}
if ! install_missing; then
    echo "install-deps: that failed; once more after apt-get update"
    "${as_root[@]}" apt-get update -q || echo "install-deps: apt-get update failed, too; trying with the lists that are there" >&2
    if ! install_missing; then
        echo "install-deps: cannot install ${missing[*]}. Is the network up and are Debian's sources right (/etc/apt)?" >&2
        echo "install-deps: install them by hand and try again; what is there already is not asked for." >&2
        exit 69
    fi
fi
# What apt would start at the next boot: the package we ask for, and the unit that comes with it.
for pair in prometheus:prometheus nats-server:nats-server ceph-osd:ceph-crash ceph-osd:ceph.target mdadm:mdmonitor etcd-server:etcd; do
    service=${pair#*:}
    if [[ " ${missing[*]} " == *" ${pair%%:*} "* ]] && command -v systemctl >/dev/null; then
        "${as_root[@]}" systemctl --quiet disable "$service" 2>/dev/null ||
            echo "install-deps: could not disable the service $service; disable it if it starts at boot"
    fi
done
