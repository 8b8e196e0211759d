#!/bin/sh
# disk.sh TAR DISK KERNEL: makes a disk of an installed system, and takes the kernel out of it. Run as root, or as the
# root of a user namespace: no device is mounted.
set -eu
root=$(mktemp -d "$2.XXXXXX")
trap 'rm -rf "$root"' EXIT
tar -x -f "$1" -C "$root" --exclude './dev/*'
cat "$root/boot/vmlinuz" >"$3"
# Room for what a test writes; blocks that hold nothing take no room on this machine.
mke2fs -q -t ext4 -E lazy_itable_init=0,lazy_journal_init=0 -J size=8 -m 0 -d "$root" "$2" 1G >/dev/null
