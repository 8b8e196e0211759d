#!/bin/sh
# Lets the node's own boot tool apply the node's own files in a network namespace that exists for this alone. Run as:
# sh -s -- NONCE TOOL KEY... <rehearse.sh
#
#   NONCE  hexadecimal, chosen anew for each call
#   TOOL   systemd-sysctl, or sysctl for "sysctl --system" of procps
#   KEY    below /proc/sys, such as net/ipv4/tcp_fin_timeout: the only files that the tool can write
#
# $inside is the text of rehearse_inside.sh, which fleet/facts/rehearsal.py puts in front: it runs in the namespaces.
# The answer is framed as that of probe.sh; a rehearsal that is not possible ends with the section "refused".
#
# POSIX sh; tried with dash, bash and busybox. The last line starts it all: a script that was cut off runs nothing.

\unalias -a 2>/dev/null
unset -f command env cat head read unset exec set shift printf exit unshare mount chroot timeout sh

# refuse WHY: "root", "missing PROGRAM" or "impossible TEXT"
refuse() {
  printf '\n%s refused\n%s\n\n%s end\n' "$nonce" "$1" "$nonce"
  exit 0
}

rehearse() {
  nonce=$1
  tool=$2
  shift 2
  exec </dev/null 2>/dev/null 3>&1
  set +eufx
  IFS=' 	
'
  CDPATH=
  LC_ALL=C
  PATH=${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  export LC_ALL PATH
  printf '%s fleet-rehearsal 1\n' "$nonce"
  while read -r word _ uid _; do
    [ "$word" = Uid: ] && break
  done </proc/self/status
  [ "$uid" = 0 ] || refuse root
  for program in unshare mount chroot timeout env cat head; do
    command -v "$program" >/dev/null || refuse "missing $program"
  done
  if [ "$tool" = systemd-sysctl ]; then
    for program in /usr/lib/systemd/systemd-sysctl /lib/systemd/systemd-sysctl; do
      [ ! -x "$program" ] || break
    done
  else
    program=$(command -v sysctl)
  fi
  [ -x "$program" ] || refuse "missing $tool"
  # Only the words of unshare itself are caught: the answer goes out through 3.
  # shellcheck disable=SC2154 # put in front of this script
  said=$(unshare --mount --net --propagation private sh -c "$inside" sh "$nonce" "$$" "$program" "$@" 2>&1 >&3 3>&-) ||
    refuse "impossible ${said:-the rehearsal was ended}"
}

{ rehearse "$@"; }
