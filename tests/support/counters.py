"""Counters of nodes, as a test wants them."""

from support.probe import NONCE

from fleet.model.counters import Counters
from fleet.model.facts import Reason, Unavailable

BOOT = "01234567-89ab-cdef-0123-456789abcdef"
NOT_LOADED = Unavailable(Reason.NOT_LOADED, "nf_conntrack")

PROC = {
    "/proc/uptime": b"1000.50 3900.10\n",
    "/proc/sys/kernel/random/boot_id": BOOT.encode() + b"\n",
    "/proc/net/snmp": b"Ip: Forwarding\nIp: 1\n"
    b"Tcp: ActiveOpens EstabResets RetransSegs OutRsts MaxConn\nTcp: 5 7 11 13 -1\n",
    "/proc/net/netstat": b"TcpExt: TCPAbortOnData Unknown\nTcpExt: 17 1\n",
    "/proc/net/sockstat": b"sockets: used 70\nTCP: inuse 5 orphan 0 tw 12 alloc 9 mem 1\n",
    "/proc/net/sockstat6": b"TCP6: inuse 3\n",
    "/proc/net/stat/nf_conntrack": b"entries found invalid drop\n00000064 00000000 0000000a 00000001\n"
    b"00000064 00000000 00000002 00000000\n",
    "/proc/sys/net/netfilter/nf_conntrack_count": b"100\n",
    "/proc/sys/net/netfilter/nf_conntrack_max": b"262144\n",
}


def answer(files: dict[str, bytes] | None = None, *, refused: tuple[str, ...] = (), end: bytes = b"end") -> bytes:
    """What counters.sh prints on a node with these files in /proc."""
    mark = NONCE.encode()
    present = PROC if files is None else files
    listed = [f"read {path}\n" for path in present] + [f"refused {path}\n" for path in refused]
    contents = b"".join(content + mark + b"=\0" for content in present.values())
    sections = ((b"files", "".join(listed).encode()), (b"contents", contents), (end, b""))
    return mark + b" fleet-counters 1\n" + b"".join(b"\n%s %s\n%s" % (mark, *section) for section in sections)


def counted(uptime: float, resets: int = 0, again: int = 0, invalid: int | None = 0, *, boot: str = BOOT) -> Counters:
    """One reading; ``invalid`` is None where conntrack is not there."""
    return Counters(
        boot_id=boot,
        uptime=uptime,
        counters={"TcpOutRsts": resets, "TcpRetransSegs": again},
        sockets={},
        conntrack=NOT_LOADED if invalid is None else {"invalid": invalid},
        entries=0 if invalid is not None else NOT_LOADED,
        most=262_144 if invalid is not None else NOT_LOADED,
    )
