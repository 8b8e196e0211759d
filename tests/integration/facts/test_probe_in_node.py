"""The real probe in namespaces dressed up as a node (tests/data/facts/node.sh)."""

from dataclasses import replace

import pytest
from support.probe import NONCE, SHELLS, run_in_node

from fleet.facts import ProbeRequest, parse_answer, probe_arguments, probe_script
from fleet.model.facts import NodeFacts

pytestmark = pytest.mark.root

KEYS = ("net.ipv4.tcp_fin_timeout", "net.netfilter.nf_conntrack_max", "net.core.netdev_max_backlog", "kernel.panic")
ARGUMENTS = " ".join(probe_arguments(NONCE, ProbeRequest(keys=KEYS)))
AS_USER = "setpriv --reuid 65534 --regid 65534 --clear-groups"
# Everything that a probe could touch: values, modules, tables, and the bytes and times of the trees it reads.
SNAPSHOT = """snapshot() {
  find /proc/sys/net -type f ! -name stable_secret ! -name flush ! -name nf_conntrack_count -exec grep -H '' {} + 2>&1
  cat /proc/modules /proc/net/ip_tables_names 2>&1
  ls /sys/module
  nft list ruleset
  find /etc /run /usr/lib /usr/local /var/lib/kubelet /var/lib/kube-proxy -printf '%p %s %m %T@ %C@\\n'
}
"""


def facts_of(answers: bytes) -> list[NodeFacts]:
    """The facts of answers that follow each other, without what changes from one moment to the next."""
    greeting = f"{NONCE} fleet-facts ".encode()
    seen = [parse_answer(greeting + rest, nonce=NONCE, host="node-1") for rest in answers.split(greeting)[1:]]
    return [
        replace(facts, identity=replace(facts.identity, uptime_seconds=0.0), sockets={}, counters={}) for facts in seen
    ]


@pytest.mark.parametrize("prefix", ["", AS_USER], ids=["root", "user"])
def test_every_shell_gives_the_same_facts(prefix: str) -> None:
    runs = "\n".join(f"printf '%s' \"$probe\" | {prefix} {' '.join(s)} -s -- {ARGUMENTS}" for s in SHELLS.values())
    dash, bash, busybox = facts_of(run_in_node(["sh", "-c", f"probe=$(cat)\n{runs}"], stdin=probe_script() + b"\n"))
    assert dash == bash
    assert dash == busybox
    assert len(dash.files) > 20


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS)
def test_read_only_mount_is_not_writable_for_root(shell: tuple[str, ...]) -> None:
    command = (
        "mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys && "
        f"exec {' '.join(shell)} -s -- {ARGUMENTS}"
    )
    [facts] = facts_of(run_in_node(["sh", "-c", command], stdin=probe_script()))
    assert facts.sysctls["net.ipv4.tcp_fin_timeout"].value == "60"
    assert [key for key, sysctl in facts.sysctls.items() if sysctl.writable] == []


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS)
def test_reading_changes_nothing(shell: tuple[str, ...]) -> None:
    command = f"""{SNAPSHOT}
mkdir /mnt/fake
for tool in ipvsadm modprobe insmod iptables-legacy-save ss sysctl systemctl; do
  printf '#!/bin/sh\\necho "$0 $*" >>/mnt/called\\n' >/mnt/fake/$tool
  chmod +x /mnt/fake/$tool
done
export PATH=/mnt/fake:$PATH
cat >/mnt/probe
snapshot >/mnt/before
{" ".join(shell)} -s -- {ARGUMENTS} </mnt/probe >/mnt/answer
snapshot >/mnt/after
diff /mnt/before /mnt/after
[ ! -e /mnt/called ] || cat /mnt/called
wc -l </mnt/before
tail -n 1 /mnt/answer
"""
    lines = run_in_node(["sh", "-c", command], stdin=probe_script()).decode().splitlines()
    assert len(lines) == 2, lines
    assert int(lines[0]) > 1000
    assert lines[1] == f"{NONCE} end"


def test_a_change_would_be_noticed() -> None:
    command = SNAPSHOT + "snapshot >/mnt/a; echo 31 >/proc/sys/net/ipv4/tcp_fin_timeout; touch /etc/sysctl.conf; "
    shown = run_in_node(["sh", "-c", command + "snapshot >/mnt/b; diff /mnt/a /mnt/b || true"]).decode()
    assert "tcp_fin_timeout:31" in shown
    assert "/etc/sysctl.conf" in shown


ODD = {
    "aliases": 'export ENV=/mnt/rc; echo "alias cat=false printf=false frame=false env=false" >/mnt/rc;',
    "functions": "printf() { echo bad; }; cat() { echo bad; }; env() { echo bad; }; export -f printf cat env;",
    "options": "export GREP_OPTIONS=--color=always CDPATH=/etc IFS=x POSIXLY_CORRECT=1 LC_ALL=tr_TR.UTF-8 nonce=1;",
    "short path": "export PATH=/usr/bin:/bin;",
    "no path": "unset PATH;",
    "no sysctl.d": "rm -rf /usr/lib/sysctl.d /etc/modprobe.d;",
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS)
def test_odd_environment_changes_no_answer(shell: tuple[str, ...], odd: str) -> None:
    absolute = {"dash": "/usr/bin/dash", "bash": "/usr/bin/bash", "busybox": "/usr/bin/busybox sh"}[shell[0]]
    command = f"{odd} exec {absolute} -s -- {ARGUMENTS}"
    [facts] = facts_of(run_in_node(["bash", "-c", command], stdin=probe_script()))
    assert facts.sysctls["net.ipv4.tcp_fin_timeout"].value == "60"
    assert facts.files["/etc/sysctl.d/61-bytes.conf"].content == b"a\0b\xff\x1b[31m\r\n\n"
    assert isinstance(facts.invalid_rules, tuple)
    assert [rule.backend for rule in facts.invalid_rules] == ["iptables-nft"]
    assert facts.listeners == ()
    assert isinstance(facts.conntrack.object_bytes, int)
