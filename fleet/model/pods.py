"""What the pods of a node have in place of the node's own settings."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSample:
    """One network namespace other than the node's own; all texts are safe to show.

    Attributes:
        pid: its oldest process, as the node numbers it.
        name: of its oldest process that is not a pod's pause process.
        hostname: which for a pod is its name; empty where it is the node's own.
        pod: the pod's uid, or the hash of a static pod, from the process's cgroup; empty for other namespaces.
        container: the container's id from the cgroup; empty where there is none.
        values: by key in dots; only keys that the namespace has.
    """

    pid: int
    name: str
    hostname: str
    pod: str
    container: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSurvey:
    """The namespaces that were sampled on one node.

    Attributes:
        host: the node's own values at that moment, by key in dots.
        namespaces: how many there are besides the node's own, sampled or not.
        samples: the one with the oldest process first.
    """

    host: Mapping[str, str]
    namespaces: int
    samples: tuple[PodSample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSysctl:
    """One key that a pod runs without, and has to be given.

    Attributes:
        name: in dots.
        value: its node's.
        safe_since: the first release of Kubernetes in which any pod may set it; empty for all supported ones, None
            where the kubelet has to allow it.
    """

    name: str
    value: str
    safe_since: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRemedy:
    """What gives the pods of a node the values that the node has set and they run without; at least one."""

    sysctls: tuple[PodSysctl, ...]

    @property
    def unsafe(self) -> tuple[str, ...]:
        """The keys that the kubelet has to allow in every release."""
        return tuple(sysctl.name for sysctl in self.sysctls if sysctl.safe_since is None)
