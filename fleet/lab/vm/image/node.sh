#!/bin/sh
# Runs in a machine at each of its boots, before sshd: takes over what the lab has for it, and sets up its network.
set -eu
given=/sys/firmware/qemu_fw_cfg/by_name/opt/fleet

modprobe qemu_fw_cfg
umask 077
cat "$given/host_key/raw" >/etc/ssh/ssh_host_ed25519_key
for home in /root /home/ops; do
    mkdir -p "$home/.ssh"
    cat "$given/authorized_key/raw" >"$home/.ssh/authorized_keys"
done
chown -R ops:ops /home/ops/.ssh
umask 022

name=$(cat /proc/sys/kernel/hostname)
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$name" >/etc/hosts

# What QEMU's user network hands out: https://wiki.qemu.org/Documentation/Networking
ip link set lo up
ip address replace 10.0.2.15/24 dev eth0
ip link set eth0 up
ip route replace default via 10.0.2.2
