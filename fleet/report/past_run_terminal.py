"""What is about to be done about a run that there is, told before anybody is asked for a yes."""

from collections.abc import Iterable, Sequence

from rich.text import Text

from fleet.model.rollout import RunResult
from fleet.report.grouping import fold_names, in_order
from fleet.report.layout import columns, joined, shown
from fleet.report.run_status import RUN_WORDS, run_counts
from fleet.report.run_words import ENDS
from fleet.report.words import count_hosts


def render_rollback(run: RunResult, hosts: Sequence[str], *, force: bool, width: int | None) -> Text:
    """Say in words what is taken back where, and what is refused.

    Args:
        run: that is taken back.
        hosts: of it that may have something to take back.
        force: whether nothing is refused.
        width: cells of the terminal; None never wraps.
    """
    names = f": {fold_names(in_order(hosts))}" if hosts else ""
    refused = "nodes that have changed since, or that would be left without protection"
    return _titled(
        [
            ("run", _run(run)),
            ("hosts", f"{count_hosts(len(hosts))} with something to take back{names}"),
            ("gives back", "files with bytes, modes and owners, and live values, as they were before the run"),
            ("forces", f"also {refused}") if force else ("refuses", refused),
        ],
        width,
    )


def render_resume(run: RunResult, *, width: int | None) -> Text:
    """Say in words how far a run is, and how it goes on.

    Args:
        run: as far as its journal tells.
        width: cells of the terminal; None never wraps.
    """
    counts = [f"{count} {RUN_WORDS[status]}" for status, count in run_counts(run).items() if count]
    return _titled(
        [
            ("run", f"{_run(run)}; it {ENDS[run.status]}"),
            ("so far", f"{count_hosts(len(run.hosts))}: {', '.join(counts) or 'none'}"),
            ("first", "each node of which it is not known what became of it is asked"),
            ("then", "the rest is rolled out as planned; or, where the run was being stopped, its undo is finished"),
        ],
        width,
    )


def _run(run: RunResult) -> str:
    return f"{run.run_id}, {run.kind} of {run.playbook}, started {run.started}"


def _titled(rows: Iterable[tuple[str, str]], width: int | None) -> Text:
    cells = [[Text(f"  {name}"), shown(text)] for name, text in rows]
    return joined([Text("What will happen", style="bold"), *columns(cells, width=width)])
