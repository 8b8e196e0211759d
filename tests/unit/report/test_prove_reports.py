"""A proof, told in each format."""

import json

import jsonschema
from support.proofs import cell, proof

from fleet.model.proof import Cell, ScenarioProof
from fleet.report.prove_json import proof_json
from fleet.report.prove_markdown import proof_markdown
from fleet.report.prove_terminal import render_proof
from fleet.report.schema import schemas

HOSTILE = "\x1b[31m@everyone <script>|a|</script>"


def table(*arguments: object, verbosity: int = 0, width: int | None = None, **changes: object) -> str:
    return render_proof(proof(*arguments, **changes), verbosity=verbosity, width=width).plain  # type: ignore[arg-type]


def test_the_matrix_says_what_became_of_the_connections_under_each_fix() -> None:
    lines = table().splitlines()
    assert lines[0].split() == [
        "scenario",
        "before",
        "be_liberal",
        "INVALID",
        "rule",
        "hardened",
        "keepalive",
        "others",
    ]
    assert lines[1].split()[-6:] == ["reset", "alive", "-", "-", "-", "-"]
    assert lines[-1] == "all 2 cells as promised"


def test_what_is_not_as_promised_is_marked_and_explained() -> None:
    text = table(cell(reset=5), cell("be-liberal", "alive", alive=3, reset=2))
    assert "alive 3, reset 2 (!)" in text
    assert "! above-window, be_liberal: alive was promised, and alive 3, reset 2 is what this kernel did" in text
    assert text.splitlines()[-1] == "1 of 2 cells not as promised"


def test_a_fault_that_does_not_show_before_any_fix_is_not_as_promised_either() -> None:
    assert not proof(cell(alive=5)).holds


def test_other_fixes_have_a_column_together() -> None:
    text = table(cell(reset=5), cell("fin-timeout", "reset", reset=5), cell("timeout", "alive", alive=5))
    assert "tcp_fin_timeout: reset, longer timeout: alive" in text


def test_a_kernel_that_is_not_ours_is_named() -> None:
    assert "Kernel 6.18.44, as root" in table()
    assert "Kernel 6.18.44, that of k3s-1 itself, as root; a node with the values of k3s-1" in table(
        on="k3s-1", values_from="k3s-1"
    )


def test_details_have_the_evidence() -> None:
    text = table(verbosity=1)
    assert "RST client pod to server pod 5" in text
    assert "client TcpOutRsts +5" in text
    assert "What it shows." in text


def test_what_was_not_measured_says_why_and_breaks_no_promise() -> None:
    skipped = proof(scenarios=(ScenarioProof(name="full-table", title="t", shows="s", cells=(_skipped(),)),))
    assert skipped.holds
    assert "too large" in render_proof(skipped, verbosity=1, width=None).plain
    assert "1 not measured" in render_proof(skipped, verbosity=0, width=None).plain


def test_every_line_fits_a_terminal() -> None:
    text = render_proof(proof(notes=("A sentence of many words. " * 8,)), verbosity=0, width=80)
    assert all(line.cell_len <= 80 for line in text.split("\n"))


def test_json_holds_to_its_schema() -> None:
    data = json.loads(proof_json(proof()))
    jsonschema.Draft202012Validator(schemas()["prove"]).validate(data)
    assert data["holds"] is True
    assert data["scenarios"]["above-window"]["fixes"]["before"]["outcomes"] == {"reset": 5}


def test_markdown_has_the_matrix_and_the_evidence_to_unfold() -> None:
    text = proof_markdown(proof())
    assert "| a segment above the window | reset | alive |" in text
    assert "<details><summary>above-window" in text
    assert "client pod to server pod 5" in text
    assert "nf_conntrack_tcp_be_liberal" in text


def test_hostile_text_does_nothing_in_any_format() -> None:
    hostile = proof(kernel=HOSTILE, values_from=HOSTILE, notes=(HOSTILE,), values={HOSTILE: HOSTILE})
    for text in (proof_markdown(hostile), render_proof(hostile, verbosity=1, width=None).plain, proof_json(hostile)):
        assert "\x1b" not in text
    assert "<script>" not in proof_markdown(hostile)
    assert "@everyone" not in proof_markdown(hostile).replace("&#64;", "")


def _skipped() -> Cell:
    return Cell(fix="before", promised=frozenset({"dropped"}), outcomes={}, skipped="too large")
