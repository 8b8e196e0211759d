"""What a program inside answers, which is checked like everything that comes from another process."""

from pydantic import BaseModel, ConfigDict

from fleet.model.proof import Outcome


class Answer(BaseModel):
    """The measurements of one cell; with ``error`` or ``skipped`` there are none."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    outcomes: dict[Outcome, int] = {}
    seen: dict[str, int] = {}
    resets: dict[str, int] = {}
    counters: dict[str, dict[str, int]] = {}
    notes: dict[str, str] = {}
    refused: dict[str, str] = {}
    kernel: str = ""
    skipped: str = ""
    error: str = ""
