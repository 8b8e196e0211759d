"""The same verdict on many hosts, told once."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from fleet.model.finding import Audit, Finding, FindingStatus, Impact, SettingState
from fleet.report.likeness import gist, gist_of_state
from fleet.report.status import severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One control with one outcome, and the hosts that share it.

    Attributes:
        reason: that of the first host; on the others it differs at most in process ids and paths.
        hosts: inventory names, in the audit's order.
        each: for each host the states of the control's sysctl keys, which differ no more than reasons do.
    """

    control: str
    title: str
    status: FindingStatus
    impact: Impact
    reason: str
    hosts: tuple[str, ...]
    each: tuple[tuple[SettingState, ...], ...]

    @property
    def settings(self) -> tuple[SettingState, ...]:
        """The states on the first host."""
        return self.each[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlVerdicts:
    """All outcomes of one control that were asked for, worst first."""

    control: str
    title: str
    why: str
    impact: Impact
    verdicts: tuple[Verdict, ...]

    def count(self, status: FindingStatus) -> int:
        """Hosts on which the control has this status."""
        return sum(len(verdict.hosts) for verdict in self.verdicts if verdict.status == status)


def by_control(audit: Audit, statuses: Collection[FindingStatus]) -> tuple[ControlVerdicts, ...]:
    """The findings of these statuses, each outcome told once: worst control first, then the most hosts first."""
    alike: dict[object, list[tuple[str, Finding, tuple[SettingState, ...]]]] = defaultdict(list)
    for name, host in audit.hosts.items():
        states = {state.key: state for state in host.settings}
        for finding in host.findings:
            if finding.status in statuses:
                own = tuple(states[key] for key in finding.settings if key in states)
                matter = (finding.title, finding.status, gist(finding.reason), *map(gist_of_state, own))
                alike[finding.control, finding.impact, *matter].append((name, finding, own))
    controls: dict[tuple[str, Impact], list[Verdict]] = defaultdict(list)
    reasons: dict[tuple[str, Impact], str] = {}
    for members in alike.values():
        _, first, _ = members[0]
        reasons.setdefault((first.control, first.impact), first.why)
        controls[first.control, first.impact].append(
            Verdict(
                control=first.control,
                title=first.title,
                status=first.status,
                impact=first.impact,
                reason=first.reason,
                hosts=tuple(name for name, _, _ in members),
                each=tuple(own for _, _, own in members),
            )
        )
    groups = [
        ControlVerdicts(
            control=control,
            title=verdicts[0].title,
            why=reasons[control, impact],
            impact=impact,
            verdicts=tuple(sorted(verdicts, key=_weight)),
        )
        for (control, impact), verdicts in controls.items()
    ]
    return tuple(sorted(groups, key=lambda group: (_weight(group.verdicts[0])[0], -_host_count(group), group.control)))


def name_hosts(names: Sequence[str], everyone: Collection[str]) -> str:
    """Say which hosts are meant, briefly: ``web-{01..48}`` or ``all 50 checked hosts but db-1``.

    Args:
        names: the hosts that are meant.
        everyone: all hosts whose answer was judged.
    """
    if len(everyone) == 1 or 2 * len(names) <= len(everyone):
        return fold_names(in_order(names))
    meant = set(names)
    others = [name for name in everyone if name not in meant]
    whole = f"all {len(everyone)} checked hosts"
    return f"{whole} but {fold_names(in_order(others))}" if others else whole


def in_order(names: Iterable[str]) -> list[str]:
    """Names by their text and number, so that runs of them fold whatever the order of the inventory."""
    return sorted(names, key=_by_number)


def _by_number(name: str) -> tuple[str, str, int]:
    head, number, tail = _split_number(name)
    return head, tail, int(number or 0)


def fold_names(names: Iterable[str]) -> str:
    """List names with runs of numbers folded as a shell's braces do: ``web-{01..03}, db-1``.

    Braces, not the brackets of other tools: in ``--limit`` those are a glob that would match other hosts.
    """
    runs: list[tuple[str, list[str], str]] = []
    for name in names:
        head, number, tail = _split_number(name)
        if number and runs:
            run_head, numbers, run_tail = runs[-1]
            if (head, tail) == (run_head, run_tail) and _follows(number, numbers):
                numbers.append(number)
                continue
        runs.append((head, [number], tail))
    return ", ".join(part for run in runs for part in _fold_run(*run))


def _fold_run(head: str, numbers: Sequence[str], tail: str) -> Iterable[str]:
    shortest_worth_folding = 3
    if len(numbers) < shortest_worth_folding:
        return [f"{head}{number}{tail}" for number in numbers]
    return [f"{head}{{{numbers[0]}..{numbers[-1]}}}{tail}"]


def _split_number(name: str) -> tuple[str, str, str]:
    """Split at the last number of a name; the number is empty where there is none that counts as one."""
    match = re.fullmatch(r"(.*?)([0-9]{1,9})([^0-9]*)", name, flags=re.DOTALL)
    return (match[1], match[2], match[3]) if match else (name, "", "")


def _follows(number: str, numbers: Sequence[str]) -> bool:
    # A shell pads all of {01..100} to three digits, so a padded run ends where the width changes.
    padded = numbers[0].startswith("0") and len(number) != len(numbers[0])
    return not padded and number == str(int(numbers[-1]) + 1).zfill(len(numbers[-1]))


def _weight(verdict: Verdict) -> tuple[tuple[bool, int, int], int]:
    return severity(verdict.status, verdict.impact), -len(verdict.hosts)


def _host_count(group: ControlVerdicts) -> int:
    return sum(len(verdict.hosts) for verdict in group.verdicts)
