"""How far a rollout is: lines anywhere, a live view below them on a terminal only."""

import io

import pytest
from rich.console import Console

from fleet.cli.rollout_progress import RolloutLines, RolloutView, rollout_progress

HOSTS = tuple(f"web-{number:02}" for number in range(1, 13))


def test_without_a_terminal_there_is_a_line_for_each_batch_and_event_and_none_for_a_host(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with rollout_progress() as progress:
        assert type(progress) is RolloutLines
        progress.batch(1, 2, HOSTS[:1])
        progress.phase("web-01", "apply")
        progress.note("web-01: \x1b[31mred\nline")
        progress.batch(2, 2, HOSTS[1:])
    out, error = capsys.readouterr()
    assert out == ""
    assert error == "batch 1 of 2: 1 host: web-01\nweb-01: \\x1b[31mred\nline\nbatch 2 of 2: 11 hosts: web-{02..12}\n"


def test_the_view_tells_what_the_hosts_of_the_batch_are_doing() -> None:
    written = io.StringIO()
    view = RolloutView(Console(file=written, width=60))
    assert [line.plain for line in view.lines()] == ["starting"]
    view.batch(2, 4, HOSTS)
    for host in HOSTS[:3]:
        view.phase(host, "verify")
    view.phase("web-04", "apply")
    lines = [line.plain for line in view.lines()]
    assert lines[0].startswith("batch 2 of 4, ")
    assert [line.split() for line in lines[1:]] == [
        ["waiting", "8", "web-{05..12}"],
        ["apply", "1", "web-04"],
        ["verify", "3", "web-{01..03}"],
    ]
    assert "batch 2 of 4: 12 hosts: web-{01..12}" in written.getvalue()


def test_the_view_is_never_wider_than_the_terminal() -> None:
    written = io.StringIO()
    view = RolloutView(Console(file=io.StringIO(), width=60))
    view.batch(1, 1, tuple(f"host-{'x' * number}" for number in range(40)))
    Console(file=written, width=60).print(view)
    lines = written.getvalue().splitlines()
    assert len(lines) == 2
    assert all(len(line) <= 60 for line in lines)
