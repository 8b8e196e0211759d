"""The scenarios of a segment that conntrack may call INVALID, on a connection that it knows."""

from collections.abc import Mapping
from typing import Any, Final

from fleet.model.proof import Fix
from fleet.prove.scenario import Scenario, row

# Far above any window; from twice the client's window on conntrack calls a segment INVALID.
_ABOVE = 1 << 30
# What Kubernetes' own regression test sends:
# https://github.com/kubernetes/kubernetes/blob/master/test/images/regression-issue-74839/main.go
_OLD = -100_000
_UNSEEN = 100_000


def _segment(**parameters: Any) -> Mapping[str, Any]:  # noqa: ANN401 whatever the program takes
    return {"above": 0, "unseen": 0, "dialer": "client", "keepalive": None, **parameters}


_PROBED: Final[Mapping[Fix, Mapping[str, Any]]] = {"keepalive": {"keepalive": 1}}

SEGMENTS: Final = (
    Scenario(
        name="above-window",
        title="a segment above the window",
        shows="The node forwards an INVALID segment without undoing its NAT; the client resets a connection to a"
        " pod that it never dialled, and the RST ends the real one. A keepalive has nothing to do with it.",
        experiment="forged",
        parameters=_segment(above=_ABOVE),
        promises=row("reset", "alive", "alive", "alive", "reset"),
        fix_parameters=_PROBED,
    ),
    Scenario(
        name="above-window-ipv6",
        title="the same over IPv6",
        shows="Conntrack does the same there, and be_liberal is one key for both. The rule is not: it has to be in"
        " ip6tables, too, and of the node's own rules only those of IPv4 are read.",
        experiment="forged",
        parameters=_segment(above=_ABOVE),
        promises=row("reset", "alive", "alive", "alive", "reset"),
        fix_parameters=_PROBED,
        ipv6=True,
    ),
    Scenario(
        name="old-segment",
        title="an old segment, as sent in 2019",
        shows="Kernels from 6.1 on ignore it: a proof that sends this one passes without any fix.",
        experiment="forged",
        parameters=_segment(above=_OLD),
        promises=row("alive", "alive", "alive", "alive", "alive"),
        fix_parameters=_PROBED,
        old_kernels=frozenset({"reset"}),
    ),
    Scenario(
        name="unseen-ack",
        title="a segment that acknowledges what was never sent",
        shows="Conntrack calls it INVALID and the client answers with a RST, which copies the wrong acknowledgement:"
        " the server ignores it. Not every RST that is seen, nor every INVALID that is counted, ends a connection.",
        experiment="forged",
        parameters=_segment(unseen=_UNSEEN),
        promises=row("alive", "alive", "alive", "alive", "alive"),
        fix_parameters=_PROBED,
    ),
    Scenario(
        name="host-network",
        title="a segment above the window, to a client with hostNetwork",
        shows="The INVALID rule is about what is forwarded: a client in the node's own namespace needs be_liberal.",
        experiment="forged",
        parameters=_segment(above=_ABOVE, dialer="node"),
        promises=row("reset", "alive", "reset", "alive", "reset"),
        fix_parameters=_PROBED,
    ),
)
