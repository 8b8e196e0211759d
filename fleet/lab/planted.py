"""What is planted in the nodes of a lab on purpose, so that tests can hold an audit against it."""

from enum import StrEnum


class Planted(StrEnum):
    """One fault, or one thing that is right where others have it wrong."""

    HARDENED = "hardened"  # be_liberal is 1, live and in a file, and nf_conntrack is loaded at boot
    K3S_SERVER = "k3s-server"  # a process, config.yaml and config.yaml.d, unit; k3s owns the conntrack keys
    K3S_AGENT = "k3s-agent"  # a process with its token among the arguments
    K3S_CONNTRACK_OFF = "k3s-conntrack-off"  # kube-proxy-arg keeps k3s from writing the conntrack keys
    K3S_LIST_REPLACED = "k3s-list-replaced"  # a later config file without `+` drops the kube-proxy-arg of config.yaml
    INVALID_RULE = "invalid-rule"  # KUBE-FORWARD drops INVALID (only where iptables is installed)
    KUBE_PROXY_IPVS = "kube-proxy-ipvs"  # no INVALID rule in this mode
    KUBE_PROXY_NFTABLES = "kube-proxy-nftables"  # no INVALID rule in this mode either
    KEEPALIVE_ABOVE_IPVS = "keepalive-above-ipvs"  # keepalive of 7200 s against an IPVS limit of 900 s
    PORT_RANGE_OVER_NODEPORTS = "port-range-over-nodeports"  # 1024 65535 covers 30000-32767
    RESERVED_PORTS = "reserved-ports"  # ip_local_reserved_ports is set
    EPHEMERAL_LISTENER = "ephemeral-listener"  # a listener inside ip_local_port_range, not reserved
    SHADOWED_FILE = "shadowed-file"  # /etc hides the file of the same name of /usr/lib
    LATER_FILE_WINS = "later-file-wins"  # a file of /usr/lib that sorts later beats one of /etc
    MASKED_FILE = "masked-file"  # a link to /dev/null
    SYSCTL_CONF_LINK = "sysctl-conf-link"  # Debian's 99-sysctl.conf -> ../sysctl.conf, beaten by 99-z
    GLOB = "glob"  # a glob that explicit keys escape
    DUPLICATE_KEY = "duplicate-key"  # once with dots and once with slashes
    DASH_PREFIX = "dash-prefix"  # a value that the kernel refuses, and nobody is to be told
    IGNORED_FILE = "ignored-file"  # a name that does not end in .conf
    BAD_VALUE = "bad-value"  # a value that the kernel refuses
    LIVE_DIFFERS = "live-differs"  # a live value that no file would leave
    CARGO_CULT = "cargo-cult"  # tcp_tw_reuse=1 and tcp_fin_timeout=10 against a TIME_WAIT they do not shorten
