#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Holds a Talos system extension (an OCI archive) against Talos' content rules and its own promises: manifest, places, modes, service
# descriptions, and that every program finds its libraries. Prints every fault, then ends with 1.
#
#   scripts/check-extension.sh EXTENSION.oci.tar
set -euo pipefail
[ $# = 1 ] || { echo "usage: scripts/check-extension.sh EXTENSION.oci.tar" >&2; exit 64; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/layout" "$work/image"
tar -xf "$1" -C "$work/layout"
manifest=$(jq -r '.manifests[0].digest' "$work/layout/index.json")
blob() { echo "$work/layout/blobs/sha256/${1#sha256:}"; }
for digest in $(jq -r '.layers[].digest' "$(blob "$manifest")"); do
    tar -xpf "$(blob "$digest")" -C "$work/image" --no-same-owner --delay-directory-restore
    tar -tvf "$(blob "$digest")" --numeric-owner >>"$work/list"
done
python3 - "$work/image" "$work/list" <<'PYTHON'
import os, re, stat, subprocess, sys
import yaml

image, listing = sys.argv[1], sys.argv[2]
faults = []
ALLOWED = ["etc/cri/conf.d", "usr/lib/firmware", "usr/lib/modules", "usr/lib/udev/rules.d", "usr/local", "usr/share/glvnd", "usr/share/egl",
           "etc/vulkan", "usr/bin/nvme", "usr/bin/ldconfig", "etc/ld.so.conf", "etc/ld.so.cache"]
STATUSES = {"addresses", "connectivity", "hostname", "etcfiles"}

def load(path):
    with open(path) as file:
        try:
            return yaml.safe_load(file) or {}
        except yaml.YAMLError as error:
            faults.append(f"{os.path.relpath(path, image)}: not YAML: {error}")
            return {}

def only(where, value, known):
    for key in value:
        if key not in known:
            faults.append(f"{where}: unknown key {key}")

# Top level and manifest.
for name in sorted(os.listdir(image)):
    if name not in ("manifest.yaml", "rootfs"):
        faults.append(f"{name}: only manifest.yaml and rootfs may be at the top")
manifest = load(os.path.join(image, "manifest.yaml"))
if manifest.get("version") != "v1alpha1":
    faults.append("manifest.yaml: version must be v1alpha1")
metadata = manifest.get("metadata", {})
for key in ("name", "version", "author", "description"):
    if not metadata.get(key):
        faults.append(f"manifest.yaml: metadata.{key} is missing")
if not re.match(r"^[><=~^ v0-9.,|-]+$", str(metadata.get("compatibility", {}).get("talos", {}).get("version", ""))):
    faults.append("manifest.yaml: metadata.compatibility.talos.version is not a range of versions")

# Owners, kinds, modes and places.
for line in open(listing):
    if line.split()[1] != "0/0":
        faults.append(f"{line.split()[-1]}: not owned by root")
root = os.path.join(image, "rootfs")
for parent, directories, files in os.walk(root):
    for name in directories + files:
        path = os.path.join(parent, name)
        shown, mode = os.path.relpath(path, root), os.lstat(path).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
            faults.append(f"{shown}: a special file")
        if not stat.S_ISLNK(mode) and mode & 0o002:
            faults.append(f"{shown}: writeable for the world")
        if mode & (stat.S_ISUID | stat.S_ISGID):
            faults.append(f"{shown}: runs as its owner")
        if not stat.S_ISDIR(mode) and not any(shown == place or shown.startswith(place + "/") for place in ALLOWED):
            faults.append(f"{shown}: Talos allows no file here")

# Services.
services = os.path.join(root, "usr/local/etc/containers")
containers = os.path.join(root, "usr/local/lib/containers")
programs = 0
for file in sorted(os.listdir(services)):
    spec, where = load(os.path.join(services, file)), f"service {file}"
    only(where, spec, {"name", "container", "depends", "restart", "logToConsole"})
    name, container = str(spec.get("name", "")), spec.get("container", {})
    if not re.fullmatch(r"[-_a-z0-9]+", name) or file != name + ".yaml":
        faults.append(f"{where}: the name \"{name}\" is not the file's, or not made of a-z, 0-9, - and _")
    only(where, container, {"entrypoint", "environment", "environmentFile", "args", "mounts", "security"})
    home = os.path.join(containers, name)
    if not os.path.isdir(home):
        faults.append(f"{where}: there is no root file system usr/local/lib/containers/{name}")
    if spec.get("restart") not in ("always", "never", "untilSuccess"):
        faults.append(f"{where}: restart is {spec.get('restart')}")
    for entry in spec.get("depends", []):
        if len(entry) != 1 or next(iter(entry)) not in ("service", "path", "network", "time", "configuration"):
            faults.append(f"{where}: depends has {entry}; each is exactly one of service, path, network, time, configuration")
        for status in set(entry.get("network", [])) - STATUSES:
            faults.append(f"{where}: there is no network status {status}")
    mounts = container.get("mounts", [])
    for mount in mounts:
        if set(mount) != {"source", "destination", "type", "options"}:
            faults.append(f"{where}: a mount needs source, destination, type and options: {mount}")
        elif not set(mount["options"]) & {"ro", "rw"}:
            faults.append(f"{where}: {mount['destination']} is neither ro nor rw")
        elif not os.path.lexists(os.path.join(home, mount["destination"].lstrip("/"))) and not mount["destination"].startswith("/etc/"):
            faults.append(f"{where}: there is no place {mount['destination']} to mount at")
    # The program lies in the service's own root, or in that of another service that is mounted into it.
    entrypoint = container.get("entrypoint", "")
    program = os.path.join(home, entrypoint.lstrip("/"))
    for mount in mounts:
        inside = entrypoint.startswith(mount["destination"] + "/")
        if inside and mount["source"].startswith("/usr/local/"):
            program = os.path.join(root, mount["source"].lstrip("/"), os.path.relpath(entrypoint, mount["destination"]))
    if not os.access(program, os.X_OK):
        faults.append(f"{where}: there is no program {entrypoint}")
        continue
    programs += 1
    libraries = set(os.listdir(os.path.join(os.path.dirname(program), "../lib")))
    dynamic = subprocess.run(["readelf", "--dynamic", "--program-headers", program], capture_output=True, text=True, check=True).stdout
    for needed in re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic):
        if needed not in libraries and not needed.startswith("ld-linux"):
            faults.append(f"{where}: the library {needed} is missing")
    for loader in re.findall(r"interpreter: (.*)\]", dynamic):
        if not os.path.exists(os.path.join(os.path.dirname(program), "..", loader.lstrip("/"))):
            faults.append(f"{where}: the loader {loader} is missing")

for fault in faults:
    print(f"check-extension: {fault}", file=sys.stderr)
if faults:
    sys.exit(1)
print(f"check-extension: {metadata['name']} {metadata['version']}: {programs} services, nothing to complain about")
PYTHON
# As root the program can be started in its own root file system, which proves that nothing of this machine is needed.
if [ "$(id -u)" = 0 ]; then
    for container in "$work"/image/rootfs/usr/local/lib/containers/*; do
        [ -d "$container/usr/bin" ] || continue
        program=$(find "$container/usr/bin" -type f -perm -u+x -print -quit)
        # The Swift runtime reads its arguments from /proc, which Talos mounts.
        # shellcheck disable=SC2016 # for the inner shell
        version=$(unshare --mount bash -c 'mount --bind /proc "$1/proc" && exec chroot "$1" "$2" --version' - \
            "$container" "${program#"$container"}") || {
            echo "check-extension: $(basename "$program") does not start in its own root file system" >&2
            exit 1
        }
        echo "check-extension: $(basename "$program") $version starts in its own root file system"
    done
fi
