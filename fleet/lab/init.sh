#!/bin/sh
# Process 1 of a lab node: puts the planted state in place, then keeps sshd running and buries orphans.
# What is planted stands beside this file: live (KEY VALUE), processes (EXECUTABLE ARGV...), firewall (iptables-save).
set -u
here=/usr/local/lib/fleet-lab
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd /
# The node has the files of a machine that systemd boots, so its process 1 goes by that name.
printf systemd >/proc/self/comm
mkdir -p /run/sshd /run/lock

# First, because a rule about connection states may load the module that the live keys need.
if [ -s "$here/firewall" ] && command -v iptables-restore >/dev/null; then
    iptables-restore <"$here/firewall"
fi

while read -r key value; do
    printf '%s' "$value" >"/proc/sys/$key" || echo "fleet lab: $key could not be set to $value" >&2
done <"$here/live"

# As OpenRC's "local" does: what is to run once at the end of a boot, such as the undo of a run that was interrupted.
for start in /etc/local.d/*.start; do
    [ ! -x "$start" ] || "$start"
done

# A pretender is a copy of echo under the other program's name that never gets its line out, because this pipe is full:
# its command line, name and executable are all as the real one's.
mkfifo /run/full
exec 3<>/run/full
dd if=/dev/zero of=/run/full bs=4096 oflag=nonblock 2>/dev/null
while read -r executable arguments; do
    # shellcheck disable=SC2016,SC2086 # bash expands its own arguments; ours have no blanks in them.
    env -i PATH="$PATH" bash -c 'exec -a "$1" "$0" "${@:2}"' "$executable" $arguments >&3 </dev/null &
done <"$here/processes"

while :; do
    env -i PATH="$PATH" /usr/sbin/sshd -D -e 3>&- &
    sshd=$!
    # Every end of a child wakes the shell, which thereby collects orphans too.
    wait "$sshd"
    echo "fleet lab: sshd ended with status $?; starting it again" >&2
    sleep 1
done
