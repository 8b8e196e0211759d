#!/bin/sh
# Run as root by sudo: says that sudo has let us in, then becomes the command. One line, for login shells such as csh.
printf '%s\n' "$1"; shift; exec "$@"
