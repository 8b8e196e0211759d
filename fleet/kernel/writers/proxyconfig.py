"""What a kube-proxy is told about conntrack and IPVS, by its flags or by its file.

With ``--config`` the file counts as a whole and the flags below are ignored:
https://github.com/kubernetes/kubernetes/pull/120354.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fleet.document.document import Document
from fleet.kernel.documents import node_document
from fleet.kernel.k3s import Given
from fleet.kernel.options import option
from fleet.kernel.writers.goflags import parse_bool, parse_duration, parse_int32
from fleet.kernel.writers.writer import shown
from fleet.model.errors import DocumentError
from fleet.model.facts import NodeFile, NodeProcess

Flags = Mapping[str, Given]
_SECOND = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting of kube-proxy.

    Attributes:
        value: a number, nanoseconds of a duration, or 0 and 1 of a switch; None where it is not known.
        origin: where it is written, or that it is the default.
        problem: why the value is not known; else empty.
    """

    value: int | None
    origin: str
    problem: str = ""

    @property
    def seconds(self) -> int:
        """Of a duration, cut to whole seconds as kube-proxy does; 0 where it is not known."""
        return (self.value or 0) // _SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class _Option:
    field: tuple[str, ...]
    flag: str
    parse: Callable[[str], int]
    default: int

    @property
    def name(self) -> str:
        # conntrack and ipvs both have a udpTimeout.
        return ".".join(self.field) if self.field[0] == "ipvs" else self.field[1]


# Defaults: https://kubernetes.io/docs/reference/config-api/kube-proxy-config.v1alpha1/
_OPTIONS: Mapping[str, _Option] = MappingProxyType(
    {
        option.name: option
        for option in (
            _Option(field=("conntrack", "maxPerCore"), flag="conntrack-max-per-core", parse=parse_int32, default=32768),
            _Option(field=("conntrack", "min"), flag="conntrack-min", parse=parse_int32, default=131_072),
            _Option(
                field=("conntrack", "tcpEstablishedTimeout"),
                flag="conntrack-tcp-timeout-established",
                parse=parse_duration,
                default=86_400 * _SECOND,
            ),
            _Option(
                field=("conntrack", "tcpCloseWaitTimeout"),
                flag="conntrack-tcp-timeout-close-wait",
                parse=parse_duration,
                default=3600 * _SECOND,
            ),
            _Option(field=("conntrack", "tcpBeLiberal"), flag="conntrack-tcp-be-liberal", parse=parse_bool, default=0),
            _Option(field=("conntrack", "udpTimeout"), flag="conntrack-udp-timeout", parse=parse_duration, default=0),
            _Option(
                field=("conntrack", "udpStreamTimeout"),
                flag="conntrack-udp-timeout-stream",
                parse=parse_duration,
                default=0,
            ),
            _Option(field=("ipvs", "tcpTimeout"), flag="ipvs-tcp-timeout", parse=parse_duration, default=0),
            _Option(field=("ipvs", "tcpFinTimeout"), flag="ipvs-tcpfin-timeout", parse=parse_duration, default=0),
            _Option(field=("ipvs", "udpTimeout"), flag="ipvs-udp-timeout", parse=parse_duration, default=0),
            _Option(field=("ipvs", "strictARP"), flag="ipvs-strict-arp", parse=parse_bool, default=0),
        )
    }
)
_SWITCHES = frozenset({"tcpBeLiberal", "ipvs.strictARP"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyConfig:
    """All settings by the last part of their field's name, such as ``maxPerCore``; those of ipvs by all of it.

    Attributes:
        from_file: whether they come from a file, where the remedy then belongs.
    """

    settings: Mapping[str, Setting]
    from_file: bool

    def __getitem__(self, name: str) -> Setting:
        return self.settings[name]


def config_of_process(process: NodeProcess, files: Mapping[str, NodeFile]) -> ProxyConfig:
    """The settings of a running kube-proxy."""
    path = option(process.arguments, "config")
    if path:
        # In a pod the path is that of its container, which the host sees through /proc.
        file = files.get(f"/proc/{process.pid}/root{path}") or files.get(path)
        return config_of_file(path, file)
    flags = {
        each.flag: Given(text=value, origin=f"{process.name} (process {process.pid}) has --{each.flag}={shown(value)}")
        for each in _OPTIONS.values()
        if (value := option(process.arguments, each.flag)) is not None
    }
    return config_of_flags(flags)


def config_of_flags(flags: Flags) -> ProxyConfig:
    """The settings of a kube-proxy that is given these flags, named without dashes."""
    return ProxyConfig(
        settings={name: _of_flag(each, flags.get(each.flag)) for name, each in _OPTIONS.items()}, from_file=False
    )


def config_of_file(path: str, file: NodeFile | None) -> ProxyConfig:
    """The settings of a kube-proxy that reads this file; all unknown where it could not be read."""
    problem = ""
    document = None
    if file is None or file.content is None:
        problem = f"{shown(path)} could not be read"
    else:
        try:
            document = node_document(file.content, path)
        except DocumentError as error:
            problem = shown(str(error))
        else:
            problem = "" if isinstance(document.data, dict) else f"{shown(path)} is no mapping"
    if problem or document is None:
        return unknown_config(f"kube-proxy reads {shown(path)}", problem)
    return ProxyConfig(
        settings={name: _of_document(name, each, document) for name, each in _OPTIONS.items()}, from_file=True
    )


def unknown_config(origin: str, problem: str) -> ProxyConfig:
    """The settings of a kube-proxy of which is not known what it is told."""
    unknown = Setting(value=None, origin=origin, problem=problem)
    return ProxyConfig(settings=dict.fromkeys(_OPTIONS, unknown), from_file=True)


def _of_flag(each: _Option, given: Given | None) -> Setting:
    if given is None:
        return Setting(value=each.default, origin=f"--{each.flag} is not given, so its default counts")
    try:
        return Setting(value=int(each.parse(given.text)), origin=given.origin)
    except ValueError as error:
        return Setting(value=None, origin=given.origin, problem=shown(f"--{each.flag}: {error}"))


def _of_document(name: str, each: _Option, document: Document) -> Setting:
    section = document.data.get(each.field[0]) if isinstance(document.data, dict) else None
    field = ".".join(each.field)
    if section is not None and not isinstance(section, dict):
        line, _ = document.position(each.field[:1])
        return Setting(
            value=None, origin=f"{document.path}:{line}", problem=f"{each.field[0]} in {document.path} is no mapping"
        )
    value = (section or {}).get(each.field[1])
    if value is None:
        return Setting(value=each.default, origin=f"{document.path} does not set {field}, so its default counts")
    line, _ = document.key_position(each.field)
    origin = f"{document.path}:{line} sets {field}"
    number = _typed(name, each, value)
    if number is None:
        return Setting(
            value=None, origin=origin, problem=f"{document.path}:{line}: {field} has a value of a wrong type"
        )
    return Setting(value=number, origin=origin)


def _typed(name: str, each: _Option, value: object) -> int | None:
    """The value if it has the type that the field asks for: JSON types do not convert into each other."""
    if name in _SWITCHES:
        return int(value) if isinstance(value, bool) else None
    if each.parse is parse_duration:
        try:
            return parse_duration(value) if isinstance(value, str) else None
        except ValueError:
            return None
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31 else None
