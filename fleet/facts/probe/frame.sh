# shellcheck shell=sh disable=SC2154 # probe.sh sets $nonce
# What every part needs first: words that mean what they say, and the frames of the answer that probe.sh describes.

# A shell of the node may bring aliases and functions for the words used below.
\unalias -a 2>/dev/null
unset -f command env cat head awk uname readlink tr grep printf read true unset exec set shift eval cd

# Opens a section.
frame() {
  printf '\n%s %s\n' "$nonce" "$1"
}

# Prints one record.
record() {
  printf '%s=%s' "$nonce" "$1"
}
