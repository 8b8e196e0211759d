#!/bin/sh
# Stands in for k3s as far as the kernel is concerned: writes what `k3s server` writes at its start, and then stays.
# https://github.com/k3s-io/k3s/blob/master/pkg/agent/syssetup/setup.go, getConntrackConfig in pkg/agent/run.go
set -u
per_core=32768 least=131072 established=86400 close_wait=3600
for file in /etc/rancher/k3s/config.yaml /etc/rancher/k3s/config.yaml.d/*.yaml; do
    [ -f "$file" ] || continue
    flags=$(grep -v '^ *#' "$file" | grep -o 'conntrack-[a-z-]*=[0-9]*s\?')
    for flag in $flags; do
        value=${flag#*=}
        value=${value%s}
        case $flag in
            conntrack-max-per-core=*) per_core=$value ;;
            conntrack-min=*) least=$value ;;
            conntrack-tcp-timeout-established=*) established=$value ;;
            conntrack-tcp-timeout-close-wait=*) close_wait=$value ;;
        esac
    done
done

# put KEY VALUE: 0 leaves the key alone
put() { [ "$2" = 0 ] || printf '%s' "$2" >"/proc/sys/$1" || echo "$1 is not $2" >&2; }

modprobe -a overlay nf_conntrack br_netfilter
limit=0
if [ "$per_core" -gt 0 ]; then
    limit=$((per_core * $(getconf _NPROCESSORS_ONLN)))
    [ "$limit" -ge "$least" ] || limit=$least
fi
put net/netfilter/nf_conntrack_max "$limit"
put net/netfilter/nf_conntrack_tcp_timeout_established "$established"
put net/netfilter/nf_conntrack_tcp_timeout_close_wait "$close_wait"
put net/ipv4/conf/all/forwarding 1
put net/ipv4/conf/default/forwarding 1
put net/bridge/bridge-nf-call-iptables 1
while :; do sleep 3600; done
