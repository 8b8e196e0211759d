#!/bin/sh
# Boots systemd as process 1 of namespaces of its own, on this machine's root directory under a layer of the node's.
# Usage: systemd_node.sh BASE CGROUP: BASE has the folders upper, work and root and the files boot_id and console.
set -eu
echo $$ >"$2/cgroup.procs"
# shellcheck disable=SC2016 # the shell inside expands it
exec unshare --pid --fork --kill-child --mount --net --uts --ipc --cgroup --propagation private sh -ec '
base=$1
root=$base/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$root"
hostname fleet-node
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
for folder in run tmp dev; do
    mount -t tmpfs -o mode=755 tmpfs "$root/$folder"
done
for device in null:3 zero:5 full:7 random:8 urandom:9; do
    mknod -m 666 "$root/dev/${device%:*}" c 1 "${device#*:}"
done
ln -s /proc/self/fd "$root/dev/fd"
# A service with devices of its own gets these.
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
touch "$root/dev/console"
mount --bind "$base/console" "$root/dev/console"
# All of /proc/sys is the machine'\''s own, except for net.
mount --bind -o ro "$root/proc/sys" "$root/proc/sys"
mount --bind "$root/proc/sys/net" "$root/proc/sys/net"
mount -o remount,bind,rw "$root/proc/sys/net"
[ ! -e "$root/proc/sysrq-trigger" ] || mount --bind -o ro "$root/proc/sysrq-trigger" "$root/proc/sysrq-trigger"
mount --bind -o ro "$base/boot_id" "$root/proc/sys/kernel/random/boot_id"
cd "$root"
pivot_root . mnt
umount -l /mnt
exec env -i container=fleet PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=basic.target \
    --log-target=console --show-status=0
' sh "$1"
