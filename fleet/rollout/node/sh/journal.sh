# shellcheck shell=sh disable=SC2034,SC2154 # the other parts read what it sets, and set what it reads
# What the node itself knows of the runs, under /var/lib/fleet:
#
#   lock                    held by flock while a script of fleet works; the kernel lets go of it when that script dies
#   pending                 the run that is not confirmed yet: who, since, until when
#   runs/RUN/changes        what the run changes, and how it was before
#   runs/RUN/N.before       a copy of the file of change N
#   runs/RUN/progress       what was begun, and what was read back
#   runs/RUN/made           folders that the run made
#   runs/RUN/undo.sh        gives everything back, without a controller
#   runs/RUN/timer, worker  the process that waits to undo (or "systemd"), and the one that changes: number, beginning
#   runs/RUN/state.STATE    an empty file whose name is the state, so that a full disk cannot keep it from changing:
#                             armed      the undo is on its way; changes may have begun
#                             applied    all changes are made
#                             confirmed  they stay
#                             undoing    they are being taken back
#                             undone     they were taken back because someone asked or a change failed
#                             expired    they were taken back by the timer, or after a reboot

# Waits for the lock for that many seconds. Descriptor 9 holds it.
take_lock() {
  # "command" keeps the shell alive where the file cannot be opened.
  command exec 9>>"$home/lock" || return 1
  tries=$1
  until flock -n 9; do
    [ "$tries" -gt 0 ] || return 1
    tries=$((tries - 1))
    sleep 1
  done
}

# Leaves in $state the state of the run in $dir; empty where it has none.
look_up_state() {
  state=
  for path in "$dir"/state.*; do
    [ ! -e "$path" ] || state=${path##*.}
  done
}

# Moves the run from $state to another one, durably.
set_state() {
  mv -f "$dir/state.$state" "$dir/state.$1" && state=$1 && sync "$dir"
}

# Leaves in $p_run, $p_who, $p_since, $p_boot and $p_deadline what is pending; empty where nothing is.
load_pending() {
  p_run=''
  p_who=''
  p_since=''
  p_boot=''
  p_deadline=0
  [ -f "$home/pending" ] || return
  while read -r word rest; do
    case $word in
      run) p_run=$rest ;;
      who) p_who=$rest ;;
      since) p_since=$rest ;;
      boot) p_boot=$rest ;;
      deadline) p_deadline=$rest ;;
    esac
  done <"$home/pending"
}

# Leaves in $left the seconds until the pending run is undone.
look_up_left() {
  clock
  left=$((p_deadline - now))
  [ "$left" -gt 0 ] || left=0
}

# Reads the changes of the run: afterwards the variables kind_1, target_1 and so on are there, and $count.
load_changes() {
  count=0
  changes_boot=
  while read -r word rest; do
    case $word in
      boot) changes_boot=$rest ;;
      who | since) eval "changes_$word=\$rest" ;;
      change)
        count=$rest
        eval "kind_$count= target_$count= path_$count= was_$count= before_$count= after_$count= read_$count= got_$count= todo_$count= begun_$count="
        ;;
      kind | target | path | was | before | after | todo) eval "${word}_$count=\$rest" ;;
    esac
  done <"$dir/changes"
  [ -f "$dir/progress" ] || return 0
  while read -r word index rest; do
    case $word in
      begun) eval "begun_$index=1" ;;
      read) eval "got_$index=1 read_$index=\$rest" ;;
      was) eval "was_$index=known before_$index=\$rest" ;;
    esac
  done <"$dir/progress"
}

# Puts change N into $kind, $target and so on, and for a file the names of what stands beside it meanwhile:
# $new the file to come, $old the file that was, $part a copy that is not whole yet.
pick() {
  eval "kind=\$kind_$1 target=\$target_$1 path=\$path_$1 was=\$was_$1 before=\$before_$1 after=\$after_$1" \
    "reads=\$read_$1 got=\$got_$1 todo=\$todo_$1 begun=\$begun_$1"
  folder=${target%/*}
  folder=${folder:-/}
  new=$folder/.fleet-$run-$1.new
  old=$folder/.fleet-$run-$1.old
  part=$folder/.fleet-$run-$1.part
}
