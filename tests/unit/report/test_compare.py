import io
import json
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import jsonschema
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.cells import cell_len
from rich.console import Console
from support.audits import FIN_TIMEOUT, audit_of, checked, k3s_writer, state, unchecked
from support.facts import IDENTITY
from support.golden import assert_golden
from support.hostile import audits
from support.kernel import node, process
from support.writers import proxy_node, sized

from fleet.kernel.summary import summarise
from fleet.kernel.writers.conntrack import MAX
from fleet.model.facts import InvalidRule, NodeFacts, Sysctl
from fleet.model.finding import Audit, HostAudit
from fleet.report.compare import Alike, Comparison, Difference, compare
from fleet.report.compare_json import comparison_json
from fleet.report.compare_markdown import comparison_markdown
from fleet.report.compare_terminal import render_comparison
from fleet.report.schema import schemas

VALIDATOR = jsonschema.Draft202012Validator(schemas()["compare"])
SGR = re.compile(r"\x1b\[[0-9;]*m")
RULE = InvalidRule(backend="iptables-nft", text="-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP")


def setting(name: str, live: str, boot: str | None = None) -> HostAudit:
    by = "/etc/sysctl.d/90.conf:1" if boot else ""
    return checked(name, [], [state(FIN_TIMEOUT, live, "at least 15", "namespace", boot=boot, by=by)])


def machine(name: str, facts: NodeFacts) -> HostAudit:
    return replace(checked(name, []), facts=facts, node=summarise(facts))


def with_values(facts: NodeFacts, values: Mapping[str, str]) -> NodeFacts:
    return replace(facts, sysctls={key: Sysctl(key=key, value=value, writable=True) for key, value in values.items()})


def fleet_of_400() -> Audit:
    """A fleet with a few that differ, a mixed kernel, and large nodes before an upgrade."""
    hosts: list[HostAudit] = []
    for number in range(1, 401):
        cores = 64 if number <= 40 else 16
        kernel = "6.1.0-17-amd64" if number in {7, 8} else "5.14.0-427.el9" if number > 390 else "6.1.0-18-amd64"
        facts = proxy_node(minor=35, cores=cores)
        facts = replace(facts, identity=replace(facts.identity, kernel=kernel), invalid_rules=(RULE,))
        values = {MAX: str(max(131_072, 32_768 * cores)), "net.netfilter.nf_conntrack_tcp_be_liberal": "0"}
        fin = "10" if number in {12, 13, 14} else "60"
        own = state(FIN_TIMEOUT, fin, "at least 15", "namespace", boot=fin if fin == "10" else None)
        checked_host = checked(f"node-{number:03}", [], [own])
        hosts.append(replace(checked_host, facts=with_values(facts, values), node=summarise(facts)))
    return audit_of(*hosts, unchecked("node-401", "unreachable", "no route"))


def printed(comparison: Comparison, *, width: int | None = None, colour: bool = False) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=colour, color_system="truecolor" if colour else None, width=width or 40)
    console.print(render_comparison(comparison, width=width), soft_wrap=True)
    return file.getvalue()


def test_a_comparison_reads_as_reviewed() -> None:
    comparison = compare(fleet_of_400())
    assert_golden("report/compare.txt", printed(comparison))
    assert_golden("report/compare-80.txt", printed(comparison, width=80))
    assert_golden("report/compare.md", comparison_markdown(comparison))


def test_those_that_differ_are_named_with_their_value_and_that_of_the_others() -> None:
    text = printed(compare(audit_of(setting("a", "60"), setting("b", "10"), setting("c", "60"), setting("d", "60"))))
    assert text.splitlines() == [
        "4 hosts compared: 2 properties are the same on all, 1 differ",
        "",
        "1 of 4 differs: b",
        "  net.ipv4.tcp_fin_timeout  10  60 elsewhere",
    ]


def test_the_value_now_and_the_one_at_boot_are_compared_each_and_told_together_where_the_same_hosts_differ() -> None:
    comparison = compare(audit_of(setting("a", "60"), setting("b", "10", "10"), setting("c", "60")))
    assert comparison.differences == (
        Difference(
            properties=("net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_fin_timeout at boot"),
            groups=(
                Alike(hosts=("b",), values=("10", "10")),
                Alike(hosts=("a", "c"), values=("60", "no file sets it")),
            ),
        ),
    )


def test_a_value_that_only_the_next_boot_changes_is_a_difference() -> None:
    (difference,) = compare(audit_of(setting("a", "60"), setting("b", "60", "10"), setting("c", "60"))).differences
    assert difference.properties == ("net.ipv4.tcp_fin_timeout at boot",)


def test_writers_are_compared_by_what_they_write_and_not_by_process_ids() -> None:
    def written(name: str, pid: int, value: str) -> HostAudit:
        return checked(name, [], [state(FIN_TIMEOUT, "60", "any", writers=[k3s_writer(pid, value)])])

    alike = compare(audit_of(written("a", 1, "60"), written("b", 2, "60")))
    assert alike.differences == ()
    (difference,) = compare(audit_of(written("a", 1, "60"), written("b", 2, "10"), written("c", 3, "60"))).differences
    assert difference.properties == ("writers of net.ipv4.tcp_fin_timeout",)
    assert [group.values for group in difference.groups] == [("k3s: 10",), ("k3s: 60",)]


def test_machines_are_compared_by_kernel_system_size_and_kubernetes() -> None:
    one = proxy_node(minor=35)
    newer = replace(one, identity=replace(IDENTITY, kernel="6.12.1", cores=8, ram_bytes=2**35))
    k3s = replace(one, processes=(process("k3s-server"),))
    comparison = compare(audit_of(machine("a", one), machine("b", newer), machine("c", one), machine("d", k3s)))
    assert [(each.properties, each.groups[0].hosts, each.groups[0].values) for each in comparison.differences] == [
        (("kernel", "cores", "memory"), ("b",), ("6.12.1", "8", "32 GiB")),
        (("Kubernetes", "kube-proxy release"), ("d",), ("k3s", str(node_release(k3s)))),
    ]


def node_release(facts: NodeFacts) -> str:
    return (
        compare(audit_of(machine("x", facts), machine("y", proxy_node(minor=35)))).differences[0].groups[0].values[-1]
    )


def test_counters_are_not_compared() -> None:
    count = "net.netfilter.nf_conntrack_count"
    one, other = (with_values(proxy_node(minor=35), {count: value}) for value in ("1", "2"))
    assert compare(audit_of(machine("a", one), machine("b", other))).differences == ()


def test_the_fewest_outliers_come_first_and_a_fleet_divided_in_half_last() -> None:
    hosts = [
        checked(
            f"n{number}",
            [],
            [
                state("net.core.somaxconn", "1" if number < 5 else "2", "any"),
                state("net.ipv4.tcp_tw_reuse", "1" if number < 2 else "2", "any"),
                state("net.ipv4.tcp_max_tw_buckets", "1" if number < 1 else "2", "any"),
            ],
        )
        for number in range(10)
    ]
    outliers = [each.outliers for each in compare(audit_of(*hosts)).differences]
    assert outliers == [1, 2, 5]


def test_hosts_that_were_not_checked_are_counted_and_not_compared() -> None:
    comparison = compare(audit_of(setting("a", "60"), setting("b", "60"), unchecked("c", "auth", "no key")))
    assert (comparison.hosts, comparison.unread, comparison.differences) == (("a", "b"), ("c",), ())
    assert printed(comparison) == (
        "2 hosts compared: 3 properties are the same on all, none differ; 1 host could not be checked\n"
    )


def test_a_single_host_has_nothing_to_be_compared_with() -> None:
    assert printed(compare(audit_of(setting("a", "60")))) == "1 host: nothing to compare\n"
    assert printed(compare(audit_of())) == "0 hosts: nothing to compare\n"


def test_a_fleet_in_which_all_differ_gives_a_bounded_text() -> None:
    keys = [f"net.test.key_{number}" for number in range(60)]
    hosts = [
        checked(
            f"{'x' * 20}-{number}-y",
            [],
            [state(key, str((number + place) % 97), "any") for place, key in enumerate(keys)],
        )
        for number in range(400)
    ]
    comparison = compare(audit_of(*hosts))
    assert len(printed(comparison)) < 20_000
    assert len(comparison_markdown(comparison)) < 60_000
    divided = [
        checked(f"n{number}", [], [state(f"k{place}", str(number == place), "any") for place in range(50)])
        for number in range(50)
    ]
    assert "20 more differences are left out here: the JSON has them all." in printed(compare(audit_of(*divided)))


def test_what_upgrades_will_do_is_counted_with_hosts_and_remedy() -> None:
    comparison = compare(fleet_of_400())
    assert [(len(each.hosts), each.prediction.event) for each in comparison.forecasts] == [
        (400, "kube-proxy changes to nftables mode"),
        (40, "kube-proxy becomes 1.36"),
    ]
    lines = printed(comparison).splitlines()
    start = next(
        number for number, line in enumerate(lines) if line.startswith("  40 hosts, when kube-proxy becomes 1.36:")
    )
    assert "nf_conntrack_max drops from 2,097,152 to 1,048,576" in lines[start]
    assert lines[start + 1] == "      on      node-{001..040}"
    assert lines[start + 2].startswith("      remedy  Add --conntrack-max-per-core=1 --conntrack-min=2097152")


def test_predictions_that_differ_in_the_place_of_the_remedy_only_are_told_together() -> None:
    start = "[Service]\nExecStart=/usr/local/bin/k3s server --kube-proxy-arg=conntrack-max-per-core=32768\n"
    nodes = [
        machine(
            f"n{number}",
            with_values(
                sized(
                    node(
                        processes=(process("k3s-server"),), files={"/etc/systemd/system/k3s.service": comment + start}
                    ),
                    cores=64,
                ),
                {MAX: "2097152"},
            ),
        )
        for number, comment in enumerate(("", "# by hand\n"))
    ]
    (forecast,) = compare(audit_of(*nodes)).forecasts
    assert forecast.hosts == ("n0", "n1")
    assert "at the end of /etc/systemd/system/k3s.service:2" in forecast.prediction.remedy


def test_the_json_holds_to_its_schema_and_has_every_host() -> None:
    document = json.loads(comparison_json(compare(fleet_of_400())))
    VALIDATOR.validate(document)
    assert document["schema"] == "fleet.compare/1"
    assert (len(document["hosts"]), document["unread"]) == (400, ["node-401"])
    assert all(sum(len(group["hosts"]) for group in each["groups"]) == 400 for each in document["differences"])
    assert all(
        len(group["values"]) == len(each["properties"]) for each in document["differences"] for group in each["groups"]
    )


@given(audits, st.sampled_from([None, 40, 80, 120]), st.booleans())
def test_nothing_from_outside_reaches_the_terminal_raw(audit: Audit, width: int | None, colour: bool) -> None:  # noqa: FBT001
    text = SGR.sub("", printed(compare(audit), width=width, colour=colour))
    assert all(char.isprintable() or char == "\n" for char in text)


@given(audits)
def test_any_comparison_is_plain_ascii_that_parses_and_holds_to_the_schema(audit: Audit) -> None:
    text = comparison_json(compare(audit))
    assert all(" " <= char <= "~" or char == "\n" for char in text)
    VALIDATOR.validate(json.loads(text))


@given(audits)
def test_any_comparison_is_markdown_with_no_markup_but_ours(audit: Audit) -> None:
    comparison = compare(audit)
    page = MarkdownIt("commonmark").enable("table").render(comparison_markdown(comparison))
    tags = set(re.findall(r"<([a-z0-9]+)", page))
    assert tags <= {"h2", "h3", "p", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "code"}
    assert page.count("<table>") == len(comparison.differences)


@given(audits)
def test_any_hosts_are_each_in_one_group_of_each_difference(audit: Audit) -> None:
    comparison = compare(audit)
    for difference in comparison.differences:
        names = [name for group in difference.groups for name in group.hosts]
        assert sorted(names) == sorted(comparison.hosts)
        sizes = [len(group.hosts) for group in difference.groups]
        assert sizes == sorted(sizes)
        assert len(sizes) > 1


def test_no_line_is_wider_than_the_terminal() -> None:
    lines = printed(compare(fleet_of_400()), width=80).splitlines()
    assert [line for line in lines if cell_len(line) > 80] == []


def test_a_thousand_hosts_are_compared_in_a_second() -> None:
    audit = audit_of(*(setting(f"n{number}", str(number % 7)) for number in range(1000)))
    start = time.process_time()
    compare(audit)
    assert time.process_time() - start < 1


def test_the_example_of_the_documentation_holds_to_the_schema() -> None:
    text = (Path(__file__).parents[3] / "docs/compare.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```json fleet.compare/1\n(.*?)```", text, flags=re.DOTALL)
    VALIDATOR.validate(json.loads(example))
