# shellcheck shell=sh disable=SC2154 # probe.sh sets $nonce and $head, host.sh $uid
# Configuration files.

# Records every entry of the configuration trees, then the contents of the regular files in the same order.
probe_files() {
  frame files
  with_config_paths record_files "$@"
}

record_files() {
  index=0
  count=0
  wanted=
  for path in "$@"; do
    index=$((index + 1))
    if [ -L "$path" ]; then
      record "link $path"
      # A target may end with line breaks, which the shell would take away.
      target=$(readlink "$path" && echo .)
      record "target ${target%.}"
    elif [ ! -e "$path" ]; then
      # Another user's process hides its files.
      case $path in /proc/*/root/*) [ "$uid" = 0 ] || record "unreadable $path" ;; esac
      continue
    fi
    count=$((count + 1))
    if [ "$count" -gt 500 ]; then
      record more
      break
    fi
    if [ -d "$path" ]; then
      if [ ! -r "$path" ] || [ ! -x "$path" ]; then
        record "unreadable $path"
      elif [ "${path%.conf}" != "$path" ]; then
        record "directory $path"
      fi
    elif [ ! -f "$path" ]; then
      # A link to nowhere or to a device was recorded as a link; a pipe or a device is never opened.
      [ -L "$path" ] || record "other $path"
    elif [ ! -r "$path" ]; then
      record "unreadable $path"
    elif [ ! -s "$path" ] && [ "$path" != /proc/cmdline ]; then
      record "empty $path"
    else
      record "file $path"
      # The index into "$@", not the name: a name may hold blanks, quotes and line breaks.
      wanted="$wanted \"\${$index}\" /proc/self/environ"
    fi
  done
  frame texts
  print_held
  eval "set -- $wanted"
  [ $# -eq 0 ] || env -i "$nonce=" "$head" -q -c 262145 "$@" | head -c 4194304
}
