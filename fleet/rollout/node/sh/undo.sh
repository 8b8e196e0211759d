# shellcheck shell=sh disable=SC2034,SC2154 # the other parts read what it sets, and set what it reads
# Gives a node back what a run has changed. Whatever moment it was ended at, running it again comes to the same end.

# Takes note of something that could not be given back.
undo_failed() {
  failed="$failed$1
"
}

undo_file() {
  rm -f "$new" "$part" || undo_failed "$new could not be removed"
  if [ "$was" = absent ]; then
    [ ! -e "$target" ] && [ ! -L "$target" ] || rm -f "$target" || undo_failed "$target could not be removed"
  else
    if [ ! -e "$old" ] && [ ! -L "$old" ]; then
      # It was not replaced yet, or is back already, or the run was confirmed: then only the copy is left.
      is_as_before && return
      said=$({ cp -a "$dir/$number.before" "$part" && sync "$part" && mv -f "$part" "$old"; } 2>&1) || {
        understand "$said"
        rm -f "$part"
        undo_failed "$target could not be given back: $words"
        return
      }
    fi
    if [ -d "$target" ] && [ ! -L "$target" ]; then
      undo_failed "$target could not be given back: it is a directory now"
      return
    fi
    if is_not_replaced; then
      rm -f "$old"
      return
    fi
    said=$(mv -f "$old" "$target" 2>&1) || {
      understand "$said"
      undo_failed "$target could not be given back: $words"
      return
    }
  fi
  sync "$folder"
}

same_bytes() {
  [ "$(sha256sum <"$1")" = "$(sha256sum <"$2")" ]
}

# Whether the old file has both names still; then it is not to be renamed.
is_not_replaced() {
  if [ -L "$old" ]; then
    [ -L "$target" ] && [ "$(readlink "$target")" = "$(readlink "$old")" ]
  else
    [ ! -L "$target" ] && [ "$target" -ef "$old" ]
  fi
}

is_as_before() {
  if [ "$was" = link ]; then
    [ -L "$target" ] && [ "$(readlink "$target")" = "$(readlink "$dir/$number.before")" ]
  else
    [ ! -L "$target" ] && [ -f "$target" ] && same_bytes "$dir/$number.before" "$target"
  fi
}

undo_live() {
  # Early in the boot the values are still the kernel's own, and the restored files will set them.
  [ "$way" != boot ] && [ "$was" = known ] || return
  # Its module or its interface may be gone.
  [ -f "$path" ] || return
  fold "$(cat "$path")"
  [ "$folded" != "$before" ] || return
  # After a reboot only what our files have brought back is ours.
  [ -n "$same_boot" ] || { [ -n "$got" ] && [ "$folded" = "$reads" ]; } || [ "$folded" = "$after" ] || return
  # Even an empty value is a line.
  printf '%s\n' "$before" >"$path"
  fold "$(cat "$path")"
  [ "$folded" = "$before" ] || undo_failed "$target is $folded and could not be set back to $before"
}

undo_module() {
  [ -n "$begun" ] && [ -n "$same_boot" ] && [ "$way" != boot ] || return
  # Modules that are part of the kernel have no such file.
  [ -e "$path/initstate" ] || return
  rmmod "$target" || notes="${notes}the module $target stays loaded: it is in use
"
}

undo_unit() {
  [ -n "$begun" ] || return
  case $after in
    enabled)
      case $was in
        *enabled*) ;;
        *) systemctl disable "$target" 9>&- || undo_failed "$target could not be disabled" ;;
      esac
      case $was in *active*) return ;; esac
      if [ "$way" = boot ]; then
        systemctl stop --no-block "$target" 9>&-
      else
        systemctl stop "$target" 9>&- || undo_failed "$target could not be stopped"
      fi
      reload=1
      ;;
    restarted) [ "$way" = boot ] || again="$again $target" ;;
  esac
}

# Removes the folders that the run made, the last one first, unless something else stands in them by now.
undo_folders() {
  made=0
  while read -r path; do
    made=$((made + 1))
    eval "made_$made=\$path"
  done <"$dir/made"
  while [ "$made" -gt 0 ]; do
    eval "path=\$made_$made"
    rmdir "$path"
    made=$((made - 1))
  done
}

# Takes the run back; the lock is held. $way says who asks:
#
#   timer   the time to confirm is over
#   boot    early in a boot, before anything reads the files
#   late    after a reboot that went by without that
#   asked   the controller, or a change that failed
#
# Where something cannot be given back, $failed says what, and the state stays "undoing", so that it is tried again.
undo_run() {
  failed=
  reload=
  again=
  load_changes
  same_boot=
  look_up_boot
  [ "$changes_boot" != "$boot" ] || same_boot=1
  [ "$state" = undoing ] || set_state undoing
  number=$count
  while [ "$number" -gt 0 ]; do
    pick "$number"
    if [ -n "$todo" ]; then
      case $kind in
        file)
          undo_file
          case $target in */systemd/system/*) reload=1 ;; esac
          ;;
        sysctl) undo_live ;;
        module) undo_module ;;
        unit) undo_unit ;;
      esac
    fi
    number=$((number - 1))
  done
  undo_folders
  if [ -n "$reload" ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload 9>&- || undo_failed 'systemctl daemon-reload failed'
  fi
  for target in $again; do
    systemctl restart "$target" 9>&- || undo_failed "$target did not start again"
  done
  [ -z "$failed" ] || return 1
  case $way in
    asked) set_state undone ;;
    *) set_state expired ;;
  esac || {
    undo_failed "$dir cannot be written"
    return 1
  }
  disarm || return 0
}
