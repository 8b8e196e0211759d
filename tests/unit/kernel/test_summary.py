"""A node in a few words."""

from dataclasses import replace

from support.facts import node_facts
from support.kernel import process
from support.writers import proxy_node

from fleet.kernel.summary import summarise
from fleet.model.facts import Reason, Unavailable


def test_a_node_of_kubernetes_is_told_with_its_proxy_and_its_table() -> None:
    facts = proxy_node(minor=35, cores=8)
    assert isinstance(facts.processes, tuple)
    facts = replace(facts, processes=(*facts.processes, process("kubelet")))
    facts = replace(facts, conntrack=replace(facts.conntrack, count=41_230, max=262_144, buckets=65_536))
    summary = summarise(facts)
    assert (summary.kubernetes, summary.proxy_mode, summary.cores) == ("kubeadm", "iptables", 8)
    assert "1.35" in summary.proxy_release
    assert (summary.conntrack_count, summary.conntrack_max, summary.conntrack_buckets) == (41_230, 262_144, 65_536)
    assert (summary.kernel, summary.system) == (facts.identity.kernel, facts.identity.os.pretty_name)


def test_what_could_not_be_read_is_not_guessed() -> None:
    unread = Unavailable(Reason.NOT_LOADED, "nf_conntrack")
    facts = node_facts()
    facts = replace(facts, processes=unread, conntrack=replace(facts.conntrack, count=unread, max=unread))
    summary = summarise(facts)
    assert (summary.kubernetes, summary.proxy_mode) == (None, "unknown")
    assert (summary.conntrack_count, summary.conntrack_max) == (None, None)
