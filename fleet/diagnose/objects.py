"""Objects of Kubernetes as ``kubectl get … -o json`` prints them, of which nothing is taken for granted."""

from collections.abc import Iterator, Mapping
from typing import Any

Object = Mapping[str, Any]


def mapping(value: object, *path: str) -> Object:
    """What is found below a path; empty where it is not there, or something else."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def items(value: object, *path: str) -> list[Object]:
    """The objects of a list below a path."""
    found = mapping(value, *path[:-1]).get(path[-1]) if path else value
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def text(value: object, *path: str) -> str:
    """A text below a path; else empty."""
    found = mapping(value, *path[:-1]).get(path[-1])
    return found if isinstance(found, str) else ""


def number(value: object, *path: str) -> int | None:
    """A whole number below a path."""
    found = mapping(value, *path[:-1]).get(path[-1])
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def of_kind(objects: list[Object], kind: str) -> Iterator[Object]:
    """Those of one kind."""
    return (each for each in objects if each.get("kind") == kind)


def full_name(thing: Object) -> str:
    """``NAMESPACE/NAME``."""
    return f"{text(thing, 'metadata', 'namespace') or 'default'}/{text(thing, 'metadata', 'name') or '?'}"
