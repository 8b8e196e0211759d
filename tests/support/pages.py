"""A large fleet for the tests of the page: as many outcomes as such fleets have, and process ids that differ."""

import random
from dataclasses import replace

from support.audits import audit_of, k3s_writer, protection
from support.runs import FILE, FIN, run_of

from fleet.model.finding import Audit, Failure, Finding, FindingStatus, HostAudit, NodeSummary, SettingState, Source
from fleet.model.rollout import BatchRun, HostRun, RunResult

IMPACTS = ("critical", "high", "medium", "low")
KERNELS = ("6.1.0-18-amd64", "6.8.0-45-generic", "5.14.0-427.el9.x86_64")
LIBERAL, RULE = "protected by be_liberal", "protected by the INVALID rule"


def node_summary(*, used: int = 20_000, most: int = 262_144, kernel: str = KERNELS[0]) -> NodeSummary:
    return NodeSummary(
        kernel=kernel,
        system="Debian GNU/Linux 12 (bookworm)",
        cores=16,
        ram_bytes=64 * 2**30,
        kubernetes="k3s",
        proxy_mode="iptables",
        proxy_release="1.33",
        conntrack_count=used,
        conntrack_max=most,
        conntrack_buckets=most // 4,
    )


def large_fleet(hosts: int = 2_000, controls: int = 40, seed: int = 7) -> Audit:
    """Hosts of which one in a hundred is unreachable, and of whose verdicts about one in fifteen fails."""
    chance = random.Random(seed)  # noqa: S311 the same fleet each time
    return audit_of(*(_host(f"node-{number:04}", number, controls, chance) for number in range(1, hosts + 1)))


def _host(name: str, number: int, controls: int, chance: random.Random) -> HostAudit:
    if number % 100 == 0:
        message = f"198.51.{number // 256}.{number % 256} port 22: no answer within 10 s"
        return HostAudit(name=name, status="unreachable", error=Failure(kind="unreachable", message=message))
    findings, settings = [], []
    for control in range(controls):
        status = _status(control, chance)
        live = "60" if status == "pass" else str(chance.choice((5, 10, 15)))
        key = f"net.ipv4.setting_{control:02}"
        findings.append(_finding(control, status, live, key))
        settings.append(_setting(control, live, key, chance))
    bad = any(finding.status in {"fail", "error"} for finding in findings)
    used = int(min(262_144 * 0.97, chance.lognormvariate(10.2, 0.6)))
    return HostAudit(
        name=name,
        status="findings" if bad else "ok",
        findings=tuple(findings),
        settings=tuple(settings),
        protection=protection(LIBERAL, LIBERAL, chance.choice((LIBERAL, RULE))),
        node=node_summary(used=used, kernel=KERNELS[number % 3]),
    )


def _status(control: int, chance: random.Random) -> FindingStatus:
    if control % 10 == 9:
        return "skip"
    failing = (0.4, 0.1, 0.02, 0.0)[control % 4]
    drawn = chance.random()
    return "fail" if drawn < failing else "warn" if drawn < failing + 0.02 else "pass"


def _finding(control: int, status: FindingStatus, live: str, key: str) -> Finding:
    reason = {
        "pass": f"is {live}, as expected",
        "skip": "does not apply: no IPVS on this node",
        "warn": f"is {live}, acceptable; preferred at least 60",
    }.get(status, f"is {live}, expected at least 30; the next boot leaves it so (no file sets it)")
    return Finding(
        control=f"control-{control:02}-of-some-length",
        title=f"Setting {control} is large enough for what goes through the node",
        status=status,
        impact=IMPACTS[control % 4],
        reason=reason,
        settings=(key,),
    )


def _setting(control: int, live: str, key: str, chance: random.Random) -> SettingState:
    writers = (k3s_writer(chance.randrange(300, 90_000), live),) if control == 0 else ()
    return SettingState(
        key=key,
        live=live,
        boot=live,
        boot_source=Source(path=f"/etc/sysctl.d/{90 + control % 7}-tuning.conf", line=control + 1),
        boot_note="",
        overridden=(Source(path="/usr/lib/sysctl.d/50-default.conf", line=9, reason="another line comes later"),),
        after_reboot=live,
        writers=writers,
        expected="at least 30",
        scope="host-namespace",
    )


def large_run(audit: Audit, batches: int = 12) -> RunResult:
    """An apply to all of its hosts that went through, but for the unreachable ones."""
    names = [*audit.hosts]
    size = -(-len(names) // batches)
    hosts, told = [], []
    for number in range(1, batches + 1):
        members = names[(number - 1) * size : number * size]
        minute = 15 + number
        told.append(
            BatchRun(
                number=number,
                hosts=tuple(members),
                decision=f"{len(members)} confirmed",
                started=f"2026-11-20T12:{minute:02}:00.000Z",
                decided=f"2026-11-20T12:{minute:02}:{20 + number}.000Z",
            )
        )
        hosts += [
            HostRun(name=name, status="changed", node="after", batch=number, changes=(FILE, FIN)) for name in members
        ]
    return replace(run_of(*hosts), batches=tuple(told), finished="2026-11-20T12:28:00.000Z")
