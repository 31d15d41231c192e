#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
#
# The first process of the virtual machine: modules, mounts, one scenario, off. The kernel has the first console for itself, so that none
# of its lines runs into one of ours on the second.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
exec >/dev/ttyS1 2>&1
stty -opost -echo </dev/ttyS1

for module in /modules/*.ko; do
    insmod "$module" || echo "not ok start: cannot load $module"
done
mount -t ext4 /dev/vda /state || echo "not ok start: there is no disk with the keys"

scenario=
read -r words </proc/cmdline
for word in $words; do
    case $word in meshgate.scenario=*) scenario=${word#*=} ;; esac
done
meshgate-vm-guest "$scenario" || dmesg >/dev/ttyS0
echo "# $scenario: $(cut -d ' ' -f 1 /proc/uptime) s after the start of the kernel"

umount /state
# Not by poweroff, which syncs first: a refused disk must be found as the wiper left it.
echo o >/proc/sysrq-trigger
sleep 60
