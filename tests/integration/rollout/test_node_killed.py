"""The node's program and its undo, ended at every command that they run, and at a reboot in between."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.node import NONCE, RUN, SOON, Node, job, small_node, until
from support.node_plan import FIN, NEW, PLAN, PORTS, RANGE, prepare, state_of
from support.probe import SHELLS

from fleet.rollout.node import apply_program, confirm_program, status_program, undo_program

pytestmark = pytest.mark.root

STATE = f"/var/lib/fleet/runs/{RUN}/state."


@pytest.fixture(params=SHELLS)
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Node]:
    with small_node(tmp_path, request.param) as built:
        prepare(built)
        yield built


def killed_at_each_command(node: Node, begin: Callable[[], None], act: Callable[[], None]) -> Iterator[str]:
    """Ends what ``act`` runs before one command, then before another, until there is none left to end at.

    Args:
        node: on which it runs; it is prepared anew each time.
        begin: what is done before, without traps.
        act: what is ended.

    Yields:
        The command before which it was ended.
    """
    names = list(SHELLS.values())
    # Each shell takes its share of the commands: together they end at every one.
    for number in itertools.count(1 + names.index(node.shell), len(names)):
        prepare(node)
        begin()
        node.clear_traps()
        node.trap(f"at-{number}", "kill")
        act()
        calls = node.calls()
        node.clear_traps()
        if len(calls) < number:
            return
        yield f"{number}: {calls[number - 1]}"


def state(node: Node) -> str:
    return next((path.suffix[1:] for path in node.at(STATE).parent.glob("state.*")), "")


def test_an_apply_that_is_ended_anywhere_is_taken_back_completely(node: Node) -> None:
    before = state_of(node)
    reached = set()
    for command in killed_at_each_command(node, lambda: None, lambda: node.send(apply_program(NONCE, job(), PLAN))):
        reached.add(state(node))
        if node.at(STATE).with_name("timer").exists():
            # What the timer does when the time is over.
            assert node.undo() == 0, command
        assert state_of(node) == before, command
        # Without a timer yet, the next one who comes clears up.
        answer = node.ask(status_program(NONCE, RUN))
        assert answer.outcome in {"not-found", "expired"}, command
        gone(node, command)
    assert {"", "armed"} <= reached <= {"", "armed", "applied"}


def test_an_apply_that_a_reboot_ends_anywhere_is_taken_back(node: Node) -> None:
    before = state_of(node)
    cleared, reached = set(), set()
    planned = replace(PLAN, preconditions=None)  # each time it is another boot
    for command in killed_at_each_command(node, lambda: None, lambda: sent(node, apply_program(NONCE, job(), planned))):
        reached.add(state(node))
        node.reboot()
        booted(node)
        hook = node.at("/etc/local.d/fleet-undo.start")
        if hook.exists():
            node.run("/etc/local.d/fleet-undo.start")
            gone(node, command)
        cleared.update(Path(path).name for path in node.leftovers())
        assert node.ask(status_program(NONCE, RUN)).outcome in {"not-found", "expired"}, command
        gone(node, command)
        assert state_of(node) == before, command
    assert {"", "armed"} <= reached
    assert "pending" in cleared
    assert cleared <= {".fleet-undo", ".fleet-pending", "pending"}


def test_an_undo_that_is_ended_anywhere_comes_to_the_same_end_when_it_runs_again(node: Node) -> None:
    before = state_of(node)
    seen = set()
    for command in killed_at_each_command(
        node, lambda: sent(node, apply_program(NONCE, job(), PLAN)), lambda: ignored(node.undo())
    ):
        seen.add(state(node))
        assert node.undo() == 0, command
        assert state_of(node) == before, command
        gone(node, command)
        assert state(node) == "expired", command
    assert "undoing" in seen


def test_a_confirm_that_is_ended_anywhere_leaves_all_of_the_old_or_all_of_the_new(node: Node) -> None:
    before = state_of(node)
    node.send(apply_program(NONCE, job(), PLAN))
    node.send(confirm_program(NONCE, RUN))
    after = state_of(node)
    seen = set()
    for command in killed_at_each_command(
        node,
        lambda: sent(node, apply_program(NONCE, job(), PLAN)),
        lambda: sent(node, confirm_program(NONCE, RUN)),
    ):
        then = state(node)
        seen.add(then)
        assert node.undo() == 0, command
        now = state_of(node)
        # The time at which a file was written is not that of the other apply.
        del now["time"], after["time"]
        assert now == after if then == "confirmed" else (now | {"time": before["time"]}) == before, command
        after["time"] = None
        gone(node, command)
    assert seen == {"applied", "confirmed"}


def test_a_rollback_that_is_ended_anywhere_is_finished_by_the_node(node: Node) -> None:
    before = state_of(node)

    def confirmed() -> None:
        node.send(apply_program(NONCE, job(), PLAN))
        node.send(confirm_program(NONCE, RUN))

    seen = set()
    for command in killed_at_each_command(node, confirmed, lambda: sent(node, undo_program(NONCE, RUN))):
        then = state(node)
        seen.add(then)
        if then == "confirmed":
            # It had not begun: whatever it had prepared is cleared, and it can be asked for again.
            assert node.undo() == 0, command
            gone(node, command)
            assert node.value(FIN) == "30", command
            assert node.ask(undo_program(NONCE, RUN)).outcome == "undone", command
        else:
            assert node.undo() == 0, command
        assert state_of(node) == before, command
        gone(node, command)
    assert {"confirmed", "undoing"} <= seen


def test_the_timer_ends_an_apply_that_is_still_at_work(node: Node) -> None:
    before = state_of(node)
    trap = node.trap("on-ln-1", "stop")
    with node.start() as process:
        assert process.stdin is not None
        process.stdin.write(apply_program(NONCE, job(confirm_within=SOON), PLAN))
        process.stdin.close()
        (trap / "reached").read_text()
        until(lambda: state(node) == "expired", "the undo by the timer")
        gone(node)
        process.wait(timeout=60)
    assert state_of(node) == before


def test_an_apply_goes_on_when_its_controller_is_gone(node: Node) -> None:
    trap = node.trap("on-ln-1", "stop")
    with node.start() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(apply_program(NONCE, job(), PLAN))
        process.stdin.close()
        (trap / "reached").read_text()
        process.stdout.close()
        (trap / "go").write_text("go\n")
        process.wait(timeout=60)
    assert state(node) == "applied"
    assert node.ask(status_program(NONCE, RUN)).outcome == "pending"


@pytest.mark.parametrize("way", ["boot", "late", "contact"])
def test_a_reboot_before_the_confirm_is_undone(node: Node, way: str) -> None:
    before = state_of(node)
    node.ask(apply_program(NONCE, job(), PLAN))
    hook = node.at("/etc/local.d/fleet-undo.start")
    assert hook.stat().st_mode & 0o100
    node.reboot()
    if way == "late":
        # What a boot makes of the new files is given back too; what is neither old nor new is not ours.
        node.set_value("net.ipv4.ip_local_port_range", "40000 50000")
        before["values"] = str(before["values"]).replace("32768\t60999", "40000\t50000")
        node.run("/etc/local.d/fleet-undo.start")
    elif way == "boot":
        booted(node)
        assert node.undo("boot") == 0
    else:
        assert node.ask(status_program(NONCE, RUN)).outcome == "expired"
    assert state_of(node) == before
    gone(node)
    assert node.ask(confirm_program(NONCE, RUN)).outcome == "expired"
    assert not node.at(NEW).exists()


def test_a_lost_timer_is_made_up_for_by_the_next_contact(node: Node) -> None:
    before = state_of(node)
    node.ask(apply_program(NONCE, job(), PLAN))
    node.run("sh", "-c", "kill -KILL -1", check=False)
    pending = node.at("/var/lib/fleet/pending")
    # As if it were a minute later.
    lines = [
        f"deadline {float(Path('/proc/uptime').read_text().split()[0]) - 60:.0f}" if "deadline" in line else line
        for line in pending.read_text().splitlines()
    ]
    pending.write_text("\n".join(lines) + "\n")
    answer = node.ask(apply_program(NONCE, job(run_id="second"), PLAN))
    assert answer.outcome == "applied"
    assert node.ask(undo_program(NONCE, "second")).outcome == "undone"
    assert state_of(node) == before
    assert node.ask(status_program(NONCE, RUN)).outcome == "expired"


def gone(node: Node, command: str = "") -> None:
    """Nothing of a run is left; a process that was told to end needs a moment for it."""
    until(lambda: node.leftovers() == [], f"{node.leftovers()} {command}")


def booted(node: Node) -> None:
    """Values as the kernel has them early in a boot."""
    for key, value in ((PORTS, ""), (RANGE, "32768 60999"), (FIN, "60")):
        node.set_value(key, value)


def sent(node: Node, program: bytes) -> None:
    """Sends a program, whatever becomes of it."""
    node.send(program)


def ignored(status: int) -> None:
    assert isinstance(status, int)
