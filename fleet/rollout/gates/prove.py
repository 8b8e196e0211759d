"""The gate that makes the connection reset happen, in namespaces, to a node with the values of a changed host."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from time import monotonic

from fleet.facts import ProbeRequest
from fleet.kernel.catalogue import KEYS
from fleet.kernel.invalid import BE_LIBERAL
from fleet.model.errors import HostTimeoutError, ProofError
from fleet.model.rollout import GateResult, ProveGate
from fleet.policy import HostView
from fleet.prove import SCENARIOS, Answer, Node, Place, cell_request, node_like, on_node, prepare, this_machine
from fleet.rollout.gates.context import GateContext
from fleet.rollout.gates.result import counted, failed, interrupted, listed, passed, split
from fleet.runner.audit import read_facts
from fleet.transport import Connection

SCENARIO = SCENARIOS["above-window"]
"""What every changed host has to survive."""

_RUNS = 5
_REQUEST = ProbeRequest(keys=tuple(KEYS))

Tried = tuple[Answer, Answer]
"""What became of connections through an unprotected node, and through one like the host."""


def check_prove(gate: ProveGate, context: GateContext) -> GateResult:
    """Send a segment above the window to connections through each node; all have to live.

    The same segment has to reset connections where neither be_liberal nor the INVALID rule is: else the kernel does
    not have the fault, and nothing is proved.
    """
    try:
        tried, errors = _on_nodes(gate, context) if gate.on == "node" else _on_controller(gate, context)
    except ProofError as error:
        return interrupted(gate) if context.stop.is_set() else failed(gate, f"nothing is proved: {error}")
    if context.stop.is_set():
        return interrupted(gate)
    problems = [f"{host} cannot be proved: {why}" for host, why in errors.items()]
    for host in context.changed:
        if host in tried:
            problems += (f"{host}: {problem}" for problem in _problems(*tried[host]))
    if problems:
        return failed(gate, listed(problems))
    kernels = ", ".join(sorted({answer.kernel for _, answer in tried.values()}))
    whose = "their own" if gate.on == "node" else "this machine's"
    return passed(
        gate,
        f"{SCENARIO.title} resets no connection through a node with the values of"
        f" {counted(len(tried), 'host')}, and all without them, on {whose} kernel {kernels}",
    )


def _on_controller(gate: ProveGate, context: GateContext) -> tuple[Mapping[str, Tried], Mapping[str, str]]:
    deadline = monotonic() + gate.timeout

    def look(host: HostView, connection: Connection) -> Node:
        return node_like(read_facts(host, connection, _REQUEST))

    nodes, errors = split(context.fleet.run(look, hosts=context.changed, stop=context.stop))
    # Hosts of one kind are alike, and one of them stands for all.
    kinds: list[Node] = []
    for node in nodes.values():
        if node not in kinds:
            kinds.append(node)
    left = max(0.0, round(deadline - monotonic(), 1))
    place = this_machine(as_root=prepare(), within=left, stop=context.stop.is_set)
    answers = _try(place, *kinds)
    return {host: answers[kinds.index(node)] for host, node in nodes.items()}, errors


def _on_nodes(gate: ProveGate, context: GateContext) -> tuple[Mapping[str, Tried], Mapping[str, str]]:
    deadline = monotonic() + gate.timeout

    def look(host: HostView, connection: Connection) -> Tried:
        node = node_like(read_facts(host, connection, _REQUEST))
        left = round(deadline - monotonic(), 1)
        if left <= 0:
            raise HostTimeoutError(host.name, f"the proof was not started within {gate.timeout:g} s")
        return _try(on_node(host.name, connection, within=left), node)[0]

    return split(context.fleet.run(look, hosts=context.changed, stop=context.stop))


def _try(place: Place, *nodes: Node) -> list[Tried]:
    bare = [replace(node, values={**node.values, BE_LIBERAL: "0"}, invalid_rule=False) for node in nodes]
    answers = place.measure([cell_request(SCENARIO, "before", node, _RUNS) for node in (*bare, *nodes)])
    return list(zip(answers[: len(nodes)], answers[len(nodes) :], strict=True))


def _problems(bare: Answer, answer: Answer) -> Iterator[str]:
    if bare.outcomes.get("reset", 0) < _RUNS:
        yield f"nothing is proved: without any fix {SCENARIO.title} resets nothing on kernel {answer.kernel} either"
    elif answer.outcomes.get("alive", 0) < _RUNS:
        found = ", ".join(f"{count} {outcome}" for outcome, count in answer.outcomes.items() if count)
        said = ", ".join(f"{end} {count}" for end, count in answer.seen.items())
        yield f"{SCENARIO.title}: {found} of {_RUNS} connections ({said or 'no end was told anything'})"
