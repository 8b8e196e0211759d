"""Each rule against evidence for it, against it, and too little of it."""

import pytest
from support.evidence import (
    CLIENT,
    SERVER,
    SERVER_SOCKET,
    SERVICE,
    evidence,
    network,
    reading,
    tcp_socket,
    tracked,
)

from fleet.diagnose import Evidence, judge
from fleet.model.connections import PortUse, TrackedConnection
from fleet.model.diagnosis import CauseVerdict
from fleet.model.facts import InvalidRule, Ipvs, IpvsTimeouts, Reason, Unavailable

NEEDS_ROOT = Unavailable(Reason.NEEDS_ROOT)
NOT_LOADED = Unavailable(Reason.NOT_LOADED, "nf_conntrack")
RULE = InvalidRule(backend="iptables-nft", text="-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP")
LIBERAL = {"net.netfilter.nf_conntrack_tcp_be_liberal": "1"}
STRAY = {"TcpOutRsts": 1, "TcpEstabResets": 1}
ALIVE = (network(1, tcp_socket()), network(2, SERVER_SOCKET))


def verdict(cause: str, seen: Evidence) -> CauseVerdict:
    return {each.cause: each for each in judge(seen)}[cause]


def counted(**rises: int) -> Evidence:
    """A pod whose counters rose."""
    return evidence(reading(10, network(1)), reading(16, network(1, counters=rises)))


def invalid(count: int, *pods: object, state: str = "ESTABLISHED", **facts: object) -> Evidence:
    second = pods or (network(1), network(2))
    return evidence(
        reading(10, *ALIVE, entries=(tracked(),)),
        reading(16, *second, entries=(tracked(state),), conntrack={"invalid": count, "drop": 0}),  # type: ignore[arg-type] # pods
        **facts,
    )


def test_a_calm_node_is_blamed_for_nothing() -> None:
    calm = evidence(reading(10, *ALIVE, entries=(tracked(),)), reading(16, *ALIVE, entries=(tracked(),)))
    assert {each.verdict for each in judge(calm)} == {"excluded"}
    assert all(each.evidence and not each.remedy for each in judge(calm))


def test_without_root_only_what_needs_none_is_judged() -> None:
    blind = evidence(reading(10, connections=NEEDS_ROOT), reading(16, connections=NEEDS_ROOT))
    judged = {each.cause for each in judge(blind) if each.verdict != "cannot tell"}
    assert judged == {"invalid-segment", "table-full", "ipvs-idle"}
    assert not any(each.is_named for each in judge(blind))


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (invalid(2, network(1, tcp_socket()), network(2)), "confirmed"),
        (invalid(2, network(1, tcp_socket()), network(2), sysctls=LIBERAL), "excluded"),
        (invalid(2, network(1, tcp_socket()), network(2), invalid_rules=(RULE,)), "confirmed"),  # with hostNetwork
        (invalid(2, *ALIVE), "excluded"),
        (invalid(2, network(1), network(2), state="TIME_WAIT"), "excluded"),  # closed by its own FINs
        (invalid(2, network(1, tcp_socket(), counters=STRAY), network(2, SERVER_SOCKET)), "likely"),
        (invalid(2, network(1, tcp_socket(), counters=STRAY), network(2, SERVER_SOCKET), sysctls=LIBERAL), "excluded"),
        (
            invalid(2, network(1, tcp_socket(), counters=STRAY), network(2, SERVER_SOCKET), invalid_rules=(RULE,)),
            "excluded",
        ),
        (
            invalid(
                2,
                network(1, tcp_socket(), counters=STRAY),
                network(2, SERVER_SOCKET, counters={"TcpOutRsts": 1, "TcpExtTCPAbortOnData": 1}),
            ),
            "cannot tell",
        ),
        (invalid(0, network(1, tcp_socket()), network(2)), "excluded"),
        (
            evidence(
                reading(10, connections=NEEDS_ROOT), reading(16, connections=NEEDS_ROOT, conntrack={"invalid": 2})
            ),
            "cannot tell",
        ),
        (evidence(reading(10, conntrack=NOT_LOADED), reading(16, conntrack=NOT_LOADED)), "excluded"),
        (evidence(reading(10, conntrack=NEEDS_ROOT), reading(16, conntrack=NEEDS_ROOT)), "cannot tell"),
    ],
)
def test_invalid_segment(seen: Evidence, expected: str) -> None:
    assert verdict("invalid-segment", seen).verdict == expected


def lost(*after: object, entries: tuple[TrackedConnection, ...] = (), uptime: float = 16, **more: object) -> Evidence:
    return evidence(
        reading(10, *ALIVE, entries=(tracked(),)),
        reading(uptime, *after, entries=entries, **more),  # type: ignore[arg-type] # pods
    )


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (lost(*ALIVE), "confirmed"),
        (lost(network(1), network(2)), "confirmed"),
        (lost(network(1), network(2), entries=(tracked("TIME_WAIT"),)), "excluded"),
        (lost(network(1), network(2), entries=(tracked("CLOSE"),)), "excluded"),
        (lost(network(1), network(2), uptime=30), "excluded"),  # whatever was closed has gone by then
        (lost(network(1), network(2), used=960), "excluded"),  # the kernel evicts
        (lost(), "excluded"),  # the pods are gone
        (lost(*ALIVE, complete=False), "cannot tell"),
        (lost(*ALIVE, entries=NEEDS_ROOT), "cannot tell"),  # type: ignore[arg-type] # not read
        (lost(*ALIVE, entries=NOT_LOADED), "excluded"),  # type: ignore[arg-type] # not read
    ],
)
def test_entry_lost(seen: Evidence, expected: str) -> None:
    found = verdict("entry-lost", seen)
    assert found.verdict == expected
    assert verdict("half-closed", seen).verdict in ("excluded", expected if expected == "cannot tell" else "excluded")


def test_a_connection_that_lacks_its_entry_all_along_is_likely_lost() -> None:
    others = (tracked(client=CLIENT._replace(port=50000)),)
    seen = evidence(reading(10, *ALIVE, entries=others), reading(16, *ALIVE, entries=others))
    assert verdict("entry-lost", seen).verdict == "likely"


def test_a_lost_entry_without_translation_does_no_harm() -> None:
    direct = TrackedConnection(
        state="ESTABLISHED", expires=9, source=CLIENT, destination=SERVER, answers_from=SERVER, answers_to=CLIENT
    )
    pods = (network(1, tcp_socket(CLIENT, SERVER)), network(2, SERVER_SOCKET))
    for after in (pods, (network(1), network(2))):
        seen = evidence(reading(10, *pods, entries=(direct,)), reading(16, *after))
        assert not any(each.is_named for each in judge(seen))


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (
            (network(1, tcp_socket(state="fin-wait-2")), network(2, tcp_socket(SERVER, CLIENT, "close-wait"))),
            "confirmed",
        ),
        ((network(1), network(2)), "confirmed"),
        ((network(1, tcp_socket(state="fin-wait-2", owned=False)), network(2)), "excluded"),  # nobody waits
    ],
)
def test_half_closed(after: tuple[object, ...], expected: str) -> None:
    waiting = (network(1, tcp_socket(state="fin-wait-2")), network(2, tcp_socket(SERVER, CLIENT, "close-wait")))
    seen = evidence(reading(10, *waiting, entries=(tracked("CLOSE_WAIT"),)), reading(16, *after))  # type: ignore[arg-type]
    assert verdict("half-closed", seen).verdict == expected
    assert verdict("entry-lost", seen).verdict == "excluded"


@pytest.mark.parametrize(
    ("drop", "early", "used", "expected"),
    [
        (3, 0, 1000, "confirmed"),
        (0, 3, 950, "confirmed"),
        (3, 0, 500, "cannot tell"),
        (0, 0, 960, "likely"),
        (0, 0, 940, "excluded"),
    ],
)
def test_table_full(drop: int, early: int, used: int, expected: str) -> None:
    moved = {"invalid": 0, "drop": 7 + drop, "early_drop": early}
    seen = evidence(
        reading(10, used=used, conntrack={"drop": 7, "early_drop": 0}), reading(16, used=used, conntrack=moved)
    )
    assert verdict("table-full", seen).verdict == expected


@pytest.mark.parametrize(
    ("used", "waiting", "reuses", "expected"),
    [
        (90, 90, False, "confirmed"),  # ten of the hundred ports are reserved
        (85, 85, False, "likely"),
        (80, 80, False, "excluded"),
        (90, 90, True, "excluded"),
        (90, 0, True, "confirmed"),
    ],
)
def test_port_exhaustion(used: int, waiting: int, reuses: bool, expected: str) -> None:  # noqa: FBT001 # a table's column
    use = PortUse(destination=SERVICE, used=used, waiting=waiting)
    full = network(1, ports=(use,), reuses_waiting=reuses)
    for one, other in ((network(1), full), (full, network(1))):
        assert verdict("port-exhaustion", evidence(reading(10, one), reading(16, other))).verdict == expected


def test_counters_of_pods_name_what_they_count() -> None:
    assert verdict("backlog-overflow", counted(TcpExtListenOverflows=2)).verdict == "confirmed"
    assert verdict("application-reset", counted(TcpExtTCPAbortOnClose=2, TcpOutRsts=2)).verdict == "confirmed"
    assert verdict("refused", counted(TcpAttemptFails=2)).verdict == "confirmed"
    assert verdict("refused", counted(TcpAttemptFails=2, TcpExtTCPAbortOnTimeout=2)).verdict == "excluded"
    assert verdict("silent-peer", counted(TcpExtTCPAbortOnTimeout=2)).verdict == "confirmed"


def test_the_nodes_own_backlog_is_judged_without_root() -> None:
    seen = evidence(
        reading(10, connections=NEEDS_ROOT),
        reading(16, connections=NEEDS_ROOT, counters={"TcpExtListenOverflows": 4}),
    )
    assert verdict("backlog-overflow", seen).verdict == "confirmed"


def test_resets_that_nothing_explains_are_told_and_blamed_on_nothing() -> None:
    seen = counted(TcpEstabResets=3)
    assert verdict("unexplained", seen).verdict == "cannot tell"
    assert not any(each.is_named for each in judge(seen))
    assert verdict("unexplained", counted(TcpEstabResets=3, TcpAttemptFails=1)).verdict == "excluded"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (True, False, "confirmed"),
        (False, False, "likely"),
        (True, True, "excluded"),
    ],
)
def test_ipvs_idle(before: bool, after: bool, expected: str) -> None:  # noqa: FBT001 # a table's columns
    known = frozenset({(CLIENT, SERVICE)})
    ipvs = Ipvs(timeouts=IpvsTimeouts(tcp=900, tcp_fin=120, udp=300), services=1, connections=1)
    services = frozenset({SERVICE})
    seen = evidence(
        reading(10, *ALIVE, entries=(tracked(),), services=services, ipvs=known if before else frozenset()),
        reading(16, *ALIVE, entries=(tracked(),), services=services, ipvs=known if after else frozenset()),
        ipvs=ipvs,
    )
    found = verdict("ipvs-idle", seen)
    assert found.verdict == expected
    if expected != "excluded":
        assert "IPVS's tcp timeout is 900 s" in found.evidence


def test_a_namespace_that_only_one_reading_has_counts_for_nothing() -> None:
    seen = evidence(reading(10, network(1)), reading(16, network(2, counters={"TcpExtTCPAbortOnData": 5})))
    assert not any(each.is_named for each in judge(seen))
