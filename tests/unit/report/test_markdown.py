from html.parser import HTMLParser

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from support.audits import ESTABLISHED, POD_REMEDY, audit_of, k3s_node, node, sample_audit, with_pods
from support.golden import assert_golden
from support.hostile import TRICKS, audits

from fleet.model.finding import Audit, Finding, HostAudit
from fleet.model.pods import PodRemedy, PodSysctl
from fleet.model.text import printable
from fleet.report.grouping import by_control
from fleet.report.markdown import audit_markdown, inert
from fleet.report.pod_remedy import pod_remedy_groups
from fleet.report.protection import protection_groups
from fleet.report.status import NOTEWORTHY

RENDERER = MarkdownIt("commonmark").enable("table").enable("strikethrough")
OURS = {
    *("h2", "h3", "p", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "ul", "li", "code", "pre"),
}


class Page(HTMLParser):
    """The tags of a page, with attributes, and the text of its table's cells and of its paragraphs."""

    def __init__(self, markdown: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[object] = []
        self.texts: list[str] = []
        self.feed(RENDERER.render(markdown))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag in {"td", "th", "p"}:
            self.texts.append("")

    def handle_data(self, data: str) -> None:
        if self.texts:
            self.texts[-1] += data


def test_an_audit_reads_as_reviewed() -> None:
    assert_golden("report/audit.md", audit_markdown(sample_audit()))


@pytest.mark.parametrize("text", ["web-01", "is 0, expected 1", "net.netfilter.nf_conntrack_tcp_be_liberal", "is 91%"])
def test_common_text_stays_as_it_is(text: str) -> None:
    assert inert(text) == text


@pytest.mark.parametrize(
    "text", ["@ops", "#1", "see http://evil.example", "www.evil.example", "a_ b_", ":tada:", "!2", "GH-7"]
)
def test_what_a_forge_would_link_is_code(text: str) -> None:
    shown = inert(text)
    assert shown.startswith("<code>")
    assert not set(shown.removeprefix("<code>").removesuffix("</code>")) & set("@!:._*`|[]<>\\")


@given(st.text(st.characters(), max_size=40) | st.sampled_from(TRICKS))
@example("1. x")
@example("a\\|b")
@example("=== ---")
def test_any_text_shows_as_it_is_in_a_paragraph_and_in_a_table(text: str) -> None:
    page = Page(f"Name: {inert(text)} end\n\n| a | b |\n|---|---|\n| x{inert(text)}x | y |\n")
    assert set(page.tags) <= OURS
    shown = printable(text, 400)
    assert [text.split() for text in page.texts] == [
        f"Name: {shown} end".split(),
        ["a"],
        ["b"],
        f"x{shown}x".split(),
        ["y"],
    ]


@given(audits)
def test_any_audit_keeps_its_table_and_holds_no_markup_but_ours(audit: Audit) -> None:
    page = Page(audit_markdown(audit))
    assert set(page.tags) <= OURS
    blocks = pod_remedy_groups(audit)
    assert page.attributes == [("class", "language-yaml")] * len(blocks)
    assert page.tags.count("pre") == len(blocks) + sum(bool(group.remedy.unsafe) for group in blocks)
    verdicts = [verdict for control in by_control(audit, NOTEWORTHY) for verdict in control.verdicts]
    tables = [len(verdict.settings) for verdict in verdicts if verdict.settings]
    groups = len(protection_groups(audit, everything=False))
    tables += [groups] if groups else []
    assert page.tags.count("table") == 1 + len(tables)
    assert page.tags.count("tr") == 1 + len(audit.hosts) + sum(1 + rows for rows in tables)
    assert page.tags.count("details") == len(by_control(audit, NOTEWORTHY)) + bool(groups) + len(blocks)


def test_the_states_stand_side_by_side_with_the_winner_the_writer_and_the_remedy() -> None:
    text = audit_markdown(audit_of(k3s_node("n")))
    assert "| key | live | boot | after reboot | expected |\n" in text
    assert f"| {ESTABLISHED} | 3600 | 86400 | 3600 | at least 7200 |\n" in text
    assert "- set by: /etc/sysctl.d/90-conntrack.conf:3, which wins over" in text
    assert "- k3s: at each start sets it to 3600" in text
    assert "| be_liberal | be_liberal | INVALID rule | n |\n" in text
    assert "- remedy: <code>Write kube-proxy-arg" in text


def test_what_gives_pods_their_nodes_values_is_a_block_of_yaml() -> None:
    text = audit_markdown(audit_of(with_pods(node("web-1")), with_pods(node("web-2")), node("web-3")))
    _, _, rest = text.partition(
        "\nFor pods on all 3 checked hosts but web-3. These lines belong in the specification of pods"
    )
    _, _, rest = rest.partition("\n```yaml\n")
    code, _, rest = rest.partition("```\n")
    assert yaml.safe_load(code) == {
        "securityContext": {"sysctls": [{"name": sysctl.name, "value": sysctl.value} for sysctl in POD_REMEDY.sysctls]}
    }
    assert rest.startswith(
        "\nWith the kubelet's flag:\n\n```\n--allowed-unsafe-sysctls=net.core.somaxconn\n```\n\n</details>\n"
    )


def test_a_large_fleet_fits_a_comment_and_says_what_is_left_out() -> None:
    text = audit_markdown(audit_of(*(node(f"node-{number:04}") for number in range(1, 2001))))
    assert len(text) <= 60_000
    shown = text.count("\n| findings | node-")
    assert f"\n{2000 - shown} more hosts are left out here" in text
    assert "fail on all 2000 checked hosts: is 0, expected 1" in text


@given(audits, st.integers(6_000, 9_000))
def test_the_length_is_bounded_whatever_the_text(audit: Audit, limit: int) -> None:
    assert len(audit_markdown(audit, limit=limit)) <= limit


def test_what_pods_lack_on_many_nodes_leaves_room_for_the_findings() -> None:
    nodes = [
        with_pods(
            node(f"n-{number}"),
            PodRemedy(sysctls=(PodSysctl(name="net.ipv4.tcp_fin_timeout", value=f"{number}", safe_since=""),)),
        )
        for number in range(400)
    ]
    text = audit_markdown(audit_of(*nodes))
    assert "fail on all 400 checked hosts: is 0, expected 1" in text
    assert f"\n{400 - text.count('```yaml')} more parts of the findings are left out" in text


def different(number: int) -> HostAudit:
    """A host with a finding that no other host has."""
    control = Finding(control=f"c-{number}", title="T", status="fail", impact="low", reason="is 0, expected 1")
    return HostAudit(name=f"n-{number}", status="findings", findings=(control,))


@given(st.integers(6_000, 9_000))
def test_both_parts_are_cut_to_the_length_and_say_so(limit: int) -> None:
    text = audit_markdown(audit_of(*map(different, range(500))), limit=limit)
    assert limit - 500 < len(text) <= limit
    assert f"{500 - text.count('| findings | n-')} more hosts are left out" in text
    assert f"{500 - text.count('<details>')} more parts of the findings are left out" in text
