"""How long the gates of a rollout may take."""

from fleet.model.rollout import CommandGate, Gate, PrometheusGate, RatesGate, VerifyGate

READING_SECONDS = 10.0
"""For reading the nodes of a batch once."""


def seconds_needed(gate: Gate) -> float:
    """The longest that a gate takes before it passes or fails."""
    match gate:
        case VerifyGate():
            return READING_SECONDS
        case CommandGate(timeout=timeout) | PrometheusGate(timeout=timeout):
            return timeout
        case RatesGate(window=window):
            return window + 2 * READING_SECONDS
