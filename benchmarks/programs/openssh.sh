#!/bin/sh
# One `ssh` a host, many at once: openssh.sh SSH_CONFIG COMMAND SCRIPT ANSWERS WORKERS NAME...
set -eu
export config="$1" command="$2" script="$3" answers="$4"
workers=$5
shift 5
# shellcheck disable=SC2016 # the inner shell expands it
printf '%s\n' "$@" | xargs -n 1 -P "$workers" sh -c 'ssh -F "$config" "$1" "$command" <"$script" >"$answers/$1"' sh
