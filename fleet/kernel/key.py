"""What the catalogue knows about one sysctl key."""

from dataclasses import dataclass
from enum import StrEnum

from fleet.kernel.pods import safe_sysctl, unsafe_sysctl
from fleet.kernel.version import KernelVersion
from fleet.model.finding import Scope

_ANY_VERSION = KernelVersion(0, 0)


class Kind(StrEnum):
    """What a value is made of, which decides how two of them compare."""

    INT = "int"
    BOOL = "bool"
    PORT_RANGE = "port range"
    PORT_LIST = "port list"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What this tool accepts; the kernel itself accepts nonsense such as a timeout of 0 or -1.

    Attributes:
        at_least: smallest sensible value; for ports of each port.
        at_most: largest sensible value; for ports of each port.
        source: the page that the numbers come from.
    """

    at_least: int
    at_most: int
    source: str

    def admit(self, value: int) -> bool:
        """Whether the value lies inside, both ends included."""
        return self.at_least <= value <= self.at_most


@dataclass(frozen=True, slots=True, kw_only=True)
class Default:
    """What the kernel starts with.

    Attributes:
        value: None where it depends on the machine; ``note`` then says on what.
        since: the first release with this default that we have evidence for.
    """

    value: str | None
    since: KernelVersion = _ANY_VERSION
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One sysctl key: what it really does, how far it reaches, and which values make sense.

    Attributes:
        name: in dots.
        scope: ``host``: one value for the machine. ``host-namespace``: it acts in the host's own network namespace,
            where the NAT of Services happens. ``namespace``: each network namespace has its own, and a new one
            starts at the kernel's default, so that pods do not inherit the host's.
        bounds: None for a counter that cannot be set.
        defaults: oldest first.
        effect: what the value does, and what it is often wrongly thought to do.
        pod_safe_since: of the scope ``namespace``, the first release of Kubernetes in which any pod may set it; empty
            for all supported ones, None where the kubelet has to allow it.
        sources: where this can be read.
    """

    name: str
    scope: Scope
    kind: Kind
    bounds: Bounds | None
    defaults: tuple[Default, ...]
    effect: str
    pod_safe_since: str | None = None
    sources: tuple[str, ...]

    @property
    def pod_remedy(self) -> str:
        """How a pod gets the value, for the scope ``namespace``; else empty."""
        if self.scope != "namespace":
            return ""
        if self.pod_safe_since is None:
            return unsafe_sysctl(self.name)
        return safe_sysctl(self.name, since=self.pod_safe_since)

    def default_for(self, version: KernelVersion) -> str | None:
        """The value that a kernel of this version starts with, or None where it depends on the machine."""
        for default in reversed(self.defaults):
            if version >= default.since:
                return default.value
        return None
