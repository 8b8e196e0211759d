"""The runs of a state directory, as text for a terminal or a pipe."""

from collections.abc import Collection, Sequence

from rich.text import Text

from fleet.model.rollout import RunResult
from fleet.report.layout import columns, joined, shown
from fleet.report.run_status import RUN_WORDS, run_counts


def render_runs(runs: Sequence[RunResult], *, active: Collection[str], width: int | None) -> Text:
    """List runs: id, when, what, playbook, hosts and how each ended.

    Args:
        runs: in the order in which they are told.
        active: ids of those that a controller has now.
        width: cells of the terminal; None never wraps.
    """
    titles = [Text(title, style="dim") for title in ("run", "started", "kind", "status", "playbook", "hosts")]
    return joined(columns([titles, *(_row(run, is_active=run.run_id in active) for run in runs)], width=width))


def _row(run: RunResult, *, is_active: bool) -> list[Text]:
    status = "cut off" if run.status == "running" and not is_active else run.status
    what = run.kind if run.kind == "apply" else f"{run.kind} of {run.plan_run}"
    counts = [f"{count} {RUN_WORDS[status]}" for status, count in run_counts(run).items() if count]
    cells = (run.started, what, status, run.playbook, ", ".join(counts) or "none")
    return [shown(run.run_id, "bold"), *map(shown, cells)]
