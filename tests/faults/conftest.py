"""The matrix is run once, many cells at a time, for the tests that each look at one fault."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from support.fault_cells import Cell, more_changes, prepare_node, run_cell
from support.fault_matrix import CELLS, FAULTS, PHASES
from support.faults import fault_nodes
from support.lab import running_lab
from support.rollouts import save_plan, write_playbook

from fleet.plan import load_plan

_AT_ONCE = 16
_SEEN: dict[tuple[str, str], str] = {}
Matrix = dict[tuple[str, str], "Future[Cell]"]


@pytest.fixture(scope="session")
def matrix(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    """The cells of the tests that were selected, each at work or done."""
    base = tmp_path_factory.mktemp("faults")
    calls = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    cells = [(each["fault"], each["phase"]) for each in calls if "fault" in each]
    with running_lab(base / "lab", len(cells), name="faults") as built, fault_nodes(built, base / "lab") as nodes:
        for node in nodes:
            prepare_node(node)
        plan = more_changes(load_plan(save_plan(built, write_playbook(base), base)))
        names = {node.name: node for node in nodes}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found: Matrix = {}
            for number, ((fault, phase), node) in enumerate(zip(cells, names.values(), strict=True)):
                job = pool.submit(run_cell, node, fault, phase, plan, base / f"cell-{number}")
                found[fault.name, phase.name] = job
            try:
                yield found
            finally:
                pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="session")
def seen() -> dict[tuple[str, str], str]:
    """What each cell has ended in, for the summary."""
    return _SEEN


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the matrix."""
    if not _SEEN:
        return
    terminalreporter.section("fault matrix")
    for number, phase in enumerate(PHASES):
        terminalreporter.write_line(f"{'|' * number}{phase.name}")
    signs = {"old": "o", "new": "n", "failed": "X"}
    for fault in FAULTS:
        line = "".join(
            "." if phase.name in fault.no_meaning else signs.get(_SEEN.get((fault.name, phase.name), ""), "-")
            for phase in PHASES
        )
        terminalreporter.write_line(f"{line}  {fault.name}")
    counts = {word: sum(end == word for end in _SEEN.values()) for word in ("old", "new")}
    cells = len(FAULTS) * len(PHASES)
    terminalreporter.write_line(
        f"{len(_SEEN)} cells: {counts['old']} as before (o), {counts['new']} as planned and confirmed (n),"
        f" {len(_SEEN) - sum(counts.values())} failed (X); {cells - len(CELLS)} without a meaning (.)"
    )
