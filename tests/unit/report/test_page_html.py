"""The page as a text: whole, closed to the outside, and without a word of a node that could do something."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Any

from hypothesis import given, settings
from support.audits import audit_of, checked, node, sample_audit, unchecked
from support.drifts import drift_item, drift_report, sample_drift
from support.hostile import TRICKS, audits
from support.pages import large_fleet, large_run, node_summary
from support.plans import plan_of
from support.runs import host_run, run_of, sample_run

from fleet.model.drift import DriftReport
from fleet.model.finding import Audit, HostAudit
from fleet.model.rollout import ChangeResult, GateResult, RunError, RunResult
from fleet.model.text import printable
from fleet.plan import Change, NodePlan, Plan, Refused, Remedy
from fleet.report.layout import LONGEST_VALUE
from fleet.report.page import report_page
from fleet.report.page.page import LONGEST_LIST, MOST_OUTCOMES
from fleet.report.trend import trend_point

VOID = {"meta", "input"}
ADDRESSES = {
    "src",
    "srcset",
    "href",
    "xlink:href",
    "action",
    "formaction",
    "data",
    "poster",
    "background",
    "ping",
    "style",
}


@dataclass
class Element:
    """An element as a browser would see it."""

    name: str
    attributes: dict[str, str]
    text: list[str] = field(default_factory=list)


class Reader(HTMLParser):
    """The elements of a page, each of which has to be closed in its turn."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().name == tag

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def named(self, name: str) -> list[Element]:
        return [element for element in self.elements if element.name == name]

    def words(self, name: str = "main") -> str:
        """The text of an element as it is read."""
        return " ".join("".join(self.named(name)[0].text).split())


def data_of(page: str) -> dict[str, Any]:
    [text] = ["".join(each.text) for each in Reader(page).named("script") if "type" in each.attributes]
    document: dict[str, Any] = json.loads(text)
    return document


def nasty_run(text: str) -> RunResult:
    change = ChangeResult(kind=text, target=text, status="failed", reason=text, read_back=text)
    host = host_run(
        text,
        status="failed",
        node="unknown",
        error=RunError(kind="stale", message=text),
        changes=(change,),
        notes=(text,),
    )
    run = run_of(host, run_id=text, plan_run=text, playbook=text, stopped_by=text, status="stopped", version=text)
    gate = GateResult(kind=text, passed=False, detail=text)
    return replace(run, batches=(replace(run.batches[0], gates=(gate,), decision=text),))


def nasty_plan(text: str) -> Plan:
    change = Change(kind="file", target=text, before=None, after=text, diff=f"+{text}", reason=text, controls=(text,))
    refused = Refused(target=text, controls=(text,), reason=text)
    remedy = Remedy(target=text, writer=text, text=text, patch=text, controls=(text,))
    plan = NodePlan(
        changes=(change,), kept=(), refused=(refused,), remedies=(remedy,), risks=(text,), preconditions=None
    )
    return replace(plan_of({text: plan}), run_id=text, playbook=text)


def nasty_drift(text: str) -> DriftReport:
    item = drift_item(text, name=text, reason=text, value=text, was=f"{text} before")
    return drift_report({text: (item,)}, notes=(text,))


def full_page() -> str:
    audit = sample_audit()
    hosts = {**audit.hosts, "used-1": replace(node("used-1"), node=node_summary(used=250_000))}
    audit = replace(audit, hosts=hosts)
    points = [replace(trend_point(audit), violations=20), trend_point(audit)]
    return report_page(audit, drift=sample_drift(), runs=[sample_run()], plans=[nasty_plan("net.conf")], trend=points)


def outer(page: str) -> list[tuple[str, tuple[str, ...]]]:
    """The elements and the names of their attributes: what a foreign text must not change."""
    return [(each.name, tuple(each.attributes)) for each in Reader(page).elements]


def test_all_parts_are_there_and_each_reference_has_its_target() -> None:
    reader = Reader(full_page())
    titles = [" ".join("".join(title.text).split()) for title in reader.named("h2")]
    assert titles == [
        "Drift",
        "Heat map",
        "Hosts",
        "Findings",
        "What protects from resets by INVALID segments",
        "What gives pods the values of their node",
        "Conntrack",
        "Trend over 2 runs",
        "Outliers",
        "Plans",
        "Rollouts",
    ]
    ids = [each.attributes["id"] for each in reader.elements if "id" in each.attributes]
    assert len(ids) == len({*ids})
    for name in ("aria-labelledby", "aria-describedby"):
        assert {each.attributes[name] for each in reader.elements if name in each.attributes} <= {*ids}
    for link in reader.named("a"):
        target = link.attributes["href"].removeprefix("#")
        assert target in ids or target.startswith("host=")
    words = reader.words()
    for said in (
        "on all 13 checked hosts but k3s-agent-{1..3}, web-07",
        "curl ended with 22: HTTP 503",
        "95.4 %",
        "in the cluster net.conf",
    ):
        assert said in words


def test_the_policy_allows_our_style_and_script_and_nothing_else() -> None:
    reader = Reader(full_page())
    [policy] = [each.attributes["content"] for each in reader.named("meta") if "http-equiv" in each.attributes]
    [style] = reader.named("style")
    [script] = [each for each in reader.named("script") if "type" not in each.attributes]
    hashes = {
        each.name: base64.b64encode(hashlib.sha256("".join(each.text).encode()).digest()).decode()
        for each in (style, script)
    }
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{hashes['style']}'; script-src 'sha256-{hashes['script']}'; "
        "base-uri 'none'; form-action 'none'"
    )


def test_nothing_on_the_page_leads_elsewhere_or_runs_from_an_attribute() -> None:
    page = full_page()
    for element in Reader(page).elements:
        for name, value in element.attributes.items():
            assert not name.startswith("on")
            assert name not in ADDRESSES or (element.name, name, value[:1]) == ("a", "href", "#")
    assert not re.search(r"url\(|@import|https?:", page)


def test_a_host_and_a_chart_have_words_for_those_who_do_not_see_them() -> None:
    reader = Reader(full_page())
    for image in reader.named("svg"):
        attributes = image.attributes
        spoken = "aria-labelledby" in attributes or "aria-label" in attributes
        assert spoken or "aria-hidden" in attributes or attributes.get("id") == "heat-map"
    for label in reader.named("label"):
        assert "".join(label.text).strip()
    for head in reader.named("th"):
        assert head.attributes["scope"] in {"col", "row"}
    assert reader.named("html")[0].attributes["lang"] == "en"


@settings(max_examples=60)
@given(audits)
def test_no_text_of_a_node_becomes_markup_or_goes_unseen(audit: Audit) -> None:
    page = report_page(audit, runs=[nasty_run(text) for text in TRICKS[:3]], trend=[trend_point(audit)] * 2)
    assert all(char.isprintable() or char == "\n" for char in page)
    names = {each.name for each in Reader(page).elements}
    assert {"img", "iframe", "object", "base", "link"}.isdisjoint(names)
    assert len(Reader(page).named("script")) == 2


def test_a_hostile_text_has_the_same_elements_as_a_plain_one() -> None:
    def page(text: str) -> str:
        setting = checked(text, node("n").findings, node("n").settings)
        texts = replace(setting, node=replace(node_summary(used=262_000), kernel=text, system=text, proxy_release=text))
        audit = audit_of(texts, unchecked("other", "unreachable", text), playbook=text)
        return report_page(audit, drift=nasty_drift(text), runs=[nasty_run(text)], plans=[nasty_plan(text)])

    plain = outer(page("plain"))
    for trick in TRICKS:
        if trick and "\n" not in trick:
            assert outer(page(trick)) == plain, trick


def told(page: str) -> Iterator[tuple[str, str, list[tuple[str, str, str]], list[tuple[str, str]]]]:
    """What the script is given, as it reads it: name, status, findings, live values."""
    data = data_of(page)
    texts = data["texts"]
    for name, status, _, findings, states, *_ in data["hosts"]:
        found = [data["findings"][each] for each in data["lists"][findings]]
        own = [data["states"][each] for each in data["lists"][states]]
        yield (
            texts[name],
            status,
            [(texts[data["controls"][control][0]], verdict, texts[reason]) for control, verdict, _, reason, _ in found],
            [(texts[key], texts[live]) for key, live, *_ in own],
        )


def expected(host: HostAudit) -> tuple[str, str, list[tuple[str, str, str]], list[tuple[str, str]]]:
    def shown(text: str) -> str:
        return printable(text, LONGEST_VALUE)

    return (
        shown(host.name),
        host.status,
        [(shown(each.control), each.status, shown(each.reason)) for each in host.findings],
        [(shown(each.key), shown("not read" if each.live is None else each.live or "empty")) for each in host.settings],
    )


@given(audits)
def test_the_script_is_told_every_finding_and_setting_of_every_host(audit: Audit) -> None:
    hosts = sorted(told(report_page(audit)))
    assert hosts == sorted(expected(host) for host in audit.hosts.values())


def test_two_thousand_hosts_fit_into_a_file_that_a_mail_takes() -> None:
    audit = large_fleet(hosts=2_000, controls=40)
    page = report_page(audit, runs=[large_run(audit)], trend=[trend_point(audit)] * 2)
    assert len(page.encode()) < 3 * 2**20
    assert len([*told(page)]) == 2_000


def test_a_control_that_differs_on_each_host_is_told_for_the_most_hosts_only() -> None:
    hosts = [
        checked(f"n-{number}", [replace(node("n").findings[0], reason=f"is {number} and no other")])
        for number in range(1, 40)
    ]
    words = Reader(report_page(audit_of(*hosts))).words()
    assert words.count("and no other") == MOST_OUTCOMES
    assert f"{39 - MOST_OUTCOMES} more outcomes, on {39 - MOST_OUTCOMES} hosts" in words


def test_a_long_list_of_hosts_ends_after_a_whole_name_and_with_their_number() -> None:
    bad = [node(f"host-{number:04}-x{'y' * (number % 7)}z") for number in range(1, 400)]
    good = [node(f"good-{number}", be_liberal="1") for number in range(1, 900)]
    words = Reader(report_page(audit_of(*bad, *good))).words()
    [listed] = re.findall(r"is 0, expected 1 on 399 hosts: (.*?), …", words)
    names = listed.split(", ")
    assert {*names} < {host.name for host in bad}
    assert len(listed) > LONGEST_LIST - 20


def test_a_fleet_without_hosts_findings_or_answers_has_a_page_too() -> None:
    nothing = Reader(report_page(audit_of())).words()
    assert "No host was checked." in nothing
    assert "Nothing to report" in nothing
    assert "No host was checked." in Reader(report_page(audit_of(unchecked("n", "timeout", "silent")))).words()
