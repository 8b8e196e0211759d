#!/bin/sh
# Captures the TCP segments that pass a node for a bounded time and up to a bounded number, writes no file there and
# changes nothing. It goes to the node behind namespaces.sh and a function that prints listening.py. Run as:
# sh -s -- NONCE SECONDS MOST tcp [and host ADDRESS] [and port NUMBER] ...
#
#   NONCE    hexadecimal, chosen anew for each call
#   SECONDS  for which it listens
#   MOST     segments; it ends when it has them
#
# tcpdump listens where the node has it, else python3. What is captured goes to stdout as a pcap file, inside the frames
# that probe.sh describes; what was lost is told on stderr, in tcpdump's words. Both end by themselves, and before
# that when nobody reads any more.
#
# POSIX sh; tried with dash, bash and busybox. The last line starts it all: a script that was cut off runs nothing.

capture() {
  nonce=$1
  seconds=$2
  most=$3
  shift 3
  exec </dev/null
  set +eufx
  IFS=' 	
'
  LC_ALL=C
  PATH=${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  export LC_ALL PATH
  printf '%s fleet-capture 1\n' "$nonce"
  while read -r word _ uid _; do
    [ "$word" = Uid: ] && break
  done </proc/self/status
  [ "$uid" = 0 ] || refuse root
  command -v timeout >/dev/null || refuse 'missing timeout'
  if [ -x "$(command -v tcpdump)" ]; then
    frame packets
    # Without immediate mode the kernel keeps back what came last.
    timeout -s INT "$seconds" tcpdump -i any -n -s 128 -c "$most" --immediate-mode -U -w - "$@"
  elif [ -x "$(command -v python3)" ]; then
    frame packets
    timeout -s KILL $((seconds + 10)) python3 -I -B -c "$(program)" "$seconds" "$most" "$@"
  else
    refuse 'missing tcpdump'
  fi
  frame end
}

{ capture "$@"; }
