"""The JSON that a node's checker leaves, ``fleet.check/1``; `fleet/plan/checker/check.sh` writes it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from fleet.model.finding import Impact

CheckStatus = Literal["pass", "warn", "fail", "skip", "error", "unknown", "unjudged"]


class CheckControlJson(BaseModel):
    """One control."""

    model_config = ConfigDict(extra="forbid")

    status: CheckStatus = Field(
        description="`unknown`: what the verdict rests on has changed since the plan. `unjudged`: only a controller "
        "can judge it."
    )
    impact: Impact
    reason: str


class CheckSummaryJson(BaseModel):
    """Controls by status."""

    model_config = ConfigDict(extra="forbid")

    pass_: int = Field(alias="pass")
    warn: int
    fail: int
    skip: int
    error: int
    unknown: int
    unjudged: int


class CheckJson(BaseModel):
    """What a node says of itself."""

    model_config = ConfigDict(extra="forbid")

    schema_: Literal["fleet.check/1"] = Field(alias="schema")
    checked: str = Field(description="ISO 8601, UTC, by the node's own clock.")
    playbook: str
    digest: str = Field(description="Of the playbook and its profiles.")
    version: str = Field(description="Version of fleet that wrote the checker.")
    verdict: Literal["ok", "drift", "unknown"] = Field(
        description="`drift`: a control fails or a file of fleet has changed. `unknown`: neither, but something that a "
        "verdict rests on has."
    )
    summary: CheckSummaryJson
    files: dict[str, Literal["ok", "changed", "gone"]] = Field(description="Those that fleet has written.")
    moved: list[str] = Field(description="What has changed since the plan.")
    unseen: list[str] = Field(description="What is taken as it was planned on, because the node cannot see it change.")
    controls: dict[str, CheckControlJson]
