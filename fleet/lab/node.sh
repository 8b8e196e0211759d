#!/bin/sh
# Turns the namespaces it was started in into a node: root file system, devices, address; then becomes its process 1.
# Usage: node.sh NAME ADDRESS/PREFIX MACHINE_ADDRESS MACHINE_MAC [DIRECTORY_THAT_IS_A_MOUNT_OF_ITS_OWN...]
# The working directory is the node's: it has upper/, work/ and root/, and upper-N/, work-N/ for the Nth extra mount;
# ../.common/ has the upper/ and upper-N/ that all nodes share.
# Says its process id on stdout, and goes on when a line comes on stdin: by then the network card eth0 is there.
set -eu

name=$1
address=$2
machine=$3
mac=$4
shift 4

# The old /proc is still the machine's own, so this is the id by which the machine knows us.
read -r pid _ </proc/self/stat
echo "$pid"
# End of file here means that whoever builds the lab is gone: then there is no node to be.
read -r _
exec </dev/null >&2

printf '%s' "$name" >/proc/sys/kernel/hostname
# The lab has no IPv6; without this, a thousand neighbour discoveries would reach a thousand nodes each.
[ ! -e /proc/sys/net/ipv6/conf/eth0/disable_ipv6 ] || echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6
ip -batch - <<EOF
link set lo up
addr add $address dev eth0
link set eth0 up
neighbour add $machine lladdr $mac dev eth0 nud permanent
EOF

mount -t overlay overlay -o lowerdir=../.common/upper:/,upperdir=upper,workdir=work root
extra=0
for directory; do
    extra=$((extra + 1))
    mount -t overlay overlay -o "lowerdir=../.common/upper-$extra:$directory,upperdir=upper-$extra,workdir=work-$extra" "root$directory"
done

mount -t proc proc root/proc
# Everything of /proc/sys belongs to the machine, except for net, which is the namespace's own.
mount --bind -o ro root/proc/sys root/proc/sys
mount --bind root/proc/sys/net root/proc/sys/net
mount -o remount,bind,rw root/proc/sys/net
[ ! -e root/proc/sysrq-trigger ] || mount --bind -o ro root/proc/sysrq-trigger root/proc/sysrq-trigger
mount -t sysfs -o ro sysfs root/sys
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts root/dev/pts
mount -t tmpfs -o mode=1777,size=16m tmpfs root/dev/shm
mount -t tmpfs -o mode=0755,size=16m tmpfs root/run
mount -t tmpfs -o mode=1777,size=64m tmpfs root/tmp

# The machine's boot id would be the same for all nodes, and would outlive a node's reboot.
cat /proc/sys/kernel/random/uuid >root/run/boot_id
mount --bind -o ro root/run/boot_id root/proc/sys/kernel/random/boot_id

cd root
pivot_root . mnt
umount -l /mnt

# What would reach the machine itself through a node's root.
exec setpriv --bounding-set -sys_module,-sys_time,-sys_boot,-sys_rawio,-mknod,-mac_admin,-mac_override,-syslog \
    /usr/local/lib/fleet-lab/init.sh
