"""What testinfra says about a setting, put in the place of what the probe said."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from fleet.facts.tree import mask_file
from fleet.kernel.values import equal, fold
from fleet.model.errors import FleetError
from fleet.model.facts import IpvsTimeouts, NodeFacts, NodeFile, Sysctl, Unavailable
from fleet.model.finding import SettingState
from fleet.model.text import printable
from fleet.policy.control import Control
from fleet.verify.answers import IPVS_TIMEOUTS, MODULES, builtin_list, builtin_pattern
from fleet.verify.asked import Asked

# Facts that are numbers of the kernel's own; what others are derived from, no module of testinfra reads.
_KEYS_OF_FACTS: Mapping[str, tuple[str, ...]] = {
    "conntrack.count": ("count",),
    "conntrack.max": ("max",),
    "conntrack.buckets": ("buckets",),
    "conntrack.usage_percent": ("count", "max"),
    "conntrack.chain_length": ("max", "buckets"),
}


class ReadingError(FleetError):
    """Testinfra could not read what the probe had read."""


def read_again(control: Control, host: Asked, facts: NodeFacts, state: SettingState | None) -> NodeFacts:
    """Ask testinfra for what a control rests on.

    Args:
        control: of the policy.
        host: of testinfra.
        facts: what the probe read.
        state: of the control's key; None for settings that are none.

    Returns:
        the facts themselves where testinfra says the same.

    Raises:
        ReadingError: testinfra cannot tell.
    """
    target = control.setting.target
    match control.setting.kind:
        case "sysctl":
            return _with_source(with_sysctl(facts, host, target), host, control, state)
        case "ipvs":
            return _with_source(with_ipvs(facts, host), host, control, state)
        case "drop_in":
            return _with_files(facts, host, (path for path in facts.files if f"/{target}.service" in path))
        case "module":
            return _with_module(facts, host, target)
        case "file":
            return with_file(facts, host, target)
        case "fact":
            return _with_conntrack(facts, host, _KEYS_OF_FACTS.get(target, ()))


def _with_source(facts: NodeFacts, host: Asked, control: Control, state: SettingState | None) -> NodeFacts:
    """Read the file whose line decides what the next boot leaves, where the control is about that too."""
    source = state.boot_source if state is not None and control.state != "live" else None
    return with_file(facts, host, source.path) if source is not None else facts


def with_sysctl(facts: NodeFacts, host: Asked, key: str) -> NodeFacts:
    """Read a key that the probe could read.

    Raises:
        ReadingError: testinfra cannot.
    """
    known = facts.sysctls.get(key)
    if known is None or isinstance(known.value, Unavailable):
        return facts
    value = _sysctl(host, key)
    if equal(key, value, known.value):
        return facts
    said = Sysctl(key=key, value=value, writable=known.writable)
    return replace(facts, sysctls={**facts.sysctls, key: said})


def _sysctl(host: Asked, key: str) -> str:
    try:
        return fold(str(host.sysctl(key)))
    except (AssertionError, ValueError) as error:
        # Testinfra's own: the command failed, or there is no such command.
        raise ReadingError(f"testinfra cannot read {key}: {printable(str(error), 200)}") from error


def with_file(facts: NodeFacts, host: Asked, path: str) -> NodeFacts:
    """Read a file, unless it is there and the probe could not read it.

    Raises:
        ReadingError: testinfra cannot.
    """
    known = facts.files.get(path)
    if known is not None and known.content is None and known.kind in {"file", "unreadable"}:
        return facts  # too large, or not for us to read
    file = host.file(path)
    is_link = known is None and file.is_symlink
    if not file.is_file:
        if is_link:
            return _with_entry(facts, NodeFile(path=path, kind="link", link=file.linked_to))
        if known is None or file.exists or file.is_symlink:
            return facts
        return replace(facts, files={name: each for name, each in facts.files.items() if name != path})
    processes = () if isinstance(facts.processes, Unavailable) else facts.processes
    try:
        content = mask_file(path, file.content, {process.config for process in processes if process.config})
    except RuntimeError as error:
        raise ReadingError(f"testinfra cannot read {path}: {printable(str(error), 200)}") from error
    if known is not None and content == known.content:
        return facts
    found = known or NodeFile(path=path, kind="link" if is_link else "file", link=file.linked_to if is_link else None)
    return _with_entry(facts, replace(found, content=content))


def _with_entry(facts: NodeFacts, entry: NodeFile) -> NodeFacts:
    return replace(facts, files={**facts.files, entry.path: entry})


def _with_files(facts: NodeFacts, host: Asked, paths: Iterable[str]) -> NodeFacts:
    for path in tuple(paths):
        facts = with_file(facts, host, path)
    return facts


def with_ipvs(facts: NodeFacts, host: Asked) -> NodeFacts:
    """Read the timeouts of IPVS.

    Raises:
        ReadingError: testinfra cannot.
    """
    # Without the module the facts have no timeouts, and must not be asked for: ipvsadm would load it.
    if isinstance(facts.ipvs.timeouts, Unavailable):
        return facts
    try:
        numbers = re.findall(r"\d+", host.check_output(IPVS_TIMEOUTS))
        tcp, tcp_fin, udp = map(int, numbers)
    except (AssertionError, ValueError) as error:
        raise ReadingError(f"testinfra cannot read the timeouts of IPVS: {printable(str(error), 200)}") from error
    said = IpvsTimeouts(tcp=tcp, tcp_fin=tcp_fin, udp=udp)
    return facts if said == facts.ipvs.timeouts else replace(facts, ipvs=replace(facts.ipvs, timeouts=said))


def _with_module(facts: NodeFacts, host: Asked, name: str) -> NodeFacts:
    loaded, builtin = facts.modules, facts.builtin_modules
    if isinstance(loaded, Unavailable) or isinstance(builtin, Unavailable):
        return facts
    is_there = host.file(f"{MODULES}{name}").exists or host.file(builtin_list(facts.identity.kernel)).contains(
        builtin_pattern(name)
    )
    if is_there == (name in loaded | builtin):
        return facts
    return replace(facts, modules=loaded | {name} if is_there else loaded - {name}, builtin_modules=builtin - {name})


def _with_conntrack(facts: NodeFacts, host: Asked, fields: tuple[str, ...]) -> NodeFacts:
    said = facts.conntrack
    for field in fields:
        known = getattr(said, field)
        if not isinstance(known, Unavailable):
            said = replace(said, **{field: int(_sysctl(host, f"net.netfilter.nf_conntrack_{field}"))})  # type: ignore[arg-type] # a field of numbers
    return facts if said == facts.conntrack else replace(facts, conntrack=said)
