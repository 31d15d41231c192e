#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the Debian packages of built programs: the same programs, the same packages, byte for byte.
#
#   scripts/package-deb.sh BIN_DIR OUT_DIR
#
# BIN_DIR holds meshgate and meshgate-agent (stripped here). SOURCE_DATE_EPOCH dates everything; MAINTAINER names the maintainer.
set -euo pipefail
[ $# = 2 ] || { echo "usage: scripts/package-deb.sh BIN_DIR OUT_DIR" >&2; exit 64; }
bin=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
cd "$(dirname "$0")/.."
umask 022
version=$(scripts/version.sh)
arch=$(dpkg --print-architecture)
maintainer=${MAINTAINER:-Meshgate maintainers <maintainers@meshgate.dev>}
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(scripts/version.sh --epoch)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fill() { sed -e "s|@VERSION@|$version|g" -e "s|@ARCH@|$arch|g" -e "s|@MAINTAINER@|$maintainer|g" "$@"; }

# The packages that bring the shared libraries that a program needs.
libraries() {
    mkdir -p "$work/shlibs/debian"
    printf 'Source: meshgate\n\nPackage: meshgate\nArchitecture: any\n' >"$work/shlibs/debian/control"
    (cd "$work/shlibs" && dpkg-shlibdeps -O -e"$1" 2>"$work/shlibs.log") | sed -n 's/^shlibs:Depends=//p' || {
        cat "$work/shlibs.log" >&2
        return 1
    }
}

completions() {
    local program=$1 root=$2
    install -d "$root/usr/share/bash-completion/completions" "$root/usr/share/zsh/vendor-completions" "$root/usr/share/fish/vendor_completions.d"
    # Sourced, not run, so without the first line that names an interpreter.
    "$bin/$program" --generate-completion-script bash | sed '1{/^#!/d}' >"$root/usr/share/bash-completion/completions/$program"
    "$bin/$program" --generate-completion-script zsh >"$root/usr/share/zsh/vendor-completions/_$program"
    "$bin/$program" --generate-completion-script fish >"$root/usr/share/fish/vendor_completions.d/$program.fish"
}

# build PACKAGE MANUAL-SECTION: what both packages have, then the control files, then the archive.
build() {
    local package=$1 section=$2 root=$work/$1 depends
    install -D -m 0755 "$bin/$package" "$root/usr/bin/$package"
    strip --strip-unneeded --remove-section=.comment --remove-section=.note "$root/usr/bin/$package"
    depends=$(libraries "$root/usr/bin/$package")
    [ -n "$depends" ] || { echo "package-deb: no dependencies found for $package" >&2; exit 70; }
    completions "$package" "$root"
    fill "packaging/man/$package.$section" | gzip -9n | install -D -m 0644 /dev/stdin "$root/usr/share/man/man$section/$package.$section.gz"
    install -D -m 0644 packaging/debian/copyright "$root/usr/share/doc/$package/copyright"
    fill packaging/debian/changelog | gzip -9n | install -D -m 0644 /dev/stdin "$root/usr/share/doc/$package/changelog.gz"
    if [ -e "packaging/debian/$package/lintian-overrides" ]; then
        install -D -m 0644 "packaging/debian/$package/lintian-overrides" "$root/usr/share/lintian/overrides/$package"
    fi

    install -d "$root/DEBIAN"
    install -m 0755 "packaging/debian/$package"/{postinst,prerm,postrm} "$root/DEBIAN/"
    install -m 0644 "packaging/debian/$package/conffiles" "$root/DEBIAN/"
    fill -e "s|@DEPENDS@|$depends|" -e "s|@SIZE@|$(du -sk --exclude=DEBIAN "$root" | cut -f1)|" "packaging/debian/$package/control" >"$root/DEBIAN/control"
    (cd "$root" && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
    find "$root" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
    dpkg-deb --root-owner-group -Zxz --build "$root" "$out/${package}_${version}_${arch}.deb" >/dev/null
}

install -D -m 0644 packaging/etc/default.meshgate "$work/meshgate/etc/default/meshgate"
install -D -m 0644 packaging/systemd/meshgate.service "$work/meshgate/lib/systemd/system/meshgate.service"
install -D -m 0644 docs/guide/mesh.example.yaml "$work/meshgate/usr/share/doc/meshgate/examples/mesh.example.yaml"
for file in prometheus/meshgate.rules.yml grafana/meshgate.json; do
    install -D -m 0644 "packaging/$file" "$work/meshgate/usr/share/doc/meshgate/examples/${file#*/}"
done
build meshgate 1

install -D -m 0644 packaging/etc/agent.conf "$work/meshgate-agent/etc/meshgate/agent.conf"
install -D -m 0644 packaging/etc/allowed_signers "$work/meshgate-agent/etc/meshgate/allowed_signers"
for unit in meshgate-agent meshgate-wiper meshgate-prober meshgate-tracer; do
    install -D -m 0644 "packaging/systemd/$unit.service" "$work/meshgate-agent/lib/systemd/system/$unit.service"
done
build meshgate-agent 8
