"""Read every host once and plan what a playbook changes on it. Nothing is written to a host."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime

from fleet import __version__
from fleet.facts import ProbeRequest
from fleet.model.errors import UsageError
from fleet.model.run_id import new_run_id
from fleet.plan import HostPlan, Plan, plan_node
from fleet.plan.checker import Checking
from fleet.policy import HostView, Policy, evaluate, needed_files, needed_keys
from fleet.render import Templates
from fleet.runner.audit import failure, iso, read_facts
from fleet.runner.fleet import Fleet
from fleet.transport import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanJob:
    """The plan of one host over its connection; it can be sent to another process.

    Attributes:
        request: what is read.
        today: the day that exceptions are held against.
    """

    policy: Policy
    request: ProbeRequest
    templates: Templates
    today: date

    def __call__(self, host: HostView, connection: Connection) -> HostPlan:
        policy = self.policy
        facts = read_facts(host, connection, self.request)
        seen = evaluate(policy, facts, host=host, today=self.today)
        checking = None
        if policy.on_node is not None:
            checking = Checking(how=policy.on_node, policy=policy, host=host, today=self.today)
        node = plan_node(
            seen,
            facts,
            templates=self.templates,
            playbook=policy.name,
            restart=policy.rollout.restart,
            checking=checking,
        )
        return HostPlan(name=host.name, plan=node)


def plan(  # noqa: PLR0913 each is of the whole run
    fleet: Fleet,
    policy: Policy,
    *,
    hosts: Collection[str],
    playbook: str,
    templates: Templates,
    run_id: str | None = None,
) -> Plan:
    """Plan the named hosts of a fleet.

    Args:
        playbook: its path as the operator gave it, for the record.
        templates: for the files.
        run_id: names the run; None makes up a name.

    Raises:
        UsageError: a template fails.
    """
    started = datetime.now(UTC)
    request = ProbeRequest(keys=needed_keys(policy), files=needed_files(policy))
    job = PlanJob(policy=policy, request=request, templates=templates, today=started.date())
    outcomes = fleet.run(job, hosts=hosts)
    for outcome in outcomes.values():
        if isinstance(outcome, UsageError):
            raise outcome
    return Plan(
        run_id=run_id or new_run_id(),
        created=iso(started),
        playbook=playbook,
        playbook_digest=policy.digest,
        version=__version__,
        rollout=policy.rollout,
        hosts={
            name: HostPlan(name=name, error=failure(outcome)) if isinstance(outcome, Exception) else outcome
            for name, outcome in outcomes.items()
        },
    )
