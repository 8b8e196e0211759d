"""Schedules as text for a terminal or a pipe."""

from collections.abc import Iterable

from rich.text import Text

from fleet.model.schedule import ScheduleState
from fleet.report.layout import columns, joined, shown

_TITLES = ("schedule", "next check", "last check", "came to")


def render_schedules(states: Iterable[ScheduleState], *, width: int | None) -> Text:
    """List schedules, one line each.

    Args:
        states: in the order in which they are told.
        width: cells of the terminal; None never wraps.
    """
    titles = [Text(title, style="dim") for title in _TITLES]
    return joined(columns([titles, *map(_row, states)], width=width))


def _row(state: ScheduleState) -> list[Text]:
    cells = (state.next_start or "-", state.last_start or "-", _outcome(state))
    return [shown(state.name, "bold"), *map(shown, cells)]


def _outcome(state: ScheduleState) -> str:
    if state.is_running:
        return "runs now"
    if state.exit_code is None:
        return "-"
    return f"exit {state.exit_code}" + ("" if state.result in {"success", "exit-code"} else f", {state.result}")
