"""Programs on the controller: real ones, which fail, hang, print rubbish and leave children behind."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Timer

import pytest

from fleet.transport.program import Ended, run_program

NOBODY: dict[str, str] = {}


def run(script: str, *, timeout: float = 60.0, stop: Callable[[], bool] = lambda: False) -> Ended:
    return run_program(("sh", "-c", script), environment=NOBODY, timeout=timeout, stop=stop)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 60
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_running(pid)


def pid_in(path: Path) -> int:
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_text().endswith("\n")) and time.monotonic() < deadline:
        time.sleep(0.02)
    return int(path.read_text())


def test_program_gets_its_arguments_and_environment_and_no_input() -> None:
    program = "import os, sys; print(sys.argv[1:], os.environ['FLEET_HOST'], repr(sys.stdin.read()))"
    arguments = (sys.executable, "-c", program, "a b", "$HOME", ";", "*", "")
    ended = run_program(arguments, environment={"FLEET_HOST": "web-1"}, timeout=60)
    assert ended == Ended(status=0, output=b"['a b', '$HOME', ';', '*', ''] web-1 ''\n", failure="")


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        ("exit 3", "ended with status 3"),
        ("echo first; echo 'no such node' >&2; echo; exit 1", "ended with status 1: 'no such node'"),
        ("printf '\\033[2J\\377\\000'; exit 1", "ended with status 1: '\\x1b[2J\\xff\\x00'"),
        ("kill -SEGV $$", "was killed by SIGSEGV"),
        ("kill -40 $$", "was killed by signal 40"),
    ],
)
def test_failure_says_how_it_ended_and_its_last_line(script: str, failure: str) -> None:
    assert run(script).failure == failure


def test_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    for name, why in (("no-such-program", "No such file or directory"), (str(plain), "Permission denied")):
        assert run_program((name,), environment=NOBODY, timeout=9).failure == f"cannot be started: {why}"
    assert run_program(("a\0b",), environment=NOBODY, timeout=9).failure == "cannot be started: embedded null byte"


def test_whole_group_is_killed_when_time_is_up(tmp_path: Path) -> None:
    script = f"sleep 600 & echo $! >{tmp_path}/child; echo waiting; sleep 600"
    started = time.monotonic()
    ended = run(script, timeout=4)
    assert time.monotonic() - started < 30
    assert ended.failure == "did not end within 4 s and was killed: 'waiting'"
    assert ended.status is None
    assert gone(pid_in(tmp_path / "child"))


def test_program_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    ended = run(f"trap '' TERM; echo $$ >{tmp_path}/pid; while :; do sleep 600; done", timeout=4)
    assert ended.failure == "did not end within 4 s and was killed"
    assert gone(pid_in(tmp_path / "pid"))


def test_program_may_clean_up_on_sigterm(tmp_path: Path) -> None:
    run(f"trap 'echo cleaned >{tmp_path}/trace; exit' TERM; : >{tmp_path}/ready; sleep 600 & wait", timeout=4)
    assert (tmp_path / "ready").exists()
    assert (tmp_path / "trace").read_text() == "cleaned\n"


def test_what_it_leaves_in_the_background_is_ended_and_does_not_hold_it_up(tmp_path: Path) -> None:
    started = time.monotonic()
    ended = run(f"sleep 600 & echo $! >{tmp_path}/child; echo done")
    assert (ended.status, ended.output, ended.failure) == (0, b"done\n", "")
    assert time.monotonic() - started < 30
    assert gone(pid_in(tmp_path / "child"))


def test_one_that_closes_its_output_is_still_waited_for() -> None:
    assert run("exec >/dev/null 2>&1 </dev/null; sleep 0.3; exit 7").failure == "ended with status 7"


def test_only_the_end_of_much_output_is_kept() -> None:
    ended = run("head -c 5000000 /dev/zero; echo; echo last; exit 1")
    assert len(ended.output) == 64 * 1024
    assert ended.failure == "ended with status 1: 'last'"


def test_endless_output_ends_with_the_time() -> None:
    ended = run("yes", timeout=1.0)
    assert ended.failure.startswith("did not end within 1 s and was killed: '")
    assert len(ended.output) <= 64 * 1024


def test_program_is_stopped_when_it_is_not_wanted_any_more() -> None:
    stop = Event()
    timer = Timer(0.3, stop.set)
    timer.start()
    assert run("sleep 600", stop=stop.is_set).failure == "was stopped"
    timer.join()


def test_ctrl_c_of_the_terminal_does_not_reach_it() -> None:
    # It would go to the whole group in the foreground; the program leads a session of its own.
    ended = run("ps -o sid= -p $$; echo $$")
    session, own = ended.output.split()
    assert session == own
    assert int(session) != os.getsid(0)


def test_nothing_is_left_where_fleet_itself_is_interrupted(tmp_path: Path) -> None:
    def interrupt() -> bool:
        if (tmp_path / "pid").exists():
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        run(f"echo $$ >{tmp_path}/pid; exec sleep 600", stop=interrupt)
    assert gone(pid_in(tmp_path / "pid"))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
