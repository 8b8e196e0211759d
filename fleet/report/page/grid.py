"""Hosts against controls, in the order in which the page shows both, so that what is alike stands together."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from fleet.model.finding import Audit, Finding, FindingStatus, HostAudit
from fleet.report.grouping import in_order
from fleet.report.status import FINDING_STATUSES, HOST_STATUSES, NOTEWORTHY, severity

_ABSENT = len(FINDING_STATUSES)


@dataclass(frozen=True, slots=True, kw_only=True)
class GridControl:
    """One control: how the first host with it names it, and on how many hosts it has each status."""

    id: str
    title: str
    impact: str
    counts: Mapping[FindingStatus, int]

    @property
    def is_noteworthy(self) -> bool:
        """Whether it is not as expected on some host."""
        return any(self.counts[status] for status in NOTEWORTHY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The heat map.

    Attributes:
        controls: the worst first.
        hosts: those that could not be checked first, then by their verdicts, so that alike hosts are neighbours.
        statuses: for each host that of each control; None where it has none. Empty where a host was not checked.
    """

    controls: tuple[GridControl, ...]
    hosts: tuple[HostAudit, ...]
    statuses: tuple[tuple[FindingStatus | None, ...], ...]

    def runs(self) -> Iterator[tuple[FindingStatus, int, int, int]]:
        """Neighbours with one status: the status, the row of the control, the first host and how many hosts."""
        for row in range(len(self.controls)):
            first = 0
            for status, members in groupby(each[row] if each else None for each in self.statuses):
                count = len([*members])
                if status is not None:
                    yield status, row, first, count
                first += count


def grid(audit: Audit) -> Grid:
    """Put the hosts of an audit against its controls."""
    of_hosts = {name: _worst(host) for name, host in audit.hosts.items()}
    controls = _controls(of_hosts.values())
    rows = {
        name: tuple(found[control.id].status if control.id in found else None for control in controls)
        if audit.hosts[name].error is None
        else ()
        for name, found in of_hosts.items()
    }
    names = sorted(in_order(audit.hosts), key=lambda name: _rank(audit.hosts[name], rows[name]))
    return Grid(
        controls=controls,
        hosts=tuple(audit.hosts[name] for name in names),
        statuses=tuple(rows[name] for name in names),
    )


def _worst(host: HostAudit) -> Mapping[str, Finding]:
    """The findings by control; of two for one control the worse one."""
    worst: dict[str, Finding] = {}
    for finding in host.findings:
        known = worst.get(finding.control)
        if known is None or severity(finding.status, finding.impact) < severity(known.status, known.impact):
            worst[finding.control] = finding
    return worst


def _controls(of_hosts: Iterable[Mapping[str, Finding]]) -> tuple[GridControl, ...]:
    first: dict[str, Finding] = {}
    counts: dict[str, Counter[FindingStatus]] = defaultdict(Counter)
    for found in of_hosts:
        for control, finding in found.items():
            first.setdefault(control, finding)
            counts[control][finding.status] += 1
    controls = [
        GridControl(id=control, title=finding.title, impact=finding.impact, counts=counts[control])
        for control, finding in first.items()
    ]
    return tuple(sorted(controls, key=lambda control: _weight(control, first[control.id])))


def _weight(control: GridControl, finding: Finding) -> tuple[object, ...]:
    worst = min(control.counts, key=FINDING_STATUSES.index)
    never_judged = control.counts.keys() == {"skip"}
    return (
        worst not in NOTEWORTHY,
        never_judged,
        *severity(worst, finding.impact),
        -control.counts[worst],
        control.id,
    )


def _rank(host: HostAudit, statuses: tuple[FindingStatus | None, ...]) -> tuple[int, ...]:
    order = (_ABSENT if status is None else FINDING_STATUSES.index(status) for status in statuses)
    return HOST_STATUSES.index(host.status), *order
