# shellcheck shell=sh disable=SC2034,SC2154 # the other parts read what it sets, and set what it reads
# Many files at once: what each is, and its hash, with one sha256sum for all.

watched=0

# Adds a path; its number is then $watched.
watch() {
  watched=$((watched + 1))
  eval "watch_$watched=\$1"
}

# Sets is_N to absent, file, link, directory or other, and sum_N to the hash of the file N or of the one it leads to.
look() {
  wanted=
  numbers=
  index=0
  while [ "$index" -lt "$watched" ]; do
    index=$((index + 1))
    eval "path=\$watch_$index sum_$index="
    if [ -L "$path" ]; then
      eval "is_$index=link"
    elif [ -f "$path" ]; then
      eval "is_$index=file"
    elif [ -d "$path" ]; then
      eval "is_$index=directory"
    elif [ -e "$path" ]; then
      eval "is_$index=other"
    else
      eval "is_$index=absent"
    fi
    if [ -f "$path" ]; then
      numbers="$numbers $index"
      wanted="$wanted \"\$watch_$index\""
    fi
  done
  [ -n "$wanted" ] || return 0
  eval "set -- $wanted"
  sums=$(sha256sum -- "$@") || return 1
  IFS='
'
  set -f
  # shellcheck disable=SC2086 # one word a line
  set -- $sums
  set +f
  IFS=' 	
'
  for index in $numbers; do
    # A name with a backslash has one in front of its hash.
    sum=${1%% *}
    eval "sum_$index=\${sum#\\\\}"
    shift
  done
}
