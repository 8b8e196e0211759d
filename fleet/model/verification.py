"""What became of the tests of a verification."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fleet.model.finding import Failure

TestOutcome = Literal["error", "failed", "warned", "skipped", "passed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedTest:
    """One test.

    Attributes:
        name: the control's id, or for a test of the operator's own the id that pytest gives it.
        host: the inventory name; empty for a test that is for no host.
        is_control: it is a control of the playbook.
        outcome: ``error``: it could not be carried out; ``warned``: acceptable, but not what is preferred.
        reason: one sentence, as in an audit, or the last line of what pytest says; empty where there is nothing to say.
        details: what stands behind it, in lines.
    """

    name: str
    host: str
    is_control: bool
    outcome: TestOutcome
    reason: str = ""
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """One run of a playbook as tests.

    Attributes:
        started, finished: ISO 8601 in UTC.
        playbook: as given by the operator.
        independent: whether testinfra read for itself.
        hosts: by inventory name, in the inventory's order, with why a host could not be checked.
        tests: in the order in which they ran.
    """

    run_id: str
    started: str
    finished: str
    playbook: str
    version: str
    independent: bool
    hosts: Mapping[str, Failure | None]
    tests: tuple[VerifiedTest, ...]
