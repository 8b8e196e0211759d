"""systemd units and drop-ins."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Literal, get_args

from fleet.kernel.boot.module import owner
from fleet.model.facts import IpvsTimeouts
from fleet.render.files import checked_settings, explained, rendered
from fleet.render.rendered import Reason, RenderedFile, SysctlLine
from fleet.render.templates import Templates
from fleet.render.values import RenderError, node_path, unit_words, whole_number

Service = Literal["kubelet", "k3s", "k3s-agent", "rke2-server", "rke2-agent"]
"""Units that a drop-in may prepare the node for."""

# The kernel keeps ticks in an int, and HZ is 1000 at most: ip_vs_set_timeout().
_MOST_SECONDS = (2**31 - 1) // 1000


def ipvs_timeouts_unit(
    templates: Templates, *, path: str, timeouts: IpvsTimeouts, reason: Reason, playbook: str
) -> RenderedFile:
    """A unit that sets the IPVS timeouts at boot, for which there are no sysctl keys.

    Args:
        templates: which to use.
        path: where it will be, such as ``/etc/systemd/system/fleet-ipvs-timeouts.service``; it has to be enabled.
        timeouts: all three, since ipvsadm sets them together; 0 keeps what the kernel has.
        reason: why.
        playbook: its name.

    Raises:
        RenderError: a value does not fit.
        DocumentError: a template fails.
    """
    for field in fields(timeouts):
        whole_number(field.name, getattr(timeouts, field.name), at_least=0, at_most=_MOST_SECONDS)
    where = node_path("path", path, suffix=".service")
    return rendered(templates, "ipvs-timeouts.service", where, explained([reason]), playbook, timeouts=timeouts)


def service_drop_in(
    templates: Templates, *, service: Service, settings: Sequence[SysctlLine], playbook: str
) -> RenderedFile:
    """A drop-in that sets keys each time before a service starts, and never keeps it from starting.

    The modules that the keys belong to are loaded first. What the service itself writes when it starts comes later, and
    wins.

    Raises:
        RenderError: a value does not fit.
        DocumentError: a template fails.
    """
    if service not in get_args(Service):
        raise RenderError(f"service: {service!r} is none of {', '.join(get_args(Service))}")
    lines = checked_settings(settings)
    for line in lines:
        unit_words(f"value of {line.key}", line.value)
    modules = list(dict.fromkeys(module for line in lines if (module := owner(line.key))))
    where = f"/etc/systemd/system/{service}.service.d/90-fleet.conf"
    return rendered(templates, "drop-in.conf", where, lines, playbook, service=service, modules=modules, settings=lines)
