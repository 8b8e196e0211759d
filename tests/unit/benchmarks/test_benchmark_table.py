"""What `make bench` makes of its runs."""

import time
from pathlib import Path

import pytest

from benchmarks import results
from benchmarks.field import Job
from benchmarks.measure import Cost, WrongResultError, measured
from benchmarks.page import PAGE, written
from benchmarks.rounds import Run
from benchmarks.table import tables


def run(name: str, client: float | None, *, nodes: int = 10, job: Job = "audit", wall: float = 1.0) -> Run:
    cost = None if client is None else Cost(client=client, server=2.0, wall=wall, peak=50.0)
    return Run(nodes=nodes, job=job, name=name, cost=cost)


def cells(text: str, title: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {title} |")]
    return [cell.strip() for cell in line.split("|")[2:-1]]


def test_a_row_has_medians_and_ratios_of_the_same_size() -> None:
    runs = [run("fleet", client) for client in (0.4, 0.6, 9.0)]
    runs += [run("paramiko", 0.3, wall=0.5), run("paramiko", 100.0, nodes=100)]
    text = tables(run for run in runs if run.nodes == 10)
    assert cells(text, "fleet") == ["60.0", "2.00", "1.0", "1.00", "0.60", "2.0", "50", "3"]
    assert cells(text, "bare paramiko, the same probe")[1:4] == ["1.00", "0.5", "0.50"]


def test_who_was_left_out_at_a_size_has_a_row_without_figures() -> None:
    text = tables([run("fleet", 0.4), run("testinfra", None)])
    assert set(cells(text, "testinfra (paramiko)")) == {"-"}
    assert "pyinfra" not in text


def test_runs_are_kept_and_give_way_to_new_ones_of_the_same_size(tmp_path: Path) -> None:
    path = tmp_path / "build" / "runs.jsonl"
    runs = [run("fleet", 0.4), run("fleet", 4.0, nodes=100), run("fleet", 0.8, job="apply"), run("testinfra", None)]
    for each in runs:
        results.keep(path, each)
    assert results.read(path) == runs
    results.forget(path, nodes=10, names=["fleet"], jobs=["audit"])
    assert results.read(path) == runs[1:]


def test_tables_take_the_place_of_those_on_the_page() -> None:
    page = written(PAGE.read_text(), "first")
    assert written(page, "second") == page.replace("first", "second")
    with pytest.raises(ValueError, match="has lost the lines"):
        written("# A page", "tables")


def test_a_command_is_measured_with_all_that_it_starts(tmp_path: Path) -> None:
    busy = "i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done"
    used = iter((3.0, 7.0))
    cost = measured(
        ["sh", "-c", f"sh -c '{busy}'; exit 3"],
        log=tmp_path / "log",
        environment={},
        right=(3,),
        within=60,
        server=lambda: next(used),
    )
    assert cost.client > 0.01
    assert cost.server == 4.0
    assert 0 < cost.peak < 100


def test_what_a_command_leaves_in_the_background_is_ended(tmp_path: Path) -> None:
    measured(
        ["sh", "-c", "setsid sleep 300 >/dev/null 2>&1 & echo $!"],
        log=tmp_path / "log",
        environment={},
        right=(0,),
        within=60,
        server=lambda: 0.0,
    )
    pid = int((tmp_path / "log").read_text())
    deadline = time.monotonic() + 30
    while b"sleep" in _command_line(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


def test_another_exit_code_is_no_result(tmp_path: Path) -> None:
    with pytest.raises(WrongResultError, match="ended with 1:\nno such host"):
        measured(
            ["sh", "-c", "echo no such host; exit 1"],
            log=tmp_path / "log",
            environment={},
            right=(0,),
            within=60,
            server=lambda: 0.0,
        )
