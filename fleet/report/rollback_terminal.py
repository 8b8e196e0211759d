"""What a rollback is about to do, told before anybody is asked for a yes."""

from collections.abc import Iterator, Sequence

from rich.text import Text

from fleet.model.rollout import RunResult
from fleet.report.grouping import fold_names, in_order
from fleet.report.layout import columns, joined, shown
from fleet.report.words import count_hosts


def render_rollback(run: RunResult, hosts: Sequence[str], *, force: bool, width: int | None) -> Text:
    """Say in words what is taken back where, and what is refused.

    Args:
        run: that is taken back.
        hosts: of it that may have something to take back.
        force: whether nothing is refused.
        width: cells of the terminal; None never wraps.
    """
    rows = [[Text(f"  {name}"), shown(text)] for name, text in _rows(run, hosts, force=force)]
    return joined([Text("What will happen", style="bold"), *columns(rows, width=width)])


def _rows(run: RunResult, hosts: Sequence[str], *, force: bool) -> Iterator[tuple[str, str]]:
    yield "run", f"{run.run_id}, {run.kind} of {run.playbook}, started {run.started}"
    names = f": {fold_names(in_order(hosts))}" if hosts else ""
    yield "hosts", f"{count_hosts(len(hosts))} with something to take back{names}"
    yield "gives back", "files with bytes, modes and owners, and live values, as they were before the run"
    yield (
        ("forces", "also nodes that have changed since, whose changes are lost, or that are left without protection")
        if force
        else ("refuses", "nodes that have changed since, or that would be left without protection")
    )
