"""What the node's program does when the node refuses: all is as it was, and the answer says why."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.node import NONCE, RUN, SOON, Node, file_change, job, plan, small_node, sysctl_change, until
from support.node_plan import FIN, KEPT, NEW, PLAN, PORTS, RANGE, prepare, state_of
from support.probe import SHELLS

from fleet.plan.model import NodePlan
from fleet.rollout.node import NodeAnswer, apply_program, confirm_program, status_program, undo_program

pytestmark = pytest.mark.root


@pytest.fixture(params=SHELLS)
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Node]:
    with small_node(tmp_path, request.param) as built:
        prepare(built)
        yield built


def refused(node: Node, wanted: NodePlan = PLAN) -> NodeAnswer:
    """Applies a plan that cannot be, and sees that nothing is left of it."""
    before = state_of(node)
    answer = node.ask(apply_program(NONCE, job(), wanted))
    assert answer.outcome in {"refused", "undone"}, answer
    assert state_of(node) == before
    until(lambda: node.leftovers() == [], "the end of the run")
    return answer


def prepare_again(node: Node) -> None:
    node.ask(undo_program(NONCE, RUN))
    node.clear_traps()
    prepare(node)


def said(answer: NodeAnswer) -> tuple[str, str, str]:
    assert answer.error is not None
    return answer.outcome, answer.error.kind, answer.error.message


FULL = "mount -t tmpfs -o size=4k,mode=0755 none {0}; dd if=/dev/zero of={0}/filler bs=4096 count=1 2>/dev/null"


def test_a_full_disk_under_the_files_is_found_before_anything_is_changed(node: Node) -> None:
    node.run("sh", "-c", "mkdir /etc/small; " + FULL.format("/etc/small"))
    wanted = plan(sysctl_change(FIN, "60", "30"), file_change("/etc/small/new.conf", None, "x" * 5000))
    assert said(refused(node, wanted)) == (
        "refused",
        "space",
        "/etc/small/new.conf cannot be written: No space left on device",
    )
    assert node.ask(status_program(NONCE, RUN)).outcome == "not-found"


def test_a_full_disk_under_the_journal_is_found_before_anything_is_changed(node: Node) -> None:
    node.run("sh", "-c", "mkdir -m 700 /var/lib/fleet; " + FULL.format("/var/lib/fleet").replace("0755", "0700"))
    outcome, kind, message = said(refused(node))
    assert (outcome, kind) == ("refused", "space")
    assert "No space left on device" in message
    node.run("umount", "/var/lib/fleet")


def test_a_disk_that_fills_up_after_the_apply_does_not_keep_the_node_from_coming_back(node: Node) -> None:
    node.run("sh", "-c", "mount -t tmpfs -o size=64k,mode=0755 none /etc/sysctl.d")
    node.run("sh", "-c", "mkdir -m 700 /var/lib/fleet; mount -t tmpfs -o size=256k,mode=0700 none /var/lib/fleet")
    node.at(KEPT).write_text("old\n")
    wanted = plan(file_change(KEPT, "old\n", "new\n"), sysctl_change(FIN, "60", "30"))
    before = state_of(node)
    assert node.ask(apply_program(NONCE, job(), wanted)).outcome == "applied"
    for folder in ("/etc/sysctl.d", "/var/lib/fleet"):
        node.run("sh", "-c", f"cat /dev/zero >{folder}/filler", check=False)
    assert node.ask(undo_program(NONCE, RUN)).outcome == "undone"
    node.run("rm", "/etc/sysctl.d/filler")
    assert state_of(node) == before
    until(lambda: node.leftovers() == [], "the end of the run")


def test_a_read_only_etc_is_found_before_anything_is_changed(node: Node) -> None:
    node.run("mount", "-o", "remount,ro", "/etc")
    outcome, kind, message = said(refused(node))
    assert (outcome, kind) == ("refused", "read-only")
    assert message.endswith("Read-only file system")


def test_a_read_only_state_folder_is_found_before_anything_is_changed(node: Node) -> None:
    node.run("sh", "-c", "mkdir -m 700 /var/lib/fleet; mount -o remount,ro /var/lib")
    assert said(refused(node)) == ("refused", "read-only", "/var/lib/fleet cannot be written: Read-only file system")


def test_a_key_that_cannot_be_written_is_found_before_anything_is_changed(node: Node) -> None:
    key = "net.netfilter.nf_conntrack_max"
    value = node.value(key)
    outcome, kind, message = said(refused(node, plan(sysctl_change(FIN, "60", "30"), sysctl_change(key, value, "9"))))
    assert (outcome, kind, message) == ("refused", "read-only", f"{key} cannot be written: Permission denied")


def test_a_value_that_the_kernel_refuses_takes_everything_back(node: Node) -> None:
    changes = [*PLAN.changes[:3], sysctl_change(FIN, "60", "30"), sysctl_change(RANGE, "32768 60999", "50000 40000")]
    answer = refused(node, plan(*changes, sysctl_change(PORTS, "", "8080")))
    assert said(answer) == ("undone", "refused", f"{RANGE} did not take 50000 40000: Invalid argument")
    assert [change.status for change in answer.changes] == ["undone"] * 4 + ["failed", "noop"]
    assert answer.changes[5].reason == "it was not reached"
    assert node.ask(status_program(NONCE, RUN)).outcome == "undone"


def test_a_value_that_is_taken_and_not_kept_takes_everything_back(node: Node) -> None:
    node.ask(apply_program(NONCE, job(), PLAN))
    reads = [call for call in node.calls() if call.startswith("cat ")]
    last = max(number for number, call in enumerate(reads, start=1) if call.endswith("tcp_fin_timeout"))
    prepare_again(node)
    node.trap(f"on-cat-{last}", "say", "60\n")
    assert said(refused(node)) == ("undone", "altered", f"{FIN} took 30 and is still 60")


def test_a_value_that_the_kernel_writes_in_another_way_is_told_and_kept(node: Node) -> None:
    answer = node.ask(apply_program(NONCE, job(), plan(sysctl_change(PORTS, "", "9-7,8080"))))
    assert answer.outcome == "undone"  # a range that is upside down
    answer = node.ask(apply_program(NONCE, job(run_id="second"), plan(sysctl_change(PORTS, "", "8080,7-9"))))
    assert (answer.outcome, answer.changes[0].read_back) == ("applied", "7-9,8080")


@pytest.mark.parametrize("program", ["cp", "mv", "ln", "sync", "chmod", "mkdir", "setsid", "sha256sum"])
def test_a_program_that_fails_at_any_call_leaves_all_of_the_old(tmp_path: Path, program: str) -> None:
    with small_node(tmp_path) as node:
        number = 0
        while True:
            number += 1
            prepare(node)
            before = state_of(node)
            node.clear_traps()
            node.trap(f"on-{program}-{number}", "fail", f"{program}: cannot do it: Input/output error\n")
            answer = node.ask(apply_program(NONCE, job(), PLAN))
            called = sum(call.split()[0] == program for call in node.calls())
            if called < number:
                assert answer.outcome == "applied"
                break
            assert answer.outcome in {"applied", "refused", "undone"}, (number, answer)
            if answer.outcome == "applied":
                # A call whose failure does no harm, such as a hard link that a copy replaces.
                node.clear_traps()
                assert node.ask(undo_program(NONCE, RUN)).outcome == "undone"
            else:
                assert answer.error is not None
            assert state_of(node) == before, (number, answer)
            until(lambda: node.leftovers() == [], f"{program} {number} {node.leftovers()}")


def test_a_confirm_that_cannot_be_noted_down_does_not_confirm(node: Node) -> None:
    before = state_of(node)
    node.ask(apply_program(NONCE, job(), PLAN))
    node.run("mount", "-o", "remount,ro", "/var/lib")
    answer = node.ask(confirm_program(NONCE, RUN))
    assert answer.outcome == "refused"
    node.run("mount", "-o", "remount,rw", "/var/lib")
    assert node.ask(undo_program(NONCE, RUN)).outcome == "undone"
    assert state_of(node) == before


def test_an_undo_that_cannot_be_finished_says_so_and_is_finished_later(node: Node) -> None:
    before = state_of(node)
    node.ask(apply_program(NONCE, job(), PLAN))
    node.run("mount", "-o", "remount,ro", "/etc")
    answer = node.ask(undo_program(NONCE, RUN))
    assert (answer.outcome, answer.error and answer.error.kind) == ("pending", "refused")
    assert any(NEW in note for note in answer.notes)
    assert node.value(FIN) == "60"
    locked = node.ask(apply_program(NONCE, job(run_id="second"), PLAN))
    assert locked.error is not None
    assert locked.error.kind == "locked"
    assert node.ask(confirm_program(NONCE, RUN)).outcome == "pending"
    node.run("mount", "-o", "remount,rw", "/etc")
    assert node.ask(status_program(NONCE, RUN)).outcome in {"undone", "expired"}
    assert state_of(node) == before
    until(lambda: node.leftovers() == [], "the end of the run")


def test_the_timer_tries_again_until_the_undo_is_finished(node: Node) -> None:
    before = state_of(node)
    node.ask(apply_program(NONCE, job(), PLAN))
    node.run("mount", "-o", "remount,ro", "/etc")
    node.clear_traps()
    trap = node.trap("on-sleep-1", "stop")
    with node.start(arguments=(f"/var/lib/fleet/runs/{RUN}/undo.sh", "timer", RUN)) as process:
        (trap / "reached").read_text()
        assert node.ask(status_program(NONCE, RUN)).outcome == "pending"
        node.run("mount", "-o", "remount,rw", "/etc")
        (trap / "go").write_text("go\n")
        assert process.wait(timeout=60) == 0
    assert state_of(node) == before
    until(lambda: node.leftovers() == [], "the end of the run")


def test_an_operator_undoes_a_run_by_hand(node: Node) -> None:
    before = state_of(node)
    node.ask(apply_program(NONCE, job(), PLAN))
    assert node.undo("asked") == 0
    assert state_of(node) == before
    assert node.ask(status_program(NONCE, RUN)).outcome == "undone"
    until(lambda: node.leftovers() == [], "the end of the run")


def test_a_change_of_the_date_does_not_move_the_undo(node: Node) -> None:
    before = state_of(node)
    node.trap("on-date-1", "say", "2099-01-01T00:00:00Z\n")
    answer = node.ask(apply_program(NONCE, job(confirm_within=SOON), PLAN))
    assert answer.since == "2099-01-01T00:00:00Z"
    assert answer.undo_in is not None
    assert 0 <= answer.undo_in <= SOON
    until(lambda: node.leftovers() == [], "the undo by the timer")
    assert state_of(node) == before
