"""What is recalled for a node that is like an earlier one is what would be worked out for it alone."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TypeVar

import pytest

from fleet.facts import parse_answer
from fleet.model.facts import Identity, NodeFacts, Reason, Sysctl, Unavailable
from fleet.policy import HostView, Policy, evaluate, load_playbook, node, verdict
from fleet.policy.expression import compile_expression
from fleet.policy.node import UnknownReadingError, frozen

V = TypeVar("V")

ANSWERS = sorted(Path(__file__).parents[2].glob("data/facts/*.answer"))
NONCE = "00112233445566778899aabbccddeeff"
TODAY = date(2026, 11, 21)
PLAYBOOK = b"""
name: t
hosts: all
profiles: [conntrack, tcp, ports, ipvs, kubelet]
exceptions:
  - {control: tcp-fin-timeout, hosts: excepted, reason: r, owner: o, expires: 2027-01-01}
controls:
  - id: own
    title: t
    impact: low
    setting: {fact: node.cores}
    when: "'nf_conntrack' in modules or host.wanted == 1"
    skip_reason: s
    expect: {at_least: "{{ vars.conntrack_headroom }}"}
    why: w
"""


class Forgetful:
    """A memo that recalls nothing."""

    def get(self, _key: object, make: Callable[[], V]) -> V:
        return make()


def variants(facts: NodeFacts) -> list[NodeFacts]:
    """The same node, changed in one thing that a control reads."""
    table, key = facts.conntrack, "net.ipv4.tcp_fin_timeout"
    identity: Identity = facts.identity
    sysctl = Sysctl(key=key, value="7", writable=True)
    return [
        facts,
        replace(facts, conntrack=replace(table, count=200_000, max=262_144)),
        replace(facts, conntrack=replace(table, count=Unavailable(Reason.NOT_LOADED, "nf_conntrack"))),
        replace(facts, identity=replace(identity, ram_bytes=2**38, cores=64)),
        replace(facts, identity=replace(identity, uid=1000 - identity.uid)),
        replace(facts, identity=replace(identity, kernel="5.4.0-1", init="init")),
        replace(facts, sysctls={**facts.sysctls, key: sysctl}),
        replace(facts, sysctls={**facts.sysctls, key: replace(sysctl, value=Unavailable(Reason.ABSENT))}),
        replace(facts, modules=Unavailable(Reason.UNREADABLE)),
        replace(facts, modules=frozenset({"nf_conntrack"}), builtin_modules=frozenset()),
        replace(facts, files={}),
        replace(facts, processes=()),
        replace(facts, processes=Unavailable(Reason.NEEDS_ROOT)),
        replace(facts, listeners=()),
    ]


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    path = tmp_path / "playbook.yaml"
    path.write_bytes(PLAYBOOK)
    return load_playbook(path)


def test_recalled_conclusions_are_those_of_each_node_alone(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [
        each for path in ANSWERS for each in variants(parse_answer(path.read_bytes(), nonce=NONCE, host=path.stem))
    ]
    hosts = [HostView(name=name, groups=(), data=data, address="a") for name, data in
             (("n", {}), ("excepted", {"wanted": 1}), ("n", {"wanted": True}))]  # fmt: skip
    cases = [(facts, host) for facts in nodes for host in hosts]
    recalled = [evaluate(policy, facts, host=host, today=TODAY) for facts, host in cases]
    monkeypatch.setattr(verdict, "_CONCLUSIONS", Forgetful())
    monkeypatch.setattr(node, "_CONDITIONS", Forgetful())
    for (facts, host), found in zip(cases, recalled, strict=True):
        alone = evaluate(policy, facts, host=host, today=TODAY)
        assert (found.findings, found.settings, found.wanted) == (alone.findings, alone.settings, alone.wanted)


def test_numbers_and_truths_that_are_equal_to_python_are_told_apart() -> None:
    assert len({frozen(1), frozen(1.0), frozen(True), frozen("1"), frozen([1]), frozen([True])}) == 6  # noqa: FBT003 # that is what is asked


def test_what_is_no_plain_data_is_not_recalled() -> None:
    with pytest.raises(UnknownReadingError):
        frozen([object()])


def test_an_expression_names_all_that_it_reads() -> None:
    expression = compile_expression("node.cores > 1 and 'x' in modules and sysctl['net.a'] == modules[0] + host.a.b")
    assert expression.reads == (("host", "a"), ("node", "cores"), ("sysctl", "net.a"), ("modules", None))
