"""Read every host once and plan what a playbook changes on it. Nothing is written to a host."""

from collections.abc import Collection
from datetime import UTC, datetime
from secrets import token_hex

from fleet import __version__
from fleet.facts import ProbeRequest
from fleet.model.errors import UsageError
from fleet.plan import HostPlan, Plan, plan_node
from fleet.policy import HostView, Policy, evaluate, needed_files, needed_keys
from fleet.render import Templates
from fleet.runner.audit import failure, iso, read_facts
from fleet.runner.fleet import Fleet
from fleet.transport import Connection


def plan(fleet: Fleet, policy: Policy, *, hosts: Collection[str], playbook: str, templates: Templates) -> Plan:
    """Plan the named hosts of a fleet.

    Args:
        playbook: its path as the operator gave it, for the record.
        templates: for the files.

    Raises:
        UsageError: a template fails.
    """
    started = datetime.now(UTC)
    request = ProbeRequest(keys=needed_keys(policy), files=needed_files(policy))

    def check(host: HostView, connection: Connection) -> HostPlan:
        facts = read_facts(host, connection, request)
        seen = evaluate(policy, facts, host=host, today=started.date())
        restart = policy.rollout.restart
        node = plan_node(seen, facts, templates=templates, playbook=policy.name, restart=restart)
        return HostPlan(name=host.name, plan=node)

    outcomes = fleet.run(check, hosts=hosts)
    for outcome in outcomes.values():
        if isinstance(outcome, UsageError):
            raise outcome
    return Plan(
        run_id=f"{started:%Y%m%dT%H%M%SZ}-{token_hex(3)}",
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
