"""Plans for tests: made from facts as a run makes them, and applied to the facts instead of to a node."""

import base64
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

from fleet.facts.masking import mask_text, mask_yaml
from fleet.kernel.services import start_values
from fleet.kernel.unitfile import unit_commands
from fleet.model.facts import IpvsTimeouts, NodeFacts, NodeFile, Sysctl
from fleet.model.rollout import Rollout
from fleet.plan import Change, HostPlan, NodePlan, Plan, plan_node, plan_pieces
from fleet.plan.checker import Checking
from fleet.policy import HostView, Policy, evaluate
from fleet.policy.evaluate import Evaluation
from fleet.policy.on_node import CHECKER_FILES, TIMER, TIMER_FILE
from fleet.policy.playbook import load_playbook
from fleet.render import Templates

ROOT = Path(__file__).parents[2]
TEMPLATES = Templates(ROOT / "templates")
TODAY = date(2026, 11, 20)
HOST = HostView(name="web-1", groups=(), data={}, address="10.0.0.1")

LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal"
MAX = "net.netfilter.nf_conntrack_max"
BUCKETS = "net.netfilter.nf_conntrack_buckets"
ESTABLISHED = "net.netfilter.nf_conntrack_tcp_timeout_established"
FIN = "net.ipv4.tcp_fin_timeout"
RESERVED = "net.ipv4.ip_local_reserved_ports"
RANGE = "net.ipv4.ip_local_port_range"
FILE = "/etc/sysctl.d/90-fleet.conf"
MODULES = {"/etc/modules-load.d/node.conf": "nf_conntrack\n"}
CMDLINE = {"/proc/cmdline": "quiet\n"}


def playbook_of(tmp_path: Path, *controls: str, more: str = "") -> Policy:
    """A playbook with these controls, each in flow style without id, title, impact and why."""
    lines = [
        f"  - {{id: c-{number}, title: t, impact: low, why: Because it matters., {control}}}\n"
        for number, control in enumerate(controls, start=1)
    ]
    path = tmp_path / "play.yaml"
    path.write_text("name: A team's playbook\n" + more + "controls:\n" + "".join(lines))
    return load_playbook(path)


def shipped_playbook() -> Policy:
    return load_playbook(ROOT / "playbooks" / "stop-conntrack-resets.yaml")


def every_profile() -> Policy:
    """All shipped profiles, with services that may be restarted."""
    return load_playbook(ROOT / "tests" / "data" / "policy" / "everything.yaml")


def judged(policy: Policy, facts: NodeFacts) -> Evaluation:
    return evaluate(policy, facts, host=HOST, today=TODAY)


def planned(policy: Policy, facts: NodeFacts) -> NodePlan:
    return plan_node(
        judged(policy, facts),
        facts,
        templates=TEMPLATES,
        playbook=policy.name,
        restart=policy.rollout.restart,
        checking=Checking(how=policy.on_node, policy=policy, host=HOST, today=TODAY) if policy.on_node else None,
    )


def applied(facts: NodeFacts, plan: NodePlan) -> NodeFacts:
    """The facts of the node once the plan's changes are made."""
    for change in plan.changes:
        facts = _applied(facts, change)
    return facts


def _applied(facts: NodeFacts, change: Change) -> NodeFacts:
    match change.kind:
        case "file":
            files = {path: file for path, file in facts.files.items() if path != change.target}
            if change.after is not None:
                content = base64.b64decode(change.after) if change.encoding == "base64" else change.after.encode()
                if change.target.startswith("/etc/rancher/"):
                    content = mask_yaml(content)  # as the next probe gives it
                if "/systemd/system/" in change.target:
                    content = mask_text(content)
                files[change.target] = NodeFile(path=change.target, kind="file", content=content)
            return replace(facts, files=files)
        case "module":
            assert isinstance(facts.modules, frozenset)
            return replace(facts, modules=facts.modules | {change.target})
        case "sysctl":
            assert change.after is not None
            sysctl = Sysctl(key=change.target, value=change.after, writable=True)
            return replace(facts, sysctls={**facts.sysctls, change.target: sysctl})
        case "unit":
            return _started(facts, change.target)


def _started(facts: NodeFacts, unit: str) -> NodeFacts:
    """The facts once a unit was enabled or restarted: what its commands do, and the link."""
    if unit == TIMER:
        link = CHECKER_FILES[-1]
        return replace(facts, files={**facts.files, link: NodeFile(path=link, kind="link", link=TIMER_FILE)})
    link = f"/etc/systemd/system/multi-user.target.wants/{unit}"
    if unit == "fleet-ipvs-timeouts.service":
        facts = replace(facts, files={**facts.files, link: NodeFile(path=link, kind="link", link=f"../{unit}")})
        [command] = unit_commands(facts.files, "fleet-ipvs-timeouts", "ExecStart")
        present = facts.ipvs.timeouts
        assert isinstance(present, IpvsTimeouts)
        tcp, tcp_fin, udp = map(int, command.text.split()[-3:])
        timeouts = IpvsTimeouts(tcp=tcp or present.tcp, tcp_fin=tcp_fin or present.tcp_fin, udp=udp or present.udp)
        return replace(facts, ipvs=replace(facts.ipvs, timeouts=timeouts))
    values = start_values(facts.files, unit.removesuffix(".service"))
    there = facts.sysctls.keys() & values.keys()
    written = {key: Sysctl(key=key, value=values[key].value, writable=True) for key in there}
    return replace(facts, sysctls={**facts.sysctls, **written})


def plan_text(plan: Plan) -> str:
    """A plan as it is saved."""
    return "".join(plan_pieces(plan))


def plan_of(hosts: Mapping[str, NodePlan | HostPlan]) -> Plan:
    return Plan(
        run_id="20261120T120000Z-5f2a01",
        created="2026-11-20T12:00:00.000Z",
        playbook="play.yaml",
        playbook_digest=f"sha256:{'5' * 64}",
        version="0.1.0",
        rollout=Rollout(),
        hosts={
            name: host if isinstance(host, HostPlan) else HostPlan(name=name, plan=host) for name, host in hosts.items()
        },
    )


def by_target(plan: NodePlan) -> dict[tuple[str, str], Change]:
    return {(change.kind, change.target): change for change in plan.changes}


def values(plan: NodePlan) -> dict[tuple[str, str], str | None]:
    """Changes but files, whose content is looked at elsewhere."""
    return {(each.kind, each.target): each.after for each in plan.changes if each.kind != "file"}


def files(plan: NodePlan) -> list[str]:
    return [each.target for each in plan.changes if each.kind == "file"]


def refusal(plan: NodePlan) -> str:
    assert plan.changes == ()
    [refused] = plan.refused
    return refused.reason
