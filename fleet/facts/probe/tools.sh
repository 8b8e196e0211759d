# shellcheck shell=sh disable=SC2154 # host.sh sets $uid, probe.sh $builtin
# What only other programs of the node can tell.

# Whether the kernel has the module already; where it cannot load any, asking is harmless.
is_there() {
  [ ! -e /proc/modules ] || [ -d "/sys/module/$1" ] || grep -q "/$1\.ko" "$builtin"
}

# Where programs are that a unit may call, rules about INVALID packets and the IPVS timeouts. Each tool would load its module: look first whether it is there.
probe_tools() {
  frame tools
  for name in sysctl modprobe ipvsadm; do
    for path in /sbin /usr/sbin /bin /usr/bin; do
      [ -x "$path/$name" ] || continue
      say "program $name $path/$name"
      break
    done
  done
  if [ -e /proc/net/ip_vs ]; then
    say 'loaded ip_vs'
    if [ "$uid" = 0 ]; then
      if command -v ipvsadm >/dev/null; then
        say "ipvs $(ipvsadm -l --timeout)"
      else
        say 'missing ipvsadm'
      fi
    fi
  fi
  # A table that is listed is loaded; any other would be loaded by asking for it.
  tables=
  if [ -e /proc/net/ip_tables_names ]; then
    say 'loaded ip_tables'
    while read -r name; do
      case $name in filter | mangle) tables="$tables $name" ;; esac
    done </proc/net/ip_tables_names
  fi
  if [ -n "$tables" ]; then
    tool=iptables-legacy-save
    command -v "$tool" >/dev/null || tool=iptables-save
    invalid_rules iptables-legacy "$tool" "$tables"
  fi
  is_there nf_tables || return
  say 'loaded nf_tables'
  [ "$uid" = 0 ] || return
  # Only rules of iptables-nft use nft_compat; where it is not there, iptables-nft-save would load it.
  if is_there nft_compat && is_there xt_conntrack; then
    invalid_rules iptables-nft iptables-nft-save 'filter mangle'
  fi
  say 'expect nft'
  command -v nft >/dev/null || {
    say 'missing nft'
    return
  }
  say_all "$({ nft -t list ruleset || printf 'FAILED\n'; } | awk '
    $1 == "FAILED" { failed = 1 }
    $1 == "table" { table = $2 " " $3 }
    $1 == "chain" { chain = $2 }
    /xt match "conntrack"/ && $0 !~ /ct state/ { print "opaque", table }
    /ct state.*invalid/ && shown++ < 200 { sub(/^[ \t]+/, ""); print "rule nft", table, chain ": " $0 }
    END { print failed ? "failed" : "read", "nft" }')"
}

# invalid_rules BACKEND TOOL TABLES
invalid_rules() {
  say "expect $1"
  command -v "$2" >/dev/null || {
    say "missing $1"
    return
  }
  say_all "$(for table in $3; do
    "$2" -t "$table" || printf 'FAILED\n'
  done | awk -v backend="$1" '
    $1 == "FAILED" { failed = 1 }
    /^-A .*INVALID/ && shown++ < 200 { print "rule", backend, $0 }
    END { print failed ? "failed" : "read", backend }')"
}
