# shellcheck shell=sh disable=SC2154 # probe.sh sets $nonce
# What every part needs first: words that mean what they say, and the frames of the answer that probe.sh describes.

# A shell of the node may bring aliases and functions for the words used below.
\unalias -a 2>/dev/null
unset -f command env cat head awk uname readlink tr grep printf read true unset exec set shift eval cd

# What is to be printed gathers in $held, for each print is a packet of its own: print_held comes before a program that
# prints by itself, since a variable cannot hold every byte.

# Opens a section.
frame() {
  held="$held
$nonce $1
"
}

# Adds one record.
record() {
  held="$held$nonce=$1"
}

# Adds one line.
say() {
  held="$held$1
"
}

# Adds what a program has printed, less what only ends its last line.
say_all() {
  [ -z "$1" ] || say "$1"
}

print_held() {
  printf '%s' "$held"
  held=
}
