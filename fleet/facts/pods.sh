#!/bin/sh
# Reads keys inside other network namespaces of a node, such as those of its pods, and changes nothing. Run as:
# sh -s -- NONCE MOST KEY... <pods.sh
#
#   NONCE  hexadecimal, chosen anew for each call
#   MOST   namespaces to read at most: those with the oldest processes
#   KEY    below /proc/sys/net, such as net/ipv4/tcp_fin_timeout
#
# /proc/sys/net shows the values of the namespace of whoever reads it, so one cat in each namespace does it, with the
# node's own programs and files. The answer is framed as that of probe.sh. It goes to the node behind namespaces.sh.
#
# POSIX sh; tried with dash, bash and busybox. The last line starts it all: a script that was cut off runs nothing.

pods() {
  nonce=$1
  most=$2
  shift 2
  exec </dev/null 2>/dev/null
  set +eufx
  IFS=' 	
'
  CDPATH=
  LC_ALL=C
  PATH=${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  export LC_ALL PATH
  printf '%s fleet-pods 1\n' "$nonce"
  while read -r word _ uid _; do
    [ "$word" = Uid: ] && break
  done </proc/self/status
  [ "$uid" = 0 ] || refuse root
  for program in nsenter ls awk sort env cat head; do
    command -v "$program" >/dev/null || refuse "missing $program"
  done
  cat=$(command -v cat)
  env=$(command -v env)
  [ -e /proc/self/ns/net ] || refuse 'impossible the kernel has no network namespaces'
  cd /proc || refuse 'impossible /proc cannot be entered'
  wanted=/proc/sys/kernel/hostname
  for key in "$@"; do
    wanted="$wanted /proc/self/environ /proc/sys/$key"
  done
  wanted="$wanted /proc/self/environ"
  frame own
  # shellcheck disable=SC2086 # words, made of keys without blanks
  env -i "$nonce=" "$cat" $wanted
  all=$(elsewhere)
  frame namespaces
  printf '%s\n' "$all" | head -n 5000
  frame samples
  printf '%s\n' "$all" | head -n $((most + 1)) | while read -r start pid _; do
    [ "$start" != seen ] || continue
    printf '%s=pid %s\n' "$nonce" "$pid"
    head -c 2000 "$pid/cgroup"
    printf '\n%s=values\n' "$nonce"
    # shellcheck disable=SC2086
    nsenter --net="/proc/$pid/ns/net" --uts="/proc/$pid/ns/uts" "$env" -i "$nonce=" "$cat" $wanted </dev/null
  done
  frame end
}

{ pods "$@"; }
