import io
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from support.audits import (
    ESTABLISHED,
    FIN_TIMEOUT,
    LIBERAL,
    RULE,
    audit_of,
    checked,
    finding,
    k3s_node,
    k3s_writer,
    node,
    protection,
    sample_audit,
    state,
    with_pods,
)
from support.facts import node_facts
from support.golden import assert_golden
from support.hostile import audits

from fleet.kernel.summary import summarise
from fleet.model.finding import Audit, HostAudit, Moment, Protection
from fleet.model.pods import PodRemedy, PodSysctl
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
    assert lines[4:16] == [line for line in lines if line.startswith(("✗ findings", "✓ ok"))]


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


def test_a_namespaced_setting_says_how_pods_get_it() -> None:
    text = printed(sample_audit(), verbosity=1)
    assert "  pods do not inherit it: set net.ipv4.tcp_fin_timeout in the pod's securityContext.sysctls" in text
    assert text.count("pods do not inherit it") == 2


def block(text: str, start: str) -> list[str]:
    """The paragraph of details that begins so."""
    return next(part.splitlines() for part in text.split("\n\n") if part.startswith(start))


def test_a_verdict_has_the_states_side_by_side_then_the_winner_the_losers_the_writers_and_the_remedy() -> None:
    lines = block(printed(audit_of(k3s_node("k3s-agent-2")), verbosity=1), "conntrack-timeout-established  high")
    base = "/etc/sysctl.d/10-base.conf:2, /usr/lib/sysctl.d/50-default.conf:9 (masked)"
    flags = '["conntrack-tcp-timeout-established=86400s"]'
    place = "a file that sorts last in /etc/rancher/k3s/config.yaml.d/"
    assert lines[1:] == [
        "  A connection that is idle for longer loses its entry and is reset when it speaks again.",
        "  net.netfilter.nf_conntrack_tcp_timeout_established",
        "  ✗ fail  is 3600, expected at least 7200; the next boot leaves it so (k3s sets it to 3600)",
        "      live 3600  boot 86400  after reboot 3600  expected at least 7200",
        f"      set by  /etc/sysctl.d/90-conntrack.conf:3, which wins over {base}",
        "      k3s     at each start sets it to 3600, only where the value is another",
        "              k3s-server runs (process 412); /etc/rancher/k3s/config.yaml:5 has --x",
        f"      remedy  Write kube-proxy-arg+: {flags} into {place}, then restart k3s.",
    ]


def test_four_hundred_nodes_that_differ_in_process_ids_and_file_names_are_told_once() -> None:
    nodes = [k3s_node(f"n-{number:03}", pid=number, file=f"/etc/sysctl.d/{number}.conf") for number in range(1, 401)]
    text = printed(audit_of(*nodes), verbosity=1)
    lines = block(text, "conntrack-timeout-established  high")
    assert "      on all 400 checked hosts" in lines
    assert sum("process" in line for line in lines) == 1
    assert any(line.endswith("(on n-001; alike on 399 more hosts)") for line in lines)
    assert any(line.endswith("others on 397 more hosts") for line in lines)
    assert len(lines) < 20


def test_states_line_up_below_each_other_and_stack_where_they_do_not_fit() -> None:
    hosts = (node("a", ports="1024 65535"), node("b", ports="1024 60999"))
    wide = [line for line in printed(audit_of(*hosts), verbosity=1).splitlines() if "live 1024" in line]
    assert [line.index("after reboot") for line in wide] == [wide[0].index("after reboot")] * 2
    narrow = printed(audit_of(*hosts), verbosity=1, width=40).splitlines()
    assert "      live          1024 65535" in narrow


def test_what_is_said_in_the_verdict_is_not_said_again() -> None:
    said = finding(
        "tcp-fin-timeout",
        "fail",
        reason="is 5; the next boot leaves it so (set by /etc/a/b.conf:1)",
        settings=(FIN_TIMEOUT,),
    )
    text = printed(
        audit_of(checked("n", [said], [state(FIN_TIMEOUT, "5", "60", boot="5", by="/etc/a/b.conf:1")])), verbosity=1
    )
    assert text.count("/etc/a/b.conf:1") == 2  # in the line of the host and in the verdict


def test_a_pass_names_no_remedy() -> None:
    passed = finding("conntrack-timeout-established", "pass", reason="is 3600", settings=(ESTABLISHED,))
    kept = state(ESTABLISHED, "3600", "any", writers=[k3s_writer(1, "3600")])
    text = printed(audit_of(checked("n", [passed], [kept])), verbosity=2)
    assert "sets it to 3600" in text
    assert "remedy" not in text


def guarded(name: str, now: str, restarted: str, rebooted: str) -> HostAudit:
    return checked(name, [], (), protection(now, restarted, rebooted))


def test_nodes_that_are_protected_at_every_moment_are_told_at_the_second_level_only() -> None:
    audit = audit_of(guarded("safe", LIBERAL, LIBERAL, LIBERAL))
    assert "What protects" not in printed(audit, verbosity=1)
    assert "  be_liberal  be_liberal           be_liberal    safe" in printed(audit, verbosity=2).splitlines()


def test_what_protects_nodes_is_told_by_moment_with_the_unprotected_first() -> None:
    audit = audit_of(
        guarded("later-1", RULE, RULE, "unprotected"),
        guarded("never", "unprotected", "unprotected", "unprotected"),
        guarded("later-2", RULE, RULE, "unprotected"),
    )
    assert block(printed(audit, verbosity=1), "What protects") == [
        "What protects from resets by INVALID segments",
        "  now           after proxy restart  after reboot  hosts",
        "  unprotected   unprotected          unprotected   never",
        "  INVALID rule  INVALID rule         unprotected   all 3 checked hosts but never",
        "  never               now, after proxy restart, after reboot: no rule and no be_liberal",
        "  later-1 and 1 more  after reboot: no rule and no be_liberal",
    ]


def test_hosts_that_are_unprotected_for_different_reasons_share_a_row_and_each_reason_is_told_once() -> None:
    def unprotected(name: str, mode: str) -> HostAudit:
        told: dict[Moment, str] = {
            "now": "no rule",
            "after_proxy_restart": f"no rule ({mode})",
            "after_reboot": f"no rule (nothing writes the value; {mode})",
        }
        said = finding("conntrack-be-liberal", "fail", reason="is bad: no rule")
        moments = {moment: Protection(status="unprotected", reason=reason) for moment, reason in told.items()}
        return checked(name, [said], (), moments)

    audit = audit_of(unprotected("a", "mode is ipvs"), unprotected("b", "mode is nftables"))
    assert block(printed(audit, verbosity=1), "What protects")[2:] == [
        "  unprotected  unprotected          unprotected   all 2 checked hosts",
        "  a  after proxy restart, after reboot: no rule (mode is ipvs)",
        "  b  after proxy restart, after reboot: no rule (mode is nftables)",
    ]


def test_a_machine_without_kubernetes_has_nothing_to_protect() -> None:
    host = guarded("plain", "unprotected", "unprotected", "unprotected")
    assert "What protects" not in printed(audit_of(replace(host, node=summarise(node_facts()))), verbosity=1)


def test_why_a_node_is_unprotected_is_not_said_again_where_a_finding_says_it() -> None:
    host = guarded("n", "unprotected", "unprotected", "unprotected")
    said = finding("conntrack-be-liberal", "fail", reason="is bad: no rule and no be_liberal")
    text = printed(audit_of(replace(host, findings=(said,))), verbosity=1)
    assert text.count("no rule and no be_liberal") == 2  # in the line of the host and in the verdict


def test_the_setting_of_a_skipped_control_is_not_told() -> None:
    skipped = finding("tcp-fin-timeout", "skip", reason="does not apply here", settings=(FIN_TIMEOUT,))
    details = printed(audit_of(checked("n", [skipped], [state(FIN_TIMEOUT, "60", "any")])), verbosity=2)
    assert "does not apply here" in details
    assert FIN_TIMEOUT not in details


def test_why_a_control_is_there_is_told_only_of_those_with_findings() -> None:
    text = printed(audit_of(node("n", be_liberal="1")), verbosity=2)
    assert "conntrack-be-liberal  critical" in text
    assert "A segment outside the window" not in text


def test_passes_and_skips_are_told_at_the_second_level_only() -> None:
    assert "IPVS is not in use" not in printed(sample_audit(), verbosity=1)
    assert "IPVS is not in use" in printed(sample_audit(), verbosity=2)


def test_what_gives_pods_their_nodes_values_is_told_once_for_hosts_alike_ready_to_paste() -> None:
    other = PodRemedy(sysctls=(PodSysctl(name=FIN_TIMEOUT, value="20", safe_since="1.29"),))
    nodes = [with_pods(node(f"db-{number}")) for number in range(1, 4)]
    text = printed(audit_of(with_pods(node("web-1"), other), *nodes), verbosity=1, width=80)
    lines = block(text, "What gives pods")
    assert lines[lines.index("  on all 4 checked hosts but web-1") :] == [
        "  on all 4 checked hosts but web-1",
        "      securityContext:",
        "        sysctls:",
        "        - name: net.ipv4.tcp_keepalive_time",
        '          value: "600"  # safe since Kubernetes 1.29',
        "        - name: net.ipv4.ip_local_port_range",
        '          value: "1024 65535"  # safe',
        "        - name: net.core.somaxconn",
        '          value: "16384"  # unsafe',
        "  with the kubelet's flag",
        "      --allowed-unsafe-sysctls=net.core.somaxconn",
        "  on web-1",
        "      securityContext:",
        "        sysctls:",
        "        - name: net.ipv4.tcp_fin_timeout",
        '          value: "20"  # safe since Kubernetes 1.29',
    ]
    assert "What gives pods" not in printed(audit_of(*nodes))


def test_a_value_longer_than_the_terminal_stays_one_line_of_yaml() -> None:
    ports = ",".join(map(str, range(1, 3000, 2)))
    remedy = PodRemedy(sysctls=(PodSysctl(name="net.ipv4.ip_local_reserved_ports", value=ports, safe_since="1.27"),))
    text = printed(audit_of(with_pods(node("n"), remedy)), verbosity=1, width=80)
    assert f'\n          value: "{ports}"  # safe since Kubernetes 1.27\n' in text


def test_how_pods_get_a_value_is_told_below_all_findings_of_pods_and_not_in_each() -> None:
    text = printed(audit_of(with_pods(checked("n", []))), verbosity=1)
    assert "pods do not inherit it" not in text
    assert text.count("net.core.somaxconn") == 6  # host, table, title, verdict, line of YAML and flag


def test_controls_of_one_reason_tell_it_once() -> None:
    first = finding("tcp-fin-timeout", "warn", reason="r1")
    text = printed(audit_of(checked("n", [first, replace(first, control="other", reason="r2")])), verbosity=1)
    assert text.count("This is the life of") == 1


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
