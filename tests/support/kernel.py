"""Nodes with just the facts that a test of fleet.kernel is about."""

from collections.abc import Mapping

from fleet.model.facts import (
    Conntrack,
    Identity,
    InvalidRule,
    Ipvs,
    NodeFacts,
    NodeFile,
    NodeProcess,
    OsRelease,
    Reason,
    Sysctl,
    Unavailable,
)

NEEDS_ROOT = Unavailable(Reason.NEEDS_ROOT)
_NOT_LOADED = Unavailable(Reason.NOT_LOADED)


def process(name: str, *arguments: str) -> NodeProcess:
    return NodeProcess(pid=1, name=name, arguments=(f"/usr/local/bin/{name}", *arguments))


def node(
    *,
    processes: tuple[NodeProcess, ...] | Unavailable = (),
    files: Mapping[str, str] | None = None,
    sysctls: Mapping[str, str] | None = None,
    invalid_rules: tuple[InvalidRule, ...] | Unavailable = (),
    builtin_modules: frozenset[str] | Unavailable = frozenset(),
) -> NodeFacts:
    return NodeFacts(
        identity=Identity(
            hostname="node",
            machine_id=NEEDS_ROOT,
            boot_id=NEEDS_ROOT,
            uptime_seconds=1.0,
            os=OsRelease(id="debian", version_id="12", pretty_name="Debian", id_like=()),
            kernel="6.1.0-18-amd64",
            arch="x86_64",
            cores=4,
            ram_bytes=4 * 2**30,
            uid=0,
            init="systemd",
        ),
        sysctls={key: Sysctl(key=key, value=value, writable=True) for key, value in (sysctls or {}).items()},
        conntrack=Conntrack(
            count=_NOT_LOADED,
            max=_NOT_LOADED,
            buckets=_NOT_LOADED,
            hashsize=_NOT_LOADED,
            object_bytes=_NOT_LOADED,
            stats=_NOT_LOADED,
        ),
        ipvs=Ipvs(timeouts=_NOT_LOADED, services=_NOT_LOADED, connections=_NOT_LOADED),
        sockets={},
        counters={},
        modules=frozenset(),
        builtin_modules=builtin_modules,
        files={path: _file(path, text) for path, text in (files or {}).items()},
        listeners=(),
        processes=processes,
        invalid_rules=invalid_rules,
        tuned_profile=_NOT_LOADED,
        ufw_enabled=_NOT_LOADED,
    )


def _file(path: str, text: str) -> NodeFile:
    if text == "-> /dev/null":
        return NodeFile(path=path, kind="link", link="/dev/null")
    return NodeFile(path=path, kind="file", content=text.encode())
