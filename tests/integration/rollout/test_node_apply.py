"""What the node's program does where nothing goes wrong, and what it refuses."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.node import NONCE, RUN, SOON, Node, file_change, job, plan, small_node, sysctl_change, until
from support.node_plan import FIN, GONE, HOSTILE, KEPT, NEW, PLAN, PORTS, prepare, state_of
from support.probe import SHELLS

from fleet.plan.model import Change, FileState, NodePlan
from fleet.rollout.node import apply_program, confirm_program, status_program, undo_program

pytestmark = pytest.mark.root


@pytest.fixture(params=SHELLS)
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Node]:
    with small_node(tmp_path, request.param) as built:
        prepare(built)
        yield built


def test_a_plan_is_applied_and_confirmed_and_nothing_of_the_undo_is_left(node: Node) -> None:
    before = state_of(node)
    answer = node.ask(apply_program(NONCE, job(), PLAN))
    assert (answer.outcome, answer.error) == ("applied", None)
    assert [change.status for change in answer.changes] == ["changed"] * 6
    assert [change.read_back for change in answer.changes[3:]] == ["8080,30000-32767", "33000 60999", "30"]
    assert answer.undo_in is not None
    assert 0 < answer.undo_in <= 60
    assert node.at(KEPT).read_bytes() == HOSTILE.encode()
    status = node.at(KEPT).stat()
    assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o604, 7, 8)
    assert node.at(NEW).stat().st_mode & 0o7777 == 0o640
    assert node.at(NEW).parent.stat().st_mode & 0o7777 == 0o755
    assert not node.at(GONE).exists()
    assert not node.at("/etc/injected").exists()
    assert len(node.processes()) == 1

    confirmed = node.ask(confirm_program(NONCE, RUN))
    assert confirmed.outcome == "confirmed"
    until(lambda: node.leftovers() == [], "the end of the run")
    assert node.value(FIN) == "30"
    assert node.ask(confirm_program(NONCE, RUN)).outcome == "confirmed"
    assert node.ask(status_program(NONCE, RUN)).outcome == "confirmed"
    assert state_of(node) != before


def test_a_second_apply_of_the_same_plan_changes_nothing(node: Node) -> None:
    node.ask(apply_program(NONCE, job(), PLAN))
    node.ask(confirm_program(NONCE, RUN))
    after = state_of(node)
    # Of the node as it is now: ports come back sorted, which the controller knows and does not plan again.
    again = plan(*PLAN.changes[:3], sysctl_change(PORTS, "", "8080,30000-32767"), *PLAN.changes[4:])
    answer = node.ask(apply_program(NONCE, job(run_id="second"), again))
    assert (answer.outcome, {change.status for change in answer.changes}) == ("noop", {"noop"})
    assert state_of(node) == after
    until(lambda: node.leftovers() == [], "the end of the run")
    assert not node.at("/var/lib/fleet/runs/second").exists()


def test_an_undo_gives_back_bytes_modes_owners_times_and_values(node: Node) -> None:
    before = state_of(node)
    node.ask(apply_program(NONCE, job(), PLAN))
    answer = node.ask(undo_program(NONCE, RUN))
    assert (answer.outcome, {change.status for change in answer.changes}) == ("undone", {"undone"})
    assert state_of(node) == before
    until(lambda: node.leftovers() == [], "the end of the run")
    assert node.ask(undo_program(NONCE, RUN)).outcome == "undone"
    assert node.ask(confirm_program(NONCE, RUN)).outcome == "undone"


def test_a_node_that_is_not_confirmed_undoes_itself(node: Node) -> None:
    before = state_of(node)
    node.ask(apply_program(NONCE, job(confirm_within=SOON), PLAN))
    until(lambda: node.leftovers() == [], "the undo by the timer")
    assert state_of(node) == before
    assert node.ask(confirm_program(NONCE, RUN)).outcome == "expired"
    assert node.ask(status_program(NONCE, RUN)).outcome == "expired"


def test_a_confirmed_run_is_rolled_back(node: Node) -> None:
    before = state_of(node)
    node.ask(apply_program(NONCE, job(), PLAN))
    node.ask(confirm_program(NONCE, RUN))
    assert node.ask(undo_program(NONCE, RUN)).outcome == "undone"
    assert state_of(node) == before
    until(lambda: node.leftovers() == [], "the end of the run")


def test_a_confirmed_run_of_a_node_that_has_moved_since_is_rolled_back_by_force_only(node: Node) -> None:
    before = state_of(node)
    node.ask(apply_program(NONCE, job(), PLAN))
    node.ask(confirm_program(NONCE, RUN))
    node.set_value(FIN, "45")
    node.at(NEW).write_text("by hand\n")
    answer = node.ask(undo_program(NONCE, RUN))
    assert (answer.outcome, answer.error and answer.error.kind) == ("refused", "moved")
    assert answer.moved == (f"{FIN} was set to 30, and is 45 now", f"{NEW} is not as the run left it")
    assert node.value(FIN) == "45"
    assert node.ask(undo_program(NONCE, RUN, force=True)).outcome == "undone"
    assert state_of(node) == before
    until(lambda: node.leftovers() == [], "the end of the run")


@pytest.mark.parametrize(
    ("move", "moved"),
    [
        (f"echo 45 >/proc/sys/{FIN.replace('.', '/')}", f"{FIN} was 60 when the plan was made, and is 45 now"),
        (f"echo else >{KEPT}", f"{KEPT} had the content {hashlib.sha256(b'old' + bytes([10])).hexdigest()[:12]}"),
        (f"rm {GONE}", ""),
        (f"rm {KEPT}", f"{KEPT} had the content"),
        (
            f"mkdir -p {Path(NEW).parent}; echo else >{NEW}",
            f"{NEW} was not there when the plan was made, and is a file",
        ),
        (f"ln -sf /etc/passwd {KEPT}", f"{KEPT} had the content"),
        ("echo x >/etc/sysctl.d/70-other.conf", "/etc/sysctl.d/70-other.conf was not there when the plan was made"),
        ("rm /etc/sysctl.d/80-other.conf", "/etc/sysctl.d/80-other.conf was a file with the content"),
        ("ln -sf /dev/zero /etc/sysctl.d/90-link.conf", "/etc/sysctl.d/90-link.conf was a link to /dev/null"),
        (
            "echo 7 >/proc/sys/net/ipv4/tcp_keepalive_probes",
            "net.ipv4.tcp_keepalive_probes was 9 when the plan was made, and is 7 now",
        ),
    ],
)
def test_a_node_that_has_moved_is_refused_with_what_has_moved(tmp_path: Path, move: str, moved: str) -> None:
    with small_node(tmp_path) as node:
        prepare(node)
        node.run("sh", "-c", "echo 80 >/etc/sysctl.d/80-other.conf; ln -s /dev/null /etc/sysctl.d/90-link.conf")
        files = {
            "/etc/sysctl.d/70-other.conf": FileState(kind="absent"),
            "/etc/sysctl.d/80-other.conf": FileState(kind="file", sha256=hashlib.sha256(b"80\n").hexdigest()),
            "/etc/sysctl.d/90-link.conf": FileState(kind="link", link="/dev/null"),
            "/etc/rancher/config.yaml": FileState(kind="file", sha256="0" * 64, masked=True),
        }
        live: dict[str, str | None] = {"net.ipv4.tcp_keepalive_probes": "9", FIN: "60"}
        node.run("sh", "-c", move)
        before = state_of(node)
        answer = node.ask(apply_program(NONCE, job(), plan(*PLAN.changes, files=files, live=live)))
        if not moved:  # a file that was to go is gone already
            assert (answer.outcome, answer.changes[2].status) == ("applied", "noop")
            return
        assert (answer.outcome, answer.error and answer.error.kind) == ("refused", "stale")
        assert len(answer.moved) == 1
        assert answer.moved[0].startswith(moved)
        assert state_of(node) == before
        until(lambda: node.leftovers() == [], "the end of the run")
        assert not node.at(f"/var/lib/fleet/runs/{RUN}").exists()


def test_a_node_that_was_booted_since_the_plan_is_refused(tmp_path: Path) -> None:
    with small_node(tmp_path) as node:
        prepare(node)
        node.reboot()
        answer = node.ask(apply_program(NONCE, job(), PLAN))
        assert answer.outcome == "refused"
        assert answer.moved[0].startswith("the node was booted since the plan was made: its boot id was first, and is ")


def test_a_second_controller_is_told_who_works_on_the_node(node: Node) -> None:
    node.ask(apply_program(NONCE, job(who="ops@desk"), PLAN))
    after = state_of(node)
    answer = node.ask(apply_program(NONCE, job(run_id="second", who="eve@else"), plan(sysctl_change(FIN, "30", "20"))))
    assert (answer.outcome, answer.error and answer.error.kind) == ("refused", "locked")
    assert (answer.run, answer.who) == (RUN, "ops@desk")
    assert answer.since
    assert answer.undo_in is not None
    assert state_of(node) == after
    assert node.ask(status_program(NONCE)).run == RUN
    node.ask(confirm_program(NONCE, RUN))
    assert node.ask(status_program(NONCE)).outcome == "not-found"


@pytest.mark.parametrize("program", [confirm_program(NONCE, RUN), status_program(NONCE)])
def test_a_node_that_does_not_know_the_run_says_so_and_makes_nothing(tmp_path: Path, program: bytes) -> None:
    with small_node(tmp_path) as node:
        assert node.ask(program).outcome == "not-found"
        assert not node.at("/var/lib/fleet").exists()


@pytest.mark.parametrize("program", [undo_program(NONCE, RUN), status_program(NONCE, RUN)])
def test_a_run_that_was_told_as_never_begun_does_not_begin_any_more(node: Node, program: bytes) -> None:
    before = state_of(node)
    assert node.ask(program).outcome == "not-found"
    late = node.ask(apply_program(NONCE, job(), PLAN))
    assert (late.outcome, late.error and late.error.kind) == ("refused", "refused")
    assert state_of(node) == before
    assert node.ask(program).outcome == "not-found"
    assert node.ask(apply_program(NONCE, job(run_id="second"), PLAN)).outcome == "applied"


@pytest.mark.parametrize(
    "wrong",
    ["ln -s /tmp /var/lib/fleet", "mkdir -m 777 /var/lib/fleet", "mkdir /var/lib/fleet; chown 7 /var/lib/fleet"],
)
def test_a_folder_that_others_can_write_is_refused(tmp_path: Path, wrong: str) -> None:
    with small_node(tmp_path) as node:
        prepare(node)
        node.run("sh", "-c", wrong)
        answer = node.ask(apply_program(NONCE, job(), PLAN))
        assert answer.outcome == "refused"
        assert answer.error is not None
        assert "only root can write" in answer.error.message
        assert node.value(FIN) == "60"


def test_only_the_newest_runs_are_kept(tmp_path: Path) -> None:
    with small_node(tmp_path) as node:
        prepare(node)
        for number in range(22):
            old, new = ("60", "30") if number % 2 == 0 else ("30", "60")
            run = f"run-{number:02}"
            one: NodePlan = plan(sysctl_change(FIN, old, new))
            assert node.ask(apply_program(NONCE, job(run_id=run), one)).outcome == "applied"
            assert node.ask(confirm_program(NONCE, run)).outcome == "confirmed"
        kept = sorted(path.name for path in node.at("/var/lib/fleet/runs").iterdir())
        assert kept == [f"run-{number:02}" for number in range(1, 22)]


def test_no_program_that_applies_files_of_the_node_is_ever_called(node: Node) -> None:
    node.ask(apply_program(NONCE, job(), PLAN))
    node.ask(confirm_program(NONCE, RUN))
    node.ask(undo_program(NONCE, RUN))
    calls = node.calls()
    assert calls
    assert [call for call in calls if call.split()[0] in {"sysctl", "systemctl", "modprobe"}] == []


def test_a_masked_file_is_replaced_whatever_its_bytes_are(node: Node) -> None:
    target = "/etc/k3s-snippet.yaml"
    node.at(target).write_text("token: secret\n")
    change: Change = file_change(target, "token: (masked)\n", "token: (masked)\nmore: 1\n")
    state = FileState(kind="file", sha256="0" * 64, masked=True)
    answer = node.ask(apply_program(NONCE, job(), plan(change, files={target: state})))
    assert answer.outcome == "applied"
    node.ask(undo_program(NONCE, RUN))
    assert node.at(target).read_text() == "token: secret\n"
