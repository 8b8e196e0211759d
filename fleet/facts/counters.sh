#!/bin/sh
# Reads what the kernel has counted in the node's own network namespace, and changes nothing. Run as:
# sh -s -- NONCE <counters.sh
#
#   NONCE  hexadecimal, chosen anew for each call
#
# One cat reads all files one after the other, so that they belong to one moment; no root is needed. The answer is
# framed as that of probe.sh.
#
# POSIX sh; tried with dash, bash and busybox. The last line starts it all: a script that was cut off runs nothing.

\unalias -a 2>/dev/null
unset -f command env cat unset exec set printf

counters() {
  nonce=$1
  exec </dev/null 2>/dev/null
  set +eufx
  IFS=' 	
'
  LC_ALL=C
  PATH=${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  export LC_ALL PATH
  cat=$(command -v cat)
  wanted=
  printf '%s fleet-counters 1\n\n%s files\n' "$nonce" "$nonce"
  for path in /proc/uptime /proc/sys/kernel/random/boot_id /proc/net/snmp /proc/net/netstat /proc/net/sockstat \
    /proc/net/sockstat6 /proc/net/stat/nf_conntrack /proc/sys/net/netfilter/nf_conntrack_count \
    /proc/sys/net/netfilter/nf_conntrack_max; do
    if [ -r "$path" ]; then
      printf 'read %s\n' "$path"
      wanted="$wanted $path /proc/self/environ"
    elif [ -e "$path" ]; then
      printf 'refused %s\n' "$path"
    fi
  done
  printf '\n%s contents\n' "$nonce"
  # shellcheck disable=SC2086 # words, made of paths without blanks
  env -i "$nonce=" "$cat" $wanted
  printf '\n%s end\n' "$nonce"
}

{ counters "$@"; }
