"""Kinds of nodes that differ in their sysctl.d files and live values."""

import random
from dataclasses import replace

from fleet.lab.planted import Planted
from fleet.lab.specification import NodeSpec, PlannedFile, PlannedLink

_LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal"
_ESTABLISHED = "net.netfilter.nf_conntrack_tcp_timeout_established"
_FIN_TIMEOUT = "net.ipv4.tcp_fin_timeout"
_PORT_RANGE = "net.ipv4.ip_local_port_range"
_RESERVED = "net.ipv4.ip_local_reserved_ports"
_SYN_BACKLOG = "net.ipv4.tcp_max_syn_backlog"
_SOMAXCONN = "net.core.somaxconn"


def plain(base: NodeSpec, _rng: random.Random) -> NodeSpec:
    """A node as it was installed."""
    return base


def hardened(base: NodeSpec, _rng: random.Random) -> NodeSpec:
    return replace(
        base,
        planted=(Planted.HARDENED,),
        files=(
            PlannedFile(path="/etc/sysctl.d/90-conntrack.conf", content=f"{_LIBERAL} = 1\n"),
            PlannedFile(path="/etc/modules-load.d/nf_conntrack.conf", content="nf_conntrack\n"),
        ),
        live=((_LIBERAL, "1"),),
    )


def wide_port_range(base: NodeSpec, _rng: random.Random) -> NodeSpec:
    return replace(
        base,
        planted=(Planted.PORT_RANGE_OVER_NODEPORTS,),
        files=(PlannedFile(path="/etc/sysctl.d/60-ports.conf", content=f"{_PORT_RANGE} = 1024 65535\n"),),
        live=((_PORT_RANGE, "1024 65535"),),
    )


def reserved_ports(base: NodeSpec, rng: random.Random) -> NodeSpec:
    return replace(
        base,
        planted=(Planted.RESERVED_PORTS, Planted.EPHEMERAL_LISTENER),
        files=(PlannedFile(path="/etc/sysctl.d/60-reserved.conf", content=f"{_RESERVED}=30000-32767,8472\n"),),
        live=((_RESERVED, "30000-32767,8472"),),
        listeners=(rng.randrange(40000, 50000),),
    )


def shadowed(base: NodeSpec, rng: random.Random) -> NodeSpec:
    somaxconn = str(rng.choice((8192, 16384, 32768)))
    return replace(
        base,
        planted=(Planted.SHADOWED_FILE, Planted.LATER_FILE_WINS, Planted.MASKED_FILE),
        files=(
            PlannedFile(path="/etc/sysctl.d/99-custom.conf", content=f"{_SOMAXCONN} = 4096\n{_FIN_TIMEOUT} = 30\n"),
            PlannedFile(path="/usr/lib/sysctl.d/99-custom.conf", content=f"{_SOMAXCONN} = 1024\n"),
            PlannedFile(path="/usr/lib/sysctl.d/99-zz-vendor.conf", content=f"{_SOMAXCONN} = {somaxconn}\n"),
            PlannedFile(path="/usr/lib/sysctl.d/50-conntrack.conf", content=f"{_LIBERAL} = 1\n"),
        ),
        links=(PlannedLink(path="/etc/sysctl.d/50-conntrack.conf", target="/dev/null"),),
        live=((_SOMAXCONN, somaxconn), (_FIN_TIMEOUT, "30")),
    )


def sysctl_conf_link(base: NodeSpec, rng: random.Random) -> NodeSpec:
    winner = str(rng.choice((20, 25, 45)))
    return replace(
        base,
        planted=(Planted.SYSCTL_CONF_LINK,),
        files=(
            PlannedFile(path="/etc/sysctl.conf", content=f"# local settings\n{_FIN_TIMEOUT} = 60\n"),
            PlannedFile(path="/etc/sysctl.d/99-z.conf", content=f"{_FIN_TIMEOUT} = {winner}\n"),
        ),
        links=(PlannedLink(path="/etc/sysctl.d/99-sysctl.conf", target="../sysctl.conf"),),
        live=((_FIN_TIMEOUT, winner),),
    )


def glob(base: NodeSpec, _rng: random.Random) -> NodeSpec:
    return replace(
        base,
        planted=(Planted.GLOB, Planted.DUPLICATE_KEY, Planted.DASH_PREFIX),
        files=(
            PlannedFile(
                path="/etc/sysctl.d/20-interfaces.conf",
                content=(
                    f"net.ipv4.conf.eth0.rp_filter = 1\nnet.ipv4.conf.default.rp_filter = 1\n-{_SYN_BACKLOG} = many\n"
                ),
            ),
            PlannedFile(path="/etc/sysctl.d/70-interfaces.conf", content="net.ipv4.conf.*.rp_filter = 0\n"),
            PlannedFile(
                path="/etc/sysctl.d/80-backlog.conf",
                content=f"{_SOMAXCONN} = 2048\nnet/core/somaxconn = 16384\n",
            ),
        ),
        live=(
            ("net.ipv4.conf.default.rp_filter", "1"),
            ("net.ipv4.conf.lo.rp_filter", "0"),
            ("net.ipv4.conf.eth0.rp_filter", "1"),
            (_SOMAXCONN, "16384"),
        ),
    )


def careless(base: NodeSpec, rng: random.Random) -> NodeSpec:
    return replace(
        base,
        planted=(Planted.IGNORED_FILE, Planted.BAD_VALUE, Planted.LIVE_DIFFERS),
        files=(
            PlannedFile(path="/etc/sysctl.d/90-conntrack.conf.bak", content=f"{_LIBERAL} = 1\n"),
            PlannedFile(
                path="/etc/sysctl.d/90-timeouts.conf", content=f"{_FIN_TIMEOUT} = sixty\n{_ESTABLISHED} = 86400\n"
            ),
        ),
        live=((_ESTABLISHED, str(rng.choice((600, 1200, 1800)))),),
    )


def cargo_cult(base: NodeSpec, rng: random.Random) -> NodeSpec:
    buckets = str(rng.choice((5000, 6000)))
    return replace(
        base,
        planted=(Planted.CARGO_CULT,),
        files=(
            PlannedFile(
                path="/etc/sysctl.d/99-tuning.conf",
                content=(
                    "# from a blog: get rid of TIME_WAIT\n"
                    f"net.ipv4.tcp_tw_reuse = 1\n{_FIN_TIMEOUT} = 10\nnet.ipv4.tcp_max_tw_buckets = {buckets}\n"
                ),
            ),
        ),
        live=(("net.ipv4.tcp_tw_reuse", "1"), (_FIN_TIMEOUT, "10"), ("net.ipv4.tcp_max_tw_buckets", buckets)),
    )
