"""What a run writes down as it goes, one event a line."""

from dataclasses import dataclass
from typing import Annotated, Literal

import pydantic

from fleet.model.rollout import GateResult, HostRun, Phase, RunKind, RunStatus

Action = Literal["go", "undo", "halt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """The first event of a run.

    Attributes:
        who: user and machine of the controller.
        hosts: all that the run is about, in the plan's order; until more is told they are not reached.
        batches: those that are to be changed.
    """

    event: Literal["begun"] = "begun"
    at: str
    run_id: str
    kind: RunKind
    plan_run: str
    playbook: str
    version: str
    who: str
    hosts: tuple[str, ...]
    batches: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """Another controller, or the same one later, took the run up again."""

    event: Literal["resumed"] = "resumed"
    at: str
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchBegun:
    """A batch is begun, or begun again."""

    event: Literal["batch"] = "batch"
    at: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What is done to hosts from here on; written before anything is sent to them."""

    event: Literal["intent"] = "intent"
    at: str
    phase: Phase
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is known of a host from here on."""

    event: Literal["host"] = "host"
    at: str
    host: HostRun


@dataclass(frozen=True, slots=True, kw_only=True)
class GateTold:
    """What a gate said of a batch."""

    event: Literal["gate"] = "gate"
    at: str
    batch: int
    gate: GateResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Why the rollout goes on after a batch, or not.

    Attributes:
        action: ``go`` on; ``undo`` what the rollout says; ``halt`` and leave what is confirmed.
        status: what the run comes to with that, if nothing follows.
    """

    event: Literal["decision"] = "decision"
    at: str
    batch: int
    action: Action
    status: RunStatus
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The last event, unless the run is resumed."""

    event: Literal["end"] = "end"
    at: str
    status: RunStatus
    stopped_by: str


Event = Begun | Resumed | BatchBegun | Intent | Told | GateTold | Decided | Ended

_EVENT: pydantic.TypeAdapter[Event] = pydantic.TypeAdapter(
    Annotated[Event, pydantic.Field(discriminator="event")], config=pydantic.ConfigDict(extra="forbid", strict=True)
)


def event_line(event: Event) -> bytes:
    """An event as one line of JSON, with its line break."""
    return _EVENT.dump_json(event, ensure_ascii=True) + b"\n"


def read_event(line: bytes) -> Event:
    """Read a line.

    Raises:
        ValueError: it is no event.
    """
    try:
        return _EVENT.validate_json(line)
    except pydantic.ValidationError as error:
        raise ValueError(error.errors(include_url=False)[0]["msg"]) from None
