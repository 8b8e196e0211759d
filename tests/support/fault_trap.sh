#!/bin/sh
# Stands in for programs on a lab node: notes down each call, stops at the trap that is set, and becomes the program.
# The trap is the folder /run/fault-trap with the files "pattern" (of a call, as for case) and "number" (of the call that
# is stopped at), and two FIFOs: on "reached" it says so, on "go" it waits. It is gone after a reboot.
# The file /run/fault-clock says how far the date has jumped.
here=/usr/local/lib/fleet-faults
trap_folder=/run/fault-trap
name=${0##*/}
# Leaves in $real where the program itself is.
find_real() {
    IFS=:
    for folder in $PATH; do
        real=$folder/$1
        [ "$folder" = "${0%/*}" ] || [ ! -x "$real" ] || break
    done
    IFS='
'
}

if [ "$name $1" = 'env -i' ]; then
    # So the probe runs programs whose environment frames its answer: no shell may stand in for those.
    frame=$2
    find_real "${3##*/}"
    shift 3
    exec /usr/bin/env -i "$frame" "$real" "$@"
fi
printf '%s %s\n' "$name" "$*" >>"$here/calls"
if [ -f "$trap_folder/pattern" ]; then
    read -r pattern <"$trap_folder/pattern"
    read -r wanted <"$trap_folder/number"
    # shellcheck disable=SC2254 # a pattern is wanted
    case "$name $*" in
        $pattern)
            number=1
            until /bin/mkdir "$trap_folder/call-$number" 2>/dev/null; do
                number=$((number + 1))
            done
            if [ "$number" = "$wanted" ]; then
                echo reached >"$trap_folder/reached"
                read -r _ <"$trap_folder/go"
            fi
            ;;
    esac
fi
find_real "$name"
if [ "$name" = date ] && [ -f /run/fault-clock ]; then
    read -r jump </run/fault-clock
    exec "$real" -d "$jump" "$@"
fi
exec "$real" "$@"
