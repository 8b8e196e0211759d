"""The examples of docs/gates.md load as they stand."""

import textwrap
from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt

from fleet.model.rollout import CommandGate, Gate, PrometheusGate, ProveGate, RatesGate, Rollout, VerifyGate
from fleet.policy.gates import seconds_needed
from fleet.policy.playbook import load_playbook
from fleet.policy.rollout import seconds_to_confirm

PAGE = (Path(__file__).parents[3] / "docs" / "gates.md").read_text(encoding="utf-8")


def examples() -> Iterator[str]:
    for block in MarkdownIt("commonmark").parse(PAGE):
        if block.type == "fence" and block.info == "yaml":
            yield block.content


def gates_of(example: str, tmp_path: Path) -> tuple[Gate, ...]:
    if not example.startswith("rollout:"):
        example = "rollout:\n  confirm_within: 10m\n" + textwrap.indent(example, "  ")
    path = tmp_path / "playbook.yaml"
    path.write_text("name: An example\nprofiles: [conntrack]\n" + example, encoding="utf-8")
    return load_playbook(path).rollout.gates


def test_each_kind_of_gate_has_an_example_that_loads(tmp_path: Path) -> None:
    kinds = [[gate.kind for gate in gates_of(example, tmp_path)] for example in examples()]
    assert kinds == [
        ["verify", "command", "prometheus", "rates", "prove"],
        ["verify"],
        ["command", "command"],
        ["prometheus"],
        ["rates"],
        ["prove"],
        ["prove"],
    ]


def test_the_times_that_gates_count_as_are_those_of_the_page() -> None:
    assert seconds_to_confirm(Rollout()) == 20
    assert seconds_needed(VerifyGate()) == 30
    assert seconds_needed(RatesGate(window=30)) == 60
    assert seconds_needed(ProveGate(timeout=60)) == 75
    assert seconds_needed(PrometheusGate(url="", query="", expect="", timeout=10)) == 10
    assert seconds_needed(CommandGate(command=(), timeout=10)) == 12
    assert seconds_needed(CommandGate(command=(), timeout=10, on="node")) == 25
