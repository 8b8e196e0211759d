"""Two readings of each host, a bounded time apart, and the verdicts on them."""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from secrets import token_hex
from threading import Event

from fleet import __version__
from fleet.diagnose.causes import judge
from fleet.diagnose.evidence import Evidence, Reading
from fleet.facts import ProbeRequest
from fleet.facts.connections import MOST_SOCKETS
from fleet.kernel.catalogue import KEYS
from fleet.model.connections import Connections
from fleet.model.diagnosis import CauseVerdict, Diagnosis, HostDiagnosis
from fleet.model.facts import NodeFacts, Unavailable
from fleet.model.finding import Failure
from fleet.policy import HostView
from fleet.runner.audit import failure, iso, read_facts
from fleet.runner.connections import read_connections
from fleet.runner.counters import read_counters
from fleet.runner.fleet import Fleet
from fleet.transport import Connection


def gather(fleet: Fleet, *, hosts: Collection[str], seconds: float) -> Diagnosis:
    """Diagnose the named hosts of a fleet; nothing is changed on them.

    Args:
        fleet: that has them.
        hosts: by name.
        seconds: between the two readings.
    """
    started = datetime.now(UTC)
    request = ProbeRequest(keys=tuple(KEYS))

    def first(host: HostView, connection: Connection) -> tuple[NodeFacts, Reading]:
        return read_facts(host, connection, request), _read(host, connection)

    before = fleet.run(first, hosts=hosts)
    answered = {host: each for host, each in before.items() if not isinstance(each, Exception)}
    if answered:
        Event().wait(seconds)
    after = fleet.run(_read, hosts=answered.keys()) if answered else {}
    return _diagnosis(started, {host: _host(host, one, after.get(host)) for host, one in before.items()}, {})


def offline_diagnosis(files: Mapping[str, tuple[CauseVerdict, ...]]) -> Diagnosis:
    """A diagnosis of what files show, by their names."""
    return _diagnosis(datetime.now(UTC), {}, files)


def _diagnosis(
    started: datetime, hosts: Mapping[str, HostDiagnosis], files: Mapping[str, tuple[CauseVerdict, ...]]
) -> Diagnosis:
    return Diagnosis(
        run_id=f"{started:%Y%m%dT%H%M%SZ}-{token_hex(3)}",
        started=iso(started),
        finished=iso(datetime.now(UTC)),
        version=__version__,
        hosts=hosts,
        offline=files,
    )


def _read(host: HostView, connection: Connection) -> Reading:
    # The counters come last both times, so that what this reading itself does is not between them.
    connections = read_connections(host.name, connection)
    return Reading(counters=read_counters(host.name, connection), connections=connections)


def _host(name: str, first: tuple[NodeFacts, Reading] | Exception, second: Reading | Exception | None) -> HostDiagnosis:
    if isinstance(first, Exception):
        return HostDiagnosis(name=name, error=failure(first))
    if isinstance(second, Exception):
        return HostDiagnosis(name=name, error=failure(second))
    facts, reading = first
    if second is None or reading.counters.boot_id != second.counters.boot_id:
        why = "interrupted between the readings" if second is None else "the node was booted between the readings"
        return HostDiagnosis(name=name, error=Failure(kind="protocol", message=f"{why}: run it again"))
    evidence = Evidence(facts=facts, first=reading, second=second)
    return HostDiagnosis(
        name=name, seconds=evidence.seconds, verdicts=judge(evidence), notes=tuple(_notes(second.connections))
    )


def _notes(connections: Connections | Unavailable) -> Iterator[str]:
    if isinstance(connections, Unavailable):
        yield f"only the node's own counters could be read, and no pod's: {connections}; run it with --become sudo"
        return
    if connections.unread:
        yield f"{connections.unread} namespaces were not read: those of the newest processes"
    if not connections.complete:
        yield f"no more than {MOST_SOCKETS} sockets and entries were read"
    if isinstance(connections.entries, Unavailable) and connections.entries.detail != "nf_conntrack":
        yield f"the entries of connection tracking could not be read: {connections.entries}"
