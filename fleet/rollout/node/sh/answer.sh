# shellcheck shell=sh disable=SC2034,SC2154 # the other parts read what it sets, and set what it reads
# The answer, which fleet/rollout/node/answer.py reads. Whatever the node itself has said stands on one line.

# Opens the answer and takes the script's argument. Everything else comes as calls.
begin() {
  prepare
  nonce=$1
  printf '%s fleet-node 1\n' "$nonce"
  error=''
  error_kind=''
  moved=''
  notes=''
  failed=''
  left=''
  p_run=''
  count=0
}

# Prints the answer and ends.
answer() {
  frame outcome
  printf 'outcome %s\n' "$1"
  [ -z "$error_kind" ] || printf 'error %s %s\n' "$error_kind" "$error"
  [ -z "$p_run" ] || printf 'run %s\nwho %s\nsince %s\n' "$p_run" "$p_who" "$p_since"
  [ -z "$left" ] || printf 'left %s\n' "$left"
  frame changes
  number=0
  while [ "$number" -lt "$count" ]; do
    number=$((number + 1))
    eval "record \"\$kind_$number \$target_$number\""
    eval "printf '%s\n%s\n%s\n' \"\$status_$number\" \"\$reason_$number\" \"\${got_$number:+=}\$read_$number\""
  done
  frame moved
  printf '%s' "$moved"
  frame notes
  printf '%s' "$notes$failed"
  frame end
  exit 0
}

# Ends before anything was changed. refuse KIND WHY
refuse() {
  error_kind=$1
  error=$2
  count=0
  answer refused
}

# Gives every change of the run the same status.
all_are() {
  number=0
  while [ "$number" -lt "$count" ]; do
    number=$((number + 1))
    eval "todo=\$todo_$number status_$number=\$1 reason_$number="
    [ -n "$todo" ] || eval "status_$number=noop reason_$number='it was so already'"
  done
}

# Answers with what the state of the run means.
answer_state() {
  [ "$count" -gt 0 ] || load_changes
  p_run=$run p_who=$changes_who p_since=$changes_since
  case $state in
    confirmed)
      all_are changed
      answer confirmed
      ;;
    undone | expired)
      all_are undone
      answer "$state"
      ;;
    undoing)
      error_kind=refused
      error='what was changed is being taken back, and that is not finished'
      all_are failed
      load_pending
      look_up_left
      answer pending
      ;;
    *)
      all_are changed
      load_pending
      look_up_left
      answer pending
      ;;
  esac
}
