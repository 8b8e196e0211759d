"""Two readings of each host, a bounded time apart, and the verdicts on them."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from secrets import token_hex
from threading import Event

from fleet import __version__
from fleet.diagnose.capture import judge_capture, read_capture
from fleet.diagnose.capture.node import MOST_SEGMENTS, Captured, capture_segments
from fleet.diagnose.causes import judge
from fleet.diagnose.evidence import Evidence, Reading
from fleet.facts import ProbeRequest
from fleet.facts.connections import MOST_SOCKETS
from fleet.kernel.catalogue import KEYS
from fleet.model.connections import Connections
from fleet.model.diagnosis import CauseVerdict, Diagnosis, HostDiagnosis, Verdict
from fleet.model.facts import NodeFacts, Unavailable
from fleet.model.finding import Failure
from fleet.policy import HostView
from fleet.runner.audit import failure, iso, read_facts
from fleet.runner.connections import read_connections
from fleet.runner.counters import read_counters
from fleet.runner.fleet import Fleet
from fleet.transport import Connection

_NARROW = "narrow it, as in --capture 'host 10.42.0.7'"
_STRENGTH: tuple[Verdict, ...] = ("confirmed", "likely", "cannot tell", "excluded")


@dataclass(frozen=True, slots=True, kw_only=True)
class _First:
    """What comes before the second reading of a host.

    Attributes:
        captured: what a capture shows; nothing where there is none.
        notes: on the capture.
    """

    facts: NodeFacts
    reading: Reading
    captured: tuple[CauseVerdict, ...] = ()
    notes: tuple[str, ...] = ()


def gather(fleet: Fleet, *, hosts: Collection[str], seconds: float, captured: tuple[str, ...] = ()) -> Diagnosis:
    """Diagnose the named hosts of a fleet; nothing is changed on them.

    Args:
        fleet: that has them.
        hosts: by name.
        seconds: between the two readings.
        captured: what is captured between the readings, in words of `capture_filter`; nothing where there are none.
    """
    started = datetime.now(UTC)
    request = ProbeRequest(keys=tuple(KEYS))

    def first(host: HostView, connection: Connection) -> _First:
        facts, reading = read_facts(host, connection, request), _read(host, connection)
        if not captured:
            return _First(facts=facts, reading=reading)
        # A capture of each host would be too much to keep.
        verdicts, notes = _judged(capture_segments(host.name, connection, seconds=seconds, words=captured))
        return _First(facts=facts, reading=reading, captured=verdicts, notes=notes)

    before = fleet.run(first, hosts=hosts)
    answered = {host: each for host, each in before.items() if not isinstance(each, Exception)}
    if answered and not captured:
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


def _host(name: str, first: _First | Exception, second: Reading | Exception | None) -> HostDiagnosis:
    if isinstance(first, Exception):
        return HostDiagnosis(name=name, error=failure(first))
    if isinstance(second, Exception):
        return HostDiagnosis(name=name, error=failure(second))
    reading = first.reading
    if second is None or reading.counters.boot_id != second.counters.boot_id:
        why = "interrupted between the readings" if second is None else "the node was booted between the readings"
        return HostDiagnosis(name=name, error=Failure(kind="protocol", message=f"{why}: run it again"))
    evidence = Evidence(facts=first.facts, first=reading, second=second)
    return HostDiagnosis(
        name=name,
        seconds=evidence.seconds,
        verdicts=together(judge(evidence), first.captured),
        notes=(*_notes(second.connections), *first.notes),
    )


def together(readings: tuple[CauseVerdict, ...], captured: tuple[CauseVerdict, ...]) -> tuple[CauseVerdict, ...]:
    """One verdict for each cause: the one that says more, with the evidence of both where both name it."""
    others = {verdict.cause: verdict for verdict in captured}
    joined = [_stronger(verdict, others.pop(verdict.cause, verdict)) for verdict in readings]
    return (*joined, *others.values())


def _stronger(one: CauseVerdict, other: CauseVerdict) -> CauseVerdict:
    first, second = sorted((one, other), key=lambda verdict: _STRENGTH.index(verdict.verdict))
    if first is second or not second.is_named:
        return first
    return replace(first, evidence=(*first.evidence, *second.evidence))


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


def _judged(captured: Captured | Unavailable) -> tuple[tuple[CauseVerdict, ...], tuple[str, ...]]:
    """The verdicts on a capture, and notes on what kept it from being whole."""
    if isinstance(captured, Unavailable):
        return (), (f"nothing could be captured: {captured}",)
    seen = read_capture(BytesIO(captured.pcap))
    notes = []
    if captured.lost:
        notes.append(f"{captured.lost} segments came too fast to be captured: {_NARROW}")
    if seen.count >= MOST_SEGMENTS:
        notes.append(f"the capture was full after {seen.ended - seen.began:.1f} s: {_NARROW}")
    return judge_capture(seen), tuple(notes)
