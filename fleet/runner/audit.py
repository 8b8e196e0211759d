"""Read every host once and hold it against a playbook."""

import traceback
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
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

    def check(host: HostView, connection: Connection) -> HostAudit:
        facts = read_facts(host, connection, request)
        seen = evaluate(policy, facts, host=host, today=started.date())
        closer = look_closer(looks, host.name, connection, facts)
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

    outcomes = fleet.run(check, hosts=hosts)
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
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(frame.filename).name}:{frame.lineno}"
    return Failure(kind="internal", message=f"{type(error).__name__} at {where}: this is a bug in fleet")


def iso(moment: datetime) -> str:
    """ISO 8601 with milliseconds, of a moment in UTC."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _unchecked(name: str, error: Exception) -> HostAudit:
    reason = failure(error)
    return HostAudit(name=name, status="unreachable" if reason.kind == "unreachable" else "failed", error=reason)
