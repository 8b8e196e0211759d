"""The timeouts of IPVS: no sysctl keys, but numbers of the kernel with a live and a boot value like theirs."""

from fleet.kernel.key import Bounds, Default, Key, Kind

TCP = "ipvs.tcp_timeout"
TCP_FIN = "ipvs.tcp_fin_timeout"
UDP = "ipvs.udp_timeout"

_MANUAL = "https://manpages.debian.org/bookworm/ipvsadm/ipvsadm.8.en.html"
# The kernel keeps ticks in an int, and HZ is 1000 at most: ip_vs_set_timeout().
_BOUNDS = Bounds(at_least=1, at_most=(2**31 - 1) // 1000, source=_MANUAL)
_SOURCES = (_MANUAL, "https://kubernetes.io/docs/reference/config-api/kube-proxy-config.v1alpha1/")


def _timeout(name: str, default: str, effect: str) -> Key:
    return Key(
        name=name,
        scope="host-namespace",
        kind=Kind.INT,
        bounds=_BOUNDS,
        defaults=(Default(value=default),),
        effect=effect,
        sources=_SOURCES,
    )


IPVS_NAMES = (TCP, TCP_FIN, UDP)
"""In the order in which ipvsadm takes them."""

IPVS_KEYS = (
    _timeout(TCP, "900", "Seconds that an established connection without packets is remembered."),
    _timeout(TCP_FIN, "120", "Seconds that a connection is remembered after its first FIN."),
    _timeout(UDP, "300", "Seconds that an exchange of UDP packets stays on one server."),
)
