"""Ports, forwarding, bridges, neighbours and IPVS."""

from fleet.kernel.key import Bounds, Default, Key, Kind
from fleet.kernel.sources import AKS, IP_DOC, IPVS_DOC, POD_SYSCTLS
from fleet.model.finding import Scope

_PORT_RANGE = "net.ipv4.ip_local_port_range"
_RESERVED = "net.ipv4.ip_local_reserved_ports"
_UNPRIVILEGED = "net.ipv4.ip_unprivileged_port_start"

_PORTS = (
    Key(
        name=_PORT_RANGE,
        scope="namespace",
        kind=Kind.PORT_RANGE,
        bounds=Bounds(at_least=1_024, at_most=65_535, source=AKS),
        defaults=(Default(value="32768 60999"),),
        effect=(
            "local ports of outgoing connections. A port that stands in it and belongs to a NodePort or a daemon can be"
            " taken by an outgoing connection first"
        ),
        pod_safe_since="",
        sources=(IP_DOC, AKS, POD_SYSCTLS),
    ),
    Key(
        name=_RESERVED,
        scope="namespace",
        kind=Kind.PORT_LIST,
        bounds=Bounds(at_least=1, at_most=65_535, source=IP_DOC),
        defaults=(Default(value=""),),
        effect=(
            "ports that outgoing connections never take by themselves. A write replaces the whole list, so what others"
            " reserved must be written again"
        ),
        pod_safe_since="1.27",
        sources=(IP_DOC, POD_SYSCTLS),
    ),
    Key(
        name=_UNPRIVILEGED,
        scope="namespace",
        kind=Kind.INT,
        bounds=Bounds(at_least=0, at_most=65_535, source=IP_DOC),
        defaults=(Default(value="1024"),),
        effect="first port that needs no privilege; ip_local_port_range may not begin below it",
        pod_safe_since="",
        sources=(IP_DOC, POD_SYSCTLS),
    ),
)


def _number(name: str, scope: Scope, bounds: Bounds, default: str | None, effect: str, *sources: str) -> Key:
    return Key(
        name=name,
        scope=scope,
        kind=Kind.BOOL if bounds.at_most == 1 else Kind.INT,
        bounds=bounds,
        defaults=() if default is None else (Default(value=default),),
        effect=effect,
        sources=sources,
    )


def _switch(name: str, default: str | None, effect: str, *sources: str) -> Key:
    return _number(name, "host-namespace", Bounds(at_least=0, at_most=1, source=sources[0]), default, effect, *sources)


_CILIUM_RP_FILTER = "https://github.com/cilium/cilium/issues/10645"
_RP_FILTER = Bounds(at_least=0, at_most=2, source=IP_DOC)
_NEIGHBOURS = Bounds(at_least=0, at_most=1_048_576, source=IP_DOC)

_FORWARDING = (
    _switch(
        "net.ipv4.ip_forward", "0", "routes packets between interfaces; with 0 no pod reaches another node", IP_DOC
    ),
    _number(
        "net.ipv4.conf.all.rp_filter",
        "host-namespace",
        _RP_FILTER,
        "0",
        "drops packets whose source would be answered over another interface: 0 never, 1 strictly, 2 only when no route"
        " leads back. Of this value and the interface's own the larger one counts",
        IP_DOC,
        _CILIUM_RP_FILTER,
    ),
    _number(
        "net.ipv4.conf.default.rp_filter",
        "host-namespace",
        _RP_FILTER,
        "0",
        "the rp_filter that a new interface starts with, such as the host's end of a pod's link",
        IP_DOC,
        _CILIUM_RP_FILTER,
    ),
    _switch(
        "net.bridge.bridge-nf-call-iptables",
        "1",
        "shows bridged packets to iptables, so that Services work between pods on one bridge; is there only with"
        " br_netfilter loaded",
        IP_DOC,
        "https://kubernetes.io/docs/setup/production-environment/container-runtimes/",
    ),
    _number(
        "net.ipv4.neigh.default.gc_thresh1",
        "host",
        _NEIGHBOURS,
        "128",
        "neighbours below which none is forgotten",
        IP_DOC,
        AKS,
    ),
    _number(
        "net.ipv4.neigh.default.gc_thresh2",
        "host",
        _NEIGHBOURS,
        "512",
        "neighbours above which those older than 5 seconds are forgotten",
        IP_DOC,
        AKS,
    ),
    _number(
        "net.ipv4.neigh.default.gc_thresh3",
        "host",
        _NEIGHBOURS,
        "1024",
        "most neighbours; above it packets to new ones are dropped",
        IP_DOC,
        AKS,
    ),
)

_KUBE_PROXY_IPVS = "https://github.com/kubernetes/kubernetes/blob/master/pkg/proxy/ipvs/proxier.go"
_IPVS = (
    _switch(
        "net.ipv4.vs.conntrack",
        "0",
        "keeps conntrack entries for IPVS connections, which kube-proxy's masquerading needs; kube-proxy sets 1",
        IPVS_DOC,
        _KUBE_PROXY_IPVS,
    ),
    _switch(
        "net.ipv4.vs.expire_nodest_conn",
        "0",
        "ends a connection whose pod is gone at its next packet; with 0 the packets are dropped silently until the"
        " timeout. kube-proxy sets 1",
        IPVS_DOC,
        _KUBE_PROXY_IPVS,
    ),
    _switch(
        "net.ipv4.vs.expire_quiescent_template",
        "0",
        "ends session affinity to a pod whose weight is 0; kube-proxy sets 1",
        IPVS_DOC,
        _KUBE_PROXY_IPVS,
    ),
    _number(
        "net.ipv4.vs.conn_reuse_mode",
        "host-namespace",
        Bounds(at_least=0, at_most=3, source=IPVS_DOC),
        "1",
        "what happens when a client uses the port of a closed connection again: 0 goes to the old pod, 1 is scheduled"
        " anew. Before 5.9 a new schedule cost one second, so kube-proxy sets 0 there",
        IPVS_DOC,
        "https://github.com/kubernetes/kubernetes/issues/93297",
    ),
)

IP_KEYS = (*_PORTS, *_FORWARDING, *_IPVS)
