# shellcheck shell=sh disable=SC2154 # probe.sh sets $nonce, $cat and $builtin, processes.sh $pids
# Values of /proc and /sys.

# Records what the keys and the fixed files of /proc and /sys are, then their values in the same order.
probe_values() {
  frame values
  index=0
  wanted=
  for path in "$@" \
    net/netfilter/nf_conntrack_count net/netfilter/nf_conntrack_max net/netfilter/nf_conntrack_buckets; do
    case $path in
      /*) continue ;;
      *) path=/proc/sys/$path ;;
    esac
    if [ ! -f "$path" ]; then
      record "absent - $path"
      continue
    fi
    # Opening for append writes nothing. "[ -w" would say yes to root for read-only keys and mounts in busybox.
    access=r
    { true >>"$path"; } 2>/dev/null && access=w
    if [ -r "$path" ]; then
      record "value $access $path"
      index=$((index + 1))
      eval "value_$index=\$path"
      wanted="$wanted \"\$value_$index\" /proc/self/environ"
    else
      record "denied $access $path"
    fi
  done
  for path in /proc/sys/kernel/hostname /proc/sys/kernel/random/boot_id /proc/uptime /proc/1/comm \
    /sys/devices/system/cpu/online /sys/module/nf_conntrack/parameters/hashsize /proc/net/stat/nf_conntrack \
    /proc/net/sockstat /proc/net/sockstat6 /proc/net/snmp /proc/net/netstat /proc/modules "$builtin"; do
    if [ -r "$path" ]; then
      record "proc r $path"
      wanted="$wanted $path /proc/self/environ"
    elif [ -e "$path" ]; then
      record "refused - $path"
    fi
  done
  for pid in $pids; do
    record "proc r /proc/$pid/cmdline"
    wanted="$wanted /proc/$pid/cmdline /proc/self/environ"
  done
  # Where no list of the built-in modules is installed, the directories of /sys/module name most of them.
  if [ ! -r "$builtin" ]; then
    for path in /sys/module/*; do
      record "module - $path"
    done
  fi
  frame contents
  print_held
  eval "set -- $wanted"
  # head gathers what cat prints file by file.
  env -i "$nonce=" "$cat" "$@" | "$head" -c 8388608
}
