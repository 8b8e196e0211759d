"""The checker by itself: modules, files, numbers it computes, dates, hostile texts, and when it cannot check."""

import re
import subprocess
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.kernel import node
from support.on_node import compiled, run_here, run_on, statuses
from support.plans import FIN, RANGE, RESERVED, playbook_of
from support.probe import SHELLS

from fleet.model.facts import NodeFacts
from fleet.plan.checker import checker_script
from fleet.plan.checker.text import data_text
from fleet.policy import load_playbook

MAX, COUNT, BUCKETS = (f"net.netfilter.nf_conntrack_{name}" for name in ("max", "count", "buckets"))
TABLE = {MAX: "4096", COUNT: "3277", BUCKETS: "1000", RANGE: "32768 32777", RESERVED: "1000-32768,32770,32777-40000"}

pytestmark = pytest.mark.parametrize("shell", SHELLS)


def told(
    folder: Path, shell: str, *controls: str, facts: NodeFacts | None = None, more: str = "", **changed: object
) -> Any:  # noqa: ANN401 JSON
    """What the checker says by a playbook of these controls, on a node that has not changed but for its values."""
    policy = playbook_of(folder, *controls, more=more)
    facts = facts or node(sysctls=TABLE, files={})
    checks = compiled(policy, facts)
    alone = replace(checks, checks=tuple(replace(each, rests=()) for each in checks.checks), **changed)  # type: ignore[arg-type]
    return run_here(folder, shell, policy, alone, facts=facts)


def test_numbers_that_the_node_computes(shell: str, tmp_path: Path) -> None:
    status = told(
        tmp_path,
        shell,
        "setting: {fact: conntrack.usage_percent}, expect: {at_most: 80}",
        "setting: {fact: conntrack.usage_percent}, expect: {at_least: 80}",
        "setting: {fact: conntrack.chain_length}, expect: {equals: 8.192}",
        "setting: {fact: ports.ephemeral_count}, expect: {equals: 7}",
        "setting: {fact: conntrack.count}, expect: {one_of: [1, 3277]}",
    )
    assert statuses(status) == {"c-1": "fail", "c-2": "pass", "c-3": "pass", "c-4": "pass", "c-5": "pass"}
    assert status["controls"]["c-1"]["reason"].startswith("is 80.00")


def test_the_demand_grows_with_the_connections(shell: str, tmp_path: Path) -> None:
    control = f"setting: {{sysctl: {MAX}}}, state: live, expect: {{at_least: 1}}"
    prefer = "prefer: {at_least: '{{ sizing.demand }}'}"
    facts = node(sysctls=TABLE | {MAX: "1000000", COUNT: "500000"}, files={})
    more = "profiles: [conntrack]\n"
    assert statuses(told(tmp_path, shell, f"{control}, {prefer}", facts=facts, more=more))["c-1"] == "pass"
    facts = node(sysctls=TABLE | {MAX: "1000000", COUNT: "500001"}, files={})
    status = told(tmp_path, shell, f"{control}, {prefer}", facts=facts, more=more)
    assert statuses(status)["c-1"] == "warn"
    assert status["controls"]["c-1"]["reason"] == "is 1000000, preferred at least {{ sizing.demand }}"


def test_modules_and_files(shell: str, tmp_path: Path) -> None:
    same, other, link, gone = (tmp_path / name for name in ("same", "other", "link", "gone"))
    same.write_text("x\n")
    other.write_text("y\n")
    link.symlink_to("nowhere")
    status = told(
        tmp_path,
        shell,
        f'setting: {{file: {same}}}, expect: {{content: "x\\n"}}',
        f'setting: {{file: {other}}}, expect: {{content: "x\\n"}}',
        f"setting: {{file: {link}}}, expect: {{exists: true}}",
        f"setting: {{file: {gone}}}, expect: {{exists: true}}",
        f"setting: {{file: {gone}}}, expect: {{exists: false}}",
        f"setting: {{file: {tmp_path}}}, expect: {{exists: false}}",
        "setting: {module: no_such_module}, expect: {loaded: false}",
        "setting: {module: no_such_module}, expect: {loaded: true}",
    )
    assert [*statuses(status).values()] == ["pass", "fail", "pass", "fail", "pass", "pass", "pass", "fail"]


def test_an_exception_counts_until_its_last_day(shell: str, tmp_path: Path) -> None:
    control = "setting: {fact: conntrack.usage_percent}, expect: {at_most: 1}"
    last = "exceptions: [{{control: c-1, hosts: web-1, reason: r, owner: o, expires: {}}}]\n".format
    today = date.today()  # noqa: DTZ011 the tests of a minute before midnight are of another day
    current = told(tmp_path, shell, control, more=last(today + timedelta(days=1)))
    ended = told(tmp_path, shell, control, more=last(today - timedelta(days=2)))
    assert (statuses(current), statuses(ended)) == ({"c-1": "skip"}, {"c-1": "fail"})
    assert (current["verdict"], ended["verdict"]) == ("ok", "drift")


def test_values_that_a_control_counts_with(shell: str, tmp_path: Path) -> None:
    control = f"setting: {{sysctl: {RANGE}}}, state: live, expect: {{avoids: '{{{{ ports.unreserved_node_ports }}}}'}}"
    policy = playbook_of(tmp_path, control)
    checks = compiled(policy, node(sysctls=TABLE, files={}))
    checks = replace(checks, checks=tuple(replace(each, rests=()) for each in checks.checks))
    same = run_here(tmp_path, shell, policy, checks, facts=node(sysctls=TABLE, files={}))
    moved = run_here(tmp_path, shell, policy, checks, facts=node(sysctls=TABLE | {RESERVED: "1"}, files={}))
    assert (statuses(same), statuses(moved)) == ({"c-1": "pass"}, {"c-1": "unknown"})
    reason = "net/ipv4/ip_local_reserved_ports has changed since this was planned"
    assert moved["controls"]["c-1"]["reason"] == reason


def test_what_has_changed_since_the_plan_is_named(shell: str, tmp_path: Path) -> None:
    fixed = "setting: {fact: boot.unknown}, expect: {empty: true}"
    facts = node(sysctls={FIN: "60"}, files={"/etc/sysctl.d/90-fleet.conf": "# Managed by fleet\n"})
    policy = playbook_of(tmp_path, fixed, f"setting: {{sysctl: {FIN}}}, expect: {{equals: 61}}")
    checks = replace(compiled(policy, facts), cores=100_000, processes=("k0s",), kernel="1.0")
    status = run_here(tmp_path, shell, policy, checks, facts=facts)
    assert status["controls"]["c-1"]["status"] == "unknown"
    # What is wrong now is wrong whatever the next boot leaves.
    assert status["controls"]["c-2"]["reason"] == "is 60, expected 61"
    assert {"the kernel is another one", "the processors or the memory have changed", "k0s has stopped"} <= {
        *status["moved"]
    }
    assert status["files"] == {"/etc/sysctl.d/90-fleet.conf": "gone"}


def test_hostile_texts_stay_within_their_places(shell: str, tmp_path: Path) -> None:
    path = tmp_path / "play.yaml"
    path.write_text(
        'name: "$(touch pwned)`\\" \\\\ \\t 0% \\e[31m é"\ncontrols:\n'
        "  - {id: c-1, title: t, impact: low, why: w, setting: {sysctl: kernel.core_pattern}, scope: host,"
        " expect: {equals: core}}\n"
    )
    facts = node(sysctls={"kernel.core_pattern": 'a"\\b\x1b[31m\x07é'}, files={})
    policy = load_playbook(path)
    checks = replace(compiled(policy, facts), files={})
    metrics = tmp_path / "metrics"
    metrics.mkdir()
    status = run_here(tmp_path, shell, policy, checks, facts=facts, textfile_dir=metrics)
    assert status["controls"]["c-1"]["status"] == "fail"
    assert 'a"\\b\x1b[31m\x07' in status["controls"]["c-1"]["reason"]
    for line in (metrics / "fleet_check.prom").read_text(encoding="ascii").splitlines():
        assert line.startswith("# ") or re.fullmatch(r'\w+\{(?:\w+="(?:[^"\\]|\\["\\])*",?)*\} \S+', line), line
    assert [each.name for each in metrics.iterdir()] == ["fleet_check.prom"]
    assert not list(tmp_path.rglob("pwned"))


def test_the_line_for_the_journal_steers_no_terminal(shell: str, tmp_path: Path) -> None:
    policy = playbook_of(tmp_path, "setting: {sysctl: kernel.core_pattern}, scope: host, expect: {equals: core}")
    facts = node(sysctls={"kernel.core_pattern": "a\x1b[31m"}, files={})
    run_here(tmp_path, shell, policy, compiled(policy, facts), facts=facts)
    data = data_text(compiled(policy, facts), policy, textfile_dir=str(tmp_path / "nowhere"))
    _, line = run_on(tmp_path, shell, data, sys=f"{tmp_path}/sys/")
    assert line.removesuffix("\n").isprintable()
    assert line.startswith("drift: c-1 is a?[31m, expected core; ")
    assert line.endswith(f"; the metrics could not be written to {tmp_path}/nowhere\n")


def test_metrics_follow_no_link_that_stands_in_their_directory(shell: str, tmp_path: Path) -> None:
    control = f"setting: {{sysctl: {FIN}}}, expect: {{equals: 60}}"
    policy, facts = playbook_of(tmp_path, control), node(sysctls={FIN: "60"}, files={})
    metrics, mine = tmp_path / "metrics", tmp_path / "mine"
    metrics.mkdir()
    mine.write_text("mine\n")
    for name in (".fleet_check.new", "fleet_check.prom"):
        (metrics / name).symlink_to(mine)
    run_here(tmp_path, shell, policy, compiled(policy, facts), facts=facts, textfile_dir=metrics)
    assert mine.read_text() == "mine\n"
    assert [(each.name, each.is_symlink()) for each in metrics.iterdir()] == [("fleet_check.prom", False)]


@pytest.mark.parametrize("broken", ["no data", "no awk"])
def test_a_check_that_cannot_be_made_says_why(broken: str, shell: str, tmp_path: Path) -> None:
    script = checker_script().replace(b"/etc/fleet/check.data", bytes(tmp_path / "check.data"))
    if broken == "no awk":
        (tmp_path / "check.data").write_text("fleet-check\t1\n")
        script = script.replace(b"for tool in awk", b"for tool in no-such-awk")
    done = subprocess.run(
        [*SHELLS[shell], "-s"],
        input=script,
        capture_output=True,
        check=False,
        env={"STATE_DIRECTORY": str(tmp_path / "state"), "PATH": "/usr/bin:/bin", "JOURNAL_STREAM": "8:1"},
        timeout=60,
    )
    why = "the node has no no-such-awk" if broken == "no awk" else f"{tmp_path}/check.data cannot be read"
    assert (done.returncode, done.stdout.decode()) == (1, f"<3>not checked: {why}\n")
