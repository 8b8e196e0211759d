"""The scenarios, and what each promises under each fix.

The promises are measurements on kernel 6.18; of the old segment also on 5.10 and 6.1. docs/prove.md has the table and
the reasons. A mechanism that needs silence is tried with a timeout of seconds, in the same relation to the silence.
"""

from collections.abc import Mapping
from typing import Any, Final

from fleet.prove.scenario import Scenario

_ESTABLISHED = "net.netfilter.nf_conntrack_tcp_timeout_established"
_CLOSE_WAIT = "net.netfilter.nf_conntrack_tcp_timeout_close_wait"
_FIN_TIMEOUT = "net.ipv4.tcp_fin_timeout"
_TW_REUSE = "net.ipv4.tcp_tw_reuse"

_TIMEOUT, _SILENCE, _KEEPALIVE = 3, 5.0, 1
_SHORT, _LONG = {_ESTABLISHED: str(_TIMEOUT)}, {_ESTABLISHED: "3600"}
# Far above any window; from twice the client's window on conntrack calls a segment INVALID.
_ABOVE = 1 << 30
# What Kubernetes' own regression test sends:
# https://github.com/kubernetes/kubernetes/blob/master/test/images/regression-issue-74839/main.go
_OLD = -100_000


def _lost(**parameters: Any) -> Mapping[str, Any]:  # noqa: ANN401 whatever the program takes
    usual = {"first": "server", "silence": 0.0, "half_closed": False, "other_backend": False, "keepalive": None}
    return {**usual, **parameters}


SCENARIOS: Final[Mapping[str, Scenario]] = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name="above-window",
            title="a segment above the window",
            shows="The node forwards an INVALID segment without undoing its NAT; the client resets a connection to a"
            " pod that it never dialled, and the RST ends the real one.",
            experiment="forged",
            parameters={"above": _ABOVE, "dialer": "client"},
            promises={"before": "reset", "be-liberal": "alive", "invalid-rule": "alive", "hardened": "alive"},
        ),
        Scenario(
            name="old-segment",
            title="an old segment, as sent in 2019",
            shows="Kernels from 6.1 on ignore it: a proof that sends this one passes without any fix.",
            experiment="forged",
            parameters={"above": _OLD, "dialer": "client"},
            promises={"before": "alive", "be-liberal": "alive", "invalid-rule": "alive", "hardened": "alive"},
            old_kernels=frozenset({"reset"}),
        ),
        Scenario(
            name="host-network",
            title="the same, to a client with hostNetwork",
            shows="The INVALID rule is about what is forwarded: a client in the node's own namespace needs be_liberal.",
            experiment="forged",
            parameters={"above": _ABOVE, "dialer": "node"},
            promises={"before": "reset", "be-liberal": "alive", "invalid-rule": "reset", "hardened": "alive"},
        ),
        Scenario(
            name="flush-client-first",
            title="entry flushed, the client speaks",
            shows="The client's next segment makes a new entry, with the same translation where there is one backend.",
            experiment="lost",
            parameters=_lost(by="flush", first="client"),
            promises={"before": "alive", "be-liberal": "alive", "invalid-rule": "alive", "hardened": "alive"},
        ),
        Scenario(
            name="flush-server-first",
            title="entry flushed, the server speaks",
            shows="Without an entry the server's segment keeps the pod's address, and the client resets it. It is not"
            " INVALID, so neither be_liberal nor the rule helps; a client's keepalive makes the entry anew in time.",
            experiment="lost",
            parameters=_lost(by="flush"),
            promises={
                "before": "reset",
                "be-liberal": "reset",
                "invalid-rule": "reset",
                "keepalive": "alive",
                "hardened": "reset",
            },
            fix_parameters={"keepalive": {"keepalive": _KEEPALIVE, "silence": 2.5}},
        ),
        Scenario(
            name="flush-other-backend",
            title="entry flushed, the Service has another backend",
            shows="The client's next segment goes to a pod that does not know the connection. With two backends chance"
            " decides, and half of the connections die; here it is always the other one.",
            experiment="lost",
            parameters=_lost(by="flush", first="client", other_backend=True),
            promises={"before": "reset", "be-liberal": "reset", "invalid-rule": "reset", "hardened": "reset"},
        ),
        Scenario(
            name="timeout-client-first",
            title="entry timed out, the client speaks",
            shows="As after a flush.",
            experiment="lost",
            parameters=_lost(by="expiry", first="client", silence=_SILENCE),
            values=_SHORT,
            promises={"before": "alive", "be-liberal": "alive", "invalid-rule": "alive", "hardened": "alive"},
        ),
        Scenario(
            name="timeout-server-first",
            title="entry timed out, the server speaks",
            shows="The classic reset after silence. Only a keepalive that is shorter than the timeout helps, or a"
            " timeout that is longer than the silence.",
            experiment="lost",
            parameters=_lost(by="expiry", silence=_SILENCE),
            values=_SHORT,
            promises={
                "before": "reset",
                "be-liberal": "reset",
                "invalid-rule": "reset",
                "keepalive": "alive",
                "timeout": "alive",
                "hardened": "reset",
            },
            fix_parameters={"keepalive": {"keepalive": _KEEPALIVE}},
            fix_values={"timeout": _LONG},
        ),
        Scenario(
            name="timeout-other-backend",
            title="entry timed out, the Service has another backend",
            shows="As after a flush; a keepalive keeps the entry and with it the backend.",
            experiment="lost",
            parameters=_lost(by="expiry", first="client", silence=_SILENCE, other_backend=True),
            values=_SHORT,
            promises={
                "before": "reset",
                "be-liberal": "reset",
                "invalid-rule": "reset",
                "keepalive": "alive",
                "timeout": "alive",
                "hardened": "reset",
            },
            fix_parameters={"keepalive": {"keepalive": _KEEPALIVE}},
            fix_values={"timeout": _LONG},
        ),
        Scenario(
            name="half-closed",
            title="half-closed, the answer comes after the timeout",
            shows="A client that has shut down its side waits in vain: the server gets EPIPE. The timeout is"
            " nf_conntrack_tcp_timeout_close_wait, 60 s in the kernel and 3600 s with kube-proxy.",
            experiment="lost",
            parameters=_lost(by="expiry", silence=_SILENCE, half_closed=True),
            values={_CLOSE_WAIT: str(_TIMEOUT)},
            promises={
                "before": "reset",
                "be-liberal": "reset",
                "invalid-rule": "reset",
                "timeout": "alive",
                "hardened": "reset",
            },
            fix_values={"timeout": {_CLOSE_WAIT: "3600"}},
        ),
        Scenario(
            name="eviction",
            title="half-closed, evicted from a full table",
            shows="When the table is full the kernel throws out live half-closed connections, whatever their timeout."
            " Only a larger table, or fewer connections, helps.",
            experiment="lost",
            parameters=_lost(by="eviction", half_closed=True),
            values={_CLOSE_WAIT: "3600"},
            promises={"before": "reset"},
            fills_table=True,
        ),
        Scenario(
            name="full-table",
            title="a new connection while the table is full",
            shows="New connections time out without any RST, and live ones go on: a full table is another fault than"
            " resets, and be_liberal has nothing to do with it.",
            experiment="full",
            parameters={},
            promises={"before": "dropped", "be-liberal": "dropped"},
            fills_table=True,
        ),
        Scenario(
            name="port-exhaustion",
            title="all ephemeral ports in TIME_WAIT",
            shows="The next connect gets EADDRNOTAVAIL. tcp_fin_timeout does not shorten TIME_WAIT; tcp_tw_reuse=1 in"
            " the client's own namespace helps. Pods do not inherit the node's value.",
            experiment="ports",
            parameters={"pause": 2.5},
            promises={
                "before": "exhausted",
                "fin-timeout": "exhausted",
                "tw-reuse": "alive",
                "hardened": "exhausted",
                "pods": "alive",
            },
            fix_pod_values={"fin-timeout": {_FIN_TIMEOUT: "1"}, "tw-reuse": {_TW_REUSE: "1"}},
            pod_key=_TW_REUSE,
        ),
        Scenario(
            name="time-wait",
            title="TIME_WAIT, 5 s after the close",
            shows="TIME_WAIT lasts 60 s, a constant of the kernel; tcp_fin_timeout is not about it.",
            experiment="lifetime",
            parameters={"state": "TIME-WAIT", "pause": 5.0},
            promises={"before": "stays", "fin-timeout": "stays"},
            fix_pod_values={"fin-timeout": {_FIN_TIMEOUT: "2"}},
        ),
        Scenario(
            name="fin-wait-2",
            title="orphaned FIN_WAIT_2, 5 s after the close",
            shows="This is what tcp_fin_timeout is about: a closed end whose peer does not close.",
            experiment="lifetime",
            parameters={"state": "FIN-WAIT-2", "pause": 5.0},
            promises={"before": "stays", "fin-timeout": "gone"},
            fix_pod_values={"fin-timeout": {_FIN_TIMEOUT: "2"}},
        ),
    )
}
"""By name, in the order in which they are told."""
