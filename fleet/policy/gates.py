"""How long the gates of a rollout may take."""

from fleet.model.rollout import CommandGate, Gate, PrometheusGate, RatesGate, VerifyGate

_READING = 15.0
_ENDING = 2.0


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
