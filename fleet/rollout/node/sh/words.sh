# shellcheck shell=sh disable=SC2034,SC2154 # the other parts read what it sets, and set what it reads
# What every part needs first: words that mean what they say, the clock, processes, and the frames of the answer.
#
# Names that all parts share:
#
#   home   the folder of fleet on the node
#   run    the run that this script is about; dir is its folder
#   nonce  opens each section and each record of the answer

# A shell of the node may bring aliases and functions for the words used below.
\unalias -a 2>/dev/null
unset -f command env cat cp mv ln rm mkdir rmdir ls chmod sync sha256sum base64 date flock sleep setsid readlink \
  modprobe rmmod systemctl kill printf read true eval set shift exec exit trap umask cd export unset

home=/var/lib/fleet

# A peer that is gone changes nothing: its signals are ignored, and so is what cannot be printed any more.
prepare() {
  exec </dev/null 2>/dev/null
  trap '' HUP PIPE
  set +eufx
  IFS=' 	
'
  CDPATH=
  LC_ALL=C
  PATH=${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  export LC_ALL PATH
  umask 077
  cd /
  boot=
}

# Opens a section.
frame() {
  printf '\n%s %s\n' "$nonce" "$1"
}

# Prints one record.
record() {
  printf '%s=%s\n' "$nonce" "$1"
}

# Leaves in $folded the words of a text with one blank between them, as the kernel means its values.
fold() {
  set -f
  # shellcheck disable=SC2086 # words are wanted
  set -- $1
  set +f
  folded="$*"
}

# Leaves in $words what a program said about its failure, and in $kind_said what kind of failure that is.
understand() {
  fold "$1"
  words=${folded##*: }
  case $words in
    *'No space left'* | *quota* | *'I/O error'*) kind_said=space ;;
    *'Read-only'* | *'ermission denied'* | *'not permitted'*) kind_said=read-only ;;
    *) kind_said=refused ;;
  esac
}

# Leaves in $now the seconds since boot, which no change of the date moves.
clock() {
  read -r now _ </proc/uptime
  now=${now%%.*}
}

# Leaves in $boot the number of this boot.
look_up_boot() {
  [ -n "$boot" ] || boot=$(cat /proc/sys/kernel/random/boot_id)
}

# Leaves in $start when a process began; fails where it has ended. Number and beginning together name a process.
began() {
  start=
  read -r line <"/proc/$1/stat" || return 1
  set -f
  # shellcheck disable=SC2086 # words are wanted; the name in parentheses may hold blanks
  set -- ${line##*) }
  set +f
  [ "$1" != Z ] || return 1
  shift 19
  start=$1
}

# Writes a file; $said has the words of a failure.
put() {
  said=$(printf '%s' "$2" | { cat >"$1"; } 2>&1)
}
