"""The ``rollout`` section of a playbook."""

import re
from typing import Annotated

import pydantic

from fleet.document import Document, Items, StrictModel
from fleet.kernel.services import SERVICES
from fleet.model.rollout import Rollout, UndoScope
from fleet.policy.duration import Duration, PositiveDuration
from fleet.policy.gates import Argument, GateItem, gate_of, seconds_needed
from fleet.policy.window import parse_window

CONFIRM_SECONDS = 20.0
"""Kept for reading a batch's nodes after the change and for confirming, besides soak and gates."""

_PERCENT = re.compile(r"\d{1,3}(?:\.\d{1,3})?%")
_MOST_PERCENT = 100


def _size(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    if isinstance(value, str) and _PERCENT.fullmatch(value) and 0 < float(value[:-1]) <= _MOST_PERCENT:
        return value
    raise ValueError('must be a number of hosts from 1, or per cent of them such as "10%"')


def _window(text: str) -> str:
    parse_window(text)
    return text


def _listed(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


def _service(value: str) -> str:
    if value.removesuffix(".service") not in SERVICES:
        raise ValueError(f"must be one of {', '.join(SERVICES)}")
    return value


BatchSize = Annotated[
    int | str,
    pydantic.BeforeValidator(_size),
    pydantic.WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": f"^{_PERCENT.pattern}$"}]}
    ),
]
Service = Annotated[
    str,
    pydantic.StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9:_.@-]*$", max_length=255),
    pydantic.AfterValidator(_service),
]


class RolloutDocument(StrictModel):
    """How the playbook's changes are brought onto the hosts.

    Attributes:
        serial: size of each batch, hosts or per cent of the hosts that are changed; the last one is repeated.
        max_fail_percentage: of a batch's hosts, unreachable ones included; more stop the rollout.
        soak: after a batch is verified, before its gates.
        pause: between batches.
        confirm_within: a node that is not confirmed by then, counted from its change, undoes itself.
        undo: what a stop takes back: its batch, or all batches of the run.
        restart: services to restart where a file that they read was changed.
        gates: in this order; the first that fails stops the rollout.
        windows: such as ``Mon-Fri 22:00-04:00 Europe/Berlin``; outside of all of them nothing is started.
        before: a command here before a host is changed; ``{host}``, ``{run}``, ``{batch}`` are replaced.
        after: a command here once a host is confirmed or undone.
        hook_timeout: for each of both.
    """

    serial: Annotated[Items[BatchSize], pydantic.BeforeValidator(_listed, BatchSize | list[BatchSize])] = ()
    max_fail_percentage: Annotated[float, pydantic.Field(strict=False, ge=0, le=100)] = 0.0
    soak: Duration = 0.0
    pause: Duration = 0.0
    confirm_within: PositiveDuration = 120.0
    undo: UndoScope = "batch"
    restart: Items[Service] = ()
    gates: Items[GateItem] = ()
    windows: Items[Annotated[str, pydantic.AfterValidator(_window)]] = ()
    before: Items[Argument] = ()
    after: Items[Argument] = ()
    hook_timeout: PositiveDuration = 300.0


def load_rollout(document: Document, section: RolloutDocument) -> Rollout:
    """Check a section as a whole.

    Raises:
        DocumentError: nodes would undo themselves before their batch could be confirmed.
    """
    rollout = Rollout(
        serial=section.serial,
        max_fail_percentage=section.max_fail_percentage,
        soak=section.soak,
        pause=section.pause,
        confirm_within=section.confirm_within,
        undo=section.undo,
        restart=section.restart,
        gates=tuple(map(gate_of, section.gates)),
        windows=tuple(map(parse_window, section.windows)),
        before=section.before,
        after=section.after,
        hook_timeout=section.hook_timeout,
    )
    needed = seconds_to_confirm(rollout)
    if rollout.confirm_within < needed:
        raise document.error(
            f"nodes would undo themselves after {rollout.confirm_within:g} s, but soak and gates may take"
            f" {needed - CONFIRM_SECONDS:g} s, and {CONFIRM_SECONDS:g} s are kept for confirming",
            ("rollout", "confirm_within"),
            hint=f"write confirm_within: {needed:g}s or more",
        )
    return rollout


def seconds_to_confirm(rollout: Rollout) -> float:
    """The longest that a batch takes from the change of its nodes until they are confirmed, if nothing hangs."""
    return rollout.soak + sum(map(seconds_needed, rollout.gates)) + CONFIRM_SECONDS
