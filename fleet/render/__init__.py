"""Files for nodes, from Jinja2 templates and checked values.

A value is checked before it reaches a template, so that no text of a playbook, an inventory or a node can add a line, a
command or a specifier to a file: what does not fit is a ``RenderError`` that names the variable. The same input gives
the same bytes.
"""

from fleet.render.checker import checker_service, checker_timer
from fleet.render.cluster import SNIPPET_NAMES, k3s_config_snippet, kube_proxy_patch
from fleet.render.files import checked_settings, modprobe_hashsize_file, modules_file, sysctl_file
from fleet.render.rendered import (
    IpvsChange,
    ModuleLine,
    ProxyArgument,
    ProxyField,
    Reason,
    RenderedFile,
    SysctlLine,
)
from fleet.render.templates import Templates
from fleet.render.units import drop_in_path, ipvs_timeouts_unit, service_drop_in
from fleet.render.values import RenderError

__all__ = [
    "SNIPPET_NAMES",
    "IpvsChange",
    "ModuleLine",
    "ProxyArgument",
    "ProxyField",
    "Reason",
    "RenderError",
    "RenderedFile",
    "SysctlLine",
    "Templates",
    "checked_settings",
    "checker_service",
    "checker_timer",
    "drop_in_path",
    "ipvs_timeouts_unit",
    "k3s_config_snippet",
    "kube_proxy_patch",
    "modprobe_hashsize_file",
    "modules_file",
    "service_drop_in",
    "sysctl_file",
]
