"""A verification as text for a terminal or a pipe."""

from collections.abc import Sequence
from typing import Final

from rich.text import Text

from fleet.model.verification import TestOutcome, Verification, VerifiedTest
from fleet.report.grouping import name_hosts
from fleet.report.layout import columns, hanging, joined, shown
from fleet.report.verify_status import TEST_OUTCOMES, outcome_counts
from fleet.report.words import count_hosts

_MARKS: Final[dict[TestOutcome, tuple[str, str]]] = {
    "error": ("!", "bold red"),
    "failed": ("✗", "red"),
    "warned": ("▲", "yellow"),
    "skipped": ("-", "dim"),
    "passed": ("✓", "green"),
}
_SHOWN: Final[dict[int, frozenset[TestOutcome]]] = {
    0: frozenset({"error", "failed"}),
    1: frozenset({"error", "failed", "warned"}),
    2: frozenset(TEST_OUTCOMES),
}


def render_verification(verification: Verification, *, verbosity: int, width: int | None) -> Text:
    """Tell a verification: what could not be checked, each failure once with the hosts that share it, a summary line.

    Args:
        verification: what to tell.
        verbosity: 1 also tells of warnings, 2 of tests that were skipped or passed.
        width: cells of the terminal; None never wraps, for pipes and files.
    """
    unchecked = [
        [Text("! not checked", style="bold red"), shown(name, "bold"), shown(f"{error.kind}: {error.message}")]
        for name, error in verification.hosts.items()
        if error is not None
    ]
    checked = [name for name, error in verification.hosts.items() if error is None]
    told = _SHOWN[min(verbosity, 2)]
    groups: dict[VerifiedTest, list[str]] = {}
    for test in verification.tests:
        if test.outcome in told:
            groups.setdefault(_without_host(test), []).append(test.host)
    sections = [
        columns(unchecked, width=width),
        *(
            _group(test, hosts, checked, width)
            for test, hosts in sorted(groups.items(), key=lambda item: TEST_OUTCOMES.index(item[0].outcome))
        ),
        hanging(Text(), render_verification_summary(verification), width=width),
    ]
    full = [section for section in sections if section]
    return joined(line for number, lines in enumerate(full) for line in ([Text()] if number else []) + lines)


def render_verification_summary(verification: Verification) -> Text:
    """One line: how many hosts and tests, and how many of each outcome."""
    parts = [
        Text(f"{count} {'in error' if outcome == 'error' else outcome}", style=_MARKS[outcome][1])
        for outcome, count in outcome_counts(verification).items()
        if count
    ]
    count = len(verification.tests)
    head = f"{count_hosts(len(verification.hosts))}, {count} test{'' if count == 1 else 's'}"
    return Text.assemble((head, "bold"), ": ", Text(", ").join(parts))


def _without_host(test: VerifiedTest) -> VerifiedTest:
    return VerifiedTest(
        name=test.name,
        host="",
        is_control=test.is_control,
        outcome=test.outcome,
        reason=test.reason,
        details=test.details,
    )


def _group(test: VerifiedTest, hosts: Sequence[str], everyone: Sequence[str], width: int | None) -> list[Text]:
    mark, style = _MARKS[test.outcome]
    named = [host for host in hosts if host]
    where = f"  {name_hosts(named, everyone)}" if named else ""
    head = Text.assemble((f"{mark} {test.outcome}", style), "  ", shown(test.name, "bold"), shown(where))
    lines = hanging(Text(), head, width=width)
    if test.reason:
        lines += hanging(Text("  "), shown(test.reason), width=width)
    for detail in test.details:
        lines += hanging(Text("  "), shown(detail, "dim"), width=width)
    return lines
