"""The scenarios of a connection that both ends still have, and the node no longer.

A mechanism that needs silence is tried with a timeout of seconds, in the same relation to the silence.
"""

from collections.abc import Mapping
from typing import Any, Final

from fleet.model.proof import Fix
from fleet.prove.scenario import Scenario, row

_PREFIX = "net.netfilter.nf_conntrack_tcp_"
_ESTABLISHED, _CLOSE_WAIT, _LOOSE = _PREFIX + "timeout_established", _PREFIX + "timeout_close_wait", _PREFIX + "loose"
_TIMEOUT, _SILENCE, _KEEPALIVE = 3, 4.0, 1
_SHORT, _LONG = {_ESTABLISHED: str(_TIMEOUT)}, {_ESTABLISHED: "3600"}
_PROBED: Final[Mapping[Fix, Mapping[str, Any]]] = {"keepalive": {"keepalive": _KEEPALIVE}}
# After a flush there is silence only for a probe to come.
_PROBED_AFTER_FLUSH: Final[Mapping[Fix, Mapping[str, Any]]] = {"keepalive": {"keepalive": _KEEPALIVE, "silence": 2.5}}


def _lost(**parameters: Any) -> Mapping[str, Any]:  # noqa: ANN401 whatever the program takes
    usual = {"first": "server", "silence": 0.0, "half_closed": False, "other_backend": False, "keepalive": None}
    return {**usual, **parameters}


LOST: Final = (
    Scenario(
        name="flush-client-first",
        title="entry flushed, the client speaks",
        shows="The client's next segment makes a new entry, with the same translation where there is one backend.",
        experiment="lost",
        parameters=_lost(by="flush", first="client"),
        promises=row("alive", "alive", "alive", "alive", "alive"),
        fix_parameters=_PROBED_AFTER_FLUSH,
    ),
    Scenario(
        name="flush-server-first",
        title="entry flushed, the server speaks",
        shows="Without an entry the server's segment keeps the pod's address, and the client resets it. It is not"
        " INVALID, so neither be_liberal nor the rule helps; a client's keepalive makes the entry anew in time.",
        experiment="lost",
        parameters=_lost(by="flush"),
        promises=row("reset", "reset", "reset", "reset", "alive"),
        fix_parameters=_PROBED_AFTER_FLUSH,
    ),
    Scenario(
        name="flush-other-backend",
        title="entry flushed, the Service has another backend",
        shows="The client's next segment goes to a pod that does not know the connection, and so does a keepalive's"
        " probe. With two backends chance decides, and half of the connections die; here it is always the other one.",
        experiment="lost",
        parameters=_lost(by="flush", first="client", other_backend=True),
        promises=row("reset", "reset", "reset", "reset", "reset"),
        fix_parameters=_PROBED_AFTER_FLUSH,
    ),
    Scenario(
        name="strict-client-first",
        title="entry flushed with tcp_loose=0, the client speaks",
        shows="A node that takes up no connection in its middle lets nobody know: the client's segment is INVALID, is"
        " not translated, and goes nowhere. Nothing but a new connection helps.",
        experiment="lost",
        parameters=_lost(by="flush", first="client"),
        values={_LOOSE: "0"},
        promises=row("hangs", "hangs", "hangs", "hangs", "hangs"),
        fix_parameters=_PROBED_AFTER_FLUSH,
    ),
    Scenario(
        name="strict-server-first",
        title="entry flushed with tcp_loose=0, the server speaks",
        shows="As without it; but the server's segment is INVALID then, so the rule drops it, and both ends wait.",
        experiment="lost",
        parameters=_lost(by="flush"),
        values={_LOOSE: "0"},
        promises=row("reset", "reset", "hangs", "reset", "reset"),
        fix_parameters=_PROBED_AFTER_FLUSH,
    ),
    Scenario(
        name="timeout-client-first",
        title="entry timed out, the client speaks",
        shows="As after a flush.",
        experiment="lost",
        parameters=_lost(by="expiry", first="client", silence=_SILENCE),
        values=_SHORT,
        promises=row("alive", "alive", "alive", "alive", "alive"),
        fix_parameters=_PROBED,
    ),
    Scenario(
        name="timeout-server-first",
        title="entry timed out, the server speaks",
        shows="The classic reset after silence. Only a keepalive that is shorter than the timeout helps, or a"
        " timeout that is longer than the silence.",
        experiment="lost",
        parameters=_lost(by="expiry", silence=_SILENCE),
        values=_SHORT,
        promises=row("reset", "reset", "reset", "reset", "alive", also={"timeout": "alive"}),
        fix_parameters=_PROBED,
        fix_values={"timeout": _LONG},
    ),
    Scenario(
        name="timeout-other-backend",
        title="entry timed out, the Service has another backend",
        shows="As after a flush; but a keepalive keeps the entry, and with it the backend.",
        experiment="lost",
        parameters=_lost(by="expiry", first="client", silence=_SILENCE, other_backend=True),
        values=_SHORT,
        promises=row("reset", "reset", "reset", "reset", "alive", also={"timeout": "alive"}),
        fix_parameters=_PROBED,
        fix_values={"timeout": _LONG},
    ),
    Scenario(
        name="half-closed",
        title="half-closed, the answer comes after the timeout",
        shows="A client that has shut down its side waits in vain: the server gets EPIPE. The timeout is"
        " nf_conntrack_tcp_timeout_close_wait, 60 s in the kernel and 3600 s with kube-proxy. A client that has shut"
        " down still sends keepalive probes.",
        experiment="lost",
        parameters=_lost(by="expiry", silence=_SILENCE, half_closed=True),
        values={_CLOSE_WAIT: str(_TIMEOUT)},
        promises=row("reset", "reset", "reset", "reset", "alive", also={"timeout": "alive"}),
        fix_parameters=_PROBED,
        fix_values={"timeout": {_CLOSE_WAIT: "3600"}},
    ),
    Scenario(
        name="eviction",
        title="half-closed, evicted from a full table",
        shows="When the table is full the kernel throws out live half-closed connections, whatever their timeout."
        " Only a larger table, or fewer connections, helps. The other fixes do as little as after a timeout: they are"
        " not tried, because each would take a full table for a minute.",
        experiment="lost",
        parameters=_lost(by="eviction", half_closed=True),
        values={_CLOSE_WAIT: "3600"},
        promises=row("reset"),
        fills_table=True,
    ),
)
