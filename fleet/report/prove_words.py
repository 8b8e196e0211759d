"""How a proof is put into words, for a terminal and for Markdown alike."""

from collections.abc import Mapping
from typing import Final

from fleet.model.proof import Cell, Fix, Proof, ScenarioProof

COLUMNS: Final[tuple[Fix, ...]] = ("before", "be-liberal", "invalid-rule", "hardened", "keepalive")
"""The fixes that most scenarios have; others are told in one more column."""

FIX_WORDS: Final[Mapping[Fix, str]] = {
    "before": "before",
    "be-liberal": "be_liberal",
    "invalid-rule": "INVALID rule",
    "hardened": "hardened",
    "keepalive": "keepalive",
    "timeout": "longer timeout",
    "fin-timeout": "tcp_fin_timeout",
    "tw-reuse": "tcp_tw_reuse",
    "pods": "hardened, pods too",
}


def headline(proof: Proof) -> str:
    """The result in one sentence."""
    cells = [cell for scenario in proof.scenarios for cell in scenario.cells]
    differ = sum(not cell.holds for cell in cells)
    skipped = sum(bool(cell.skipped) for cell in cells)
    told = f"all {len(cells)} cells as promised" if not differ else f"{differ} of {len(cells)} cells not as promised"
    return told + (f", {skipped} not measured" if skipped else "")


def setting(proof: Proof) -> str:
    """Where the proof ran, and on what."""
    kernel = f"Kernel {proof.kernel}, that of {proof.on} itself" if proof.on else f"Kernel {proof.kernel}"
    node = f"a node with the values of {proof.values_from}" if proof.values_from else "a node with kernel defaults"
    rights = "as root" if proof.as_root else "in a user namespace, without root"
    return (
        f"{kernel}, {rights}; {node}{', with the INVALID rule' if proof.invalid_rule else ''};"
        f" {proof.runs} connection{'' if proof.runs == 1 else 's'} a cell; hardened by {proof.playbook}."
    )


def outcome(cell: Cell) -> str:
    """What became of the connections, such as ``reset``, or ``reset 3, alive 2`` where they differ."""
    if cell.skipped:
        return "not measured"
    found = {name: count for name, count in cell.outcomes.items() if count}
    told = ", ".join(f"{name} {count}" for name, count in found.items()) if len(found) > 1 else "".join(found)
    return told if cell.holds else f"{told} (!)"


def row(scenario: ScenarioProof) -> list[str]:
    """One scenario: a cell for each of `COLUMNS`, then all others in one."""
    cells = {cell.fix: cell for cell in scenario.cells}
    first = [outcome(cells[fix]) if fix in cells else "-" for fix in COLUMNS]
    others = [f"{FIX_WORDS[fix]}: {outcome(cell)}" for fix, cell in cells.items() if fix not in COLUMNS]
    return [*first, ", ".join(others) or "-"]


def evidence(cell: Cell) -> str:
    """What was seen, in one line: what ends were told, who reset whom, which counters moved."""
    if cell.skipped:
        return cell.skipped
    parts = [told(cell), f"RST {senders(cell)}" if cell.resets else "", *risen(cell), *remarks(cell)]
    return "; ".join(part for part in parts if part) or "no end was told anything, no counter moved"


def told(cell: Cell) -> str:
    """What the ends were told, such as ``server: ECONNRESET 5``."""
    return _counted(cell.seen)


def senders(cell: Cell) -> str:
    """Who sent how many RST to whom."""
    return _counted(cell.resets)


def risen(cell: Cell) -> list[str]:
    """Which counters rose, for each namespace in which one did."""
    return [f"{place} {_counted(moved, sign='+')}" for place, moved in cell.counters.items() if moved]


def remarks(cell: Cell) -> list[str]:
    """What else was seen of it."""
    return [
        *(f"{name} {text}" for name, text in cell.notes.items()),
        *(f"{name} was not taken: {why}" for name, why in cell.refused.items()),
    ]


def broken_promises(proof: Proof) -> list[str]:
    """A sentence for each cell that is not as promised."""
    return [
        f"{scenario.name}, {FIX_WORDS[cell.fix]}: {' or '.join(sorted(cell.promised))} was promised, and"
        f" {outcome(cell).removesuffix(' (!)')} is what this kernel did: {evidence(cell)}"
        for scenario in proof.scenarios
        for cell in scenario.cells
        if not cell.holds
    ]


def _counted(counts: Mapping[str, int], sign: str = "") -> str:
    return ", ".join(f"{name} {sign}{count}" for name, count in counts.items())
