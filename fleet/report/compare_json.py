"""A comparison as JSON, ``fleet.compare/1``.

A document of its own and no part of ``fleet.audit/1``: who wants it asks for it, and an audit without it stays as small
as it is.
"""

from typing import Literal

from pydantic import BaseModel, Field

from fleet.report.compare import Comparison
from fleet.report.json_text import clean, json_text


class GroupJson(BaseModel):
    """Hosts that have the same values."""

    hosts: list[str]
    values: list[str] = Field(description="One for each of the difference's `properties`.")


class DifferenceJson(BaseModel):
    """Properties that divide the hosts in the same way."""

    properties: list[str] = Field(
        description="Sysctl keys (the value now), `KEY at boot`, `writers of KEY`, `kernel`, `system`, `cores`,"
        " `memory`, `Kubernetes`, `kube-proxy mode` and `kube-proxy release`."
    )
    outliers: int = Field(description="Hosts outside the largest group.")
    groups: list[GroupJson] = Field(description="Two or more, the fewest hosts first.")


class ForecastJson(BaseModel):
    """What an upgrade or a change of mode will do, and to which hosts."""

    kind: Literal["value", "invalid-rule", "ipvs-mode"]
    key: str = Field(description="The sysctl key that changes, or that would protect.")
    event: str = Field(description="What has to happen first, such as `kube-proxy becomes 1.36`.")
    effect: str
    remedy: str = Field(description="What prevents it; empty where nothing has to be done.")
    hosts: list[str]


class ComparisonJson(BaseModel):
    """The hosts of an audit held against each other."""

    schema_: Literal["fleet.compare/1"] = Field(alias="schema")
    hosts: list[str] = Field(description="Those that were compared, in the inventory's order.")
    unread: list[str] = Field(description="Those that could not be checked, and so not be compared.")
    same: int = Field(description="Properties that are the same on all hosts.")
    differences: list[DifferenceJson] = Field(description="The fewest outliers first.")
    forecasts: list[ForecastJson] = Field(description="The most hosts first.")


def comparison_json(comparison: Comparison) -> str:
    """The JSON text of a comparison."""
    return json_text(
        ComparisonJson(
            schema="fleet.compare/1",
            hosts=[*map(clean, comparison.hosts)],
            unread=[*map(clean, comparison.unread)],
            same=comparison.same,
            differences=[
                DifferenceJson(
                    properties=[*map(clean, difference.properties)],
                    outliers=difference.outliers,
                    groups=[
                        GroupJson(hosts=[*map(clean, group.hosts)], values=[*map(clean, group.values)])
                        for group in difference.groups
                    ],
                )
                for difference in comparison.differences
            ],
            forecasts=[
                ForecastJson(
                    kind=forecast.prediction.kind,
                    key=forecast.prediction.key,
                    event=clean(forecast.prediction.event),
                    effect=clean(forecast.prediction.text),
                    remedy=clean(forecast.prediction.remedy),
                    hosts=[*map(clean, forecast.hosts)],
                )
                for forecast in comparison.forecasts
            ],
        )
    )
