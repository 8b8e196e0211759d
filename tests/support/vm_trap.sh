#!/bin/sh
# Stands in for a program on a machine: at the call that /run/trap names, as "PROGRAM PART-OF-THE-ARGUMENTS", it tells
# the console and waits until the power is cut. At any other it becomes the program.
name=${0##*/}
read -r program part </run/trap
case "$program $*" in
    "$name "*"$part"*)
        echo FLEET-TRAP >/dev/ttyS0
        exec sleep infinity
        ;;
esac
PATH=${PATH#*/opt/trap:}
exec "$name" "$@"
