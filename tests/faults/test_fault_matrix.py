"""Faults at each phase of a rollout: a node ends as it was, or as planned and confirmed, and each report is true."""

from concurrent.futures import Future
from pathlib import Path

import pytest
from support.fault_cells import Cell, Fault, Phase
from support.fault_matrix import CELLS, FAULTS, NAMES, table

DOCS = Path(__file__).parents[2] / "docs" / "faults.md"


def parameters() -> list[object]:
    """One for each cell."""
    return [pytest.param(fault, phase, id=f"{fault.name}, {phase.name}".replace("/", "")) for fault, phase in CELLS]


@pytest.mark.root
@pytest.mark.parametrize(("fault", "phase"), parameters())
def test_node_is_as_before_or_as_planned(
    fault: Fault,
    phase: Phase,
    matrix: dict[tuple[str, str], "Future[Cell]"],
    seen: dict[tuple[str, str], str],
) -> None:
    seen[fault.name, phase.name] = "failed"
    cell = matrix[fault.name, phase.name].result()
    seen[fault.name, phase.name] = cell.notes["end"]


def test_each_fault_has_a_cell_or_a_reason_for_each_phase() -> None:
    for fault in FAULTS:
        assert set(fault.ends) == set(NAMES)
        assert set(fault.no_meaning) < set(NAMES)
        assert all(fault.no_meaning.values())


def test_the_docs_have_the_matrix() -> None:
    assert table() in DOCS.read_text()
