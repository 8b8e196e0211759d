"""Connections that IPVS forgot while both ends have them, on a kernel that has IPVS."""

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.cli import fleet
from support.vm import command

from fleet.lab import vm

pytestmark = pytest.mark.vm

SEEDS = 10
NAMED = ("confirmed", "likely")
# A client's and a server's namespace behind the node, as with kube-proxy in IPVS mode. sshd waits for its clients.
# QEMU has 10.0.2.0/24 for itself.
SETUP = """
set -e
modprobe ip_vs; modprobe ip_vs_rr; modprobe nf_conntrack
sysctl -q net.ipv4.ip_forward=1
for place in client:1 server:2; do
  name=${place%:*} net=${place#*:}
  ip netns add $name
  ip link add $name type veth peer name eth0 netns $name
  ip address add 10.77.$net.1/24 dev $name
  ip link set $name up
  ip -n $name link set lo up
  ip -n $name address add 10.77.$net.2/24 dev eth0
  ip -n $name link set eth0 up
  ip -n $name route add default via 10.77.$net.1
done
ip link add ipvs0 type dummy
ip address add 10.96.0.10/32 dev ipvs0
ipvsadm -A -t 10.96.0.10:80 -s rr
ipvsadm -a -t 10.96.0.10:80 -r 10.77.2.2:9000 -m
mkdir -p /run/sshd
ip netns exec server /usr/sbin/sshd -p 9000 -o LoginGraceTime=0 -o MaxStartups=100 -o PerSourceMaxStartups=none
"""
# The banner of sshd comes through IPVS; then all are idle.
CONNECT = """
ipvsadm --set 900 120 300
ip netns exec client setsid bash -c '
  for number in $(seq {count}); do
    exec {{kept}}<>/dev/tcp/10.96.0.10/80
    read -r _ <&$kept
    all="$all $kept"
  done
  touch /run/ready
  until [ -e /run/speak ]; do sleep 0.1; done
  for kept in $all; do printf S >&$kept; done
  rm /run/speak
  exec sleep 600
' </dev/null >/dev/null 2>&1 &
until [ -e /run/ready ]; do sleep 0.1; done
rm /run/ready
"""
# A timeout holds from the next packet on.
FORGET = """
ipvsadm --set 2 120 300
touch /run/speak
while [ -e /run/speak ]; do sleep 0.1; done
while grep -q "^TCP.*ESTABLISHED" /proc/net/ip_vs_conn; do sleep 0.1; done
"""
END = "ip netns pids client | xargs -r kill; while ip netns pids client | grep -q .; do sleep 0.1; done"


def causes(lab: vm.VmLab, folder: Path) -> dict[str, Any]:
    done = fleet("diagnose", "-i", str(lab.inventory), "--for", "1", "-f", "json", "--history", "none", cwd=folder)
    (host,) = json.loads(done.stdout)["hosts"].values()
    assert (host["error"], done.stderr) == (None, "")
    return dict(host["causes"])


def test_an_idle_connection_that_ipvs_forgot_is_named_and_one_that_it_knows_is_not(
    lab: vm.VmLab, machine: str, tmp_path: Path, say: Callable[[str], None]
) -> None:
    command(lab, machine, SETUP)
    rows: dict[str, Counter[str]] = {"healthy, IPVS": Counter(), "forgotten by IPVS": Counter()}
    for seed in range(SEEDS):
        count = random.Random(seed).randint(1, 8)  # noqa: S311 # the same seed makes the same run
        command(lab, machine, CONNECT.format(count=count))
        for kind, idle in (("healthy, IPVS", "true"), ("forgotten by IPVS", FORGET)):
            command(lab, machine, idle)
            found = causes(lab, tmp_path)
            named = {cause for cause, each in found.items() if each["verdict"] in NAMED}
            rows[kind].update(named or {"nothing"})
            assert named == (set() if kind.startswith("healthy") else {"ipvs-idle"}), (kind, seed, found)
        command(lab, machine, END)
    say("\n".join(f"{kind}: {dict(counts)}" for kind, counts in rows.items()))
    assert rows == {"healthy, IPVS": Counter(nothing=SEEDS), "forgotten by IPVS": Counter({"ipvs-idle": SEEDS})}
