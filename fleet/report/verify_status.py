"""What the tests of a verification add up to."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from fleet.model.verification import TestOutcome, Verification
from fleet.report.status import EXIT_FINDINGS, EXIT_HOST_NOT_CHECKED, EXIT_NOTHING_TO_REPORT

TEST_OUTCOMES: Final[tuple[TestOutcome, ...]] = ("error", "failed", "warned", "skipped", "passed")


def outcome_counts(verification: Verification) -> Mapping[TestOutcome, int]:
    """Tests by outcome, zeros included, worst first."""
    counts = Counter(test.outcome for test in verification.tests)
    return {outcome: counts[outcome] for outcome in TEST_OUTCOMES}


def verify_exit_code(verification: Verification) -> int:
    """The exit code of ``fleet verify``: a host that could not be checked outweighs tests that failed."""
    if any(verification.hosts.values()):
        return EXIT_HOST_NOT_CHECKED
    counts = outcome_counts(verification)
    return EXIT_FINDINGS if counts["failed"] or counts["error"] else EXIT_NOTHING_TO_REPORT
