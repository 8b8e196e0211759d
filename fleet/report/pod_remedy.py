"""What gives pods the values of their node: lines to paste into their specification, told once for hosts alike."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from fleet.model.finding import Audit
from fleet.model.pods import PodRemedy, PodSysctl
from fleet.model.text import printable

POD_REMEDY_TITLE: Final = "What gives pods the values of their node"
_PLACE: Final = (
    "These lines belong in the specification of pods whose application needs the values: in the securityContext of the"
    " pod, not of a container. A pod with hostNetwork has its node's values already, and is refused with them."
)
_KUBELET: Final = (
    " A key that is unsafe, or not safe yet in the cluster's release, needs the kubelet's flag first, on every node"
    " where the pod may run: without it the pod is refused."
)

_LONGEST_ESCAPE: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRemedyGroup:
    """Hosts whose pods lack the same values.

    Attributes:
        hosts: inventory names, in the audit's order.
    """

    remedy: PodRemedy
    hosts: tuple[str, ...]


def pod_remedy_groups(audit: Audit) -> tuple[PodRemedyGroup, ...]:
    """The hosts of an audit by what their pods lack, the most hosts first."""
    alike: dict[PodRemedy, list[str]] = defaultdict(list)
    for name, host in audit.hosts.items():
        if host.pod_remedy is not None:
            alike[host.pod_remedy].append(name)
    groups = [PodRemedyGroup(remedy=remedy, hosts=tuple(names)) for remedy, names in alike.items()]
    return tuple(sorted(groups, key=lambda group: -len(group.hosts)))


def where_it_belongs(groups: Sequence[PodRemedyGroup]) -> str:
    """What to know before the lines are pasted, in two or three sentences."""
    always_safe = all(sysctl.safe_since == "" for group in groups for sysctl in group.remedy.sysctls)
    return _PLACE if always_safe else _PLACE + _KUBELET


def security_context(remedy: PodRemedy) -> Iterator[str]:
    """The lines of YAML for a pod's specification, safe to show.

    https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/
    """
    yield "securityContext:"
    yield "  sysctls:"
    for sysctl in remedy.sysctls:
        yield f"  - name: {_whole(sysctl.name)}"
        # A string of JSON is one of YAML too, and a value has to be a string there.
        yield f"    value: {json.dumps(_whole(sysctl.value), ensure_ascii=False)}  # {_admission(sysctl)}"


def kubelet_flag(remedy: PodRemedy) -> str:
    """The kubelet's flag that the lines of `security_context` need; empty where they need none."""
    return f"--allowed-unsafe-sysctls={','.join(map(_whole, remedy.unsafe))}" if remedy.unsafe else ""


def _admission(sysctl: PodSysctl) -> str:
    if sysctl.safe_since is None:
        return "unsafe"
    return f"safe since Kubernetes {_whole(sysctl.safe_since)}" if sysctl.safe_since else "safe"


def _whole(text: str) -> str:
    # A value that is cut is another value.
    return printable(text, _LONGEST_ESCAPE * len(text))
