"""A playbook on one node, as the node can check it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import cast

from fleet.kernel.outlook import Outlook, look_ahead
from fleet.model.facts import NodeFacts, Reason, Unavailable
from fleet.plan.checker.checks import Check, Checks, Unjudged
from fleet.plan.checker.conditions import is_demand
from fleet.plan.checker.one import Node, compile_one
from fleet.plan.checker.watched import fingerprint, gibibytes, process_names, unseen, written_files
from fleet.policy import HostView, Policy, evaluate
from fleet.policy.context import make_context

_ENDLESS = 2**40
_NOT_THERE = frozenset({Reason.ABSENT, Reason.NOT_LOADED})


def compile_checks(policy: Policy, facts: NodeFacts, *, host: HostView, today: date) -> Checks:
    """Work out what a node has to compare.

    Args:
        policy: the playbook.
        facts: of the node as it is to be when it checks itself.
        host: the node's host in the inventory.
        today: of the run; another day gives the same result.
    """
    # A node holds exceptions against its own date.
    seen = evaluate(replace(policy, exceptions=()), facts, host=host, today=today)
    outlook = look_ahead(facts, [control.setting.key for control in policy.controls if control.setting.key])
    node = Node(facts=facts, outlook=outlook, exceptions=policy.exceptions, host=host)
    compiled = [compile_one(want, node) for want in seen.wanted]
    return Checks(
        checks=tuple(each for each in compiled if isinstance(each, Check)),
        unjudged=tuple(each for each in compiled if isinstance(each, Unjudged)),
        kernel=facts.identity.kernel,
        cores=facts.identity.cores,
        gibibytes=gibibytes(facts.identity.ram_bytes),
        processes=process_names(facts),
        there=_there(facts),
        demand=_demand(policy, facts, outlook),
        files=written_files(facts),
        unseen=unseen(facts),
        fingerprint=fingerprint(facts),
    )


def _there(facts: NodeFacts) -> Mapping[str, bool]:
    loaded = facts.modules if isinstance(facts.modules, frozenset) else frozenset()
    services = facts.ipvs.services
    return {
        "nf_conntrack": _is_there(facts.conntrack.count),
        "ip_vs": _is_there(services),
        "br_netfilter": "br_netfilter" in loaded,
        "ipvs-services": isinstance(services, int) and services > 0,
    }


def _is_there(fact: object) -> bool:
    return not (isinstance(fact, Unavailable) and fact.reason in _NOT_THERE)


def _demand(policy: Policy, facts: NodeFacts, outlook: Outlook) -> tuple[int, float, int] | None:
    predicates = [each for control in policy.controls for each in (control.expect, control.prefer) if each is not None]
    if not any(is_demand(term.operand) for predicate in predicates for term in predicate.terms):
        return None

    def with_connections(count: int) -> int:
        counted = replace(facts, conntrack=replace(facts.conntrack, count=count))
        sizing = make_context(counted, policy.variables, {}, outlook)["sizing"]
        return cast("Mapping[str, int]", sizing)["demand"]

    return with_connections(0), float(cast("float", policy.variables["conntrack_headroom"])), with_connections(_ENDLESS)
