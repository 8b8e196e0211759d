"""How a diagnosis is put into words, for a terminal and for Markdown alike."""

from collections.abc import Iterable, Mapping
from typing import Final

from fleet.model.diagnosis import CauseVerdict, Diagnosis, Place, Verdict
from fleet.report.status import EXIT_FINDINGS, EXIT_HOST_NOT_CHECKED, EXIT_NOTHING_TO_REPORT
from fleet.report.words import count_hosts

PLACE_WORDS: Final[Mapping[Place, str]] = {
    "node": "on the node",
    "pod": "in the pod",
    "application": "not a node problem: in the application",
    "elsewhere": "not a node problem: elsewhere",
}
ORDER: Final[tuple[Verdict, ...]] = ("confirmed", "likely", "cannot tell", "excluded")


def exit_code(diagnosis: Diagnosis) -> int:
    """0: no cause named. 1: a host could not be read. 3: a cause is named."""
    if any(host.error for host in diagnosis.hosts.values()):
        return EXIT_HOST_NOT_CHECKED
    return EXIT_FINDINGS if any(verdict.is_named for verdict in _all(diagnosis)) else EXIT_NOTHING_TO_REPORT


def headline(diagnosis: Diagnosis) -> str:
    """The result in one sentence."""
    sick = sum(any(verdict.is_named for verdict in host.verdicts) for host in diagnosis.hosts.values())
    failed = sum(host.error is not None for host in diagnosis.hosts.values())
    well = len(diagnosis.hosts) - sick - failed
    parts = [
        f"{count_hosts(sick)} with a cause" if sick else "",
        f"{count_hosts(failed)} not read" if failed else "",
        f"{count_hosts(well)} without" if well else "",
    ]
    for name, verdicts in diagnosis.offline.items():
        count = sum(verdict.is_named for verdict in verdicts)
        parts.append(f"{count} cause{'' if count == 1 else 's'} in {name}")
    return ", ".join(filter(None, parts))


def told(verdicts: Iterable[CauseVerdict], *, everything: bool) -> list[CauseVerdict]:
    """Those to tell, the surest first: what is excluded only where everything is."""
    listed = [verdict for verdict in verdicts if everything or verdict.verdict != "excluded"]
    return sorted(listed, key=lambda verdict: ORDER.index(verdict.verdict))


def place(verdict: CauseVerdict) -> str:
    """Where the remedy belongs, in words."""
    return PLACE_WORDS[verdict.place]


def _all(diagnosis: Diagnosis) -> Iterable[CauseVerdict]:
    for host in diagnosis.hosts.values():
        yield from host.verdicts
    for verdicts in diagnosis.offline.values():
        yield from verdicts
