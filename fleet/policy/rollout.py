"""The ``rollout`` section of a playbook."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal, Self

import pydantic

from fleet.document import Document, Items, StrictModel
from fleet.kernel.services import SERVICES
from fleet.model.rollout import CommandGate, Gate, Place, PrometheusGate, RatesGate, Rollout, UndoScope, VerifyGate
from fleet.policy.duration import Duration
from fleet.policy.gates import seconds_needed
from fleet.policy.prometheus import check_server, parse_comparison
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


def _comparison(text: str) -> str:
    parse_comparison(text)
    return text


def _server(url: str) -> str:
    check_server(url)
    return url


def _window(text: str) -> str:
    parse_window(text)
    return text


def _gate(value: object) -> object:
    """A gate may be its name alone, where nothing more is to be said."""
    if isinstance(value, str) and value in GateDocument.model_fields:
        return {value: {}}
    if isinstance(value, dict):
        return {name: {} if body is None else body for name, body in value.items()}
    return value


def _listed(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


def _positive(value: float) -> float:
    if value <= 0:
        raise ValueError("must be longer than 0s")
    return value


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
Argument = Annotated[str, pydantic.StringConstraints(min_length=1, max_length=4000, pattern=r"^[^\x00]*$")]
GateName = Literal["verify", "rates"]
PositiveDuration = Annotated[Duration, pydantic.AfterValidator(_positive)]
Service = Annotated[
    str,
    pydantic.StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9:_.@-]*$", max_length=255),
    pydantic.AfterValidator(_service),
]


class VerifyGateDocument(StrictModel):
    """Every control that the plan was to mend must pass on every changed host."""


class CommandGateDocument(StrictModel):
    """A command that must end with 0, run without a shell.

    Attributes:
        run: arguments; ``{host}``, ``{run}`` and ``{batch}`` stand for the host, the run and the batch's number.
        on: ``controller``: here, once for each changed host; ``node``: on each changed host, as root.
    """

    run: Annotated[Items[Argument], pydantic.Field(min_length=1)]
    on: Place = "controller"
    timeout: PositiveDuration = 30.0


class PrometheusGateDocument(StrictModel):
    """A query whose every sample must be as expected; no sample fails the gate.

    Attributes:
        url: of the server, without credentials: a token comes from $FLEET_PROMETHEUS_TOKEN.
        expect: such as ``< 0.01``.
    """

    url: Annotated[str, pydantic.AfterValidator(_server)]
    query: Argument
    expect: Annotated[str, pydantic.AfterValidator(_comparison)]
    timeout: PositiveDuration = 10.0


class RatesGateDocument(StrictModel):
    """Resets sent, retransmits and INVALID packets of changed hosts against untouched ones in the same window.

    Attributes:
        window: between the two readings.
        at_most: times the untouched hosts' median.
        floor: events a second that are never held against a host.
        sample: untouched hosts that are read, at most.
    """

    window: PositiveDuration = 30.0
    at_most: Annotated[float, pydantic.Field(strict=False, ge=1)] = 3.0
    floor: Annotated[float, pydantic.Field(strict=False, ge=0)] = 5.0
    sample: Annotated[int, pydantic.Field(ge=1, le=1000)] = 10


class GateDocument(StrictModel):
    """One gate: exactly one of these."""

    verify: VerifyGateDocument | None = None
    command: CommandGateDocument | None = None
    prometheus: PrometheusGateDocument | None = None
    rates: RatesGateDocument | None = None

    @pydantic.model_validator(mode="after")
    def _is_one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("must be exactly one of verify, command, prometheus and rates")
        return self


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
    gates: Items[Annotated[GateDocument, pydantic.BeforeValidator(_gate, GateName | GateDocument)]] = ()
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
        gates=tuple(_gates(section)),
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


def _gates(section: RolloutDocument) -> Iterator[Gate]:
    for gate in section.gates:
        if gate.command is not None:
            yield CommandGate(command=gate.command.run, on=gate.command.on, timeout=gate.command.timeout)
        elif gate.prometheus is not None:
            yield PrometheusGate(**gate.prometheus.model_dump())
        elif gate.rates is not None:
            yield RatesGate(**gate.rates.model_dump())
        else:
            yield VerifyGate()
