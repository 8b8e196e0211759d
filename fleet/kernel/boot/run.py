"""Carrying out a program against the kernel: from lines to the value that stays."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from fleet.kernel.boot import acceptance
from fleet.kernel.boot.acceptance import Accepted, Kernel, Refused, Unsure
from fleet.kernel.boot.effects import bound_to, changed_by, inherits, names, storage
from fleet.kernel.boot.model import Assignment, BootRefused, BootSet, BootUnknown, BootUnset, BootValue
from fleet.kernel.boot.name import path_of
from fleet.kernel.boot.program import Entry, Program


@dataclass(slots=True)
class _Cell:
    """A stored key while the program runs."""

    value: str | None = None
    winner: Assignment | None = None
    refused: Assignment | None = None
    reason: str = ""
    unsure: str = ""


def run(program: Program, keys: Iterable[str], kernel: Kernel) -> Mapping[str, BootValue]:
    """The value that the program leaves in each key, if every key it names is there."""
    wanted = tuple(keys)
    cells: dict[str, _Cell] = {}
    for key in wanted:
        kept = storage(key)
        for one in (kept, *bound_to(kept), *changed_by(kept)):
            cells.setdefault(one, _Cell())
    stored_at = {path_of(name): kept for kept in cells for name in names(kept)}
    for path, entry, assignment in program.reaching(frozenset(stored_at)):
        _carry_out(cells, stored_at[path], entry, assignment, kernel)
    return {key: _conclude(program, storage(key), cells[storage(key)]) for key in wanted}


def _carry_out(cells: dict[str, _Cell], key: str, entry: Entry, assignment: Assignment, kernel: Kernel) -> None:
    cell = cells[key]
    doubted = next((cells[other].unsure for other in bound_to(key) if cells[other].unsure), "")
    before = {name: other.value for name, other in cells.items() if other.value is not None}
    outcome = Unsure(doubted) if doubted else acceptance.write(kernel, key, assignment.value, before)
    match outcome:
        case Accepted(value):
            cell.value, cell.winner, cell.refused, cell.unsure = value, assignment, None, ""
        case Refused(reason):
            cell.refused, cell.reason = assignment, reason
            return
        case Unsure(reason):
            cell.unsure = f"{entry.origin}: {reason}"
    for name, other in cells.items():
        if key in changed_by(name) and not (inherits(name, key) and (other.winner or other.unsure)):
            other.unsure = f"{entry.origin}: writing {assignment.key} changes {name} too"


def _conclude(program: Program, key: str, cell: _Cell) -> BootValue:
    paths = frozenset(path_of(name) for name in names(key))
    lines = program.mentions(paths)
    related = (*bound_to(key), *changed_by(key))
    reasons = [
        program.doubt(path, refused=cell.refused is not None)
        for name in (key, *related)
        for path in map(path_of, names(name))
    ]
    if related and program.blinds:
        reasons.append(program.blinds[0].reason)  # even where later lines settle the values, the order may matter
    reason = next(filter(None, reasons), cell.unsure)
    if reason:
        return BootUnknown(reason=reason, candidates=tuple(replace(line, reason="") for line in lines))
    if cell.refused is not None:
        return BootRefused(
            value=cell.value,
            refused=cell.refused,
            losers=_others(lines, cell.refused, stays=cell.winner),
            reason=cell.reason,
        )
    if cell.winner is not None and cell.value is not None:
        return BootSet(value=cell.value, winner=cell.winner, losers=_others(lines, cell.winner))
    return BootUnset(losers=lines)


def _others(
    lines: tuple[Assignment, ...], winner: Assignment, stays: Assignment | None = None
) -> tuple[Assignment, ...]:
    return tuple(
        replace(line, reason="its value stays") if stays is not None and line.origin == stays.origin else line
        for line in lines
        if line.origin != winner.origin
    )
