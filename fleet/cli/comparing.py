"""How a comparison of hosts is told, loaded by who asks for one."""

from rich.console import RenderableType

from fleet.model.finding import Audit
from fleet.report.compare import compare
from fleet.report.compare_json import comparison_json
from fleet.report.compare_markdown import comparison_markdown
from fleet.report.compare_terminal import render_comparison


def compared(result: Audit, form: str, width: int | None) -> RenderableType:
    """Tell how the hosts of an audit differ: as ``json``, as ``markdown``, or laid out for a terminal.

    Args:
        result: the audit.
        form: one of these, or ``table``.
        width: of the terminal; None wraps nothing.
    """
    comparison = compare(result)
    match form:
        case "json":
            return comparison_json(comparison)
        case "markdown":
            return comparison_markdown(comparison)
        case _:
            return render_comparison(comparison, width=width)
