# shellcheck shell=sh disable=SC2034,SC2154 # the other parts read what it sets, and set what it reads
# What runs on the node itself, without a controller: undo.sh WAY RUN [SECONDS]. With SECONDS it waits that long first.

undo_main() {
  prepare
  way=$1
  run=$2
  dir=$home/runs/$run
  notes=
  if [ -n "$3" ]; then
    began "$$"
    put "$dir/timer" "$$ $start
" || exit 1
    printf 'waiting\n'
    exec >/dev/null
    sleep "$3"
  fi
  exec >/dev/null
  attempt=0
  # A disk that is full or read-only now may not be so in a minute.
  until undo_once; do
    attempt=$((attempt + 1))
    [ "$attempt" -lt 60 ] && [ "$way" = timer ] || exit 1
    sleep 10
  done
}

undo_once() {
  take_lock 0 || {
    # Whoever holds it is late, for the time is over.
    kill_worker
    take_lock 60 || return 1
  }
  look_up_state
  case $state in
    armed | applied | undoing) undo_run ;;
    *) disarm ;;
  esac
  done=$?
  [ -z "$kept" ] || done=1
  exec 9>&-
  return "$done"
}
