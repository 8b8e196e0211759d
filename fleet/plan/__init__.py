"""(Facts, expected) to plan: what to change on each node, proved by the boot resolver before anybody sees it."""

from fleet.plan.model import Change, FileState, HostPlan, Kept, NodePlan, Plan, Preconditions, Refused, Remedy
from fleet.plan.node import plan_node
from fleet.plan.saved import count_hosts_by_status, load_plan, plan_from, plan_pieces, save_plan

__all__ = [
    "Change",
    "FileState",
    "HostPlan",
    "Kept",
    "NodePlan",
    "Plan",
    "Preconditions",
    "Refused",
    "Remedy",
    "count_hosts_by_status",
    "load_plan",
    "plan_from",
    "plan_node",
    "plan_pieces",
    "save_plan",
]
