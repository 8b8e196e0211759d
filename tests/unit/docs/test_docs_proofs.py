"""What the documentation says of proofs is what the scenarios promise, which the tests hold against the kernel."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.model.proof import Cell, ScenarioProof
from fleet.prove import SCENARIOS, Node
from fleet.report.prove_words import row

DOCS = Path(__file__).parents[3] / "docs"
NODE = Node(hardened_pods={"net.ipv4.tcp_tw_reuse": "1"})


def promised(name: str) -> list[str]:
    """The row of a proof that is all as promised."""
    scenario = SCENARIOS[name]
    cells = tuple(
        Cell(fix=fix, promised=frozenset({outcome}), outcomes={outcome: 1})
        for fix, outcome in scenario.promises.items()
        if fix in scenario.fixes(NODE)
    )
    return row(ScenarioProof(name=name, title=scenario.title, shows=scenario.shows, cells=cells))


def rows_of_outputs() -> Iterator[tuple[str, list[str]]]:
    for block in re.findall(r"```console\n(.*?)```", (DOCS / "beliefs.md").read_text(), re.DOTALL):
        for line in block.splitlines():
            name, *outcomes = re.split(r" {2,}", line)
            if name in SCENARIOS:
                yield name, outcomes


def test_the_matrix_of_the_documentation_is_what_the_scenarios_promise() -> None:
    found = {}
    for line in (DOCS / "prove.md").read_text().splitlines():
        if match := re.fullmatch(r"\| `(\S+)`: (.*?) \| (.*) \|", line):
            name, title, outcomes = match.groups()
            assert title == SCENARIOS[name].title
            found[name] = outcomes.split(" | ")
    assert found == {name: promised(name) for name in SCENARIOS}


@pytest.mark.parametrize(("name", "outcomes"), [*rows_of_outputs()])
def test_outputs_that_correct_a_belief_are_what_the_scenarios_promise(name: str, outcomes: list[str]) -> None:
    assert outcomes == promised(name)


def test_every_belief_has_a_command_that_shows_what_is_true() -> None:
    _, *beliefs = (DOCS / "beliefs.md").read_text().split("\n## ")
    assert len(beliefs) == 10
    for belief in beliefs:
        assert "```console\n$ " in belief, belief.splitlines()[0]
