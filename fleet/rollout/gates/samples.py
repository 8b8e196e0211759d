"""The answer of Prometheus' query API, read strictly.

https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from fleet.model.text import printable
from fleet.transport.http import HttpAnswer

_NUMBER = re.compile(r"NaN|[+-]?Inf|[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_MOST_LABELS = 160
_MOST_WORDS = 200
_OK = 200


class AnswerError(Exception):
    """The server did not answer with samples; the message is safe to print."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One value with the labels that it has, in the notation of PromQL and safe to print."""

    labels: str
    value: float

    def __str__(self) -> str:
        return f"{self.labels or 'the result'} is {self.value:.6g}"


def samples(answer: HttpAnswer) -> tuple[Sample, ...]:
    """The samples of an instant vector, or the one of a scalar.

    Raises:
        AnswerError: the server refused the query, warns that its answer may not be whole, or answered something else.
    """
    body = _parsed(answer)
    match body:
        case {"status": "error", "error": str(said)}:
            raise AnswerError(f"the server refuses the query: {printable(said, _MOST_WORDS)}")
        case {"status": "success", "warnings": [str(said), *_]}:
            raise AnswerError(f"the server warns that its answer may not be whole: {printable(said, _MOST_WORDS)}")
    if answer.status != _OK:
        raise _unexpected(answer)
    match body:
        case {"status": "success", "data": {"resultType": "vector", "result": [*found]}}:
            return tuple(map(_sample, found))
        case {"status": "success", "data": {"resultType": "scalar", "result": value}}:
            return (Sample("", _value(value)),)
        case {"status": "success", "data": {"resultType": "matrix" | "string" as kind}}:
            raise AnswerError(f"the query gives a {kind}: it has to give an instant vector or a scalar")
    raise AnswerError("the answer is not that of Prometheus' query API: see whether the address is that of Prometheus")


def _parsed(answer: HttpAnswer) -> object:
    try:
        body: object = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise _unexpected(answer) from None
    return body


def _unexpected(answer: HttpAnswer) -> AnswerError:
    if answer.location:
        where = printable(answer.location, _MOST_WORDS)
        return AnswerError(f"the server redirects to {where}, which is not followed: give that address, or log in")
    said = printable(answer.body.strip(), 80)
    begins = f"; the answer begins with '{said}'" if said else ""
    return AnswerError(f"the server answered with status {answer.status} and no JSON of Prometheus{begins}")


def _sample(sample: object) -> Sample:
    match sample:
        case {"metric": dict(labels), "value": value}:
            return Sample(_labels(labels), _value(value))
        case {"metric": dict(labels), "histogram": _}:
            raise AnswerError(f"{_labels(labels)} is a histogram: make a number of it, as with histogram_quantile()")
    raise AnswerError("a sample of the answer has no labels or no value")


def _labels(labels: Mapping[str, object]) -> str:
    """Such as ``up{job="node"}``."""
    rest = ", ".join(f"{name}={json.dumps(value)}" for name, value in labels.items() if name != "__name__")
    return printable(str(labels.get("__name__", "")) + (f"{{{rest}}}" if rest else ""), _MOST_LABELS)


def _value(pair: object) -> float:
    match pair:
        case [int() | float(), str(value)] if _NUMBER.fullmatch(value):
            return float(value)
    raise AnswerError("a value of the answer is no pair of a time and a number")
