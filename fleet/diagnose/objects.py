"""Objects of Kubernetes as ``kubectl get … -o json`` prints them, of which nothing is taken for granted."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

Object = Mapping[str, Any]

_MOST_NAMED: Final = 8


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


def selects(service: Object, name: str, template: Object) -> bool:
    """Whether a Service selects the pods of a template; ``name`` is that of the workload, with its namespace."""
    selector = mapping(service, "spec", "selector")
    labels = mapping(template, "metadata", "labels")
    same_namespace = full_name(service).partition("/")[0] == name.partition("/")[0]
    return same_namespace and bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def belongs(pod: str, workload: str) -> bool:
    """Whether a pod is of a workload, by their names."""
    return pod == workload or pod.startswith(f"{workload}-")


def first(lines: Sequence[str]) -> list[str]:
    """As many as can be read, and how many more there are."""
    more = [f"{len(lines) - _MOST_NAMED} more"] if len(lines) > _MOST_NAMED else []
    return [*lines[:_MOST_NAMED], *more]


def some(names: Sequence[str]) -> str:
    """The same on one line."""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
