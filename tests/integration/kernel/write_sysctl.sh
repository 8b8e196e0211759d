#!/bin/sh
# Reads lines of a key in slashes and a value in octal escapes, writes the value in one write, and prints what the
# kernel then says after "=", or REFUSED. Run it in a network namespace of its own.
while read -r key value; do
  # shellcheck disable=SC2059  # the value is made of octal escapes only
  if printf "$value" 2>/dev/null >"/proc/sys/$key"; then
    printf '=%s\n' "$(tr '\t' ' ' <"/proc/sys/$key")"
  else
    printf 'REFUSED\n'
  fi
done
