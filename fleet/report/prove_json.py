"""A proof as JSON, ``fleet.prove/1``."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, Field

from fleet.model.proof import Cell, Fix, Outcome, Proof, ScenarioProof
from fleet.report.json_text import clean, json_text


class RunJson(BaseModel):
    """Where and when it ran."""

    id: str
    started: str
    finished: str
    version: str
    on: str = Field(description="The host of the inventory on whose kernel all was measured; empty: this machine.")
    kernel: str
    as_root: bool = Field(description="False: in a user namespace.")
    runs: int = Field(description="Connections in each cell.")


class NodeJson(BaseModel):
    """The node that the namespaces played."""

    values_from: str = Field(description="A host of the inventory; empty: the kernel's defaults.")
    values: dict[str, str] = Field(description="Before any fix, by sysctl key.")
    invalid_rule: bool = Field(
        description="Whether INVALID segments are dropped as they are forwarded, before any fix."
    )
    playbook: str
    hardened: dict[str, str] = Field(description="What the playbook changes, by sysctl key.")


class CellJson(BaseModel):
    """One scenario under one fix."""

    holds: bool = Field(description="Whether every connection ended as promised.")
    promised: list[Outcome] = Field(description="Any of them is as promised.")
    outcomes: dict[Outcome, int] = Field(description="How many connections ended how.")
    seen: dict[str, int] = Field(description="What ends were told, such as `server: ECONNRESET`.")
    resets: dict[str, int] = Field(description="RST segments by `SENDER to RECEIVER`.")
    counters: dict[str, dict[str, int]] = Field(description="By namespace, counters that rose and by how much.")
    notes: dict[str, str]
    refused: dict[str, str] = Field(description="Sysctls that the namespace did not take, and why.")
    skipped: str = Field(description="Why nothing was measured; else empty.")


class ScenarioJson(BaseModel):
    """One fault."""

    title: str
    shows: str
    holds: bool
    fixes: dict[Fix, CellJson]


class ProofJson(BaseModel):
    """The reset reproduced."""

    schema_: Literal["fleet.prove/1"] = Field(alias="schema")
    run: RunJson
    node: NodeJson
    holds: bool = Field(description="Whether all is as promised; else the exit code is 3.")
    notes: list[str]
    scenarios: dict[str, ScenarioJson]


def proof_json(proof: Proof) -> str:
    """The JSON text of a proof."""
    return json_text(
        ProofJson(
            schema="fleet.prove/1",
            run=RunJson(
                id=proof.run_id,
                started=proof.started,
                finished=proof.finished,
                version=proof.version,
                on=clean(proof.on),
                kernel=clean(proof.kernel),
                as_root=proof.as_root,
                runs=proof.runs,
            ),
            node=NodeJson(
                values_from=clean(proof.values_from),
                values=_clean(proof.values),
                invalid_rule=proof.invalid_rule,
                playbook=clean(proof.playbook),
                hardened=_clean(proof.hardened),
            ),
            holds=proof.holds,
            notes=[*map(clean, proof.notes)],
            scenarios={scenario.name: _scenario(scenario) for scenario in proof.scenarios},
        )
    )


def _scenario(scenario: ScenarioProof) -> ScenarioJson:
    return ScenarioJson(
        title=scenario.title,
        shows=scenario.shows,
        holds=scenario.holds,
        fixes={cell.fix: _cell(cell) for cell in scenario.cells},
    )


def _cell(cell: Cell) -> CellJson:
    return CellJson(
        holds=cell.holds,
        promised=sorted(cell.promised),
        outcomes=dict(cell.outcomes),
        seen=dict(cell.seen),
        resets=dict(cell.resets),
        counters={place: dict(moved) for place, moved in cell.counters.items()},
        notes=_clean(cell.notes),
        refused=_clean(cell.refused),
        skipped=clean(cell.skipped),
    )


def _clean(texts: Mapping[str, str]) -> dict[str, str]:
    return {clean(key): clean(text) for key, text in texts.items()}
