"""What the inventory, ~/.ssh/config and the defaults together say about reaching a host."""

import getpass
import logging
import os
import re
import shlex
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from fleet.model.connection import Endpoint, TimeLimits
from fleet.model.errors import DocumentError, UsageError
from fleet.model.secret import Secret
from fleet.model.text import printable
from fleet.transport.account import expand_home, own_name
from fleet.transport.algorithms import Algorithms, configured
from fleet.transport.known_hosts import known_name
from fleet.transport.ssh_config import SshConfig, expand, expand_path
from fleet.transport.throttle import Throttle

_LOG = logging.getLogger(__name__)
_GLOBAL_KNOWN_HOSTS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_USER_KNOWN_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
_DEFAULT_IDENTITIES = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
_HIGHEST_PORT = 65535
# Each ssh -W logs in to the jump host by itself, and sshd drops some of more than 10 at a time (MaxStartups 10:30:100).
_PROXY_COMMAND_LOGINS = 8
_FAMILIES = {"any": socket.AF_UNSPEC, "inet": socket.AF_INET, "inet6": socket.AF_INET6}
# What may stand in a host or user name that reaches the shell of a ProxyCommand (CVE-2023-51385).
_HARMLESS = re.compile(r"[A-Za-z0-9_.:@%\[\]][A-Za-z0-9_.:@%\[\]-]*")
_HOP = re.compile(r"(?:ssh://)?(?:(?P<user>[^@]+)@)?(?P<host>\[[^\]@]+\]|[^:@]+)(?::(?P<port>\d+))?/?")

T = TypeVar("T")

Lookup = Callable[[str | None], SshConfig]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One host to log in to, with nothing left open.

    Attributes:
        name: what messages call it: the inventory name, or the address of a jump host.
        known_name: the name in known_hosts.
        known_hosts: files to look in; the first one takes new keys.
        identity_files: keys asked for, tried before the agent's.
        default_identities: keys tried after the agent's.
        identities_only: of the agent's keys, use only those that ``identity_files`` name.
        agent: path of the agent's socket; None does without.
        family: of ``socket.AF_*``.
        via: the jump host to go through.
        proxy_command: a command for the local shell whose stdin and stdout lead to the host.
    """

    name: str
    hostname: str
    port: int
    user: str
    known_name: str
    known_hosts: tuple[str, ...]
    accept_new: bool
    hash_known_hosts: bool
    identity_files: tuple[str, ...]
    default_identities: tuple[str, ...]
    identities_only: bool
    agent: str | None
    password: Secret | None
    passphrase: Secret | None
    algorithms: Algorithms
    family: int
    limits: TimeLimits
    via: "Target | None"
    proxy_command: str | None
    throttle: Throttle = field(compare=False)
    """Not what makes a jump host another one, so that it is logged in to once."""

    @property
    def address(self) -> str:
        """Where messages say it is, as ``root@10.0.0.5:22``."""
        host = f"[{self.hostname}]" if ":" in self.hostname else self.hostname
        return printable(f"{self.user}@{host}:{self.port}")


def resolve(endpoint: Endpoint, lookup: Lookup) -> Target:
    """Join an endpoint with ~/.ssh/config; what the endpoint says wins.

    Jump hosts are offered the keys of the endpoint too, never its password.
    ``StrictHostKeyChecking no`` is taken as ``accept-new``: changed keys are refused whatever it says.

    Raises:
        DocumentError: ~/.ssh/config does not load or asks for what cannot be done.
        UsageError: the jump hosts lead in a circle, a name cannot be passed to a ProxyCommand, or who runs this has
            no name.
    """
    if own_name() is None:
        raise UsageError(f"user id {os.getuid()} has no name on this machine, which ssh needs: set $LOGNAME to one")
    return _Resolver(endpoint, lookup(endpoint.ssh_config)).host()


class _Resolver:
    def __init__(self, endpoint: Endpoint, config: SshConfig) -> None:
        self._endpoint = endpoint
        self._config = config

    def host(self) -> Target:
        endpoint = self._endpoint
        return self._target(
            address=endpoint.address,
            user=endpoint.user,
            port=endpoint.port,
            name=endpoint.name,
            password=endpoint.password,
            jumps=endpoint.proxy_jump,
            seen=(),
        )

    def _hop(self, spec: str, jumps: tuple[str, ...] | None, seen: tuple[str, ...]) -> Target:
        found = _HOP.fullmatch(spec.strip())
        if not found:
            raise UsageError(f"{self._endpoint.name}: jump host {printable(spec)!r} is not of the form user@host:port")
        return self._target(
            address=found["host"].strip("[]"),
            user=found["user"],
            port=int(found["port"]) if found["port"] else None,
            name=printable(spec.strip()),
            password=None,
            jumps=jumps,
            seen=seen,
        )

    def _target(  # noqa: PLR0913 one argument for each thing that a jump host has differently
        self,
        *,
        address: str,
        user: str | None,
        port: int | None,
        name: str,
        password: Secret | None,
        jumps: tuple[str, ...] | None,
        seen: tuple[str, ...],
    ) -> Target:
        endpoint = self._endpoint
        options = _Options(self._config, address)
        hostname = options.text("hostname") or address
        user = user or options.text("user") or getpass.getuser()
        port = port if port is not None else options.number("port", 22)
        if not 1 <= port <= _HIGHEST_PORT:
            raise UsageError(f"{endpoint.name}: {printable(address)} has port {port}; ports are 1 to {_HIGHEST_PORT}")
        place = f"{user}@{hostname}:{port}"
        if place in seen:
            raise UsageError(
                f"{endpoint.name}: the jump hosts lead in a circle: {printable(' -> '.join((*seen, place)), 400)}; "
                f"give the jump host its own 'Host' block with 'ProxyJump none' in {self._config.path}"
            )
        tokens = _tokens(address, hostname, port, user)
        options.tokens = tokens
        proxy_command = None
        if jumps is None:
            jumps = _configured_jumps(options)
            if not jumps:
                proxy_command = options.proxy_command(endpoint.name)
        identity_files = tuple(expand_home(path) for path in endpoint.identity_files)
        identity_files += tuple(path for path in options.paths("identityfile") if path not in identity_files)
        identities_only = options.text("identitiesonly").lower() == "yes"
        alias = options.text("hostkeyalias")
        via = self._via(jumps, (*seen, place))
        return Target(
            name=name,
            hostname=hostname,
            port=port,
            user=user,
            known_name=alias.lower() or known_name(hostname, port),
            known_hosts=self._known_hosts(options),
            accept_new=self._accept_new(options, name),
            hash_known_hosts=options.text("hashknownhosts").lower() == "yes",
            identity_files=identity_files,
            default_identities=()
            if identities_only and identity_files
            else tuple(expand_home(path) for path in _DEFAULT_IDENTITIES),
            identities_only=identities_only and endpoint.use_agent is not True,
            agent=None if endpoint.use_agent is False else options.agent(),
            password=password,
            passphrase=endpoint.passphrase,
            algorithms=configured(options.all),
            family=options.choice("addressfamily", _FAMILIES, socket.AF_UNSPEC),
            limits=_limits(endpoint.limits, options),
            via=via,
            proxy_command=proxy_command,
            throttle=_throttle(endpoint, via, options.text("proxycommand") if proxy_command else None),
        )

    def _via(self, jumps: tuple[str, ...], seen: tuple[str, ...]) -> Target | None:
        """Build the chain from its end: each hop is reached through the one before it, the first by its own config."""
        if not jumps:
            return None
        *before, last = jumps
        return self._hop(last, tuple(before) or None, seen)

    def _known_hosts(self, options: "_Options") -> tuple[str, ...]:
        chosen = self._endpoint.known_hosts
        user = (
            tuple(expand_home(path) for path in chosen)
            if chosen is not None
            else options.paths("userknownhostsfile", _USER_KNOWN_HOSTS)
        )
        return user + options.paths("globalknownhostsfile", _GLOBAL_KNOWN_HOSTS)

    def _accept_new(self, options: "_Options", name: str) -> bool:
        if self._endpoint.accept_new is not None:
            return self._endpoint.accept_new
        checking = options.choice(
            "stricthostkeychecking",
            {"yes": "strict", "ask": "strict", "accept-new": "accept-new", "no": "off", "off": "off"},
            "strict",
        )
        if checking == "off":
            _LOG.warning(
                "%s: StrictHostKeyChecking no is taken as accept-new: a changed host key is still refused", name
            )
        return checking != "strict"


class _Options:
    """The options of ~/.ssh/config for one host, in the types they stand for."""

    def __init__(self, config: SshConfig, host: str) -> None:
        self.all = config.options(host)
        self.tokens: Mapping[str, str] = {}
        self._path = config.path

    def text(self, option: str) -> str:
        value = self.all.get(option)
        return value.strip() if isinstance(value, str) else ""

    def expanded(self, option: str) -> str:
        return expand(self.text(option), self.tokens, option=option, path=self._path)

    def number(self, option: str, default: int) -> int:
        value = self.text(option)
        if value and not re.fullmatch("[0-9]+", value):
            raise DocumentError(f"{option}: {printable(value)!r} is not a number", path=self._path)
        return int(value) if value else default

    def choice(self, option: str, values: Mapping[str, T], default: T) -> T:
        value = self.text(option).lower()
        if value and value not in values:
            raise DocumentError(
                f"{option}: {printable(value)!r} is not known", path=self._path, hint=f"use one of {', '.join(values)}"
            )
        return values[value] if value else default

    def paths(self, option: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        value = self.all.get(option)
        if value is None:
            words = list(default)
        elif isinstance(value, list):
            words = value
        else:
            words = shlex.split(value)
        return tuple(
            expand_path(word, self.tokens, option=option, path=self._path) for word in words if word.lower() != "none"
        )

    def agent(self) -> str | None:
        value = self.text("identityagent")
        if value.lower() == "none":
            return None
        if not value or value == "SSH_AUTH_SOCK":
            return os.environ.get("SSH_AUTH_SOCK") or None
        if value.startswith("$") and not value.startswith("${"):
            return os.environ.get(value[1:]) or None
        return expand_path(value, self.tokens, option="identityagent", path=self._path)

    def proxy_command(self, name: str) -> str | None:
        value = self.text("proxycommand")
        if not value or value.lower() == "none":
            return None
        for token in "hnr":
            if not _HARMLESS.fullmatch(self.tokens[token]):
                raise UsageError(
                    f"{name}: {printable(self.tokens[token])!r} has characters that a shell would act on, "
                    "so it is not passed to the ProxyCommand"
                )
        return expand(value, self.tokens, option="proxycommand", path=self._path)


def _configured_jumps(options: _Options) -> tuple[str, ...]:
    value = options.text("proxyjump")
    if not value or value.lower() == "none":
        return ()
    return tuple(hop.strip() for hop in options.expanded("proxyjump").split(",") if hop.strip())


def _throttle(endpoint: Endpoint, via: Target | None, proxy_command: str | None) -> Throttle:
    """Hosts with the same ProxyCommand, before the name of the host is put into it, are reached by the same way."""
    rate = endpoint.connect_rate / endpoint.transports if endpoint.connect_rate is not None else None
    logins = endpoint.jump_logins or (_PROXY_COMMAND_LOGINS if proxy_command else None)
    share = max(1, logins // endpoint.transports) if logins is not None else None
    return Throttle(per_second=rate, way=via.address if via is not None else proxy_command, logins=share)


def _limits(limits: TimeLimits, options: _Options) -> TimeLimits:
    """Take ConnectTimeout where the endpoint leaves the limit at its default."""
    if limits.connect != TimeLimits().connect:
        return limits
    return replace(limits, connect=options.number("connecttimeout", 0) or limits.connect)


def _tokens(address: str, hostname: str, port: int, user: str) -> Mapping[str, str]:
    local = getpass.getuser()
    node = socket.gethostname()
    return {
        "d": expand_home("~"),
        "h": hostname,
        "i": str(os.getuid()),
        "L": node.partition(".")[0],
        "l": node,
        "n": address,
        "p": str(port),
        "r": user,
        "u": local,
    }
