"""The measured table of the reset, and proofs to report on."""

from collections.abc import Mapping

from fleet.model.proof import Cell, Fix, Outcome, Proof, ScenarioProof

# Measured apart from fleet, 20 of 20 connections a cell, on kernel 6.18: forged segments, lost entries, a full table,
# ports. "flush-other-backend" was measured with two backends by chance: 18 and 19 of 40 reset.
MEASURED: Mapping[str, Mapping[Fix, Outcome]] = {
    "above-window": {"before": "reset", "be-liberal": "alive", "invalid-rule": "alive"},
    "old-segment": {"before": "alive", "be-liberal": "alive", "invalid-rule": "alive"},
    "unseen-ack": {"before": "alive", "be-liberal": "alive", "invalid-rule": "alive"},
    "host-network": {"before": "reset", "be-liberal": "alive", "invalid-rule": "reset"},
    "flush-client-first": {"before": "alive", "be-liberal": "alive", "invalid-rule": "alive"},
    "flush-server-first": {"before": "reset", "be-liberal": "reset", "invalid-rule": "reset"},
    "flush-other-backend": {"before": "reset", "be-liberal": "reset"},
    "strict-client-first": {"before": "hangs", "be-liberal": "hangs", "invalid-rule": "hangs"},
    "strict-server-first": {"before": "reset", "be-liberal": "reset", "invalid-rule": "hangs"},
    "timeout-client-first": {"before": "alive", "be-liberal": "alive", "invalid-rule": "alive"},
    "timeout-server-first": {
        "before": "reset",
        "be-liberal": "reset",
        "invalid-rule": "reset",
        "keepalive": "alive",
        "timeout": "alive",
    },
    "timeout-other-backend": {"before": "reset", "be-liberal": "reset"},
    "half-closed": {"before": "reset", "timeout": "alive"},
    "eviction": {"before": "reset"},
    "full-table": {"before": "dropped"},
    "port-exhaustion": {"before": "exhausted", "fin-timeout": "exhausted", "tw-reuse": "alive"},
    "time-wait": {"before": "stays", "fin-timeout": "stays"},
    "fin-wait-2": {"before": "stays", "fin-timeout": "gone"},
}


def cell(fix: Fix = "before", promised: Outcome = "reset", **outcomes: int) -> Cell:
    """A cell of that many connections by outcome."""
    return Cell(
        fix=fix,
        promised=frozenset({promised}),
        outcomes=outcomes,  # type: ignore[arg-type] # the words of a test
        seen={"server: ECONNRESET": 5},
        resets={"client pod to server pod": 5},
        counters={"client": {"TcpOutRsts": 5}, "node": {}, "server": {}},
    )


def proof(*cells: Cell, **changes: object) -> Proof:
    """A proof of one scenario."""
    fields = {
        "run_id": "20261120T120000Z-abcdef",
        "started": "2026-11-20T12:00:00.000Z",
        "finished": "2026-11-20T12:00:09.000Z",
        "version": "0.1.0",
        "kernel": "6.18.44",
        "as_root": True,
        "runs": 5,
        "values_from": "",
        "values": {},
        "invalid_rule": False,
        "playbook": "stop-conntrack-resets",
        "hardened": {"net.netfilter.nf_conntrack_tcp_be_liberal": "1"},
        "scenarios": (
            ScenarioProof(
                name="above-window",
                title="a segment above the window",
                shows="What it shows.",
                cells=cells or (cell(reset=5), cell("be-liberal", "alive", alive=5)),
            ),
        ),
    }
    return Proof(**(fields | changes))  # type: ignore[arg-type] # fields by name
