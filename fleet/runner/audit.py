"""Read every host once and hold it against a playbook."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from secrets import token_hex

from fleet import __version__
from fleet.facts import ProbeRequest, key_in_dots, parse_answer, probe_arguments, probe_script
from fleet.kernel.summary import summarise
from fleet.model.errors import HostError, ProtocolError
from fleet.model.facts import NodeFacts
from fleet.model.finding import Audit, Failure, HostAudit
from fleet.model.run_id import new_run_id
from fleet.policy import HostView, Policy, evaluate, needed_files, needed_keys
from fleet.report.status import host_status
from fleet.runner.closer import Look, look_closer
from fleet.runner.fleet import Fleet
from fleet.runner.shards import internal_error
from fleet.transport import Command, Connection

NOTHING_MORE = ProbeRequest(keys=())


def read_facts(host: HostView, connection: Connection, request: ProbeRequest) -> NodeFacts:
    """Read one node in one exec.

    Raises:
        HostError: the node could not be read.
    """
    nonce = token_hex(16)
    arguments = ("sh", "-s", "--", *probe_arguments(nonce, request))
    completed = connection.run(Command(arguments=arguments, stdin=probe_script(), become=True))
    facts = parse_answer(completed.stdout, nonce=nonce, host=host.name)
    if unanswered := {key_in_dots(key) for key in request.keys} - facts.sysctls.keys():
        raise ProtocolError(host.name, f"the answer lacks {min(unanswered)}, which was asked for")
    return facts


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditJob:
    """The audit of one host over its connection; it can be sent to another process.

    Attributes:
        request: what is read.
        looks: what else to look at, at one command more each.
        today: the day that exceptions are held against.
    """

    policy: Policy
    request: ProbeRequest
    looks: tuple[Look, ...]
    today: date

    def __call__(self, host: HostView, connection: Connection) -> HostAudit:
        facts = read_facts(host, connection, self.request)
        seen = evaluate(self.policy, facts, host=host, today=self.today)
        closer = look_closer(self.looks, host.name, connection, facts)
        findings = seen.findings + closer.findings
        return HostAudit(
            name=host.name,
            status=host_status(findings),
            findings=findings,
            settings=seen.settings,
            protection=seen.protection,
            pod_remedy=closer.pod_remedy,
            node=summarise(facts),
            facts=facts,
        )


def audit(  # noqa: PLR0913 each is of the whole run
    fleet: Fleet,
    policy: Policy,
    *,
    hosts: Collection[str],
    playbook: str,
    looks: Collection[Look] = (),
    more: ProbeRequest = NOTHING_MORE,
    run_id: str | None = None,
) -> Audit:
    """Audit the named hosts of a fleet.

    Args:
        playbook: its path as the operator gave it, for the record.
        looks: what else to look at on each node, at one command more each.
        more: what to read beside what the playbook needs.
        run_id: names the run; None makes up a name.
    """
    started = datetime.now(UTC)
    request = ProbeRequest(keys=(*needed_keys(policy), *more.keys), files=(*needed_files(policy), *more.files))

    job = AuditJob(policy=policy, request=request, looks=tuple(looks), today=started.date())
    outcomes = fleet.run(job, hosts=hosts)
    return Audit(
        run_id=run_id or new_run_id(),
        started=iso(started),
        finished=iso(datetime.now(UTC)),
        playbook=playbook,
        version=__version__,
        hosts={
            name: _unchecked(name, outcome) if isinstance(outcome, Exception) else outcome
            for name, outcome in outcomes.items()
        },
    )


def failure(error: Exception) -> Failure:
    """What a result says of a host that could not be read; of a bug of ours, where it is."""
    if isinstance(error, HostError):
        return Failure(kind=error.kind, message=str(error))
    return Failure(kind="internal", message=str(internal_error(error)))


def iso(moment: datetime) -> str:
    """ISO 8601 with milliseconds, of a moment in UTC."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _unchecked(name: str, error: Exception) -> HostAudit:
    reason = failure(error)
    return HostAudit(name=name, status="unreachable" if reason.kind == "unreachable" else "failed", error=reason)
