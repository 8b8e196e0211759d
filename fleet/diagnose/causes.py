"""All causes, in the order in which they are told."""

from typing import Final

from fleet.diagnose.ends import application_reset, refused, silent_peer, unexplained
from fleet.diagnose.evidence import Evidence
from fleet.diagnose.limits import backlog, port_exhaustion, table_full
from fleet.diagnose.lost import entry_lost, half_closed
from fleet.diagnose.rule import Rule
from fleet.diagnose.segments import invalid_segment
from fleet.diagnose.virtual import ipvs_idle
from fleet.model.diagnosis import CauseVerdict

RULES: Final[tuple[Rule, ...]] = (
    invalid_segment,
    entry_lost,
    half_closed,
    table_full,
    ipvs_idle,
    port_exhaustion,
    backlog,
    application_reset,
    refused,
    silent_peer,
)


def judge(evidence: Evidence) -> tuple[CauseVerdict, ...]:
    """One verdict for each cause, and one for what none of them explains."""
    verdicts = tuple(rule(evidence) for rule in RULES)
    return (*verdicts, unexplained(evidence, any(verdict.is_named for verdict in verdicts)))
