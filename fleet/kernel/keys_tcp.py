"""net.ipv4.tcp_* and the backlogs: sockets of the host itself and of pods with hostNetwork."""

from fleet.kernel.key import Bounds, Default, Key, Kind
from fleet.kernel.sources import AKS, GKE, IP_DOC, NET_DOC, POD_SYSCTLS
from fleet.kernel.version import KernelVersion


def _key(
    name: str,
    bounds: Bounds,
    effect: str,
    *defaults: Default,
    safe_since: str | None = None,
    sources: tuple[str, ...] = (IP_DOC,),
) -> Key:
    return Key(
        name=name,
        scope="namespace",
        kind=Kind.BOOL if bounds.at_most == 1 else Kind.INT,
        bounds=bounds,
        defaults=defaults,
        effect=effect,
        pod_safe_since=safe_since,
        sources=(*sources, POD_SYSCTLS),
    )


_SWITCH = Bounds(at_least=0, at_most=1, source=IP_DOC)
_ZERO_TO_TWO = Bounds(at_least=0, at_most=2, source=IP_DOC)

_CLOSING = (
    _key(
        "net.ipv4.tcp_fin_timeout",
        Bounds(at_least=5, at_most=120, source=AKS),
        "seconds that an orphaned socket may stay in FIN-WAIT-2; it does not shorten TIME_WAIT, which is always"
        " 60 seconds",
        Default(value="60"),
        safe_since="1.29",
        sources=(IP_DOC, AKS),
    ),
    _key(
        "net.ipv4.tcp_tw_reuse",
        _ZERO_TO_TWO,
        "lets an outgoing connection take the port of a TIME_WAIT socket to the same destination after a second:"
        " 0 never, 1 always, 2 over loopback only; needs tcp_timestamps",
        Default(value="0"),
        Default(value="2", since=KernelVersion(4, 19)),
    ),
    _key(
        "net.ipv4.tcp_timestamps",
        _ZERO_TO_TWO,
        "without timestamps tcp_tw_reuse does nothing and old duplicates are told apart by sequence number only",
        Default(value="1"),
    ),
    _key(
        "net.ipv4.tcp_max_tw_buckets",
        Bounds(at_least=2_048, at_most=1_440_000, source=AKS),
        "most TIME_WAIT sockets; those above it are closed at once, and late segments then meet a RST",
        Default(value=None, note="by RAM: half of the established hash table"),
        sources=(IP_DOC, AKS, GKE),
    ),
    _key(
        "net.ipv4.tcp_rfc1337",
        _SWITCH,
        "1 drops a RST that arrives for a TIME_WAIT socket instead of ending TIME_WAIT early",
        Default(value="0"),
    ),
    _key(
        "net.ipv4.tcp_retries2",
        Bounds(at_least=3, at_most=15, source=IP_DOC),
        "retransmissions before an established connection is given up: 15 is 924 seconds or more, 8 about 100",
        Default(value="15"),
    ),
)

_KEEPALIVE = (
    _key(
        "net.ipv4.tcp_keepalive_time",
        Bounds(at_least=30, at_most=432_000, source=AKS),
        "idle seconds before the first keepalive probe of a socket that asked for keepalive and set no time of its own",
        Default(value="7200"),
        safe_since="1.29",
        sources=(IP_DOC, AKS),
    ),
    _key(
        "net.ipv4.tcp_keepalive_intvl",
        Bounds(at_least=10, at_most=90, source=AKS),
        "seconds between keepalive probes that are not answered",
        Default(value="75"),
        safe_since="1.29",
        sources=(IP_DOC, AKS),
    ),
    _key(
        "net.ipv4.tcp_keepalive_probes",
        Bounds(at_least=1, at_most=15, source=AKS),
        "keepalive probes without an answer before the connection is given up",
        Default(value="9"),
        safe_since="1.29",
        sources=(IP_DOC, AKS),
    ),
)

_LISTENING = (
    _key(
        "net.core.somaxconn",
        Bounds(at_least=128, at_most=3_240_000, source=AKS),
        "upper limit of the backlog that an application asks for in listen(); a larger value helps only where the"
        " application asks for more and is started again",
        Default(value="128"),
        Default(value="4096", since=KernelVersion(5, 4)),
        sources=(IP_DOC, AKS, GKE),
    ),
    _key(
        "net.ipv4.tcp_max_syn_backlog",
        Bounds(at_least=128, at_most=3_240_000, source=AKS),
        "half-open connections of one listener that are remembered when SYN cookies are off",
        Default(value=None, note="by RAM: the established hash table / 128, at least 128"),
        sources=(IP_DOC, AKS),
    ),
    _key(
        "net.ipv4.tcp_abort_on_overflow",
        _SWITCH,
        "1 answers with a RST when an application is too slow to accept; 0 lets the client try again",
        Default(value="0"),
    ),
    _key(
        "net.ipv4.tcp_syncookies",
        _ZERO_TO_TWO,
        "answers SYNs without memory when the SYN backlog is full: 0 never, 1 when it is full, 2 always",
        Default(value="1"),
        safe_since="",
    ),
)

_DEVICE = Key(
    name="net.core.netdev_max_backlog",
    scope="host",
    kind=Kind.INT,
    bounds=Bounds(at_least=1_000, at_most=3_240_000, source=AKS),
    defaults=(Default(value="1000"),),
    effect="packets that wait for each CPU when an interface receives faster than the kernel handles them",
    sources=(NET_DOC, AKS, GKE),
)

TCP_KEYS = (*_CLOSING, *_KEEPALIVE, *_LISTENING, _DEVICE)
