"""The survey of pods under each shell, among processes with network namespaces of their own."""

import subprocess

import pytest
from support.probe import NONCE, SHELLS

from fleet.facts.pods import parse_pods, pods_arguments, pods_script
from fleet.model.facts import Reason, Unavailable
from fleet.model.pods import PodSurvey

pytestmark = [pytest.mark.root, pytest.mark.parametrize("shell", SHELLS)]

KEYS = ("net.ipv4.tcp_keepalive_time", "net.ipv4.ip_local_reserved_ports", "net.ipv4.no_such_key")
_NODE = ("unshare", "--mount", "--net", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c")
# "pause" comes first, as in a pod; another process joins its namespace, with a name that means to confuse. A process is
# called what it writes to its comm, and stays where it waits for a pipe that nobody opens.
_PODS = r"""
mount -n -t tmpfs none /mnt && cd /mnt
mkfifo never
printf node-1 >/proc/sys/kernel/hostname
until_there() { until [ -e "$1" ]; do :; done; }
unshare --net --uts sh -c 'printf web-1 >/proc/sys/kernel/hostname; echo 300 >/proc/sys/net/ipv4/tcp_keepalive_time
  echo 30000 >/proc/sys/net/ipv4/ip_local_reserved_ports; printf pause >/proc/self/comm; : >one; read _ <never' &
one=$!
until_there one
unshare --net sh -c 'printf web >/proc/self/comm; : >two; read _ <never' &
until_there two
nsenter --net="/proc/$one/ns/net" --uts="/proc/$one/ns/uts" \
  sh -c 'printf "a) (b 1 2" >/proc/self/comm; : >three; read _ <never' &
until_there three
"""


def survey(shell: str, *, most: int = 20, before: str = "", run: str = "") -> PodSurvey | Unavailable:
    arguments = " ".join(pods_arguments(NONCE, KEYS, most))
    command = f"set -e\n{_PODS}\n{before}\n{run} {' '.join(SHELLS[shell])} -s -- {arguments}"
    completed = subprocess.run([*_NODE, command], input=pods_script(), stdout=subprocess.PIPE, check=True, timeout=60)
    return parse_pods(completed.stdout, nonce=NONCE, keys=KEYS, host="node-1")


def test_each_namespace_is_read_once_with_its_own_values(shell: str) -> None:
    seen = survey(shell)
    assert isinstance(seen, PodSurvey)
    assert seen.host == {"net.ipv4.tcp_keepalive_time": "7200", "net.ipv4.ip_local_reserved_ports": ""}
    assert seen.namespaces == 2
    assert [(sample.name, sample.hostname, dict(sample.values)) for sample in seen.samples] == [
        (
            "a) (b 1 2",
            "web-1",
            {"net.ipv4.tcp_keepalive_time": "300", "net.ipv4.ip_local_reserved_ports": "30000"},
        ),
        ("web", "", {"net.ipv4.tcp_keepalive_time": "7200", "net.ipv4.ip_local_reserved_ports": ""}),
    ]


def test_the_oldest_are_sampled_and_all_are_counted(shell: str) -> None:
    seen = survey(shell, most=1)
    assert isinstance(seen, PodSurvey)
    assert (seen.namespaces, [sample.hostname for sample in seen.samples]) == (2, ["web-1"])


def test_a_process_that_ends_meanwhile_is_left_out(shell: str) -> None:
    # The first nsenter of the script meets a namespace that is gone.
    fake = (
        "mkdir bin; cat >bin/nsenter <<'END'\n"
        '#!/bin/sh\n[ ! -e "$0.met" ] || exec /usr/bin/nsenter "$@"\n: >"$0.met"\nexit 1\nEND\n'
        'chmod +x bin/nsenter; export PATH="$PWD/bin:$PATH"'
    )
    seen = survey(shell, before=fake)
    assert isinstance(seen, PodSurvey)
    assert [sample.name for sample in seen.samples] == ["web"]


def test_namespaces_that_cannot_be_entered_are_told(shell: str) -> None:
    fake = 'mkdir bin; ln -s /bin/false bin/nsenter; export PATH="$PWD/bin:$PATH"'
    assert survey(shell, before=fake) == Unavailable(Reason.IMPOSSIBLE, "none of the namespaces could be entered")


def test_namespaces_that_are_hidden_are_told(shell: str) -> None:
    fake = 'mkdir bin; ln -s /bin/false bin/ls; export PATH="$PWD/bin:$PATH"'
    assert survey(shell, before=fake) == Unavailable(
        Reason.IMPOSSIBLE, "the namespaces of processes are not to be seen"
    )


def test_user_who_is_not_root_is_told_so(shell: str) -> None:
    user = "exec setpriv --reuid 65534 --regid 65534 --clear-groups"
    assert survey(shell, run=user) == Unavailable(Reason.NEEDS_ROOT)


def test_reading_changes_nothing(shell: str) -> None:
    snapshot = (
        "snapshot() { find /proc/sys/net -type f ! -name stable_secret ! -name flush ! -name nf_conntrack_count"
        " -exec grep -H '' {} + 2>&1; ls /sys/module /mnt; cat /proc/$$/mountinfo; }\n"
        'before=$(snapshot); trap \'[ "$before" = "$(snapshot)" ] || exit 1\' EXIT'
    )
    assert isinstance(survey(shell, before=snapshot), PodSurvey)


def test_tools_of_busybox_will_do(shell: str) -> None:
    links = "for one in nsenter ls awk sort env cat head; do ln -s /usr/bin/busybox bin/$one; done"
    assert survey(shell, before=f'mkdir bin; {links}; export PATH="$PWD/bin:$PATH"') == survey(shell)
