"""The gate that is a query to Prometheus."""

import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from math import isnan
from urllib.parse import urlencode

from fleet.model.rollout import GateResult, PrometheusGate
from fleet.model.secret import Secret
from fleet.policy.prometheus import Comparison, parse_comparison
from fleet.rollout.gates.result import counted, failed, passed
from fleet.rollout.gates.samples import AnswerError, Sample, samples
from fleet.transport.http import HttpError, get

TOKEN = "FLEET_PROMETHEUS_TOKEN"  # noqa: S105 the name of a variable
USER = "FLEET_PROMETHEUS_USER"
PASSWORD = "FLEET_PROMETHEUS_PASSWORD"  # noqa: S105 the name of a variable


class CredentialsError(Exception):
    """The environment does not say clearly how to log in."""


def check_prometheus(gate: PrometheusGate) -> GateResult:
    """Ask the server once, with the credentials of the environment."""
    url = f"{gate.url.rstrip('/')}/api/v1/query"
    parameters = urlencode({"query": gate.query, "timeout": f"{gate.timeout:g}s"})
    try:
        login = authorization(os.environ)
        answer = get(f"{url}?{parameters}", authorization=login, timeout=gate.timeout)
        return decide(gate, samples(answer))
    except (HttpError, AnswerError, CredentialsError) as error:
        return failed(gate, f"{gate.url}: {error}")


def authorization(environment: Mapping[str, str]) -> Secret | None:
    """The value of the header ``Authorization``; None where the environment has no credentials."""
    token, user, password = (environment.get(name, "") for name in (TOKEN, USER, PASSWORD))
    if token and user:
        raise CredentialsError(f"both ${TOKEN} and ${USER} are set: unset one of them")
    if token:
        return Secret(f"Bearer {token}")
    if user:
        return Secret("Basic " + b64encode(f"{user}:{password}".encode()).decode())
    return None


def decide(gate: PrometheusGate, found: tuple[Sample, ...]) -> GateResult:
    """Hold every sample against what is expected."""
    comparison = parse_comparison(gate.expect)
    if not found:
        return failed(gate, "the query gives no sample, so nothing is known: see whether its metrics and labels exist")
    if wrong := [sample for sample in found if not comparison.holds(sample.value)]:
        seen = f"{len(wrong)} of {counted(len(found), 'sample')}"
        return failed(gate, f"{_worst(wrong, comparison)}, expected {comparison}; {seen} not as expected")
    return passed(gate, f"{counted(len(found), 'sample')} {comparison}; the nearest: {_worst(found, comparison)}")


def _worst(found: Sequence[Sample], comparison: Comparison) -> Sample:
    """The sample that says most: one that is no number, else the one that is farthest out."""
    sign = {"<": 1, ">": -1}.get(comparison.operator[0], 0)
    return max(found, key=lambda sample: (isnan(sample.value), sign and sign * sample.value))
