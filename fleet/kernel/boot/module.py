"""Which kernel modules are there when systemd-sysctl runs, and with which options.

systemd-sysctl.service runs after systemd-modules-load.service and after nothing else that loads modules:
https://www.freedesktop.org/software/systemd/man/latest/sysctl.d.html. Whatever loads a module later (k3s, kube-proxy, a
firewall service) is too late, or races.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from fleet.kernel.boot.model import Assignment, Origin
from fleet.kernel.boot.tree import read_tree
from fleet.model.facts import NodeFile, Unavailable

COMMAND_LINE = "/proc/cmdline"

CONNTRACK = "nf_conntrack"
HASHSIZE = "hashsize"

_OWNERS = (
    ("net.netfilter.nf_conntrack_", CONNTRACK),
    ("net.nf_conntrack_max", CONNTRACK),
    ("net.bridge.", "br_netfilter"),
    ("net.ipv4.vs.", "ip_vs"),
)

# Modules that need the other one, so that loading them loads it: https://docs.kernel.org/networking/ipvs-sysctl.html
# and the Kconfig files below net/netfilter and net/ipv4/netfilter.
_BRING = {
    CONNTRACK: re.compile(
        r"ip_vs(_\w+)?|nf_nat(_\w+)?|nf_conntrack_\w+|xt_(conntrack|state|nat|MASQUERADE|REDIRECT|connmark|CT|helper)"
        r"|ip6?table_nat|nft_(ct|masq|nat|redir|chain_nat)|openvswitch|act_ct|nf_conncount|nf_synproxy_core|nf_flow_table"
    ),
    "br_netfilter": re.compile(r"xt_physdev"),
    "ip_vs": re.compile(r"ip_vs_\w+|xt_ipvs"),
}
# What the probe makes of a parameter about modules that it could not show; other words are masked as a whole.
_MASKED_PARAMETER = re.compile(rb"[^\s]\(masked\)")
_COMMENTS = (b"#", b";")
_LINE_END = re.compile(rb"\r\n|\n|\r|\0")


class ModuleFacts(Protocol):
    """What decides about modules; `fleet.model.facts.NodeFacts` has it."""

    @property
    def files(self) -> Mapping[str, NodeFile]: ...

    @property
    def builtin_modules(self) -> frozenset[str] | Unavailable: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleState:
    """Whether a module is there when the files are applied.

    Attributes:
        loaded: True: certainly; False: nothing loads it; None: it is not known.
        reason: in words, for False and None.
    """

    loaded: bool | None
    reason: str = ""


def owner(key: str) -> str | None:
    """The module that brings a key along; None for keys of the kernel itself."""
    return next((module for start, module in _OWNERS if key.startswith(start)), None)


def state_of(facts: ModuleFacts, module: str) -> ModuleState:
    """Whether a module is loaded before systemd-sysctl runs."""
    builtin = facts.builtin_modules
    if not isinstance(builtin, Unavailable) and module in builtin:
        return ModuleState(loaded=True)
    tree = read_tree(facts.files, "modules-load.d", hidden=False)
    line = _command_line(facts.files)
    listed = [(name, path) for file in tree.files for name, path in _listed(file.path, file.content)]
    listed += [(name, COMMAND_LINE) for name in _asked_at_boot(line or "")]
    rule = _rule_about(facts.files, {module, *(name for name, _ in listed)}, module)
    bringer = next((pair for pair in listed if _BRING[module].fullmatch(pair[0])), None)
    if not rule and line is not None and re.search(rf"\b(module_|modprobe\.)blacklist=(\S*,)?{module}\b", line):
        return ModuleState(loaded=False, reason=f"the kernel command line forbids {module}")
    if not rule and any(name == module for name, _ in listed):
        return ModuleState(loaded=True)
    reasons = (
        rule,
        f"whether {module} is built in is not known: {builtin}" if isinstance(builtin, Unavailable) else "",
        f"{bringer[1]} loads {bringer[0]}, which may load {module}" if bringer else "",
        tree.unread or next((f"{file.path}: {file.unread}" for file in tree.files if file.unread), ""),
        ""
        if line is not None
        else f"no modules-load.d file loads {module}, and the kernel command line, which may, was not read",
    )
    if reason := next(filter(None, reasons), ""):
        return ModuleState(loaded=None, reason=reason)
    reason = f"nothing loads {module} before systemd-sysctl runs (an initramfs that does was not looked for)"
    return ModuleState(loaded=False, reason=reason)


def hashsize(facts: ModuleFacts) -> Assignment | str | None:
    """The option ``hashsize`` that nf_conntrack gets from modprobe.d; a text says why it is not known."""
    builtin = facts.builtin_modules
    if not isinstance(builtin, Unavailable) and CONNTRACK in builtin:
        return None  # modprobe.d does not reach what is built in
    if f"{CONNTRACK}.{HASHSIZE}=" in (_command_line(facts.files) or ""):
        return f"the kernel command line sets {CONNTRACK}.{HASHSIZE}"
    found: Assignment | None = None
    for file in read_tree(facts.files, "modprobe.d", hidden=False).files:
        if file.unread:
            return f"{file.path}: {file.unread}"
        for number, words in _commands(file.content):
            if words[0] == "options" and _plain(words[1]) == CONNTRACK:
                for value in (word.partition("=")[2] for word in words[2:] if word.startswith(f"{HASHSIZE}=")):
                    key = f"options {CONNTRACK} {HASHSIZE}"
                    origin = Origin(path=file.path, line=number)
                    found = Assignment(key=key, value=value, origin=origin, ignore_errors=False)
    return found


def _listed(path: str, content: bytes) -> Iterator[tuple[str, str]]:
    for raw in _LINE_END.split(content):
        line = raw.strip(b" \t\n\r")
        if line and not line.startswith(_COMMENTS):
            yield _plain(line.decode(errors="replace")), path


def _command_line(files: Mapping[str, NodeFile]) -> str | None:
    file = files.get(COMMAND_LINE)
    # An empty one is a file of /proc whose size was believed.
    if file is None or not file.content or _MASKED_PARAMETER.search(file.content):
        return None
    return file.content.decode(errors="replace")


def _asked_at_boot(line: str) -> Iterator[str]:
    for value in re.findall(r"(?:^|\s)(?:rd\.)?modules[-_]load=(\S+)", line):
        yield from map(_plain, value.split(","))


def _rule_about(files: Mapping[str, NodeFile], asked: set[str], module: str) -> str:
    """A rule of modprobe.d that may keep a module from being loaded, or load it with another one."""
    tree = read_tree(files, "modprobe.d", hidden=False)
    for file in tree.files:
        if file.unread:
            return f"{file.path}: {file.unread}"
        for number, words in _commands(file.content):
            command, subject, rest = words[0], _plain(words[1]), {_plain(word) for word in words[2:]}
            concerns = (
                (command in {"blacklist", "install"} and subject == module)
                or (command == "alias" and module in rest and subject in asked)
                or (command == "softdep" and module in rest and subject in asked)
            )
            if concerns:
                return f"{file.path}:{number} has a rule about {module}: {' '.join(words)}"
    return ""


def _commands(content: bytes) -> Iterator[tuple[int, list[str]]]:
    """Commands of a modprobe.d file with the line on which each begins; a backslash continues a line."""
    text = content.decode(errors="replace")
    begin = 0
    pending = ""
    for number, line in enumerate(text.split("\n"), start=1):
        begin = begin or number
        if line.endswith("\\"):
            pending += line[:-1] + " "
            continue
        words = (pending + line).split()
        if len(words) > 1 and not words[0].startswith("#"):
            yield begin, words
        begin, pending = 0, ""


def _plain(name: str) -> str:
    return name.replace("-", "_")
