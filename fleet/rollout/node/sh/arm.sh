# shellcheck shell=sh disable=SC2034,SC2154 # the other parts read what it sets, and set what it reads
# Makes the node undo the run by itself unless it is confirmed. The builder of the program sets:
#
#   undo_text   undo.sh of the run
#   boot_unit   the unit that finishes an undo which a reboot has interrupted
#   boot_start  the same for OpenRC's local

# arm SECONDS: fails with $said where the undo cannot be armed. The timer comes first, so that whatever is pending has
# one.
arm() {
  began "$$"
  clock
  look_up_boot
  p_run=$run p_who=$changes_who p_since=$changes_since p_deadline=$((now + $1))
  put "$dir/worker" "$$ $start
" && start_timer "$1" && write_pending && install_hook
}

write_pending() {
  put "$home/.fleet-pending" "run $p_run
who $p_who
since $p_since
boot $boot
deadline $p_deadline
" && said=$({ sync "$home/.fleet-pending" && mv -f "$home/.fleet-pending" "$home/pending" && sync "$home"; } 2>&1)
}

start_timer() {
  if [ -d /run/systemd/system ]; then
    # On a monotonic clock, so that a change of the date does not matter.
    said=$({ put "$dir/timer" "systemd
" && systemd-run --quiet --unit="fleet-undo-$run" --on-active="$1" \
      --timer-property=AccuracySec=1s --description="Undo of the run $run of fleet" \
      /bin/sh "$dir/undo.sh" timer "$run"; } 2>&1 9>&-)
  else
    # It says one line when it waits, and then lets go of the pipe.
    said=$(setsid sh "$dir/undo.sh" timer "$run" "$1" 9>&- &)
    [ "$said" = waiting ] || {
      said="${said:-the process that waits did not start}"
      return 1
    }
  fi
}

# Where files change, a boot before the run is confirmed has to restore them.
install_hook() {
  [ -n "$hook" ] || return 0
  if [ -d /run/systemd/system ]; then
    wants=$unit_folder/sysinit.target.wants
    if [ ! -d "$wants" ]; then
      put "$dir/wants" '' && said=$(mkdir "$wants" 2>&1) || return 1
    fi
    install_text "$unit_folder/.fleet-undo.service" "$boot_unit" "$unit_folder/fleet-undo.service" &&
      said=$({ ln -sf ../fleet-undo.service "$wants/fleet-undo.service" && sync "$wants" "$unit_folder"; } 2>&1)
  elif [ -d "${local_hook%/*}" ]; then
    install_text "${local_hook%/*}/.fleet-undo" "$boot_start" "$local_hook" && said=$(sync "${local_hook%/*}" 2>&1)
  else
    notes="${notes}nothing of fleet runs when this node boots: an undo that a reboot interrupts is finished at the next contact
"
  fi
}

# install_text TEMPORARY TEXT PATH
install_text() {
  put "$1" "$2" && said=$({ chmod 755 "$1" && sync "$1" && mv -f "$1" "$3"; } 2>&1)
}
