#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The real wiper in small virtual machines: a Debian cloud kernel under QEMU's own interpreter (no KVM), with virtio, SCSI and NVMe disks,
# device-mapper, md and the kernel's own partitions. Each scenario is one boot; then the images of its disks are looked at from outside.
# And the prober on kinds of links that the kernel of a test machine may not have: 802.1Q, 802.1ad, bonds, WireGuard, netem.
# And the tracer's own eBPF programs on a kernel that people run.
#
#   Tests/VM/run.sh [SCENARIO...]
#
# SWIFT_FLAGS: more arguments for `swift build`. MESHGATE_VM_KERNEL: the package that depends on the kernel to boot, or the file of a kernel's
# package (*.deb), for kernels that apt does not choose by itself, such as those of backports.
# KEEP=1: leave the images. Logs stay under .build-vm/run.
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=$PWD/.build-vm
kernel_package=${MESHGATE_VM_KERNEL:-linux-image-cloud-amd64}
all=(buses ignored unmapped plain volume array mounted released swap unplugged pulled nameless twins resized faulty
    locked links vlans ways tracer traffic denied)
# What a scenario may need beyond what the kernel has built in.
modules=(virtio_pci virtio_blk virtio_scsi sd_mod nvme dm_mod raid1 ext4
    af_packet veth bridge 8021q bonding dummy wireguard sch_netem nf_tables)
tools=(ssh-keygen lvm mdadm sgdisk mke2fs ip bridge tc nft)

passed=0
failed=0
qemu=
began=$SECONDS

fail() {
    echo "test-vm: $1" >&2
    exit 69
}

# Ends QEMU, the very process that was started and no other.
end_qemu() {
    [ -n "$qemu" ] || return 0
    kill "$qemu" 2>/dev/null || true
    for _ in {1..30}; do
        kill -0 "$qemu" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL "$qemu" 2>/dev/null || true
    wait "$qemu" 2>/dev/null || true
    qemu=
}
trap end_qemu EXIT
trap 'exit 130' INT TERM

# The kernel

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# The image that the meta-package asks for today; Debian renames it with each ABI.
current_image() {
    case $kernel_package in *.deb)
        dpkg-deb -f "$kernel_package" Package
        return
        ;;
    esac
    apt-cache depends "$kernel_package" 2>/dev/null |
        awk '$1 == "Depends:" && $2 ~ /^linux-image-[0-9].*-cloud-amd64$/ && !found { print $2; found = 1 }'
}

has_kernel() { [ -n "$1" ] && [ -e "$cache/kernel/$1/vmlinux" ]; }

download_kernel() {
    local image=$1
    [ -n "$image" ] || return 1
    rm -rf "$cache/download"
    mkdir -p "$cache/download"
    case $kernel_package in *.deb)
        cp "$kernel_package" "$cache/download"
        return
        ;;
    esac
    echo "test-vm: downloading $image"
    (cd "$cache/download" && apt-get download -q "$image") >"$cache/download.log" 2>&1
}

# Unpacked and not installed: this machine keeps its own.
unpack_kernel() {
    local image=$1 to=$cache/kernel/$1
    rm -rf "$to"
    mkdir -p "$to"
    dpkg --fsys-tarfile "$cache"/download/*.deb | tar -x -C "$to" --wildcards './boot/vmlinuz-*' './boot/config-*' './lib/modules/*'
    depmod -b "$to" "$(release "$to")"
    uncompress_kernel "$to"/boot/vmlinuz-* "$to/vmlinux.part"
    mv "$to/vmlinux.part" "$to/vmlinux"
    rm -rf "$cache/download"
}

release() { basename "$1"/lib/modules/*; }

# The kernel inside its own wrapper (Documentation/arch/x86/boot.rst): booting it directly through PVH saves the guest half of its start,
# which is spent in the decompressor.
uncompress_kernel() {
    local start length
    start=$((($(number_at "$1" 0x1f1 1) + 1) * 512 + $(number_at "$1" 0x248 4)))
    # The last four bytes are the size of what is inside and belong to no stream.
    length=$(($(number_at "$1" 0x24c 4) - 4))
    dd if="$1" of="$2.packed" bs=1M iflag=skip_bytes,count_bytes skip="$start" count="$length" status=none
    case $(od -An -tx1 -N4 "$2.packed" | tr -d ' ') in
    fd377a58) xz -dc "$2.packed" >"$2" ;;
    02214c18) lz4 -dcq "$2.packed" >"$2" ;;
    28b52ffd) zstd -dcq "$2.packed" >"$2" ;;
    1f8b*) gzip -dc "$2.packed" >"$2" ;;
    *) fail "the kernel in $1 is packed in a way that this script does not know" ;;
    esac
    rm "$2.packed"
    [ "$(head -c 4 "$2" | tail -c 3)" = ELF ] || fail "what was unpacked from $1 is no kernel"
}

number_at() { od -An -t "u$3" -j "$(($2))" -N "$3" "$1" | tr -d ' '; }

find_kernel() {
    local image
    image=$(current_image)
    if ! has_kernel "$image" && ! download_kernel "$image"; then
        echo "test-vm: that failed; once more after apt-get update"
        as_root apt-get update -q >/dev/null || true
        image=$(current_image)
        download_kernel "$image" || image=$(older_kernel)
        [ -n "$image" ] || fail "cannot get the kernel that $kernel_package asks for: $(cat "$cache/download.log" 2>/dev/null)"
    fi
    has_kernel "$image" || unpack_kernel "$image"
    kernel=$cache/kernel/$image
    echo "# kernel: $(release "$kernel")"
}

# Without a network one from before serves as well.
older_kernel() {
    find "$cache/kernel" -mindepth 2 -maxdepth 2 -name vmlinux -printf '%T@ %h\n' 2>/dev/null | sort -n | tail -n 1 | sed 's,.*/,,'
}

# What the machine starts with

build_initramfs() {
    local root=$cache/root program
    # shellcheck disable=SC2086 # several words
    "${SWIFT:-swift}" build --product meshgate-vm-guest ${SWIFT_FLAGS:-}
    # shellcheck disable=SC2086
    program=$("${SWIFT:-swift}" build --show-bin-path ${SWIFT_FLAGS:-})/meshgate-vm-guest
    rm -rf "$root"
    mkdir -p "$root"/{bin,dev,etc,mnt,modules,proc,run,state,sys,tmp,usr/bin,usr/sbin}
    cp Tests/VM/init.sh "$root/init"
    cp "$program" "$root/usr/bin/"
    cp "$(command -v busybox)" "$root/bin/"
    # ssh-keygen asks who it is.
    echo "root:x:0:0:root:/:/bin/sh" >"$root/etc/passwd"
    local tool paths=("$program")
    for tool in "${tools[@]}"; do
        cp -L "$(PATH=$PATH:/usr/sbin:/sbin command -v "$tool")" "$root/usr/sbin/$tool"
        paths+=("$root/usr/sbin/$tool")
    done
    # At the same places as here, because that is where the programs look.
    ldd "${paths[@]}" | grep -o '/[^ :]* (0x' | cut -d ' ' -f 1 | sort -u | while IFS= read -r library; do
        cp -L --parents "$library" "$root"
    done
    copy_modules "$root/modules"
    (cd "$root" && find . -print0 | LC_ALL=C sort -z | cpio --null -o -H newc -R 0:0 --quiet) >"$cache/initramfs.cpio"
}

# With a number before each name: the order in which they can be loaded.
copy_modules() {
    local verb path count=100 module
    for module in "${modules[@]}"; do
        /sbin/modprobe -d "$kernel" -S "$(release "$kernel")" --show-depends "$module"
    done | while read -r verb path _; do
        [ "$verb" = insmod ] || continue
        count=$((count + 1))
        [ -z "$(find "$1" -name "*-$(basename "${path%%.ko*}").ko")" ] || continue
        module=$1/$count-$(basename "${path%%.ko*}").ko
        case $path in
        *.xz) xz -dc "$path" >"$module" ;;
        *.zst) zstd -dcq "$path" >"$module" ;;
        *) cp "$path" "$module" ;;
        esac
    done
}

# One machine

# Fresh keys and an empty replay store, on the disk that the machine calls vda.
begin() {
    scenario=$1
    run=$cache/run/$1
    rm -rf "$run"
    mkdir -p "$run/keys"
    ssh-keygen -q -t ed25519 -N '' -C admin -f "$run/keys/admin"
    echo "admin@example.org namespaces=\"meshgate-wipe\" $(cat "$run/keys/admin.pub")" >"$run/keys/allowed_signers"
    truncate -s 16M "$run/state.img"
    /sbin/mke2fs -q -t ext4 -E root_owner=0:0 -d "$run/keys" "$run/state.img"
}

# An image of `size` that begins and ends with noise, which no scenario takes for anything.
image() {
    truncate -s "$2" "$run/$1.img"
    dd if=/dev/urandom of="$run/$1.img" bs=1M count=1 seek=2 conv=notrunc status=none
    dd if=/dev/urandom of="$run/$1.img" bs=64K count=1 oflag=seek_bytes seek=$(($(stat -c %s "$run/$1.img") - 65536)) conv=notrunc status=none
}

# Adds arguments for QEMU: a drive, and with `virtio` also the device on it. Images are thrown away, so nothing waits for the medium.
drive() { arguments+=(-drive "if=none,id=$1,file=$run/$1.img,format=raw,cache=unsafe${2:+,$2}"); }
virtio() {
    drive "$1" "${4:-}"
    arguments+=(-device "virtio-blk-pci,drive=$1,id=disk-$1,addr=$2${3:+,serial=$3}${5:+,$5}")
}

# Boots, answers what the machine asks of its host, and takes over what it says. 1 when it does not come to its end.
boot() {
    local name=$1 deadline=$2 since=$SECONDS answered=0 asked
    log=$run/$name.log
    : >"$log"
    rm -f "$run"/qmp.*
    mkfifo "$run/qmp.in" "$run/qmp.out"
    # The interpreter of QEMU 7.2 leaves the flags of a cmpxchg16b without lock wrong, by which newer kernels allocate memory: not with clearcpuid.
    qemu-system-x86_64 -machine pc,accel=tcg -cpu max -smp 1 -m 384 -nodefaults -no-user-config -display none -no-reboot \
        -kernel "$kernel/vmlinux" -initrd "$cache/initramfs.cpio" \
        -append "console=ttyS0,115200 quiet panic=-1 clocksource=acpi_pm mitigations=off clearcpuid=cx16 meshgate.scenario=$name" \
        -serial "file:$run/$name.kernel.log" -serial "file:$log" \
        -chardev "pipe,id=qmp,path=$run/qmp" -mon chardev=qmp,mode=control \
        -drive "if=none,id=state,file=$run/state.img,format=raw,cache=unsafe" \
        -device virtio-blk-pci,drive=state,addr=5,serial=STATE "${arguments[@]}" >"$run/$name.qemu.log" 2>&1 &
    qemu=$!
    exec {qmp}<>"$run/qmp.in" {replies}<>"$run/qmp.out"
    echo '{"execute":"qmp_capabilities"}' >&"$qmp"
    while kill -0 "$qemu" 2>/dev/null && [ $((SECONDS - since)) -lt "$deadline" ]; do
        sleep 0.1
        asked=$(grep -c '^host: ' "$log" || true)
        while [ "$answered" -lt "$asked" ]; do
            answered=$((answered + 1))
            answer "$(grep '^host: ' "$log" | sed -n "${answered}s/host: //p" | tr -d '\r')"
        done
    done
    exec {qmp}>&- {replies}>&-
    if kill -0 "$qemu" 2>/dev/null; then
        end_qemu
        result false "$name: ends within $deadline s" "see $log and its neighbours"
    fi
    wait "$qemu" 2>/dev/null || true
    qemu=
    take_over "$name"
    echo "# $name: $((SECONDS - since)) s"
}

answer() {
    case $1 in
    unplug) echo '{"execute":"device_del","arguments":{"id":"disk-data"}}' >&"$qmp" ;;
    # To the same place.
    replug)
        echo '{"execute":"device_add","arguments":{"driver":"virtio-blk-pci","drive":"copy","id":"disk-copy","addr":"6"'"$copy_serial"'}}' \
            >&"$qmp"
        ;;
    grow) echo '{"execute":"block_resize","arguments":{"device":"data","size":'$((600 << 20))'}}' >&"$qmp" ;;
    *) result false "$scenario: asks for \"$1\"" "the host does not know that" ;;
    esac
}

take_over() {
    local line ended=false
    while IFS= read -r line; do
        case $line in
        "ok "*) result true "$1: ${line#ok }" ;;
        "not ok "*) result false "$1: ${line#not ok }" ;;
        "end: "*) ended=true ;;
        "# "*) echo "$line" ;;
        esac
    done < <(tr -d '\r' <"$log")
    $ended || result false "$1: came to its end" "the last line is: $(tail -n 1 "$log"); see $log and its neighbours"
}

# Prints one line in TAP's form.
result() {
    if $1; then
        passed=$((passed + 1))
        echo "ok $((passed + failed)) - $2"
    else
        failed=$((failed + 1))
        echo "not ok $((passed + failed)) - $2${3:+: $3}"
    fi
}

check() {
    local name=$1
    shift
    if "$@"; then result true "$scenario: $name"; else result false "$scenario: $name" "$* says no"; fi
}

# The images

digest() { sha256sum "$run/$1.img" | cut -d ' ' -f 1; }
all_zero() { cmp -s -n "$(stat -c %s "$run/$1.img")" "$run/$1.img" /dev/zero; }
has_content() { ! all_zero "$1"; }
# As the machine saw the medium before it tried.
as_told() {
    local told
    told=$(tr -d '\r' <"$log" | awk -v name="$2" '$1 == "sha256" && $2 == name { last = $3 } END { print last }')
    [ "$(digest "$1")" = "$told" ]
}
# What a new owner's tools would find there.
finds_nothing() {
    local code=0
    /sbin/blkid -p -O "$2" "$run/$1.img" >"$run/blkid" 2>&1 || code=$?
    [ "$code" = 2 ] && [ ! -s "$run/blkid" ]
}
is() { [ "$1" = "$2" ]; }
# Every byte has a place in the image's file system, so all of it was written.
is_allocated() { [ $(($(stat -c %b "$run/$1.img") * 512)) -ge "$(stat -c %s "$run/$1.img")" ]; }

# The scenarios; each begins with `arguments` empty

scenario_buses() {
    image virtio $(((64 << 20) + 512))
    image scsi 128M
    image nvme 128M
    image shared 128M
    virtio virtio 6 VIRTIO-1
    drive scsi
    drive nvme
    drive shared
    # shellcheck disable=SC2054 # QEMU wants commas
    arguments+=(
        -device "virtio-scsi-pci,id=scsi,addr=7" -device "scsi-hd,bus=scsi.0,drive=scsi,serial=SCSI-1"
        -device "nvme,drive=nvme,addr=8,serial=NVME-1,logical_block_size=4096,physical_block_size=4096"
        -device nvme-subsys,id=subsystem -device "nvme,id=path,addr=9,serial=NVME-2,subsys=subsystem"
        -device "nvme-ns,drive=shared,bus=path"
    )
    boot buses 90
    local name
    for name in virtio scsi nvme shared; do check "the image $name is zero from end to end" all_zero "$name"; done
}

scenario_ignored() {
    image data 12G
    virtio data 6 DISK-1 discard=ignore
    boot ignored 180
    check "all 12 GiB of the image are zero" all_zero data
}

scenario_unmapped() {
    # An odd number of sectors, and room for two labels.
    image data $(((1280 << 20) + 512))
    virtio data 6 DISK-1 discard=unmap
    boot unmapped 90
    check "the image is zero from end to end" all_zero data
}

scenario_plain() {
    image data $(((1280 << 20) + 512))
    virtio data 6 DISK-1 "" discard=off,write-zeroes=off
    boot plain 120
    check "the image is zero from end to end" all_zero data
    check "and every byte of it was written" is_allocated data
}

# Refused: the image is what the machine saw before it tried.
refusing() {
    image data 64M
    virtio data 6 DISK-1
    boot "$scenario" 90
    check "the image is unchanged" as_told data vdb
}
scenario_volume() { refusing; }
scenario_array() { refusing; }
scenario_mounted() { refusing; }

scenario_locked() {
    image data 64M
    local before
    before=$(digest data)
    virtio data 6 DISK-1 readonly=on
    boot locked 90
    check "the image is unchanged" is "$before" "$(digest data)"
}

# Networks are made inside; there is no disk but the one with the keys.
scenario_links() { boot links 90; }
scenario_vlans() { boot vlans 120; }
scenario_ways() { boot ways 120; }

# The tracer's programs; one disk is sound, the other fails at one write.
scenario_tracer() {
    image data 64M
    virtio data 6 DISK-1
    faulty broken 7 write $(((32 << 20) / 512)) discard=off,write-zeroes=off
    boot tracer 120
}
scenario_traffic() { boot traffic 120; }
scenario_denied() { boot denied 120; }

scenario_swap() {
    image a 64M
    image b 64M
    local before_a before_b
    before_a=$(digest a)
    before_b=$(digest b)
    virtio a 6 DISK-A
    virtio b 7 DISK-B
    boot swap-before 60
    check "the first boot changed nothing" is "$before_a $before_b" "$(digest a) $(digest b)"
    arguments=()
    virtio b 6 DISK-B
    virtio a 7 DISK-A
    boot swap-after 60
    check "DISK-A is zero" all_zero a
    check "DISK-B is unchanged" is "$before_b" "$(digest b)"
}

scenario_released() {
    image data 256M
    virtio data 6 DISK-1
    boot released 90
    local offset
    for offset in 0 1 100; do check "Debian finds nothing at $offset MiB" finds_nothing data $((offset << 20)); done
    check "what lies between is still there: method labels leaves data alone" has_content data
}

# One disk, and a copy of it for its place; so slow in one direction that there is a middle.
pair() {
    image data 512M
    cp --sparse=always "$run/data.img" "$run/copy.img"
    before=$(digest copy)
    copy_serial=${1:+,\"serial\":\"$1\"}
    virtio data 6 "$1" "$2" discard=off,write-zeroes=off
    drive copy
}

scenario_unplugged() {
    local before
    pair DISK-1 throttling.bps-write=$((64 << 20))
    boot unplugged 90
    check "the image still has its end" has_content data
    check "the copy is unchanged" is "$before" "$(digest copy)"
}

scenario_pulled() {
    local before
    pair DISK-1 throttling.bps-read=$((64 << 20))
    boot pulled 90
}

scenario_nameless() {
    local before
    pair "" ""
    image other 64M
    local other
    other=$(digest other)
    virtio other 7 ""
    boot nameless 90
    check "the disk is zero" all_zero data
    check "the copy is unchanged" is "$before" "$(digest copy)"
    check "its neighbour is unchanged" is "$other" "$(digest other)"
}

# One medium on two ways, and nobody in the machine who knows.
scenario_twins() {
    image data 64M
    arguments+=(
        -blockdev "driver=raw,node-name=data,file.driver=file,file.filename=$run/data.img"
        -device "virtio-blk-pci,drive=data,addr=6,serial=DISK-1,share-rw=on"
        -device "virtio-blk-pci,drive=data,addr=7,serial=DISK-1,share-rw=on"
    )
    boot twins 90
    check "the image is unchanged" as_told data vdb
}

scenario_resized() {
    local before
    pair DISK-1 throttling.bps-write=$((64 << 20))
    boot resized 90
}

# A disk on which one kind of request fails, everywhere or where it touches one sector. Flushes go through to the fault.
faulty() {
    image "$1" 64M
    local drive=if=none,id=$1,format=raw,cache=writeback,werror=report,rerror=report
    drive+=,file.driver=blkdebug,file.image.driver=file,file.image.filename=$run/$1.img
    drive+=,file.inject-error.0.event=none,file.inject-error.0.iotype=$3,file.inject-error.0.errno=5
    arguments+=(
        -drive "$drive${4:+,file.inject-error.0.sector=$4}"
        -device "virtio-blk-pci,drive=$1,addr=$2,serial=${1^^}${5:+,$5}"
    )
}

scenario_faulty() {
    local middle=$(((32 << 20) / 512))
    faulty flush 6 flush
    faulty write 7 write "$middle" discard=off,write-zeroes=off
    faulty zeroes 8 write-zeroes "$middle"
    faulty read 9 read "$middle"
    faulty head 0xa read 8
    local before
    before=$(digest head)
    boot faulty 90
    if grep -q 'that fails: cleared' "$log"; then check "the disk called cleared is zero" all_zero zeroes; fi
    check "the disk whose head cannot be read is unchanged" is "$before" "$(digest head)"
}

# A function, so that all of this file is read before any of it runs.
main() {
    [ $# -gt 0 ] || set -- "${all[@]}"
    for scenario in "$@"; do
        declare -F "scenario_$scenario" >/dev/null || {
            echo "test-vm: there is no scenario \"$scenario\"; known are ${all[*]}" >&2
            exit 64
        }
    done
    [ "$(uname -m)" = x86_64 ] || fail "the machines are x86-64 and take their programs from this one, which is $(uname -m)"
    mkdir -p "$cache"
    find_kernel
    build_initramfs
    echo "# ready after $((SECONDS - began)) s"
    for scenario in "$@"; do
        arguments=()
        begin "$scenario"
        "scenario_$scenario"
        [ -n "${KEEP:-}" ] || rm -f "$run"/*.img
    done
    echo "# $((SECONDS - began)) s"
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ]
}

main "$@"
