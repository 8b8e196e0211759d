#!/bin/sh
# A node for one sshd, inside a mount namespace: a private /etc and /run, users with passwords, files over /etc.
# Usage: sshd_node.sh DIRECTORY COMMAND...
set -eu
directory=$1
shift
mount -t tmpfs tmpfs /run
mkdir -p /run/sshd /run/upper /run/work /run/homes
mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/upper,workdir=/run/work /etc
# Root logs in with the plain shell and an empty home: what the machine's own .bashrc does would count as the node's.
mkdir -m 700 /run/homes/root
sed -i 's#^root:.*#root:x:0:0:root:/run/homes/root:/bin/sh#' /etc/passwd
mkdir -p /etc/fleet-test
cp "$directory/authorized_keys" /etc/fleet-test/authorized_keys
chmod 644 /etc/fleet-test/authorized_keys
while IFS=: read -r name _; do
    useradd --no-log-init --create-home --base-dir /run/homes --shell /bin/sh "$name"
done <"$directory/passwords"
[ ! -s "$directory/passwords" ] || chpasswd <"$directory/passwords"
if [ -d "$directory/etc" ]; then
    cp -R "$directory/etc/." /etc/
    find /etc -newer "$directory/passwords" -type f \( -name sudoers -o -name doas.conf \) -exec chmod 440 {} +
fi
exec "$@"
