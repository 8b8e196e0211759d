# shellcheck shell=sh disable=SC2034,SC2154 # the other parts read what it sets, and set what it reads
# Checks that come before everything else.

# Ends unless this is root, with these programs at hand.
check_node() {
  while read -r word _ uid _; do
    [ "$word" != Uid: ] || break
  done </proc/self/status
  [ "$uid" = 0 ] || refuse sudo "changing the node needs root, and the script runs as user $uid"
  for tool in cat cp flock ls ln mkdir mv readlink rm rmdir sha256sum sleep sync "$@"; do
    command -v "$tool" >/dev/null || refuse refused "the node has no $tool"
  done
}

# Makes the folder of fleet where there is none.
make_home() {
  [ ! -e "$home" ] && [ ! -L "$home" ] || return 0
  said=$(mkdir -m 700 "$home" 2>&1) || {
    understand "$said"
    refuse "$kind_said" "$home cannot be made: $words"
  }
}

# Ends unless the folder of fleet is one that nobody else can write.
check_home() {
  # shellcheck disable=SC2046 # words are wanted
  set -- $(ls -ldn "$home")
  case $1 in
    d????-??-*) [ "$3" != 0 ] || return 0 ;;
  esac
  refuse refused "$home is not a directory that belongs to root and that only root can write"
}

# Takes the lock for the run, and leaves in $p_run what is pending. A run that should have come to its end by now does.
enter() {
  said=$({ true >>"$home/lock"; } 2>&1) || {
    understand "$said"
    refuse "$kind_said" "$home cannot be written: $words"
  }
  take_lock "$1" || return 1
  load_pending
  asked=$run
  [ -z "$p_run" ] || {
    run=$p_run
    settle
  }
  run=$asked
  dir=$home/runs/$run
  [ "$p_run" != "$run" ] || return 0
  look_up_state
  case $state in
    armed | applied | undoing)
      # It was ended before it could wait for anything.
      way=timer
      undo_run
      ;;
  esac
  return 0
}

# How many seconds a timer may be late before it counts as lost.
late=30

# Clears up after the pending run where it has ended, and takes it back where its time is over or the node was booted.
settle() {
  dir=$home/runs/$run
  look_up_state
  case $state in
    armed | applied | undoing)
      clock
      look_up_boot
      if [ "$p_boot" != "$boot" ]; then
        way=late
      elif [ "$state" = undoing ] || [ "$now" -gt $((p_deadline + late)) ]; then
        way=timer
      else
        return
      fi
      undo_run
      ;;
    *) disarm ;;
  esac
}

# Ends because another run, or another script, is at work.
refuse_locked() {
  load_pending
  [ -n "$p_run" ] || refuse locked 'another script of fleet is at work on the node'
  look_up_left
  if [ -n "$failed" ]; then
    refuse locked "the run $p_run of $p_who since $p_since is still being undone"
  fi
  refuse locked "the run $p_run of $p_who since $p_since is not confirmed yet; it is undone in $left s at the latest"
}
