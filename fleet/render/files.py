"""Files that are read at boot: sysctl.d, modules-load.d, modprobe.d."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TypeVar

from fleet.kernel.boot.name import path_of
from fleet.render.rendered import ModuleLine, Reason, RenderedFile, SysctlLine
from fleet.render.templates import Templates
from fleet.render.values import (
    RenderError,
    control_id,
    module_name,
    node_path,
    sysctl_key,
    sysctl_value,
    whole_number,
    words,
)

MODE = 0o644

_Line = TypeVar("_Line", bound=Reason)
_MOST_BUCKETS = 2**31 - 1


def sysctl_file(templates: Templates, *, path: str, settings: Sequence[SysctlLine], playbook: str) -> RenderedFile:
    """A file for sysctl.d that sets these keys, in this order, and no others.

    Args:
        templates: which to use.
        path: where it will be; it decides who wins, so the caller asks the resolver.
        settings: each key once.
        playbook: its name.

    Raises:
        RenderError: a value does not fit.
        DocumentError: a template fails.
    """
    where = node_path("path", path)
    if PurePosixPath(where).name == "99-sysctl.conf":
        # Debian links it to /etc/sysctl.conf, and other tools take it for theirs.
        raise RenderError("path: 99-sysctl.conf is where distributions link /etc/sysctl.conf: take another name")
    lines = checked_settings(settings)
    return rendered(templates, "sysctl.conf", where, lines, playbook, settings=lines)


def modules_file(templates: Templates, *, path: str, modules: Sequence[ModuleLine], playbook: str) -> RenderedFile:
    """A file for modules-load.d, so that the keys of these modules are there when sysctl.d is applied.

    Raises:
        RenderError: a value does not fit.
        DocumentError: a template fails.
    """
    lines = tuple(replace(line, module=module_name("module", line.module)) for line in explained(modules))
    return rendered(templates, "modules-load.conf", node_path("path", path), lines, playbook, modules=lines)


def modprobe_hashsize_file(
    templates: Templates, *, path: str, buckets: int, reason: Reason, playbook: str
) -> RenderedFile:
    """A file for modprobe.d that gives nf_conntrack its hash table when it is loaded.

    Args:
        templates: which to use.
        path: where it will be.
        buckets: of the hash table; the kernel then makes the limit eight times as large, unless it is set too.
        reason: why.
        playbook: its name.

    Raises:
        RenderError: a value does not fit.
        DocumentError: a template fails.
    """
    number = whole_number("buckets", buckets, at_least=1, at_most=_MOST_BUCKETS)
    lines = explained([reason])
    return rendered(templates, "modprobe.conf", node_path("path", path), lines, playbook, buckets=number)


def checked_settings(settings: Sequence[SysctlLine]) -> tuple[SysctlLine, ...]:
    """The settings with their values folded and each key once.

    Raises:
        RenderError: a key or value does not fit, or a key comes twice.
    """
    lines = tuple(
        replace(
            line,
            key=sysctl_key("key", line.key),
            value=sysctl_value(f"value of {line.key}", line.value),
        )
        for line in explained(settings)
    )
    seen: set[bytes] = set()
    for line in lines:
        if path_of(line.key) in seen:
            raise RenderError(f"key: {line.key} is set twice")
        seen.add(path_of(line.key))
    return lines


def explained(lines: Iterable[_Line]) -> tuple[_Line, ...]:
    """The lines with their controls checked, and reasons that stay in their comments.

    Raises:
        RenderError: there are none, or a control has no valid id.
    """
    found = tuple(replace(line, control=control_id("control", line.control), why=words(line.why)) for line in lines)
    if not found:
        raise RenderError("there is nothing to write")
    return found


def rendered(
    templates: Templates, name: str, path: str, reasons: Sequence[Reason], playbook: str, **variables: object
) -> RenderedFile:
    """Render one file for a node; all files have the variables of the header in common."""
    common = header(reasons, playbook)
    content = templates.render(name, {**common, **variables})
    return RenderedFile(path=path, mode=MODE, content=content, controls=controls_of(reasons))


def header(reasons: Sequence[Reason], playbook: str) -> Mapping[str, object]:
    """What every template gets: the playbook's name, and each control once with its reason."""
    first = {reason.control: Reason(control=reason.control, why=reason.why) for reason in reversed(reasons)}
    return {"playbook": words(playbook), "controls": [first[control] for control in controls_of(reasons)]}


def controls_of(reasons: Iterable[Reason]) -> tuple[str, ...]:
    """The ids in the order in which they come up, each once."""
    return tuple(dict.fromkeys(reason.control for reason in reasons))
