"""Templates and plain input for the tests of fleet.render."""

from collections.abc import Mapping
from pathlib import Path

from support.kernel import process

from fleet.kernel.services import Service
from fleet.model.facts import IpvsTimeouts, NodeFile
from fleet.render import (
    IpvsChange,
    ModuleLine,
    ProxyArgument,
    ProxyField,
    Reason,
    RenderedFile,
    SysctlLine,
    Templates,
    ipvs_timeouts_unit,
    k3s_config_snippet,
    kube_proxy_patch,
    modprobe_hashsize_file,
    modules_file,
    service_drop_in,
    sysctl_file,
)

SHIPPED = Path(__file__).parents[2] / "templates"
TEMPLATES = Templates(SHIPPED)

PROGRAMS = {name: f"/sbin/{name}" for name in ("sysctl", "modprobe", "ipvsadm")}
PLAYBOOK = "Stop conntrack connection resets"
SYSCTL_PATH = "/etc/sysctl.d/90-fleet.conf"
WHY = (
    "A full table drops the first packet of every new connection, which clients see as a timeout.\n"
    "kube-proxy and k3s write this key as well.\n"
)
REASON = Reason(control="conntrack-max", why=WHY)


def line(key: str, value: str, *, control: str = "conntrack-max", why: str = WHY) -> SysctlLine:
    return SysctlLine(control=control, why=why, key=key, value=value)


SETTINGS = (
    line("net.netfilter.nf_conntrack_max", "1048576"),
    line("net.netfilter.nf_conntrack_tcp_be_liberal", "1", control="conntrack-be-liberal", why="Segments are late."),
    line("net.ipv4.ip_local_port_range", "32768\t60999", control="ports", why="NodePorts are below."),
    line("net.ipv4.ip_local_reserved_ports", "8080,30000-32767", control="ports", why="NodePorts are below."),
)


def sysctl(*settings: SysctlLine, playbook: str = PLAYBOOK, templates: Templates = TEMPLATES) -> RenderedFile:
    return sysctl_file(templates, path=SYSCTL_PATH, settings=settings or SETTINGS, playbook=playbook)


def modules(*names: str, why: str = WHY) -> RenderedFile:
    wanted = [ModuleLine(control="conntrack-max", why=why, module=name) for name in names or ("nf_conntrack", "ip_vs")]
    return modules_file(TEMPLATES, path="/etc/modules-load.d/fleet.conf", modules=wanted, playbook=PLAYBOOK)


def modprobe(*, why: str = WHY, playbook: str = PLAYBOOK, buckets: int = 262_144) -> RenderedFile:
    reason = Reason(control="conntrack-buckets", why=why)
    path = "/etc/modprobe.d/fleet.conf"
    return modprobe_hashsize_file(TEMPLATES, path=path, buckets=buckets, reason=reason, playbook=playbook)


def ipvs(*, tcp: int = 86_400, tcp_fin: int = 120, udp: int = 300, why: str = WHY) -> RenderedFile:
    return ipvs_timeouts_unit(
        TEMPLATES,
        path="/etc/systemd/system/fleet-ipvs-timeouts.service",
        change=IpvsChange(
            timeouts=IpvsTimeouts(tcp=tcp, tcp_fin=tcp_fin, udp=udp),
            before=IpvsTimeouts(tcp=900, tcp_fin=120, udp=300),
            reasons=[Reason(control="ipvs-tcp-timeout", why=why)],
        ),
        programs=PROGRAMS,
        playbook=PLAYBOOK,
    )


def drop_in(service: Service = "kubelet", *settings: SysctlLine) -> RenderedFile:
    return service_drop_in(
        TEMPLATES, service=service, settings=settings or SETTINGS, programs=PROGRAMS, playbook=PLAYBOOK
    )


def snippet(
    *arguments: tuple[str, str],
    name: str = "k3s-server",
    options: tuple[str, ...] = (),
    files: Mapping[str, NodeFile] | None = None,
    why: str = WHY,
) -> RenderedFile:
    """A snippet with these arguments, or with two."""
    wanted = arguments or (("conntrack-max-per-core", "1"), ("conntrack-min", "1048576"))
    return k3s_config_snippet(
        TEMPLATES,
        process=process(name, *options),
        files=files or {},
        arguments=[ProxyArgument(control="conntrack-max", why=why, name=name, value=value) for name, value in wanted],
        playbook=PLAYBOOK,
    )


def patch(*fields: tuple[str, int | bool], why: str = WHY) -> str:
    """A patch with these fields, or with one of each kind."""
    wanted: tuple[tuple[str, int | bool], ...] = fields or (
        ("conntrack.maxPerCore", 1),
        ("conntrack.min", 1_048_576),
        ("conntrack.tcpBeLiberal", True),
        ("ipvs.tcpTimeout", 900),
        ("conntrack.tcpEstablishedTimeout", 86_400),
    )
    lines = [ProxyField(control="conntrack-max", why=why, name=name, value=value) for name, value in wanted]
    return kube_proxy_patch(TEMPLATES, fields=lines, playbook=PLAYBOOK)
