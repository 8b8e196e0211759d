# shellcheck shell=sh disable=SC2034,SC2154 # the parts of the probe before this one read what it sets, and set what it reads
# Checks this node by /etc/fleet/check.data and tells what it has found: one line for the journal, status.json in its
# state directory, and metrics for node_exporter. It reads, and writes nothing else; it needs no network.
#
# fleet/plan/checker/text.py describes the data, of which nothing is ever run. POSIX sh; tried with dash and busybox.

data=/etc/fleet/check.data
tab='	'

# Ends without having checked.
give_up() {
  printf '%s%s\n' "${JOURNAL_STREAM:+<3>}" "not checked: $1"
  exit 1
}

# Hashes the regular files among the paths that are given.
sum_files() {
  index=0
  wanted=
  for path in "$@"; do
    index=$((index + 1))
    case $path in
      /proc/cmdline) ;;
      # The files of a process have another name after its next start.
      /proc/* | /etc/machine-id) continue ;;
    esac
    [ ! -f "$path" ] || wanted="$wanted \"\${$index}\""
  done
  eval "set -- $wanted"
  [ $# -eq 0 ] || sha256sum -- "$@" | sort -u >"$work/sums"
}

# What stands at the path of a control: a directory counts only where the probe would tell of it.
look_at() {
  there=no
  if [ -L "$1" ]; then
    there=yes
  elif [ -d "$1" ]; then
    case $1 in *.conf) there=yes ;; esac
  elif [ -e "$1" ]; then
    there=yes
  fi
  printf '%s\t%s\n' "$there" "$1"
}

# Gathers what the awk program below compares, as files in $work.
gather() {
  held=
  probe_processes
  print_held >"$work/processes"
  probe_profiles
  probe_ufw
  probe_ipvs
  set --
  textfile=
  : >"$work/seen"
  : >"$work/sums"
  while IFS=$tab read -r word first second kind target _; do
    case $word in
      textfile) textfile=$first ;;
      file) set -- "$@" "$first" ;;
      control)
        [ "$kind" = file ] || continue
        look_at "$target" >>"$work/seen"
        set -- "$@" "$target"
        ;;
    esac
  done <"$data"
  # shellcheck disable=SC2086 # one word each
  with_config_paths sum_files "$@" $configs $profiles $ufw_file $ipvs
  # What was there at the first check by this data is what was planned on, for an apply compares it.
  sum=$(sha256sum <"$data")
  known=
  [ ! -f "$state/baseline" ] || read -r known <"$state/baseline"
  [ "$known" = "$sum" ] || {
    { printf '%s\n' "$sum" && cat "$work/sums"; } >"$work/baseline" && mv -f "$work/baseline" "$state/baseline"
  } || give_up "$state cannot be written"
}

check() {
  set +eufx
  IFS=' 	
'
  CDPATH=
  LC_ALL=C
  PATH=${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  export LC_ALL PATH
  umask 022
  read -r begun _ </proc/uptime
  exec </dev/null 2>/dev/null
  # Each record of the probe then begins a line.
  nonce='
fleet'
  for tool in awk date grep head mkdir mv rm sha256sum sort tr; do
    command -v "$tool" >/dev/null || give_up "the node has no $tool"
  done
  [ -r "$data" ] || give_up "$data cannot be read"
  state=${STATE_DIRECTORY:-/var/lib/fleet-check}
  work=$state/work
  rm -rf "$work"
  mkdir -p "$work" || give_up "$work cannot be made"
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' HUP INT TERM
  gather
  line=$(compare) || give_up 'awk could not compare'
  mv -f "$work/status.json" "$state/status.json" || give_up "$state cannot be written"
  if [ -n "$textfile" ]; then
    # A scrape sees the metrics of this check or those of the last one, whole. Others may write in that directory too, so
    # the file has to be a new one.
    new=$textfile/.fleet_check.new
    rm -f "$new"
    set -C
    if ! { cat "$work/metrics" >"$new" && mv -f "$new" "$textfile/fleet_check.prom"; }; then
      rm -f "$new"
      line="$line; the metrics could not be written to $textfile"
    fi
  fi
  level=6
  case $line in ok:*) ;; *) level=4 ;; esac
  printf '%s%s\n' "${JOURNAL_STREAM:+<$level>}" "$line"
}

# Prints the line for the journal, and writes status.json and metrics. The program, in $compare, is made of the .awk files
# beside this one.
compare() {
  awk -F "$tab" -v begun="$begun" -v now="$(date +%s)" -v today="$(date -u +%Y-%m-%d)" \
    -v checked="$(date -u +%Y-%m-%dT%H:%M:%SZ)" -v work="$work" \
    "$compare" "$data" "$work/processes" "$work/seen" "$work/sums" "$state/baseline"
}

# In braces, for a script that is cut short would still run.
{ check; }
