"""A plan as people read it."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from support.golden import assert_golden
from support.hostile import TRICKS
from support.kernel import node, process
from support.plans import plan_of, planned, playbook_of, shipped_playbook
from support.writers import kube_proxy

from fleet.model.finding import Failure
from fleet.plan import Change, HostPlan, Kept, NodePlan, Plan, Refused, Remedy
from fleet.report.plan_markdown import plan_markdown
from fleet.report.plan_status import plan_exit_code
from fleet.report.plan_terminal import render_plan

FIN = "net.ipv4.tcp_fin_timeout"
MODULES = {"/etc/modules-load.d/node.conf": "nf_conntrack\n", "/proc/cmdline": "quiet\n"}
UNREACHABLE = HostPlan(name="db-2", error=Failure(kind="unreachable", message="no answer: is the node up?"))
EMPTY = NodePlan(changes=(), kept=(), refused=(), remedies=(), risks=(), preconditions=None)


@pytest.fixture
def sample(tmp_path: Path) -> Plan:
    """Twelve hosts alike, one that differs, one with a remedy in the cluster, one refused, one dead, one done."""
    established = "net.netfilter.nf_conntrack_tcp_timeout_established"
    policy = playbook_of(
        tmp_path,
        f"setting: {{sysctl: {FIN}}}, expect: {{at_least: 30}}, set: 50",
        f"setting: {{sysctl: {established}}}, expect: {{equals: 7440}}, set: 7440",
    )
    web = planned(policy, node(sysctls={FIN: "5", established: "7440"}, files=MODULES))
    other = planned(policy, node(sysctls={FIN: "5", established: "86400"}, files=MODULES))
    proxy = kube_proxy("--config=/var/lib/kube-proxy/config.conf", minor=31)
    config = {"/var/lib/kube-proxy/config.conf": "kind: KubeProxyConfiguration\n"}
    cluster = planned(
        policy,
        node(sysctls={FIN: "60", established: "86400"}, files=MODULES | config, processes=(process("kubelet"), proxy)),
    )
    late = {"/etc/sysctl.d/zzz.conf": f"{FIN} = 5\n"}
    refused = planned(policy, node(sysctls={FIN: "5", established: "7440"}, files=MODULES | late))
    hosts = {f"web-{number:02}": web for number in range(1, 13)}
    return plan_of({**hosts, "db-1": other, "k8s-1": cluster, "old-1": refused, "db-2": UNREACHABLE, "done-1": EMPTY})


def test_a_plan_reads_as_reviewed(sample: Plan) -> None:
    assert_golden("report/plan.txt", render_plan(sample, verbosity=2, width=None).plain + "\n")
    assert_golden("report/plan.md", plan_markdown(sample))


def test_a_diff_of_many_hosts_is_told_once(sample: Plan) -> None:
    for text in (render_plan(sample, verbosity=0, width=None).plain, plan_markdown(sample)):
        assert len(re.findall(r"^ *5 -> 50$", text, re.MULTILINE)) == 1
        assert "web-{01..12}" in text or "all 16 checked hosts but" in text


def test_the_exit_code_is_that_of_the_worst_host(sample: Plan) -> None:
    assert plan_exit_code(sample) == 1
    assert plan_exit_code(plan_of({"a": EMPTY})) == 0
    for name in ("web-01", "k8s-1"):
        host = sample.hosts[name]
        assert plan_exit_code(plan_of({"done": EMPTY, name: host})) == 3
    for name in ("old-1", "db-2"):
        assert plan_exit_code(plan_of({"web-01": sample.hosts["web-01"], name: sample.hosts[name]})) == 1


class Tags(HTMLParser):
    def __init__(self, markdown: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(MarkdownIt("commonmark").enable("table").render(markdown))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        super().handle_starttag(tag, attrs)
        self.found.add(tag)


@pytest.mark.parametrize("trick", [*TRICKS, "```\n<script>", "````", "\x1b[31m", "</details>"])
def test_text_of_a_node_stays_text(trick: str) -> None:
    change = Change(
        kind="file",
        target=trick,
        before=trick,
        after=trick,
        diff=f"-{trick}\n+{trick}",
        reason=trick,
        controls=(trick,),
    )
    hostile = NodePlan(
        changes=(change,),
        kept=(Kept(target=trick, control=trick, why="scope", reason=trick),),
        refused=(Refused(target=trick, controls=(trick,), reason=trick),),
        remedies=(Remedy(target=trick, writer=trick, text=trick, patch=trick, controls=(trick,)),),
        risks=(trick,),
        preconditions=None,
    )
    plan = plan_of({"web-1": hostile})
    tags = Tags(plan_markdown(plan)).found
    assert tags <= {
        "h2",
        "h3",
        "p",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "details",
        "summary",
        "ul",
        "li",
        "code",
        "pre",
    }
    assert all(line.isprintable() for line in render_plan(plan, verbosity=2, width=None).plain.split("\n"))


def test_markdown_stays_within_its_length_and_says_what_it_left_out() -> None:
    policy = shipped_playbook()
    hosts = {
        f"a-rather-long-name-of-a-host-{number}": planned(
            policy, node(sysctls={FIN: str(200 + number), "net.ipv4.tcp_keepalive_time": "7200"}, files=MODULES)
        )
        for number in range(400)
    }
    text = plan_markdown(plan_of(hosts), limit=6_000)
    assert len(text) <= 6_000
    assert "more changes are left out here" in text
    assert "more hosts are left out here" in text
    assert text.count("<details>") == text.count("</details>")
