"""The scenarios of what there is only so much of: entries, ports, and the time that a closed connection stays."""

from typing import Final

from fleet.prove.scenario import Scenario, row

_FIN_TIMEOUT = "net.ipv4.tcp_fin_timeout"
_TW_REUSE = "net.ipv4.tcp_tw_reuse"

LIMITS: Final = (
    Scenario(
        name="full-table",
        title="a new connection while the table is full",
        shows="New connections time out without any RST, and live ones go on: a full table is another fault than"
        " resets, and be_liberal has nothing to do with it.",
        experiment="full",
        parameters={},
        promises=row("dropped", "dropped", "dropped", "dropped"),
        fills_table=True,
    ),
    Scenario(
        name="port-exhaustion",
        title="all ephemeral ports in TIME_WAIT",
        shows="The next connect gets EADDRNOTAVAIL. tcp_fin_timeout does not shorten TIME_WAIT; tcp_tw_reuse=1 in"
        " the client's own namespace helps. Pods do not inherit the node's value.",
        experiment="ports",
        parameters={"pause": 2.5},
        promises=row(
            *("exhausted", "exhausted", "exhausted", "exhausted"),
            also={"fin-timeout": "exhausted", "tw-reuse": "alive", "pods": "alive"},
        ),
        fix_pod_values={"fin-timeout": {_FIN_TIMEOUT: "1"}, "tw-reuse": {_TW_REUSE: "1"}},
        pod_key=_TW_REUSE,
    ),
    Scenario(
        name="time-wait",
        title="TIME_WAIT, 4 s after the close",
        shows="TIME_WAIT lasts 60 s, a constant of the kernel; tcp_fin_timeout is not about it.",
        experiment="lifetime",
        parameters={"state": "TIME-WAIT", "pause": 4.0},
        promises=row("stays", "stays", "stays", "stays", also={"fin-timeout": "stays"}),
        fix_pod_values={"fin-timeout": {_FIN_TIMEOUT: "2"}},
    ),
    Scenario(
        name="fin-wait-2",
        title="orphaned FIN_WAIT_2, 4 s after the close",
        shows="This is what tcp_fin_timeout is about: a closed end whose peer does not close.",
        experiment="lifetime",
        parameters={"state": "FIN-WAIT-2", "pause": 4.0},
        promises=row("stays", "stays", "stays", "stays", also={"fin-timeout": "gone"}),
        fix_pod_values={"fin-timeout": {_FIN_TIMEOUT: "2"}},
    ),
)
