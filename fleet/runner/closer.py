"""Closer looks at a node over the connection of its audit, each one command more and only where asked for."""

from collections.abc import Collection
from dataclasses import dataclass
from secrets import token_hex
from typing import Literal

from fleet.facts.pods import parse_pods, pods_arguments, pods_script
from fleet.facts.rehearsal import parse_rehearsal, rehearsal_arguments, rehearsal_script
from fleet.kernel.boot import boot_model, resolve_boot
from fleet.kernel.catalogue import KEYS
from fleet.kernel.pod_values import POD_KEYS, pod_findings, pod_remedy
from fleet.kernel.rehearsal import rehearsal_finding, rehearsal_tool
from fleet.model.facts import NodeFacts, Unavailable
from fleet.model.finding import Finding
from fleet.model.pods import PodRemedy
from fleet.transport import Command, Connection

Look = Literal["rehearsal", "pods"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CloserLook:
    """What the looks that were taken at one node add to its audit."""

    findings: tuple[Finding, ...] = ()
    pod_remedy: PodRemedy | None = None


def look_closer(looks: Collection[Look], host: str, connection: Connection, facts: NodeFacts) -> CloserLook:
    """Take the looks that were asked for.

    Raises:
        HostError: the node did not answer.
    """
    rehearsal = (_rehearse_boot(host, connection, facts),) if "rehearsal" in looks else ()
    pods = _look_into_pods(host, connection, facts) if "pods" in looks else CloserLook()
    return CloserLook(findings=rehearsal + pods.findings, pod_remedy=pods.pod_remedy)


def _rehearse_boot(host: str, connection: Connection, facts: NodeFacts) -> Finding:
    """Hold the boot values against what the node's own tool does, in namespaces that nothing leaves."""
    boot = resolve_boot(facts, KEYS)
    tool = rehearsal_tool(boot_model(facts))
    if isinstance(tool, Unavailable):
        return rehearsal_finding(tool, boot)
    nonce = token_hex(16)
    answer = _run(connection, rehearsal_arguments(nonce, tool), rehearsal_script())
    return rehearsal_finding(parse_rehearsal(answer, nonce=nonce, host=host), boot)


def _look_into_pods(host: str, connection: Connection, facts: NodeFacts) -> CloserLook:
    """Compare the values inside the network namespaces of running processes with the node's own."""
    nonce = token_hex(16)
    answer = _run(connection, pods_arguments(nonce, POD_KEYS), pods_script())
    survey = parse_pods(answer, nonce=nonce, keys=POD_KEYS, host=host)
    kernel = facts.identity.kernel
    return CloserLook(findings=pod_findings(survey, kernel=kernel), pod_remedy=pod_remedy(survey, kernel=kernel))


def _run(connection: Connection, arguments: tuple[str, ...], script: bytes) -> bytes:
    return connection.run(Command(arguments=("sh", "-s", "--", *arguments), stdin=script, become=True)).stdout
