# shellcheck shell=sh disable=SC2034,SC2154 # the other parts read what it sets, and set what it reads
# What the controller asks for after an apply: confirm, undo, status.

# Ends for a run that the node does not know. The controller will tell that nothing was changed, so a script that was
# sent and has yet to begin must not begin any more: it finds the run noted down as one that never was. The lock is held.
never_began() {
  [ -d "$dir" ] || {
    said=$({ mkdir -p "$dir" && true >"$dir/state.never" && sync "$dir"; } 2>&1) || {
      understand "$said"
      refuse "$kind_said" "$dir cannot be made: $words"
    }
  }
  answer not-found
}

confirm() {
  check_node
  dir=$home/runs/$run
  [ -d "$dir" ] || answer not-found
  check_home
  enter 10 || refuse_locked
  look_up_state
  case $state in
    '' | never) answer not-found ;;
    applied)
      # From here on it stays, whatever happens to the rest.
      set_state confirmed || refuse space "$dir cannot be written"
      disarm
      ;;
    armed)
      look_up_left
      error_kind=refused
      error='the run did not get to its end on this node'
      ;;
    confirmed) disarm ;;
  esac
  answer_state
}

# undo FORCE: FORCE is not empty where the node may have moved since.
undo() {
  check_node
  make_home
  check_home
  dir=$home/runs/$run
  way=asked
  enter 5 || {
    # A script of this run that has noted nothing down yet is not known by its number; its own timer takes it back.
    [ -d "$dir" ] || refuse_locked
    kill_worker
    enter 30 || refuse_locked
  }
  look_up_state
  case $state in
    '' | never) never_began ;;
    armed | applied | undoing) undo_run ;;
    confirmed) roll_back "$1" ;;
    *) disarm ;;
  esac
  answer_state
}

# A confirmed run is taken back with the same care as it was made: what a reboot interrupts is finished.
roll_back() {
  [ -z "$p_run" ] || refuse_locked
  load_changes
  hook=
  look_for_moves
  [ -z "$moved" ] || [ -n "$1" ] || refuse moved 'the node has moved since the run was confirmed'
  moved=
  number=0
  while [ "$number" -lt "$count" ]; do
    number=$((number + 1))
    pick "$number"
    [ -n "$todo" ] && [ "$kind" = file ] || continue
    hook=1
    [ "$was" != absent ] || continue
    said=$({ cp -a "$dir/$number.before" "$part" && mv -f "$part" "$old"; } 2>&1) || {
      understand "$said"
      message="$target cannot be given back: $words"
      disarm
      refuse "$kind_said" "$message"
    }
  done
  arm 60 || {
    understand "$said"
    message="the undo could not be armed: $words"
    disarm
    refuse "$kind_said" "$message"
  }
  undo_run
}

# Leaves in $moved what is neither as the run left it nor as it was before.
look_for_moves() {
  number=0
  while [ "$number" -lt "$count" ]; do
    number=$((number + 1))
    pick "$number"
    [ -n "$todo" ] || continue
    case $kind in
      file)
        watch "$target"
        eval "watch_of_$number=\$watched"
        ;;
      sysctl)
        [ -f "$path" ] || continue
        fold "$(cat "$path")"
        [ "$folded" = "$after" ] || [ "$folded" = "$reads" ] || [ "$folded" = "$before" ] ||
          moved="$moved$target was set to ${reads:-$after}, and is $folded now
"
        ;;
    esac
  done
  look || refuse internal 'the files of the node could not be read'
  number=0
  while [ "$number" -lt "$count" ]; do
    number=$((number + 1))
    pick "$number"
    [ -n "$todo" ] && [ "$kind" = file ] || continue
    eval "index=\$watch_of_$number"
    eval "is=\$is_$index sum=\$sum_$index"
    [ "$is $sum" = "file $after" ] || [ "$is $after" = 'absent absent' ] || { [ "$is" = "$was" ] && is_as_before; } ||
      moved="$moved$target is not as the run left it
"
  done
}

# status: of the run, or of whatever is pending where $run is empty.
status() {
  check_node
  [ -z "$run" ] || make_home
  [ -e "$home" ] || answer not-found
  check_home
  # Where a script is at work, what it has noted down so far is the answer.
  busy=
  enter 2 || {
    busy=1
    load_pending
  }
  asked_for=$run
  run=${run:-$p_run}
  [ -n "$run" ] || answer not-found
  dir=$home/runs/$run
  look_up_state
  case $state in
    '' | never)
      # It may be the script of this run, which has noted nothing down yet.
      [ -z "$busy" ] || refuse_locked
      [ -n "$asked_for" ] || answer not-found
      never_began
      ;;
  esac
  answer_state
}
