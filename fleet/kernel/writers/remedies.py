"""Where a value belongs that a writer would overwrite: with the writer, not in sysctl.d."""

from collections.abc import Mapping
from dataclasses import dataclass

from fleet.kernel.invalid import BE_LIBERAL
from fleet.kernel.keys_ipvs import TCP, TCP_FIN
from fleet.kernel.keys_ipvs import UDP as IPVS_UDP
from fleet.kernel.writers.conntrack import BUCKETS, CLOSE_WAIT, ESTABLISHED, MAX, UDP, UDP_STREAM
from fleet.kernel.writers.kubelet import KUBELET_VALUES
from fleet.kernel.writers.writer import Writer

_FIELDS: Mapping[str, tuple[str, str]] = {
    ESTABLISHED: ("conntrack.tcpEstablishedTimeout", "conntrack-tcp-timeout-established"),
    CLOSE_WAIT: ("conntrack.tcpCloseWaitTimeout", "conntrack-tcp-timeout-close-wait"),
    UDP: ("conntrack.udpTimeout", "conntrack-udp-timeout"),
    UDP_STREAM: ("conntrack.udpStreamTimeout", "conntrack-udp-timeout-stream"),
    TCP: ("ipvs.tcpTimeout", "ipvs-tcp-timeout"),
    TCP_FIN: ("ipvs.tcpFinTimeout", "ipvs-tcpfin-timeout"),
    IPVS_UDP: ("ipvs.udpTimeout", "ipvs-udp-timeout"),
}
_STRICT_ARP = frozenset({"net.ipv4.conf.all.arp_ignore", "net.ipv4.conf.all.arp_announce"})
_RESTART_PROXY = "kubectl -n kube-system rollout restart daemonset kube-proxy"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySetting:
    """One setting of kube-proxy.

    Attributes:
        field: in KubeProxyConfiguration, with its section.
        flag: the same on the command line, without dashes.
        value: a number, true or false; of a timeout the seconds.
        text: the value as it is written.
    """

    field: str
    flag: str
    value: int | bool
    text: str


def proxy_settings(key: str, expected: str) -> tuple[ProxySetting, ...]:
    """What makes kube-proxy, k3s and RKE2 write a value themselves; empty for a key that they take no value for.

    Args:
        key: in dots.
        expected: the value that is wanted, as the kernel prints it.
    """
    if key in _FIELDS and expected.isdecimal():
        field, flag = _FIELDS[key]
        return (ProxySetting(field=field, flag=flag, value=int(expected), text=f"{expected}s"),)
    if key == MAX and expected.isdecimal():
        # One a core is less than min on any node, so min alone decides, the cap of 1.36 notwithstanding.
        return (
            ProxySetting(field="conntrack.maxPerCore", flag="conntrack-max-per-core", value=1, text="1"),
            ProxySetting(field="conntrack.min", flag="conntrack-min", value=int(expected), text=expected),
        )
    if key == BE_LIBERAL:
        on = expected == "1"
        text = "true" if on else "false"
        return (ProxySetting(field="conntrack.tcpBeLiberal", flag="conntrack-tcp-be-liberal", value=on, text=text),)
    return ()


def remedy(writer: Writer, key: str, expected: str) -> str:
    """One sentence: where to write what, so that the key has the expected value after the writer has run.

    Args:
        writer: what writes the key.
        key: in dots.
        expected: the value that is wanted, as the kernel prints it.
    """
    match writer.kind:
        case "kube-proxy" | "k3s" | "rke2":
            return _of_kubernetes(writer, key, expected)
        case "kubelet":
            return _of_kubelet(writer, key, expected)
        case "tuned":
            return (
                f"Set {key}={expected} in the [sysctl] section of a profile of your own in /etc/tuned that includes the"
                " present one, and activate it with tuned-adm profile."
            )
        case "ufw" | "unit":
            spelled = key if writer.kind == "unit" else key.replace(".", "/")
            return f"Write {spelled}={expected} into {writer.place}, which {writer.name} applies when it starts."
        case "systemd-networkd" | "dockerd":
            networkd, docker = "IPForward=", "ip-forward" if key == "net.ipv4.ip_forward" else "icc and userland-proxy"
            setting = networkd if writer.kind == "systemd-networkd" else docker
            return f"Change {setting} in {writer.place} and restart {writer.name}, if nothing needs it."
        case "cilium" | "calico":
            return _as_it_is(writer, key)


def _of_kubernetes(writer: Writer, key: str, expected: str) -> str:
    if settings := proxy_settings(key, expected):
        field = " and ".join(f"{each.field}: {each.text}" for each in settings)
        return _placed(writer, field, tuple(f"{each.flag}={each.text}" for each in settings), _rest(key, expected))
    if key == BUCKETS:
        rest = f" and set {key} in sysctl.d, since kube-proxy only ever raises it"
        return _placed(writer, "conntrack.maxPerCore: 0", ("conntrack-max-per-core=0",), rest)
    if key in _STRICT_ARP:
        return _placed(writer, "ipvs.strictARP: false", ("ipvs-strict-arp=false",), "")
    return _as_it_is(writer, key)


def _rest(key: str, expected: str) -> str:
    if key == MAX:
        return " (a maxPerCore of 0 leaves the key to sysctl.d)"
    if key == BE_LIBERAL:
        # Else kube-proxy has started without its rule, and the node has neither.
        return "" if expected == "1" else " and set the key to 0"
    if key in {TCP, TCP_FIN, IPVS_UDP}:
        return " (0s leaves it to the node)"
    return " (0s leaves the key to sysctl.d)"


def _as_it_is(writer: Writer, key: str) -> str:
    return f"{writer.name} needs {key} as it writes it: expect {writer.value or 'its value'} on its nodes."


def _placed(writer: Writer, field: str, flags: tuple[str, ...], rest: str) -> str:
    if writer.place.startswith("/etc/rancher/"):
        product = writer.place.split("/")[3]
        values = ", ".join(f'"{flag}"' for flag in flags)
        return (
            f"Write kube-proxy-arg+: [{values}] into a file that sorts last in {writer.place}{rest}, then restart"
            f" {product}."
        )
    if writer.place == "the kube-proxy ConfigMap":
        return f"Set {field} in config.conf of the kube-proxy ConfigMap{rest}, then run {_RESTART_PROXY}."
    if writer.service in {"k3s", "rke2"}:
        added = " ".join(f"--kube-proxy-arg={flag}" for flag in flags)
        return f"Add {added} at the end of {writer.place}{rest}, then restart {writer.service}."
    return f"Add {' '.join(f'--{flag}' for flag in flags)} to the arguments of kube-proxy{rest}, then restart it."


def _of_kubelet(writer: Writer, key: str, expected: str) -> str:
    value = KUBELET_VALUES.get(key, writer.value)
    if any(write.rule == "demands" for write in writer.writes):
        return (
            f"Set {key}={value} in sysctl.d, so that it is there before the kubelet starts, or turn"
            f" protectKernelDefaults off in {writer.place}."
        )
    return f"The kubelet writes {value} at each start and takes no other value: expect {value}, not {expected}."
