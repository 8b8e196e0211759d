"""A comparison as Markdown, for a merge request or a ticket."""

from collections.abc import Iterator, Sequence
from typing import Final

from fleet.report.compare import Comparison, Difference, Forecast
from fleet.report.compare_words import (
    MOST_DIFFERENCES,
    describe,
    event,
    group_rows,
    headline,
    is_simple,
    left_out,
    simple_rows,
    some_hosts,
)
from fleet.report.markdown import fill, inert, table

LONGEST: Final = 60_000
"""Characters; a comment on GitHub may have 65,536."""


def comparison_markdown(comparison: Comparison, *, limit: int = LONGEST) -> str:
    """The Markdown text of ``fleet audit --compare``.

    Args:
        comparison: what to tell.
        limit: most characters of the result, 6,000 or more.
    """
    head = f"## Comparison: {describe(comparison)}\n"
    more = f"\n{left_out(comparison)}\n" if left_out(comparison) else ""
    blocks = (_difference(each, comparison) for each in comparison.differences[:MOST_DIFFERENCES])
    room = limit - len(head) - len(more)
    differences = fill("", blocks, "\n{} more differences are left out here: the JSON has them all.\n", room // 2)
    if not comparison.forecasts:
        return head + differences + more
    forecasts = fill(
        "\n### What upgrades will do\n\n",
        (_forecast(each) for each in comparison.forecasts),
        "\n{} more effects are left out here: the JSON has them all.\n",
        room - len(differences),
    )
    return head + differences + more + forecasts


def _difference(difference: Difference, comparison: Comparison) -> str:
    if is_simple(difference):
        titles, rows = ["property", "there", "elsewhere"], _simple(difference)
    else:
        titles = ["hosts", "values"]
        rows = ([inert(where), inert(values)] for where, values in group_rows(difference))
    return f"\n### {inert(headline(difference, comparison))}\n\n{table(titles, rows)}"


def _simple(difference: Difference) -> Iterator[Sequence[str]]:
    for what, value, other in simple_rows(difference):
        yield inert(what), inert(value), inert(other.removesuffix(" elsewhere"))


def _forecast(forecast: Forecast) -> str:
    prediction = forecast.prediction
    text = f"- {inert(event(forecast).rstrip())} {inert(prediction.text)}\n  - on {inert(some_hosts(forecast.hosts))}\n"
    return text + (f"  - remedy: {inert(prediction.remedy)}\n" if prediction.remedy else "")
