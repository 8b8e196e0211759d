import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from support.audits import FIN_TIMEOUT, audit_of, checked, finding, node, sample_audit, state
from support.golden import assert_golden
from support.hostile import audits

from fleet.model.finding import Audit
from fleet.report.inventory_json import SelectedHost
from fleet.report.terminal import render_audit, render_inventory

SGR = re.compile(r"\x1b\[[0-9;]*m")


def printed(audit: Audit, *, verbosity: int = 0, width: int | None = None, colour: bool = False) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=colour, color_system="truecolor" if colour else None, width=width or 40)
    console.print(render_audit(audit, verbosity=verbosity, width=width), soft_wrap=True)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "verbosity", "width"),
    [
        ("pipe", 0, None),
        ("pipe-details", 1, None),
        ("terminal-80", 0, 80),
        ("terminal-80-details", 1, 80),
        ("terminal-120-everything", 2, 120),
    ],
)
def test_an_audit_reads_as_reviewed(name: str, verbosity: int, width: int | None) -> None:
    assert_golden(f"report/{name}.txt", printed(sample_audit(), verbosity=verbosity, width=width))


def test_a_pipe_has_one_whole_line_for_each_host() -> None:
    reason = "is 0, expected 1 " + "and more " * 50 + "end"
    audit = audit_of(
        *(checked(f"n{number}", [finding("tcp-fin-timeout", "fail", reason=reason)]) for number in range(1000))
    )
    lines = printed(audit).splitlines()
    assert sum(reason in line for line in lines) == 1000
    assert lines[-1] == "1000 hosts: 1000 with findings"


def test_a_terminal_has_one_line_for_each_checked_host() -> None:
    lines = printed(sample_audit(), width=80).splitlines()
    assert all(sum(line.split()[2:3] == [name] for line in lines) == 1 for name in ("web-01", "k3s-agent-1", "db-1"))
    assert lines[4:14] == [line for line in lines if line.startswith(("✗ findings", "✓ ok"))]


def test_colour_changes_nothing_but_colour() -> None:
    plain = printed(sample_audit(), verbosity=2, width=100)
    coloured = printed(sample_audit(), verbosity=2, width=100, colour=True)
    assert coloured != plain
    assert SGR.sub("", coloured) == plain


def test_markup_in_names_is_shown_as_it_is() -> None:
    assert "[red]x[/red]" in printed(audit_of(node("[red]x[/red]")))


def test_identical_details_of_a_large_fleet_are_told_once() -> None:
    details = printed(audit_of(*(node(f"node-{number:03}") for number in range(1, 401))), verbosity=1)
    assert details.count("on all 400 checked hosts") == 1
    assert len(details.splitlines()) < 420


def test_a_namespaced_setting_says_that_it_does_not_reach_pods() -> None:
    lines = [line.strip() for line in printed(sample_audit(), verbosity=1).splitlines()]
    assert "net.ipv4.tcp_fin_timeout: 5, expected at least 15 (host processes only, not pods)" in lines
    assert "net.netfilter.nf_conntrack_tcp_be_liberal: 0, expected 1" in lines


def test_the_setting_of_a_skipped_control_is_not_told() -> None:
    skipped = finding("tcp-fin-timeout", "skip", reason="does not apply here", settings=(FIN_TIMEOUT,))
    details = printed(audit_of(checked("n", [skipped], [state(FIN_TIMEOUT, "60", "any")])), verbosity=2)
    assert "does not apply here" in details
    assert FIN_TIMEOUT not in details


def test_passes_and_skips_are_told_at_the_second_level_only() -> None:
    assert "IPVS is not in use" not in printed(sample_audit(), verbosity=1)
    assert "IPVS is not in use" in printed(sample_audit(), verbosity=2)


@given(audits, st.sampled_from([None, 40, 80, 120]), st.booleans())
def test_nothing_from_outside_reaches_the_terminal_raw(audit: Audit, width: int | None, colour: bool) -> None:  # noqa: FBT001
    text = SGR.sub("", printed(audit, verbosity=2, width=width, colour=colour))
    assert all(char.isprintable() or char == "\n" for char in text)


@given(st.integers(60, 150), st.integers(0, 2))
def test_no_line_is_wider_than_the_terminal(width: int, verbosity: int) -> None:
    lines = printed(sample_audit(), verbosity=verbosity, width=width).splitlines()
    assert [line for line in lines if cell_len(line) > width] == []


def test_the_selected_hosts_are_listed_with_the_reason() -> None:
    hosts = [
        SelectedHost(name="web-01", address="198.18.0.11", groups=("web", "k3s"), why="group k3s"),
        SelectedHost(name="[b]db[/b]", address="db.example", groups=(), why="name *db*"),
    ]
    assert render_inventory(hosts, width=None).plain.splitlines() == [
        "host       address      groups    selected by",
        "web-01     198.18.0.11  web, k3s  group k3s",
        "[b]db[/b]  db.example   -         name *db*",
        "",
        "2 hosts",
    ]
