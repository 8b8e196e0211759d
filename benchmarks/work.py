"""What every contestant has to do."""

from typing import Final

from fleet.kernel.catalogue import KEYS

PLAYBOOK: Final = "stop-conntrack-resets"
AUDIT_KEYS: Final = tuple(KEYS)
"""An audit reads all of these, and every file of the trees."""

TREES: Final = tuple(f"{base}/sysctl.d" for base in ("/etc", "/run", "/usr/local/lib", "/usr/lib"))

MARKER: Final = "/etc/sysctl.d/zz-00-marker.conf"
MARKED_KEY: Final = "net.ipv4.tcp_keepalive_time"
_MARKED_VALUE = 2000

_VALUES = {
    "net.ipv4.tcp_fin_timeout": ("30", "45"),
    "net.ipv4.tcp_keepalive_time": ("600", "900"),
    "net.ipv4.tcp_keepalive_intvl": ("30", "60"),
    "net.ipv4.tcp_keepalive_probes": ("5", "6"),
    "net.ipv4.tcp_retries2": ("8", "12"),
    "net.ipv4.tcp_syn_retries": ("4", "5"),
    "net.ipv4.tcp_synack_retries": ("3", "4"),
    "net.ipv4.tcp_orphan_retries": ("1", "2"),
    "net.ipv4.tcp_max_syn_backlog": ("4096", "8192"),
    "net.ipv4.tcp_notsent_lowat": ("131072", "262144"),
    "net.ipv4.ip_local_port_range": ("32768 60999", "33000 60999"),
    "net.core.somaxconn": ("4096", "8192"),
}


def marked_value(number: int) -> str:
    """What MARKER sets MARKED_KEY to on the node of that number: no two nodes of a lab have the same."""
    return str(_MARKED_VALUE + number)


def values(state: int) -> dict[str, str]:
    """Twelve keys of a network namespace in one of the two states."""
    return {key: each[state] for key, each in _VALUES.items()}


def files(state: int) -> dict[str, str]:
    """Five files in one of the two states; lines of sysctl.d as ansible.posix.sysctl writes them."""
    lines = "".join(f"{key}={value}\n" for key, value in values(state).items())
    return {
        "/etc/sysctl.d/zz-91-bench.conf": lines,
        "/etc/sysctl.d/zz-92-bench.conf": f"# state {state}\n{lines}",
        "/etc/modules-load.d/bench.conf": f"# state {state}\nnf_conntrack\n",
        "/etc/modprobe.d/bench.conf": f"options nf_conntrack hashsize={65536 * (state + 1)}\n",
        "/etc/bench.conf": f"state={state}\n" * 50,
    }
