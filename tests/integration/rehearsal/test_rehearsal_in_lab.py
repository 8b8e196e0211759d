"""Rehearsals and surveys of pods on lab nodes, over SSH, as the audit does them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from secrets import token_hex

import pytest
from support.lab import running_lab, ssh

from fleet import lab
from fleet.facts import ProbeRequest, parse_answer, probe_arguments, probe_script
from fleet.facts.pods import parse_pods, pods_arguments, pods_script
from fleet.facts.rehearsal import parse_rehearsal, rehearsal_arguments, rehearsal_script
from fleet.kernel.boot import BOOT_FILES, BootSet, boot_model, resolve_boot
from fleet.kernel.catalogue import KEYS
from fleet.kernel.pod_values import POD_KEYS, pod_findings
from fleet.kernel.rehearsal import compare_rehearsal, rehearsal_finding, rehearsal_tool
from fleet.model.connection import BecomeMethod, Endpoint
from fleet.model.facts import NodeFacts, Reason, Sysctl, Unavailable
from fleet.model.pods import PodSurvey
from fleet.model.rehearsal import Rehearsal
from fleet.transport import Command, SshTransport

pytestmark = pytest.mark.root

Runs = Callable[..., bytes]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Lab]:
    """One node of each kind."""
    with running_lab(tmp_path_factory.mktemp("state"), 12) as built:
        yield built


@pytest.fixture
def run(nodes: lab.Lab) -> Iterator[Runs]:
    """Runs a script on a node."""
    transport = SshTransport()

    def call(
        node: str, script: bytes, arguments: tuple[str, ...], *, user: str = "root", become: BecomeMethod = "none"
    ) -> bytes:
        endpoint = Endpoint(
            name=node,
            address=str(nodes.node(node).address),
            user=user,
            identity_files=(str(nodes.identity_file),),
            known_hosts=(str(nodes.known_hosts),),
            use_agent=False,
            ssh_config="/dev/null",
            become=become,
        )
        connection = transport.open(endpoint)
        try:
            command = Command(arguments=("sh", "-s", "--", *arguments), stdin=script, become=True)
            return connection.run(command).stdout
        finally:
            connection.close()

    yield call
    transport.close()


def facts_of(run: Runs, node: str) -> NodeFacts:
    nonce = token_hex(16)
    request = ProbeRequest(keys=tuple(KEYS), files=BOOT_FILES)
    return parse_answer(run(node, probe_script(), probe_arguments(nonce, request)), nonce=nonce, host=node)


def rehearse(
    run: Runs, node: str, facts: NodeFacts, *, user: str = "root", become: BecomeMethod = "none"
) -> Rehearsal | Unavailable:
    tool = rehearsal_tool(boot_model(facts))
    assert not isinstance(tool, Unavailable), tool
    nonce = token_hex(16)
    answer = run(node, rehearsal_script(), rehearsal_arguments(nonce, tool), user=user, become=become)
    return parse_rehearsal(answer, nonce=nonce, host=node)


def survey(run: Runs, node: str, *, most: int = 20) -> PodSurvey | Unavailable:
    nonce = token_hex(16)
    answer = run(node, pods_script(), pods_arguments(nonce, POD_KEYS, most))
    return parse_pods(answer, nonce=nonce, keys=POD_KEYS, host=node)


def test_every_seeded_node_does_what_the_resolver_says(nodes: lab.Lab, run: Runs) -> None:
    confirmed = 0
    for node in nodes.nodes:
        facts = facts_of(run, node.name)
        boot = resolve_boot(facts, KEYS)
        seen = rehearse(run, node.name, facts)
        finding = rehearsal_finding(seen, boot)
        assert finding.status == "pass", f"{node.name}: {finding.reason}"
        assert isinstance(seen, Rehearsal)
        agreed = compare_rehearsal(seen, boot).agreed
        confirmed += sum(isinstance(boot[key], BootSet) for key in agreed)
        assert len(agreed) > 10
        assert _settings(facts_of(run, node.name)) == _settings(facts)
    assert confirmed > 10


def _settings(facts: NodeFacts) -> dict[str, Sysctl]:
    """All keys but the one that changes by itself."""
    return {key: value for key, value in facts.sysctls.items() if key != "net.netfilter.nf_conntrack_count"}


def test_a_deliberately_wrong_prediction_is_a_finding(nodes: lab.Lab, run: Runs) -> None:
    [node] = [node for node in nodes.nodes if lab.Planted.CARGO_CULT in node.planted]
    facts = facts_of(run, node.name)
    path = "/etc/sysctl.d/99-tuning.conf"
    content = (facts.files[path].content or b"").replace(b"tcp_fin_timeout = 10", b"tcp_fin_timeout = 11")
    misread = replace(facts, files={**facts.files, path: replace(facts.files[path], content=content)})
    finding = rehearsal_finding(rehearse(run, node.name, facts), resolve_boot(misread, KEYS))
    assert (finding.status, finding.settings) == ("fail", ("net.ipv4.tcp_fin_timeout",))
    assert f"net.ipv4.tcp_fin_timeout was to be 11 by {path}:3, the tool left 10" in finding.reason


def test_without_root_there_is_no_rehearsal_and_with_sudo_there_is(nodes: lab.Lab, run: Runs) -> None:
    node = nodes.nodes[0].name
    facts = facts_of(run, node)
    assert rehearse(run, node, facts, user="ops") == Unavailable(Reason.NEEDS_ROOT)
    assert isinstance(rehearse(run, node, facts, user="ops", become="sudo"), Rehearsal)


def test_pods_of_a_hardened_node_are_found_at_the_kernels_defaults(nodes: lab.Lab, run: Runs) -> None:
    [node] = [node for node in nodes.nodes if lab.Planted.CARGO_CULT in node.planted]
    start = (
        "for name in web-1 web-2 web-3; do setsid unshare --net --uts sh -c 'printf %s $0 >/proc/sys/kernel/hostname; "
        "echo up >/run/up-$0; exec sleep 60' $name </dev/null >/dev/null 2>&1 & done; "
        "until [ -e /run/up-web-1 ] && [ -e /run/up-web-2 ] && [ -e /run/up-web-3 ]; do :; done"
    )
    assert ssh(nodes, node.name, start).returncode == 0
    seen = survey(run, node.name)
    assert isinstance(seen, PodSurvey)
    assert (seen.namespaces, len(seen.samples)) == (3, 3)
    assert {sample.name for sample in seen.samples} == {"sleep"}
    assert seen.host["net.ipv4.tcp_fin_timeout"] == "10"
    assert {sample.values["net.ipv4.tcp_fin_timeout"] for sample in seen.samples} == {"60"}
    findings = {
        finding.control: finding for finding in pod_findings(seen, kernel=facts_of(run, node.name).identity.kernel)
    }
    reason = findings["pod-values-ipv4-tcp-fin-timeout"].reason
    assert reason == (
        "3 of 3 sampled network namespaces run with net.ipv4.tcp_fin_timeout 60 (the kernel's default)"
        " while the host has 10"
    )
    fewer = survey(run, node.name, most=2)
    assert isinstance(fewer, PodSurvey)
    assert (fewer.namespaces, len(fewer.samples)) == (3, 2)
    assert fewer.samples == seen.samples[:2]


def test_node_without_pods_says_so(nodes: lab.Lab, run: Runs) -> None:
    seen = survey(run, nodes.nodes[1].name)
    assert isinstance(seen, PodSurvey)
    assert (seen.namespaces, seen.samples) == (0, ())
    assert [finding.status for finding in pod_findings(seen, kernel="6.1.0")] == ["skip"]
