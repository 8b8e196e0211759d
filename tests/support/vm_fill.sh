#!/bin/bash
# fill.sh COUNT: opens that many connections, each of its own to the eyes of conntrack, by packets that are really sent.
# Prints the bytes of conntrack's own slab cache and of all general ones, before and after.
set -eu
wanted=$1

slabs() { awk '$1 == "nf_conntrack" || $1 ~ /^kmalloc-/ { sum += $3 * $4 } END { print sum }' /proc/slabinfo; }

sysctl -q -w net.netfilter.nf_conntrack_udp_timeout=3600 net.ipv4.ip_local_port_range='1024 65535'
# Without a rule that asks for it nothing is tracked.
iptables -A OUTPUT -m conntrack --ctstate NEW -j ACCEPT
slabs
last=2
while [ "$wanted" -gt 0 ]; do
    for ((port = 1; port < 32768 && wanted > 0; port++, wanted--)); do
        echo >"/dev/udp/10.0.2.$last/$port"
    done
    last=$((last + 1))
done
slabs
