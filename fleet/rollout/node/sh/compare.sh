# shellcheck shell=sh disable=SC2034,SC2154 # the other parts read what it sets, and set what it reads
# The plan as the program brings it along, and whether the node is still as it was planned on.

expected=0
expected_live=0
planned_boot=

# The calls that the program is made of. SUM is a hash, "absent", or "masked": of a file whose secrets the probe hides
# the plan knows no hash, so the controller compares it, by a probe right before.

# job RUN WHO SECONDS
job() {
  run=$1
  changes_who=$2
  seconds=$3
  dir=$home/runs/$run
}

# planned_on BOOT_ID
planned_on() {
  planned_boot=$1
}

# expect_file PATH KIND SUM|- LINK
expect_file() {
  watch "$1"
  expected=$((expected + 1))
  eval "expect_$expected=\$watched expect_is_$expected=\$2 expect_sum_$expected=\$3 expect_link_$expected=\$4"
}

# expect_live PATH KEY VALUE
expect_live() {
  expected_live=$((expected_live + 1))
  eval "live_path_$expected_live=\$1 live_key_$expected_live=\$2 live_value_$expected_live=\$3"
}

add() {
  count=$((count + 1))
  eval "kind_$count=\$1 target_$count=\$2 path_$count= was_$count= before_$count= after_$count= read_$count= got_$count= todo_$count=1 begun_$count= reached_$count= status_$count=noop reason_$count="
}

# change_file PATH SUM_BEFORE SUM_AFTER MODE ENCODING CONTENT
change_file() {
  add file "$1"
  watch "$1"
  eval "watch_of_$count=\$watched before_$count=\$2 after_$count=\$3 mode_$count=\$4 encoding_$count=\$5 content_$count=\$6"
}

# change_sysctl KEY PATH known|absent BEFORE AFTER
change_sysctl() {
  add sysctl "$1"
  eval "path_$count=\$2 was_$count=\$3 before_$count=\$4 after_$count=\$5"
}

# change_module NAME PATH
change_module() {
  add module "$1"
  eval "path_$count=\$2"
}

# change_unit NAME enabled|restarted
change_unit() {
  add unit "$1"
  eval "after_$count=\$2"
}

# It is so already: nothing to do for change $number.
is_done() {
  eval "todo_$number= reason_$number=\$1"
}

has_moved() {
  moved="$moved$1
"
}

# Says in $is what a file is now, for a sentence.
describe() {
  case $1 in
    absent) is='not there' ;;
    file | link)
      is="a $1"
      [ "$2" = - ] || is="$is with the content $(short "$2")"
      ;;
    *) is="a $1" ;;
  esac
}

short() {
  printf '%.12s' "$1"
}

# Leaves in $do_change and $hook whether anything will change, and in $moved what is not as planned.
compare() {
  do_change=
  hook=
  look || refuse internal 'the files of the node could not be read'
  number=0
  while [ "$number" -lt "$count" ]; do
    number=$((number + 1))
    pick "$number"
    case $kind in
      file) compare_file ;;
      sysctl) compare_sysctl ;;
      module) [ ! -d "$path" ] || is_done 'it is loaded already' ;;
      unit) compare_unit ;;
    esac
    eval "todo=\$todo_$number"
    [ -z "$todo" ] || [ "$after" = restarted ] || do_change=1
    [ -z "$todo" ] || [ "$kind" = sysctl ] || hook=1
  done
  if [ -z "$do_change" ]; then
    # A restart is only for the sake of the other changes.
    number=0
    while [ "$number" -lt "$count" ]; do
      number=$((number + 1))
      eval "todo=\$todo_$number"
      [ -z "$todo" ] || is_done 'nothing that it reads was changed'
    done
    return
  fi
  compare_preconditions
}

compare_file() {
  eval "index=\$watch_of_$number"
  eval "is=\$is_$index sum=\$sum_$index"
  if [ "$is $sum" = "file $after" ] || [ "$is $after" = 'absent absent' ]; then
    is_done 'it was so already'
    return
  fi
  eval "was_$number=\$is"
  if [ "$before" = masked ]; then
    case $is in file | link) return ;; esac
  elif [ "$before" = absent ]; then
    [ "$is" != absent ] || return
  elif [ "$sum" = "$before" ]; then
    return
  fi
  describe "$is" "$sum"
  case $before in
    absent) had='was not there' ;;
    masked) had='was a file' ;;
    *) had="had the content $(short "$before")" ;;
  esac
  has_moved "$target $had when the plan was made, and is $is now"
}

compare_sysctl() {
  if [ ! -f "$path" ]; then
    [ "$was" = absent ] || has_moved "$target was $before when the plan was made, and is not there now"
    return
  fi
  value=$(cat "$path") || refuse refused "$target cannot be read"
  fold "$value"
  if [ "$folded" = "$after" ]; then
    is_done 'it was so already'
  elif [ "$was" = absent ]; then
    has_moved "$target was not known when the plan was made, and is $folded now"
  elif [ "$folded" != "$before" ]; then
    has_moved "$target was $before when the plan was made, and is $folded now"
  fi
}

compare_unit() {
  [ -d /run/systemd/system ] || refuse refused "$target cannot be handled: systemd does not run on the node"
  [ "$after" = enabled ] || return
  was=
  [ "$(systemctl is-enabled "$target")" != enabled ] || was=enabled
  ! systemctl is-active --quiet "$target" || was="$was active"
  case $was in *enabled*active*) is_done 'it was so already' ;; esac
  eval "was_$number=\$was"
}

compare_preconditions() {
  look_up_boot
  if [ -n "$planned_boot" ] && [ "$planned_boot" != "$boot" ]; then
    has_moved "the node was booted since the plan was made: its boot id was $planned_boot, and is $boot now"
  fi
  number=0
  while [ "$number" -lt "$expected" ]; do
    number=$((number + 1))
    eval "index=\$expect_$number kind=\$expect_is_$number sum=\$expect_sum_$number link=\$expect_link_$number"
    eval "path=\$watch_$index is=\$is_$index found=\$sum_$index"
    if [ "$is" != "$kind" ] || { [ "$sum" != - ] && [ "$sum" != "$found" ]; }; then
      describe "$is" "$found"
      now_is=$is
      describe "$kind" "$sum"
      has_moved "$path was $is when the plan was made, and is $now_is now"
    elif [ "$kind" = link ] && [ "$(readlink "$path")" != "$link" ]; then
      has_moved "$path was a link to $link when the plan was made, and leads elsewhere now"
    fi
  done
  number=0
  while [ "$number" -lt "$expected_live" ]; do
    number=$((number + 1))
    eval "path=\$live_path_$number key=\$live_key_$number value=\$live_value_$number"
    fold "$(cat "$path")"
    [ "$folded" = "$value" ] || has_moved "$key was $value when the plan was made, and is $folded now"
  done
}
