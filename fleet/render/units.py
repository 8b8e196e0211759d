"""systemd units and drop-ins."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields

from fleet.kernel.boot.module import owner
from fleet.kernel.services import SERVICES, Service
from fleet.render.files import checked_settings, explained, rendered
from fleet.render.rendered import IpvsChange, RenderedFile, SysctlLine
from fleet.render.templates import Templates
from fleet.render.values import RenderError, node_path, unit_words, whole_number

# The kernel keeps ticks in an int, and HZ is 1000 at most: ip_vs_set_timeout().
_MOST_SECONDS = (2**31 - 1) // 1000


def ipvs_timeouts_unit(
    templates: Templates,
    *,
    path: str,
    change: IpvsChange,
    programs: Mapping[str, str],
    playbook: str,
) -> RenderedFile:
    """A unit that sets the IPVS timeouts at boot, for which there are no sysctl keys.

    Args:
        templates: which to use.
        path: where it will be, such as ``/etc/systemd/system/fleet-ipvs-timeouts.service``; it has to be enabled.
        change: what it sets when it is started, and gives back when it is stopped.
        programs: full names of those of the node.
        playbook: its name.

    Raises:
        RenderError: a value does not fit.
        DocumentError: a template fails.
    """
    timeouts = change.timeouts
    for given in (timeouts, change.before or timeouts):
        for field in fields(given):
            whole_number(field.name, getattr(given, field.name), at_least=0, at_most=_MOST_SECONDS)
    variables = {
        "timeouts": timeouts,
        "before": change.before,
        "programs": _programs(programs, ("ipvsadm", "modprobe")),
    }
    where = node_path("path", path, suffix=".service")
    return rendered(templates, "ipvs-timeouts.service", where, explained(change.reasons), playbook, **variables)


def service_drop_in(
    templates: Templates,
    *,
    service: Service,
    settings: Sequence[SysctlLine],
    programs: Mapping[str, str],
    playbook: str,
) -> RenderedFile:
    """A drop-in that sets keys each time before a service starts, and never keeps it from starting.

    The modules that the keys belong to are loaded first. What the service itself writes when it starts comes later, and
    wins.

    Args:
        templates: which to use.
        service: the unit without ``.service``.
        settings: each key once.
        programs: full names of those of the node.
        playbook: its name.

    Raises:
        RenderError: a value does not fit.
        DocumentError: a template fails.
    """
    if service not in SERVICES:
        raise RenderError(f"service: {service!r} is none of {', '.join(SERVICES)}")
    lines = checked_settings(settings)
    for line in lines:
        unit_words(f"value of {line.key}", line.value)
    modules = list(dict.fromkeys(module for line in lines if (module := owner(line.key))))
    variables = {"service": service, "modules": modules, "programs": _programs(programs, ("sysctl", "modprobe"))}
    where = drop_in_path(service)
    return rendered(templates, "drop-in.conf", where, lines, playbook, settings=lines, **variables)


def drop_in_path(service: str) -> str:
    """Where the drop-in of a service is."""
    return f"/etc/systemd/system/{service}.service.d/90-fleet.conf"


def _programs(programs: Mapping[str, str], needed: Iterable[str]) -> Mapping[str, str]:
    """The programs that a unit calls, of which systemd wants full names.

    Raises:
        RenderError: the node does not have one, or its name does not fit.
    """
    found = {}
    for name in needed:
        if name not in programs:
            raise RenderError(f"the node has no {name} in /sbin, /usr/sbin, /bin or /usr/bin")
        found[name] = node_path(name, programs[name], suffix=f"/{name}")
    return found
