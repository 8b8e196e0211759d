"""What rendering is asked for, and what it gives."""

from collections.abc import Sequence
from dataclasses import dataclass

from fleet.model.facts import IpvsTimeouts


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedFile:
    """A file as it is to be on the node.

    Attributes:
        path: absolute.
        mode: permission bits.
        content: every byte of it.
        controls: the ids of the controls that it serves, in the order in which they come up.
    """

    path: str
    mode: int
    content: bytes
    controls: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why something is rendered.

    Attributes:
        control: the id of the control that asks for it.
        why: the control's reason in free text, which becomes a comment.
    """

    control: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SysctlLine(Reason):
    """One key to set.

    Attributes:
        key: in dots, as in ``net.ipv4.conf.eth0/100.rp_filter``.
        value: as the kernel prints it, whitespace folded.
    """

    key: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleLine(Reason):
    """One kernel module to load, such as ``nf_conntrack``."""

    module: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyArgument(Reason):
    """One argument of kube-proxy, such as ``conntrack-max-per-core`` with ``0``."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyField(Reason):
    """One field of KubeProxyConfiguration.

    Attributes:
        name: with its section, such as ``conntrack.tcpEstablishedTimeout``.
        value: a number, true or false; of a timeout the seconds.
    """

    name: str
    value: int | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IpvsChange:
    """The timeouts of IPVS.

    Attributes:
        timeouts: all three, since ipvsadm sets them together; 0 keeps what the kernel has.
        before: those that are given back when the change is taken away; None for none.
        reasons: why.
    """

    timeouts: IpvsTimeouts
    before: IpvsTimeouts | None
    reasons: Sequence[Reason]
