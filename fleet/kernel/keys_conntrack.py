"""net.netfilter.nf_conntrack_*: the table that remembers each connection and its NAT."""

from fleet.kernel.key import Bounds, Default, Key, Kind
from fleet.kernel.sources import AKS, CONNTRACK_DOC, GKE, KUBE_PROXY_CONFIG
from fleet.kernel.version import KernelVersion

_PREFIX = "net.netfilter.nf_conntrack_"

# A timeout of 0 is accepted by the kernel and forgets connections at once; a week is longer than any default.
_SECONDS = Bounds(at_least=1, at_most=604_800, source=CONNTRACK_DOC)
_SWITCH = Bounds(at_least=0, at_most=1, source=CONNTRACK_DOC)


def _timeout(
    name: str, default: str | None, effect: str, *, bounds: Bounds = _SECONDS, sources: tuple[str, ...] = ()
) -> Key:
    defaults = (Default(value=default),) if default is not None else ()
    return Key(
        name=_PREFIX + name,
        scope="host-namespace",
        kind=Kind.INT,
        bounds=bounds,
        defaults=defaults,
        effect=effect,
        sources=(CONNTRACK_DOC, *sources),
    )


def _switch(name: str, default: str, effect: str, *sources: str) -> Key:
    return Key(
        name=_PREFIX + name,
        scope="host-namespace",
        kind=Kind.BOOL,
        bounds=_SWITCH,
        defaults=(Default(value=default),),
        effect=effect,
        sources=(CONNTRACK_DOC, *sources),
    )


_TABLE = (
    Key(
        name=_PREFIX + "max",
        scope="host",
        kind=Kind.INT,
        # The upper end is the largest range that a platform publishes; the lower one is the kernel's least table.
        bounds=Bounds(at_least=1_024, at_most=4_194_304, source=GKE),
        defaults=(
            Default(value=None, note="by RAM: 4 x buckets, 262144 above 4 GiB"),
            Default(value=None, since=KernelVersion(5, 15), note="by RAM: equal to buckets, 262144 above 4 GiB"),
        ),
        effect=(
            "most connections that are remembered in each network namespace; above it new connections are dropped"
            " without an answer, so clients see timeouts and not resets. kube-proxy and k3s write it when they start"
        ),
        sources=(CONNTRACK_DOC, KUBE_PROXY_CONFIG, "https://github.com/kubernetes/kubernetes/pull/137002"),
    ),
    Key(
        name=_PREFIX + "buckets",
        scope="host",
        kind=Kind.INT,
        bounds=Bounds(at_least=1_024, at_most=4_194_304, source=CONNTRACK_DOC),
        defaults=(
            Default(value=None, note="by RAM: RAM / 131072, 16384 above 1 GiB, 65536 above 4 GiB"),
            Default(
                value=None,
                since=KernelVersion(5, 15),
                note="by RAM: RAM / 131072, 65536 above 1 GiB, 262144 above 4 GiB",
            ),
        ),
        effect=(
            "size of the hash table; the same number as the module parameter hashsize. Each connection is stored"
            " twice, so chains hold 2 x max / buckets entries when the table is full. The kernel rounds it up to whole"
            " pages of buckets"
        ),
        sources=(CONNTRACK_DOC, AKS),
    ),
    Key(
        name=_PREFIX + "count",
        scope="host-namespace",
        kind=Kind.INT,
        bounds=None,
        defaults=(),
        effect="connections that are remembered now; read-only",
        sources=(CONNTRACK_DOC,),
    ),
)

_JUDGEMENT = (
    _switch(
        "tcp_be_liberal",
        "0",
        "1 marks only out-of-window RST segments INVALID. With 0 a segment that is out of window is not translated"
        " back, so the client sees it come from an address it never dialled and resets the connection",
        "https://github.com/kubernetes/kubernetes/issues/74839",
        "https://github.com/kubernetes/kubernetes/pull/120412",
    ),
    _switch(
        "tcp_loose",
        "1",
        "1 picks up connections that are already established; with 0 a connection whose entry was lost hangs",
    ),
    _switch("tcp_ignore_invalid_rst", "0", "1 does not mark out-of-window RST segments INVALID either"),
    Key(
        name=_PREFIX + "log_invalid",
        scope="host-namespace",
        kind=Kind.INT,
        bounds=Bounds(at_least=0, at_most=255, source=CONNTRACK_DOC),
        defaults=(Default(value="0"),),
        effect=(
            "an IP protocol number whose INVALID packets are logged with the cause (6 is TCP), 255 for all, 0 for none;"
            " a good switch for triage that floods the log when it is left on"
        ),
        sources=(CONNTRACK_DOC,),
    ),
    _switch("acct", "0", "counts packets and bytes of each connection, which makes each entry larger"),
    _switch("checksum", "1", "marks packets with a bad checksum INVALID"),
)

_TCP_TIMEOUTS = (
    _timeout(
        "tcp_timeout_established",
        "432000",
        "seconds until an idle connection is forgotten; a socket that lives longer is reset on its next packet from the"
        " server, and tcp_be_liberal does not help. kube-proxy sets 86400",
        bounds=Bounds(at_least=600, at_most=432_000, source=GKE),
        sources=("https://www.rfc-editor.org/rfc/rfc5382", GKE),
    ),
    _timeout(
        "tcp_timeout_close_wait",
        "60",
        "seconds until a half-closed connection is forgotten: the one side has finished, the other may still send."
        " kube-proxy sets 3600",
        bounds=Bounds(at_least=60, at_most=3_600, source=GKE),
        sources=(KUBE_PROXY_CONFIG, GKE),
    ),
    _timeout(
        "tcp_timeout_time_wait",
        "120",
        "seconds until a closed connection is forgotten; the life of the entry, not of the TIME_WAIT socket, which is"
        " always 60 seconds",
        bounds=Bounds(at_least=1, at_most=600, source=GKE),
        sources=(GKE,),
    ),
    _timeout("tcp_timeout_fin_wait", "120", "seconds after the first FIN while nothing is heard"),
    _timeout("tcp_timeout_last_ack", "30", "seconds for the last acknowledgement of a close"),
    _timeout("tcp_timeout_syn_sent", "120", "seconds for the answer to a SYN"),
    _timeout("tcp_timeout_syn_recv", "60", "seconds for the third packet of the handshake"),
    _timeout("tcp_timeout_close", "10", "seconds after a RST"),
    _timeout(
        "tcp_timeout_max_retrans",
        "300",
        "seconds that an entry lives after tcp_max_retrans retransmissions without an answer, whatever the timeout"
        " of its state",
    ),
    _timeout(
        "tcp_timeout_unacknowledged",
        "300",
        "seconds that an established entry lives while data is not acknowledged; a 24 hour timeout does not count"
        " for such a connection",
        sources=("https://github.com/Azure/aks-engine/issues/1912",),
    ),
)

_OTHER_TIMEOUTS = (
    _timeout("generic_timeout", "600", "seconds for protocols that are not tracked in detail"),
    _timeout("udp_timeout", "30", "seconds for a UDP flow that was seen in one direction"),
    Key(
        name=_PREFIX + "udp_timeout_stream",
        scope="host-namespace",
        kind=Kind.INT,
        bounds=_SECONDS,
        defaults=(Default(value="120", since=KernelVersion(5, 10), note="180 on kernels long before"),),
        effect="seconds for a UDP flow that was seen in both directions for a while",
        sources=(CONNTRACK_DOC,),
    ),
    _timeout("icmp_timeout", "30", "seconds for an ICMP query"),
)

CONNTRACK_KEYS = (*_TABLE, *_JUDGEMENT, *_TCP_TIMEOUTS, *_OTHER_TIMEOUTS)
