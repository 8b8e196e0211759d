# shellcheck shell=sh disable=SC2034,SC2154 # the other parts read what it sets, and set what it reads
# Everything that changes the node, step by step. Where a step fails, fail takes all of it back.

# Calls a function for each change that is to be made, with the change picked. each FUNCTION KIND
each() {
  step=$1
  of=$2
  number=0
  while [ "$number" -lt "$count" ]; do
    number=$((number + 1))
    pick "$number"
    [ -z "$todo" ] || [ "$kind" != "$of" ] || "$step"
  done
}

# Notes down how everything was, with copies and with what takes it back; nothing is changed yet.
keep() {
  changes_since=$(date -u +%Y-%m-%dT%H:%M:%SZ)
  changes="boot $boot
who $changes_who
since $changes_since
"
  made=
  set -- "$dir/changes" "$dir/undo.sh" "$dir/made" "$dir" "$home/runs"
  said=$(mkdir -p "$home/runs" 2>&1 && mkdir "$dir" 2>&1) || fail_early
  number=0
  while [ "$number" -lt "$count" ]; do
    number=$((number + 1))
    pick "$number"
    changes="${changes}change $number
kind $kind
target $target
path $path
todo $todo
was $was
before $before
after $after
"
    [ -n "$todo" ] && [ "$kind" = file ] || continue
    if [ "$was" = absent ]; then
      note_folders "$folder"
    else
      said=$(cp -a "$target" "$dir/$number.before" 2>&1) || fail_early
      [ "$was" = link ] || set -- "$dir/$number.before" "$@"
    fi
  done
  put "$dir/changes" "$changes" || fail_early
  put "$dir/undo.sh" "$undo_text" || fail_early
  put "$dir/made" "$made" || fail_early
  put "$dir/state.armed" '' || fail_early
  said=$(sync "$@" 2>&1) || fail_early
  state=armed
}

# Adds the folders that are not there, the outermost first, to $made.
note_folders() {
  [ -n "$1" ] && [ ! -d "$1" ] || return
  case $made in *"$1
"*) return ;; esac
  note_folders "${1%/*}"
  made="$made$1
"
}

fail_early() {
  understand "$said"
  rm -rf "$dir"
  refuse "$kind_said" "the run could not be noted down under $home: ${words:-nothing was said}"
}

# Ends after the undo was armed: takes everything back. fail KIND WHY
fail() {
  fail_kind=$1
  fail_why=$2
  failing=$number
  way=asked
  written=$touched
  if undo_run; then
    error_kind=$fail_kind
    error=$fail_why
    if [ -z "$written" ]; then
      # What could not be cleared up has to be known.
      [ -n "$kept" ] || rm -rf "$dir"
      count=0
      answer refused
    fi
    number=0
    while [ "$number" -lt "$count" ]; do
      number=$((number + 1))
      eval "todo=\$todo_$number reached=\$reached_$number"
      if [ "$number" = "$failing" ]; then
        eval "status_$number=failed reason_$number=\$fail_why"
      elif [ -z "$todo" ]; then
        eval "status_$number=noop reason_$number='it was so already'"
      elif [ -n "$reached" ]; then
        eval "status_$number=undone"
      else
        eval "status_$number=noop reason_$number='it was not reached'"
      fi
    done
    answer undone
  fi
  error_kind=$fail_kind
  error="$fail_why; the undo is not finished, and will be tried again"
  all_are failed
  look_up_left
  answer pending
}

# Puts the file to come beside its place, with everything but the name. Nobody sees it yet.
stage_file() {
  [ "$after" != absent ] || return
  eval "mode=\$mode_$number encoding=\$encoding_$number content=\$content_$number"
  if [ "$was" = file ]; then
    # Mode, owner, times and SELinux context of the file that it replaces.
    said=$(cp -a "$target" "$new" 2>&1) || fail_stage
  fi
  case $encoding in
    base64) said=$(printf '%s' "$content" | base64 -d | { cat >"$new"; } 2>&1) ;;
    *) said=$(printf '%s' "$content" | { cat >"$new"; } 2>&1) ;;
  esac || fail_stage
  if [ "$was" != file ]; then
    said=$(chmod "$mode" "$new" 2>&1) || fail_stage
  fi
  staged="$staged \"\$new_$number\""
  sums_due="$sums_due $after"
  eval "new_$number=\$new"
}

fail_stage() {
  understand "$said"
  fail "$kind_said" "$target cannot be written: $words"
}

# Opening for append writes nothing, and tells more than a test of the permissions, which lies to root.
try_sysctl() {
  if [ ! -f "$path" ]; then
    # It may come with a module that is loaded later.
    [ "$was" = absent ] && return
    fail refused "$target is not there"
  fi
  said=$({ true >>"$path"; } 2>&1) || {
    understand "$said"
    fail "$kind_said" "$target cannot be written: $words"
  }
}

# Finds out that there is no space, or that something is read-only, before anything is changed.
stage() {
  staged=
  sums_due=
  number=0
  umask 022
  set --
  while read -r target; do
    said=$(mkdir "$target" 2>&1) || fail_stage
    set -- "$@" "${target%/*}/"
  done <"$dir/made"
  umask 077
  [ $# -eq 0 ] || sync "$@"
  each stage_file file
  each try_sysctl sysctl
  number=0
  [ -n "$staged" ] || return
  eval "set -- $staged"
  said=$(sync "$@" 2>&1) || {
    target='a new file'
    fail_stage
  }
  sums=$(sha256sum -- "$@")
  found=
  IFS='
'
  set -f
  for line in $sums; do
    line=${line%% *}
    found="$found ${line#\\}"
  done
  set +f
  IFS=' 	
'
  [ "$found" = "$sums_due" ] || fail internal 'the new files are not what the plan says'
}

replace_file() {
  [ "$after" != absent ] || return
  reach
  if [ "$was" != absent ]; then
    keep_old
  fi
  said=$(mv -f "$new" "$target" 2>&1) || fail_stage
  replaced="$replaced \"\$folder_$number\""
  eval "folder_$number=\$folder"
}

# The old file keeps a name beside the new one, so that giving it back is a rename that needs no space.
keep_old() {
  [ ! -d "$target" ] || [ -L "$target" ] || fail refused "$target is a directory"
  ln "$target" "$old" || said=$({ cp -a "$target" "$part" && mv -f "$part" "$old"; } 2>&1) || fail_stage
}

remove_file() {
  [ "$after" = absent ] || return
  reach
  said=$(mv -f "$target" "$old" 2>&1) || fail_stage
  replaced="$replaced \"\$folder_$number\""
  eval "folder_$number=\$folder"
}

load_module() {
  note_begun
  said=$(modprobe "$target" 2>&1 9>&-) || {
    understand "$said"
    fail refused "the module $target was not loaded: $words"
  }
}

write_sysctl() {
  value=$(cat "$path") || fail refused "$target is not there, or cannot be read"
  fold "$value"
  if [ "$was" = absent ]; then
    printf 'was %s %s\n' "$number" "$folded" >>"$dir/progress" || fail space "$dir cannot be written"
    before=$folded
  fi
  reach
  printf '%s\n' "$after" >"$path" || {
    # Not every shell says why; a program does.
    said=$(env printf '%s\n' "$after" 2>&1 >"$path") && said='it was refused once'
    understand "$said"
    fail refused "$target did not take $after: $words"
  }
  fold "$(cat "$path")"
  eval "got_$number=1 read_$number=\$folded"
  printf 'read %s %s\n' "$number" "$folded" >>"$dir/progress" || fail space "$dir cannot be written"
  [ "$folded" != "$before" ] || fail altered "$target took $after and is still $folded"
}

act_on_unit() {
  note_begun
  case $after in
    enabled) said=$(systemctl enable --now "$target" 2>&1 9>&-) ;;
    *) said=$(systemctl restart "$target" 2>&1 9>&-) ;;
  esac || {
    fold "$said"
    fail refused "$target could not be $after: $folded"
  }
}

# From here on the change may have been made.
reach() {
  touched=1
  eval "reached_$number=1"
}

note_begun() {
  reach
  printf 'begun %s\n' "$number" >>"$dir/progress" || fail space "$dir cannot be written"
}

# Loads what changed below systemd/system; the hook of the undo is read by the next boot only.
reload_units() {
  case $target in
    */systemd/system/*) reload=1 ;;
  esac
}

write() {
  touched=
  replaced=
  each replace_file file
  each remove_file file
  number=0
  if [ -n "$replaced" ]; then
    eval "set -- $replaced"
    said=$(sync "$@" 2>&1) || fail space "the changed folders could not be written out: $said"
  fi
  reload=
  each reload_units file
  if [ -n "$reload" ] && [ -d /run/systemd/system ]; then
    said=$(systemctl daemon-reload 2>&1 9>&-) || fail refused "systemctl daemon-reload failed: $said"
  fi
  each load_module module
  each write_sysctl sysctl
  each act_on_unit unit
  number=0
}
