"""Faults at each phase of a rollout: a node ends as it was, or as planned and confirmed, and the report is true."""

import pytest
from support.fault_matrix import FAULTS, PHASES


pytestmark = pytest.mark.root


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name.replace(" ", "-") for fault in FAULTS])
def test_node_is_as_before_or_as_planned(fault, matrix, seen):
    failed = []
    for phase in PHASES:
        if phase.name in fault.no_meaning:
            continue
        try:
            cell = matrix[fault.name, phase.name].result()
        except Exception as error:
            seen[fault.name, phase.name] = "failed"
            failed.append(f"{phase.name}: {type(error).__name__} {error}")
        else:
            seen[fault.name, phase.name] = cell.notes["end"]
            print(phase.name, cell.notes)
    assert not failed, "\n\n".join(failed)
