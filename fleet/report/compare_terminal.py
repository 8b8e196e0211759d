"""A comparison as text for a terminal or a pipe."""

from rich.text import Text

from fleet.report.compare import Comparison, Difference, Forecast
from fleet.report.compare_words import (
    MOST_DIFFERENCES,
    MOST_FORECASTS,
    describe,
    event,
    group_rows,
    headline,
    is_simple,
    left_out,
    simple_rows,
    some_hosts,
)
from fleet.report.layout import columns, hanging, joined, shown


def render_comparison(comparison: Comparison, *, width: int | None) -> Text:
    """Tell who is not like the others, then what upgrades will do; a bounded text, whatever the fleet.

    Args:
        comparison: what to tell.
        width: cells of the terminal; None never wraps, for pipes and files.
    """
    sections = [hanging(Text(), Text(describe(comparison), style="bold"), width=width)]
    sections += [_difference(each, comparison, width) for each in comparison.differences[:MOST_DIFFERENCES]]
    if more := left_out(comparison):
        sections.append([Text(more)])
    if comparison.forecasts:
        lines = [line for forecast in comparison.forecasts[:MOST_FORECASTS] for line in _forecast(forecast, width)]
        sections.append([Text("What upgrades will do", style="bold"), *lines])
    return joined(line for number, lines in enumerate(sections) for line in ([Text()] if number else []) + lines)


def _difference(difference: Difference, comparison: Comparison, width: int | None) -> list[Text]:
    if is_simple(difference):
        rows = [
            [shown(what), shown(value, "yellow"), shown(other, "dim")] for what, value, other in simple_rows(difference)
        ]
    else:
        rows = [[shown(where), shown(values, "yellow")] for where, values in group_rows(difference)]
    head = hanging(Text(), shown(headline(difference, comparison), "bold"), width=width)
    return [*head, *columns(rows, width=width, indent=2)]


def _forecast(forecast: Forecast, width: int | None) -> list[Text]:
    prediction = forecast.prediction
    rows = [[Text("on", style="dim"), shown(some_hosts(forecast.hosts))]]
    if prediction.remedy:
        rows.append([Text("remedy", style="dim"), shown(prediction.remedy, "bold")])
    head = hanging(Text("  "), shown(event(forecast) + prediction.text), width=width)
    return [*head, *columns(rows, width=width, indent=6)]
