"""Read every host once and plan what a playbook changes on it. Nothing is written to a host."""

from collections.abc import Collection
from datetime import UTC, datetime

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

    def check(host: HostView, connection: Connection) -> HostPlan:
        facts = read_facts(host, connection, request)
        seen = evaluate(policy, facts, host=host, today=started.date())
        restart = policy.rollout.restart
        checking = None
        if policy.on_node is not None:
            checking = Checking(how=policy.on_node, policy=policy, host=host, today=started.date())
        node = plan_node(seen, facts, templates=templates, playbook=policy.name, restart=restart, checking=checking)
        return HostPlan(name=host.name, plan=node)

    outcomes = fleet.run(check, hosts=hosts)
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
