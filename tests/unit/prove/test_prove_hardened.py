"""From a playbook to the hardened node."""

from datetime import date
from pathlib import Path

from support.facts import node_facts

from fleet.kernel.invalid import BE_LIBERAL
from fleet.policy import HostView, evaluate, load_playbook
from fleet.prove import Node, harden

TW_REUSE = "net.ipv4.tcp_tw_reuse"
CLOSE_WAIT = "net.netfilter.nf_conntrack_tcp_timeout_close_wait"
HOST = HostView(name="node-1", address="192.0.2.1", groups=(), data={})


def hardened(tmp_path: Path, values: dict[str, str]) -> Node:
    playbook = tmp_path / "playbook.yaml"
    playbook.write_text("name: Proof\nprofiles: [conntrack, tcp]\n")
    facts = node_facts(sysctls={"net.netfilter.nf_conntrack_max": "1000", BE_LIBERAL: "0", CLOSE_WAIT: "60"} | values)
    wanted = evaluate(load_playbook(playbook), facts, host=HOST, today=date(2026, 11, 20)).wanted
    return harden(Node(values=values), wanted)


def test_the_playbook_gives_what_it_would_write(tmp_path: Path) -> None:
    node = hardened(tmp_path, {})
    assert node.hardened[BE_LIBERAL] == "1"
    assert "net.netfilter.nf_conntrack_max" not in node.hardened


def test_a_value_that_the_playbook_accepts_stays(tmp_path: Path) -> None:
    assert CLOSE_WAIT not in hardened(tmp_path, {CLOSE_WAIT: "3600"}).hardened


def test_pods_are_given_what_they_do_not_inherit_and_nothing_of_conntrack(tmp_path: Path) -> None:
    pods = hardened(tmp_path, {}).hardened_pods
    assert pods[TW_REUSE] == "1"
    assert BE_LIBERAL not in pods
