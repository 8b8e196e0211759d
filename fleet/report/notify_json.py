"""A drift check as JSON for a webhook, ``fleet.notification/1``: fields may be added but never change their meaning."""

from typing import Literal

from pydantic import BaseModel, Field

from fleet.model.drift import DriftItem, DriftReport
from fleet.report.drift_json import DriftItemJson, DriftRunJson, DriftSummaryJson, item_json, run_json, summary_json
from fleet.report.json_text import clean, json_text


class HostItemJson(DriftItemJson):
    """One difference, with its host."""

    host: str = Field(description="The inventory name.")


class NotificationJson(BaseModel):
    """What a drift check has opened and closed."""

    schema_: Literal["fleet.notification/1"] = Field(alias="schema")
    playbook: str = Field(description="The name in the playbook.")
    run: DriftRunJson
    summary: DriftSummaryJson
    notes: list[str] = Field(description="What else the operator should know.")
    opened: list[HostItemJson]
    closed: list[HostItemJson]


def notification_json(
    report: DriftReport, playbook: str, opened: tuple[DriftItem, ...], closed: tuple[DriftItem, ...]
) -> str:
    """The document that a webhook of the kind ``json`` is sent."""
    document = NotificationJson(
        schema="fleet.notification/1",
        playbook=clean(playbook),
        run=run_json(report),
        summary=summary_json(report),
        notes=[*map(clean, report.notes)],
        opened=[*map(_item, opened)],
        closed=[*map(_item, closed)],
    )
    return json_text(document)


def _item(item: DriftItem) -> HostItemJson:
    return HostItemJson(host=clean(item.host), **dict(item_json(item)))
