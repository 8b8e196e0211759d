"""How a fleet came to be as it is: what each look at it came to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendPoint:
    """What one audit came to.

    Attributes:
        started: ISO 8601 in UTC.
        hosts: all that were asked.
        with_findings: hosts that are not as expected.
        unchecked: hosts that could not be checked.
        violations: findings that failed or could not be judged.
        usage_median: of the conntrack tables, in per cent, as is ``usage_highest``; None where none was read.
    """

    run_id: str
    started: str
    hosts: int
    with_findings: int
    unchecked: int
    violations: int
    usage_median: float | None
    usage_highest: float | None
