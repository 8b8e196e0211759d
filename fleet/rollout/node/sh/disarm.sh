# shellcheck shell=sh disable=SC2034,SC2154 # the other parts read what it sets, and set what it reads
# Takes away what waits for a run to be confirmed, once the run has come to an end.

unit_folder=/etc/systemd/system
local_hook=/etc/local.d/fleet-undo.start

# The timer goes last: if we are ended before that, it finds the run at its end and clears up what is left. It does so too
# where something cannot be removed now, such as on a read-only /etc: then disarm fails, and leaves it running.
disarm() {
  kept=
  if [ -f "$dir/changes" ]; then
    load_changes
    number=0
    while [ "$number" -lt "$count" ]; do
      number=$((number + 1))
      pick "$number"
      [ "$kind" != file ] || [ -z "$todo" ] || rm -f "$new" "$old" "$part" || kept=1
    done
  fi
  load_pending
  # Another run may be pending by now, and then all of this is its own.
  if [ "${p_run:-$run}" = "$run" ]; then
    rm -f "$unit_folder/sysinit.target.wants/fleet-undo.service" "$unit_folder/fleet-undo.service" "$local_hook" \
      "$unit_folder/.fleet-undo.service" "${local_hook%/*}/.fleet-undo" "$home/.fleet-pending" || kept=1
    [ ! -e "$dir/wants" ] || rmdir "$unit_folder/sysinit.target.wants"
    p_run=
    [ -n "$kept" ] || { rm -f "$home/pending" && sync "$home"; }
  fi
  if [ -n "$kept" ]; then
    notes="${notes}what fleet put beside the changed files cannot be removed now, and will be when the time to confirm is over
"
    return 1
  fi
  stop_timer
  return 0
}

stop_timer() {
  [ -f "$dir/timer" ] && read -r pid then_began <"$dir/timer" || return
  if [ "$pid" = systemd ]; then
    systemctl stop "fleet-undo-$run.timer" 9>&-
  elif [ "$pid" != "$$" ] && began "$pid" && [ "$start" = "$then_began" ]; then
    kill -TERM "-$pid"
  fi
}

# Ends a script that still changes the node for this run, with everything that it has started. It is not stopped before
# that: sudo would stop too, and stay so.
kill_worker() {
  [ -f "$dir/worker" ] && read -r worker then_began <"$dir/worker" || return
  [ "$worker" != "$$" ] && began "$worker" && [ "$start" = "$then_began" ] || return
  family=" $worker "
  grown=1
  while [ -n "$grown" ]; do
    grown=
    for path in /proc/[0-9]*/stat; do
      read -r line <"$path" || continue
      pid=${line%% *}
      set -f
      # shellcheck disable=SC2086 # words are wanted: the state, the parent
      set -- ${line##*) }
      set +f
      case $family in *" $pid "*) continue ;; esac
      case $family in
        *" $2 "*)
          family="$family$pid "
          grown=1
          ;;
      esac
    done
  done
  # shellcheck disable=SC2086 # one word each
  kill -KILL $family
}
