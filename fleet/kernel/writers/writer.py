"""What else writes a sysctl key than the files that are applied at boot."""

from dataclasses import dataclass
from typing import Literal

from fleet.model.text import printable

When = Literal["boot", "interface up", "service start", "timer"]
Kind = Literal[
    "unit", "kube-proxy", "k3s", "rke2", "kubelet", "tuned", "ufw", "systemd-networkd", "dockerd", "cilium", "calico"
]
Rule = Literal["sets", "raises", "lowers", "demands", "leaves"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One thing that a writer does to its key, or may do where its version or configuration is not known.

    Attributes:
        rule: ``sets``: up or down; ``raises`` and ``lowers``: only where the value is smaller or larger; ``demands``:
            writes nothing, but does not start where the value differs; ``leaves``: does nothing.
        value: as the kernel prints it; None for ``leaves`` only.
        releases: those that do this, such as ``1.23 to 1.28``; empty where every release in question does.
    """

    rule: Rule
    value: str | None
    releases: str = ""

    def __str__(self) -> str:
        what = "leaves the key alone" if self.value is None else f"{self.rule} it to {self.value}"
        if self.rule == "demands":
            what = f"demands {self.value}"
        return f"{what} ({self.releases})" if self.releases else what


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Something on the node that writes a key, or demands a value of it, each time it starts.

    Attributes:
        name: for people, such as ``kube-proxy 1.28``.
        kind: for code.
        key: in dots.
        when: at which moment.
        service: the unit or pod whose restart makes it write again, such as ``k3s``.
        after: services or kinds that are known to write before this one does; others come in any order.
        writes: what it may do; more than one where that depends on something unknown, none where the value is unknown.
        reason: why the value, or which of the writes, is not known; else empty.
        evidence: from what all this is known: processes with arguments, files with lines, units.
        condition: in which case only it writes; else empty.
        place: where its value is configured, for the remedy.
    """

    name: str
    kind: Kind
    key: str
    when: When
    service: str
    after: tuple[str, ...] = ()
    writes: tuple[Write, ...]
    reason: str = ""
    evidence: tuple[str, ...]
    condition: str = ""
    place: str = ""

    @property
    def value(self) -> str | None:
        """The value it will write where it writes; None where that is not known, for which ``reason`` says why."""
        values = {write.value for write in self.writes if write.value is not None}
        return values.pop() if len(values) == 1 else None


def shown(text: str) -> str:
    """Text of a node, safe and short enough for a sentence of evidence."""
    return printable(text, 160)
