"""Trees of files that decide what the next boot leaves, each about one thing, with values drawn by a seed."""

import random
from collections.abc import Callable, Mapping

from support.vm import Planting

CONNTRACK_LOADED = {"/etc/modules-load.d/conntrack.conf": "nf_conntrack\n"}

ESTABLISHED = "net.netfilter.nf_conntrack_tcp_timeout_established"
CLOSE_WAIT = "net.netfilter.nf_conntrack_tcp_timeout_close_wait"
LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal"
MAX = "net.netfilter.nf_conntrack_max"
BUCKETS = "net.netfilter.nf_conntrack_buckets"
FIN = "net.ipv4.tcp_fin_timeout"
KEEPALIVE = "net.ipv4.tcp_keepalive_time"
RANGE = "net.ipv4.ip_local_port_range"
RESERVED = "net.ipv4.ip_local_reserved_ports"
SOMAXCONN = "net.core.somaxconn"

KEYS = (
    *(ESTABLISHED, CLOSE_WAIT, LIBERAL, MAX, BUCKETS, FIN, KEEPALIVE, RANGE, RESERVED, SOMAXCONN),
    "net.nf_conntrack_max",
    "net.netfilter.nf_conntrack_tcp_timeout_time_wait",
    "net.netfilter.nf_conntrack_udp_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_forward",
    "net.ipv4.conf.all.forwarding",
    "net.ipv4.conf.eth0.forwarding",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.conf.default.rp_filter",
    "net.ipv4.conf.lo.rp_filter",
    "net.ipv4.conf.eth0.rp_filter",
    "net.ipv4.vs.conntrack",
    "net.ipv4.vs.expire_nodest_conn",
    "net.core.netdev_max_backlog",
    "kernel.panic",
    "kernel.panic_on_oops",
    "kernel.pid_max",
    "fs.inotify.max_user_instances",
    "vm.overcommit_memory",
    "vm.dirty_bytes",
    "vm.dirty_ratio",
    "vm.max_map_count",
)
"""What is predicted and read again after the boot."""


def _conflict(rng: random.Random) -> Planting:
    return Planting(
        files={
            "/etc/sysctl.d/10-first.conf": f"{FIN} = {rng.randrange(5, 20)}\n{SOMAXCONN} = 1024\n",
            "/usr/lib/sysctl.d/60-vendor.conf": f"{FIN} = 20\n{KEEPALIVE}={rng.randrange(300, 900)}\n",
            "/etc/sysctl.d/99-last.conf": f"{FIN} = {rng.randrange(40, 60)}\n",
            "/etc/sysctl.conf": f"{KEEPALIVE} = {rng.randrange(900, 1800)}\n",
        }
    )


def _mask(rng: random.Random) -> Planting:
    return Planting(
        files={
            "/usr/lib/sysctl.d/60-vendor.conf": f"{FIN} = {rng.randrange(5, 60)}\nkernel.panic = 10\n",
            "/etc/sysctl.d/20-own.conf": f"kernel.panic_on_oops = 1\n{SOMAXCONN} = {rng.randrange(512, 4096)}\n",
        },
        links={"/etc/sysctl.d/60-vendor.conf": "/dev/null"},
    )


def _same_name(rng: random.Random) -> Planting:
    return Planting(
        files={
            "/usr/lib/sysctl.d/70-net.conf": f"{FIN} = 11\n{KEEPALIVE} = {rng.randrange(300, 900)}\n",
            "/usr/local/lib/sysctl.d/70-net.conf": f"{FIN} = 12\n{SOMAXCONN} = {rng.randrange(512, 4096)}\n",
            "/etc/sysctl.d/70-net.conf": f"{FIN} = {rng.randrange(13, 60)}\n",
        }
    )


def _links(rng: random.Random) -> Planting:
    return Planting(
        files={
            "/etc/sysctl.conf": f"{FIN} = {rng.randrange(5, 60)}\n",
            "/opt/shared/net.conf": f"{KEEPALIVE} = {rng.randrange(300, 900)}\nvm.max_map_count = 262144\n",
        },
        links={
            "/etc/sysctl.d/50-shared.conf": "/opt/shared/net.conf",
            "/etc/sysctl.d/98-gone.conf": "/opt/shared/gone.conf",
            "/etc/sysctl.d/99-own.conf": "../sysctl.conf",
        },
    )


def _missing_module(rng: random.Random) -> Planting:
    return Planting(
        files={
            "/etc/sysctl.d/90-conntrack.conf": (
                f"{LIBERAL} = 1\n{ESTABLISHED} = {rng.randrange(3600, 86400)}\n{MAX} = 524288\n{FIN} = 30\n"
            )
        }
    )


def _conntrack(rng: random.Random) -> Planting:
    return Planting(
        files=CONNTRACK_LOADED
        | {
            "/etc/sysctl.d/90-conntrack.conf": (
                f"{LIBERAL} = 1\n{ESTABLISHED} = {rng.randrange(3600, 86400)}\n{CLOSE_WAIT} = 90\n"
                f"net.nf_conntrack_max = {rng.randrange(10_000, 60_000)}\n"
            )
        }
    )


def _hashsize(rng: random.Random) -> Planting:
    return Planting(
        files=CONNTRACK_LOADED
        | {
            "/etc/modprobe.d/conntrack.conf": f"options nf_conntrack hashsize={1024 * rng.randrange(4, 64)}\n",
            "/etc/sysctl.d/90-conntrack.conf": f"{LIBERAL} = 1\n",
        }
    )


def _buckets(rng: random.Random) -> Planting:
    return Planting(
        files=CONNTRACK_LOADED
        | {"/etc/sysctl.d/90-conntrack.conf": f"{BUCKETS} = 100000\n{MAX} = {rng.randrange(100_000, 200_000)}\n"}
    )


def _glob(rng: random.Random) -> Planting:
    return Planting(
        files={
            "/etc/sysctl.d/80-glob.conf": (
                f"net.ipv4.conf.*.rp_filter = {rng.randrange(2)}\n-net.ipv4.conf.all.rp_filter\n"
                f"net.ipv4.tcp_keepalive_* = {rng.randrange(9, 90)}\n{KEEPALIVE} = {rng.randrange(300, 900)}\n"
            )
        }
    )


def _refused(rng: random.Random) -> Planting:
    return Planting(
        files={
            "/etc/sysctl.d/40-good.conf": f"{FIN} = {rng.randrange(5, 60)}\nnet.ipv4.tcp_tw_reuse = 1\n",
            "/etc/sysctl.d/50-bad.conf": (
                f"{FIN} = banana\n-net.ipv4.tcp_tw_reuse = 7\n{KEEPALIVE} = 600 # ten minutes\n"
                f"net.ipv4.no_such_key = 1\n{SOMAXCONN} = {rng.randrange(512, 4096)}\n"
            ),
        }
    )


def _ports(rng: random.Random) -> Planting:
    low = 2 * rng.randrange(10_000, 15_000)
    return Planting(
        files={
            "/etc/sysctl.d/60-ports.conf": (
                f"{RANGE} = {low} {low + 20_001}\n{RESERVED} = {low + 9},{low + 3}-{low + 5},{low + 10}\n"
                "net.ipv4.ip_unprivileged_port_start = 80\n"
            )
        }
    )


def _ipvs(rng: random.Random) -> Planting:
    return Planting(
        files={
            "/etc/modules-load.d/ipvs.conf": "# IPVS\nip_vs\nnf_conntrack\nno_such_module\n",
            "/etc/sysctl.d/90-ipvs.conf": (
                f"net.ipv4.vs.conntrack = 1\nnet.ipv4.vs.expire_nodest_conn = {rng.randrange(2)}\n{LIBERAL} = 1\n"
            ),
        }
    )


def _pairs(rng: random.Random) -> Planting:
    return Planting(
        files={
            "/etc/sysctl.d/30-memory.conf": f"vm.dirty_ratio = {rng.randrange(5, 40)}\nvm.overcommit_memory=1\n",
            "/etc/sysctl.d/31-forward.conf": "net.ipv4.ip_forward = 1\nnet.ipv4.conf.eth0.forwarding = 0\n",
            "/etc/sysctl.d/32-written.conf": (
                "; semicolons\r\nnet/ipv4/tcp_keepalive_intvl = 17\r\nkernel/pid_max=99999\n"
                f"fs.inotify.max_user_instances={rng.randrange(256, 8192)}\n"
            ),
        }
    )


def _lost_on_the_way(rng: random.Random) -> Planting:
    # /run is empty again after a reboot.
    return Planting(
        files={
            "/run/sysctl.d/99-run.conf": f"{FIN} = {rng.randrange(5, 30)}\n",
            "/etc/sysctl.d/50-own.conf": f"{FIN} = {rng.randrange(30, 60)}\n",
            "/etc/sysctl.d/README": f"{KEEPALIVE} = 1\n",
            "/etc/sysctl.d/60-old.conf.bak": f"{SOMAXCONN} = 1\n",
        }
    )


TREES: Mapping[str, Callable[[random.Random], Planting]] = {
    "conflicting files": _conflict,
    "masked file": _mask,
    "same name in three places": _same_name,
    "links": _links,
    "module not loaded": _missing_module,
    "conntrack": _conntrack,
    "hashsize parameter": _hashsize,
    "rounded buckets": _buckets,
    "glob and exclusion": _glob,
    "refused values": _refused,
    "ports": _ports,
    "ipvs": _ipvs,
    "pairs": _pairs,
    "file in /run": _lost_on_the_way,
}

ON_THE_NEXT_RELEASE = (
    "conflicting files",
    "masked file",
    "links",
    "module not loaded",
    "hashsize parameter",
    "glob and exclusion",
    "refused values",
)
"""Trees on which generations of systemd, procps and the kernel could differ."""

NOT_FORETOLD = frozenset(
    {
        # What the kernel makes of these values is not modelled, or hangs on the order in which a pair is written.
        ("links", "vm.max_map_count"),
        ("pairs", "vm.dirty_bytes"),
        ("pairs", "vm.dirty_ratio"),
        # The line is lost or refused, which is said; what is there instead is the kernel's own choice.
        ("module not loaded", MAX),
        ("module not loaded", "net.nf_conntrack_max"),
        ("refused values", "net.ipv4.tcp_tw_reuse"),
        # Whether something makes the file again is not known.
        ("file in /run", FIN),
    }
)
"""Trees and keys with a line of a file whose value after the boot an audit leaves open, with a reason."""
