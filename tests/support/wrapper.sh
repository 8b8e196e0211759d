#!/bin/sh
# Stands in for a program on a node: notes down the call, does what a trap says, and becomes the program.
# Traps are folders beside the calls: at-N (the Nth call of all), or on-PROGRAM-N (the Nth call of that program), with
# a file "action" in it: kill (the script whose number is in "main"), fail (with the words in "words"), say (them, and
# do nothing), or stop: then
# "reached" is a FIFO on which we say so, and "go" one on which we wait.
here=${0%/*}
name=${0##*/}
base=${here%/*}
printf '%s %s\n' "$name" "$*" >>"$base/calls"
number=0
[ ! -e "$base/count" ] || read -r number <"$base/count"
number=$((number + 1))
echo "$number" >"$base/count"
of_name=0
[ ! -e "$base/count-$name" ] || read -r of_name <"$base/count-$name"
of_name=$((of_name + 1))
echo "$of_name" >"$base/count-$name"
for trap in "$base/at-$number" "$base/on-$name-$of_name"; do
    [ -d "$trap" ] || continue
    read -r action <"$trap/action"
    case $action in
        kill)
            read -r main <"$base/main"
            kill -KILL "$main"
            # The timer waits in another process, and its time is not over.
            [ "$name" = sleep ] || exit 1
            ;;
        fail)
            cat "$trap/words" >&2
            exit 1
            ;;
        say)
            cat "$trap/words"
            exit 0
            ;;
        stop)
            echo reached >"$trap/reached"
            read -r _ <"$trap/go"
            ;;
    esac
done
own=$PATH
PATH=${PATH#"$here:"}
real=$(command -v "$name")
PATH=$own
exec "$real" "$@"
