#!/bin/sh
# Holds the network namespace in which a lab's bridge lives: the bridge and all cables end with this process.
set -eu

# Only the nodes talk here; the switch itself needs no addresses.
[ ! -e /proc/sys/net/ipv6/conf/default/disable_ipv6 ] || echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
ip -batch - <<EOF
link set lo up
link add bridge type bridge stp_state 0 forward_delay 0 mcast_snooping 0
link set bridge up
EOF

read -r pid _ </proc/self/stat
echo "$pid"
read -r _
exec </dev/null >&2
exec sleep infinity
