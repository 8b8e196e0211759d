"""What a playbook may say of a Prometheus gate: which server, and what its samples are held against."""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isnan
from urllib.parse import urlsplit

from fleet.model.text import printable

_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_COMPARISON = re.compile(r"(<=|>=|==|!=|<|>) *([+-]?(?:\d{1,300}(?:\.\d{0,300})?|\.\d{1,300})(?:[eE][+-]?\d{1,2})?)")


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a sample must be, such as ``< 0.01``."""

    operator: str
    bound: float

    def holds(self, value: float) -> bool:
        """Whether a sample is acceptable; NaN, which says that nothing is known, never is."""
        return not isnan(value) and _OPERATORS[self.operator](value, self.bound)

    def __str__(self) -> str:
        return f"{self.operator} {self.bound:.15g}"


def parse_comparison(text: str) -> Comparison:
    """Read the ``expect`` of a Prometheus gate.

    Raises:
        ValueError: it is no comparison with a number; the message follows the name of the key.
    """
    found = _COMPARISON.fullmatch(text.strip())
    if found is None:
        wrong = f"'{printable(text)}' is no comparison with a number"
        raise ValueError(f"{wrong}: write one of {' '.join(_OPERATORS)} before it, such as '< 0.01'")
    return Comparison(found[1], float(found[2]))


def check_server(url: str) -> None:
    """Refuse an address that is not that of a Prometheus server, or that has a secret in it.

    Raises:
        ValueError: why; the message follows the name of the key.
    """
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise ValueError(f"is no address: {error}") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            "has credentials in it: give them in $FLEET_PROMETHEUS_TOKEN,"
            " or in $FLEET_PROMETHEUS_USER and $FLEET_PROMETHEUS_PASSWORD"
        )
    plain = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in {"http", "https"} or not has_host or not plain:
        raise ValueError(f"'{printable(url)}' is no address such as https://prometheus.example.com")
    if parts.query or parts.fragment or parts.path.rstrip("/").endswith("/api/v1/query"):
        raise ValueError(f"'{printable(url)}' has to end before /api/v1/query, which fleet adds with the query")
