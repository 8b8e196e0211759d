# shellcheck shell=sh disable=SC2034,SC2154 # the other parts read what it sets, and set what it reads
# Makes the changes of a plan on a node that is still as it was planned on, with the undo armed.

# How many runs that came to their end are kept.
most_runs=20

apply() {
  if [ -d /run/systemd/system ]; then
    check_node base64 chmod date systemctl systemd-run
  else
    check_node base64 chmod date setsid
  fi
  make_home
  check_home
  enter 5 || refuse_locked
  [ -z "$p_run" ] || refuse_locked
  prune
  if [ -e "$dir" ]; then
    look_up_state
    refuse refused "the run $run was on this node before, and is $state"
  fi
  compare
  [ -z "$moved" ] || refuse stale 'the node is not as it was when the plan was made'
  [ -n "$do_change" ] || answer noop
  keep
  touched=
  number=0
  arm "$seconds" || {
    understand "$said"
    fail "$kind_said" "the undo could not be armed: $words"
  }
  stage
  write
  [ ! -e "$dir/progress" ] || sync "$dir/progress"
  set_state applied || fail space "$dir cannot be written"
  all_are changed
  look_up_left
  answer applied
}

# Removes the oldest runs, and what is left of a run that was ended before it could change anything.
prune() {
  asked=$dir
  set -- "$home"/runs/*
  while [ -d "$1" ]; do
    dir=$1
    look_up_state
    case $state in
      '' | armed) rm -rf "$dir" ;;
      confirmed | undone | expired | never) [ $# -le "$most_runs" ] || rm -rf "$dir" ;;
    esac
    shift
  done
  dir=$asked
}
