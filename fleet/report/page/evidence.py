"""Proofs on a page: the matrix, and what was seen in each of its cells."""

from collections.abc import Sequence
from typing import Any

from fleet.model.proof import Cell, Proof, ScenarioProof
from fleet.report.page.document import policy, style, templates
from fleet.report.prove_words import (
    COLUMNS,
    FIX_WORDS,
    broken_promises,
    headline,
    outcome,
    remarks,
    risen,
    senders,
    setting,
    told,
)

_NEITHER = {"stays", "gone"}
"""Good or bad by what one wants."""


def evidence_page(proofs: Sequence[Proof]) -> str:
    """One HTML document about proofs alone, which needs no script.

    Args:
        proofs: one or more, in the order to show them.
    """
    look = style()
    return (
        templates()
        .get_template("evidence.html.j2")
        .render(
            policy=policy(look),
            style=look.text,
            proofs=[proof_view(proof) for proof in proofs],
            columns=COLUMNS,
            fix_words=FIX_WORDS,
        )
    )


def proof_view(proof: Proof) -> dict[str, Any]:
    """A proof as the template shows it."""
    return {
        "proof": proof,
        "headline": headline(proof),
        "setting": setting(proof),
        "problems": broken_promises(proof),
        "scenarios": [_scenario(scenario) for scenario in proof.scenarios],
        "values": [
            (title, values)
            for title, values in (("Values of the node", proof.values), ("Values of the playbook", proof.hardened))
            if values
        ],
    }


def _scenario(scenario: ScenarioProof) -> dict[str, Any]:
    cells = {cell.fix: _cell(cell) for cell in scenario.cells}
    return {
        "scenario": scenario,
        "cells": cells,
        "others": {fix: cell for fix, cell in cells.items() if fix not in COLUMNS},
    }


def _cell(cell: Cell) -> dict[str, Any]:
    ends = {name for name, count in cell.outcomes.items() if count}
    return {
        "outcome": outcome(cell),
        # By what it means to a connection, and not by whether it was promised.
        "mark": "skip" if cell.skipped else "pass" if ends <= {"alive"} else "skip" if ends <= _NEITHER else "fail",
        "holds": cell.holds,
        "skipped": cell.skipped,
        "told": told(cell),
        "senders": senders(cell),
        "risen": risen(cell),
        "remarks": remarks(cell),
    }
