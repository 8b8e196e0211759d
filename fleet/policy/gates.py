"""The gates of a rollout as playbooks write them, and how long they may take."""

from typing import Annotated, Literal, Self

import pydantic

from fleet.document import Items, StrictModel
from fleet.model.rollout import CommandGate, Gate, Place, PrometheusGate, ProveGate, RatesGate, VerifyGate
from fleet.policy.duration import PositiveDuration
from fleet.policy.prometheus import check_server, parse_comparison

_READING = 15.0
_ENDING = 2.0


def _comparison(text: str) -> str:
    parse_comparison(text)
    return text


def _server(url: str) -> str:
    check_server(url)
    return url


Argument = Annotated[str, pydantic.StringConstraints(min_length=1, max_length=4000, pattern=r"^[^\x00]*$")]


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


class ProveGateDocument(StrictModel):
    """A node with a changed host's values is played in throw-away namespaces, and has to survive what causes resets.

    Attributes:
        on: ``controller``: on this machine's kernel; ``node``: on each changed host's own, which needs python3 and nft.
    """

    on: Place = "controller"
    timeout: PositiveDuration = 60.0


class GateDocument(StrictModel):
    """One gate: exactly one of these."""

    verify: VerifyGateDocument | None = None
    command: CommandGateDocument | None = None
    prometheus: PrometheusGateDocument | None = None
    rates: RatesGateDocument | None = None
    prove: ProveGateDocument | None = None

    @pydantic.model_validator(mode="after")
    def _is_one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("must be exactly one of verify, command, prometheus, rates and prove")
        return self


def _gate(value: object) -> object:
    """A gate may be its name alone, where nothing more is to be said."""
    if isinstance(value, str) and value in GateDocument.model_fields:
        return {value: {}}
    if isinstance(value, dict):
        return {name: {} if body is None else body for name, body in value.items()}
    return value


GateName = Literal["verify", "rates", "prove"]
GateItem = Annotated[GateDocument, pydantic.BeforeValidator(_gate, GateName | GateDocument)]


def gate_of(document: GateDocument) -> Gate:
    """A gate as a rollout has it."""
    if document.command is not None:
        command = document.command
        return CommandGate(command=command.run, on=command.on, timeout=command.timeout)
    if document.prometheus is not None:
        return PrometheusGate(**document.prometheus.model_dump())
    if document.rates is not None:
        return RatesGate(**document.rates.model_dump())
    if document.prove is not None:
        return ProveGate(**document.prove.model_dump())
    return VerifyGate()


def seconds_needed(gate: Gate) -> float:
    """How long a gate takes at most, where the hosts that it reads answer as they should."""
    match gate:
        case VerifyGate():
            return 2 * _READING
        case CommandGate(timeout=timeout):
            return timeout + (_ENDING if gate.on == "controller" else _READING)
        case PrometheusGate(timeout=timeout):
            return timeout
        case RatesGate(window=window):
            return window + 2 * _READING
        case ProveGate(timeout=timeout):
            return timeout + _READING
