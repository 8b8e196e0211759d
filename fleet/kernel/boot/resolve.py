"""From facts to the boot value of each key."""

import contextlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType

from fleet.kernel.boot.acceptance import BUCKETS, LIMITS, Accepted, Kernel, write
from fleet.kernel.boot.alpine import read_alpine
from fleet.kernel.boot.distribution import BootModel, boot_model
from fleet.kernel.boot.effects import storage
from fleet.kernel.boot.model import (
    Assignment,
    BootLost,
    BootRefused,
    BootSet,
    BootUnknown,
    BootUnset,
    BootValue,
)
from fleet.kernel.boot.module import COMMAND_LINE, CONNTRACK, ModuleState, hashsize, owner, state_of
from fleet.kernel.boot.procps import CONF, Version, read_procps
from fleet.kernel.boot.run import run
from fleet.kernel.boot.systemd import read_systemd
from fleet.kernel.boot.tree import BASES
from fleet.kernel.number import parse_number
from fleet.kernel.version import KernelVersion, parse_release
from fleet.model.facts import NodeFacts, NodeFile, Reason, Unavailable

MAX = "net.netfilter.nf_conntrack_max"
# /run is empty when a node boots.
_MADE_AT_RUN_TIME = tuple(f"/run/{tree}/" for tree in ("sysctl.d", "modules-load.d", "modprobe.d"))
# Every file that decides what the files of the boot leave: the three trees, and what is read beside them.
_DECIDING = re.compile(
    rf"(?:{'|'.join(BASES)})/(?:sysctl|modules-load|modprobe)\.d(?:/[^/]*)?|{re.escape(CONF)}|{COMMAND_LINE}"
)
_MOST_KINDS_OF_NODES = 256

ENTRIES_A_BUCKET = 8
"""With ``hashsize`` given, nf_conntrack_max becomes this many times the buckets.

nf_conntrack_init_start() in net/netfilter/nf_conntrack_core.c: https://docs.kernel.org/networking/nf_conntrack-sysctl.html
"""


def resolve_systemd(
    files: Mapping[str, NodeFile], keys: Iterable[str], *, kernel: Kernel, globs: bool | None
) -> Mapping[str, BootValue]:
    """What systemd-sysctl leaves in keys that are all there when it runs.

    Args:
        files: by absolute path.
        keys: in dots.
        kernel: what it makes of the values.
        globs: as for ``read_systemd``.
    """
    return run(read_systemd(files, globs=globs), keys, kernel)


def resolve_procps(
    files: Mapping[str, NodeFile], keys: Iterable[str], *, kernel: Kernel, version: Version | None
) -> Mapping[str, BootValue]:
    """What ``sysctl --system`` leaves in keys that are all there when it runs.

    Args:
        files: by absolute path.
        keys: in dots.
        kernel: what it makes of the values.
        version: as for ``read_procps``.
    """
    return run(read_procps(files, version=version), keys, kernel)


def resolve_alpine(files: Mapping[str, NodeFile], keys: Iterable[str], *, kernel: Kernel) -> Mapping[str, BootValue]:
    """What Alpine's /etc/init.d/sysctl leaves in keys that are all there when it runs.

    Args:
        files: by absolute path.
        keys: in dots.
        kernel: what it makes of the values.
    """
    return run(read_alpine(files, kernel), keys, kernel)


def resolve_boot(facts: NodeFacts, keys: Iterable[str]) -> Mapping[str, BootValue]:
    """What each key has after the next boot, before any service that writes keys itself has started.

    Args:
        facts: of one node, with ``BOOT_FILES`` among its files.
        keys: in dots.
    """
    wanted = tuple(keys)
    values = _resolve_boot(facts, wanted)
    made = sorted(path for path in facts.files if path.startswith(_MADE_AT_RUN_TIME))
    if not made:
        return values
    kept = {path: file for path, file in facts.files.items() if path not in made}
    without = _resolve_boot(replace(facts, files=kept), wanted)
    reason = f"/run is empty at boot, and whether something makes {made[0]} again before it counts is not known"
    return {
        key: value if _agree(value, without[key]) else BootUnknown(reason=reason, candidates=_lines(value))
        for key, value in values.items()
    }


def _agree(one: BootValue, other: BootValue) -> bool:
    if isinstance(one, BootUnknown) or isinstance(other, BootUnknown):
        return isinstance(one, BootUnknown)
    if isinstance(one, BootUnset) or isinstance(other, BootUnset):
        return type(one) is type(other)
    return (type(one), one.value) == (type(other), other.value)


def _lines(value: BootValue) -> tuple[Assignment, ...]:
    match value:
        case BootUnknown(candidates=lines) | BootUnset(losers=lines):
            return lines
        case _:
            return tuple(replace(line, reason="") for line in (_winner(value), *value.losers))


def _resolve_boot(facts: NodeFacts, wanted: tuple[str, ...]) -> Mapping[str, BootValue]:
    values = {key: each.value for key, each in facts.sysctls.items() if not isinstance(each.value, Unavailable)}
    # Only for root does "not writable" say something about a key.
    read_only = frozenset(key for key in values if facts.identity.uid == 0 and not facts.sysctls[key].writable)
    node = _Node(
        model=boot_model(facts),
        deciding=tuple(file for path, file in facts.files.items() if _DECIDING.fullmatch(path)),
        builtin_modules=facts.builtin_modules,
        release=facts.identity.kernel,
        arch=facts.identity.arch,
        # Of a key that only its present value tells something about.
        live=tuple((key, value) for key, value in values.items() if key not in LIMITS and key not in read_only),
        read_only=read_only,
        absent=frozenset(
            key
            for key, each in facts.sysctls.items()
            if isinstance(each.value, Unavailable) and each.value.reason is Reason.ABSENT
        ),
    )
    return _resolve(node, wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    """All of a node that counts here: most nodes of a fleet are equal in it, and are worked out together.

    Attributes:
        deciding: the files.
        live: values by key, whitespace folded.
        read_only: keys that even root may not write.
        absent: keys that this kernel does not have.
    """

    model: BootModel
    deciding: tuple[NodeFile, ...]
    builtin_modules: frozenset[str] | Unavailable
    release: str
    arch: str
    live: tuple[tuple[str, str], ...]
    read_only: frozenset[str]
    absent: frozenset[str]

    @property
    def files(self) -> Mapping[str, NodeFile]:
        """By absolute path."""
        return {file.path: file for file in self.deciding}

    @property
    def kernel(self) -> Kernel:
        """What it makes of the values."""
        version: KernelVersion | None = None
        # An own kernel may be called anything; then nothing is known by its version.
        with contextlib.suppress(ValueError):
            version = parse_release(self.release)
        return Kernel(version=version, arch=self.arch, live=dict(self.live), read_only=self.read_only)


@lru_cache(maxsize=_MOST_KINDS_OF_NODES)
def _resolve(node: _Node, wanted: tuple[str, ...]) -> Mapping[str, BootValue]:
    model, files, kernel = node.model, node.files, node.kernel
    match model.reader:
        case "systemd":
            values = resolve_systemd(files, wanted, kernel=kernel, globs=model.globs)
        case "procps":
            values = resolve_procps(files, wanted, kernel=kernel, version=None)
        case "alpine":
            values = resolve_alpine(files, wanted, kernel=kernel)
        case "unknown":
            return MappingProxyType(dict.fromkeys(wanted, BootUnknown(reason=model.why, candidates=())))
    modules = {owner(key) for key, value in values.items() if not isinstance(value, BootUnset)}
    states = {module: _state_of(node, module) for module in modules if module is not None}
    return MappingProxyType({key: _at_boot(node, kernel, states, key, value) for key, value in values.items()})


def _state_of(node: _Node, module: str) -> ModuleState:
    if node.model.reader == "systemd":
        return state_of(node, module)
    return ModuleState(loaded=None, reason=f"it is not known whether {module} is loaded first: {node.model.why}")


def _at_boot(node: _Node, kernel: Kernel, states: Mapping[str, ModuleState], key: str, value: BootValue) -> BootValue:
    """The value with what the files cannot know: when the key appears, and with what."""
    module = owner(key)
    if isinstance(value, BootUnknown):
        return value
    if module is None or key in node.absent:
        return _on_this_kernel(node, key, value)
    given = _given(node, kernel, key)
    if isinstance(value, BootUnset):
        return given or value
    return _with_module(value, module, states[module], given)


def _with_module(
    value: BootSet | BootLost | BootRefused, module: str, state: ModuleState, given: BootSet | BootUnknown | None
) -> BootValue:
    winner = _winner(value)
    if state.loaded is None:
        return BootUnknown(reason=state.reason, candidates=(winner, *value.losers))
    stays = state.loaded is False or (isinstance(value, BootRefused) and value.value is None)
    if stays and isinstance(given, BootUnknown):
        return given
    kept = given.value if stays and isinstance(given, BootSet) else None
    if state.loaded is False:
        remedy = f"name {module} in /etc/modules-load.d/{module}.conf"
        return BootLost(value=kept, winner=winner, losers=value.losers, reason=state.reason, remedy=remedy)
    return replace(value, value=kept) if kept is not None else value


def _winner(value: BootSet | BootLost | BootRefused) -> Assignment:
    return value.refused if isinstance(value, BootRefused) else value.winner


def _on_this_kernel(node: _Node, key: str, value: BootSet | BootUnset | BootLost | BootRefused) -> BootValue:
    if isinstance(value, BootUnset):
        unread = f"{node.model.before}, and it was not read"
        return BootUnknown(reason=unread, candidates=value.losers) if node.model.before else value
    if key in node.absent:
        return BootLost(
            value=None,
            winner=_winner(value),
            losers=value.losers,
            reason=f"{key} is not there now, so nothing says that it will be at boot",
            remedy="take the line out, or load the module that brings the key along before systemd-sysctl runs",
        )
    return value


def _given(node: _Node, kernel: Kernel, key: str) -> BootSet | BootUnknown | None:
    """What the option ``hashsize`` makes of a key when its module is loaded; None where it makes nothing of it."""
    stored = storage(key)
    option = hashsize(node) if stored in {MAX, BUCKETS} else None
    if option is None or isinstance(option, str):
        return BootUnknown(reason=option, candidates=()) if option else None
    try:
        asked = parse_number(option.value)
    except ValueError:
        reason = f"{option.origin}: {CONNTRACK} may not load with {option.value!r}"
        return BootUnknown(reason=reason, candidates=(option,))
    if asked == 0:
        return None  # the kernel chooses by itself
    buckets = write(replace(kernel, read_only=frozenset()), BUCKETS, str(asked), {})
    if not isinstance(buckets, Accepted):
        return BootUnknown(reason=f"{option.origin}: {buckets.reason}", candidates=(option,))
    value = int(buckets.value) * (ENTRIES_A_BUCKET if stored == MAX else 1)
    return BootSet(value=str(value), winner=option, losers=())
