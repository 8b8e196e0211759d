"""The one place where errors of paramiko and of the operating system become those of fleet."""

import socket
from collections.abc import Mapping
from types import MappingProxyType

import paramiko
from paramiko.auth_strategy import AuthFailure
from paramiko.ssh_exception import (
    ConfigParseError,
    CouldNotCanonicalize,
    IncompatiblePeer,
    MessageOrderError,
    PartialAuthentication,
    UnableToAuthenticate,
)

from fleet.model.errors import (
    AuthError,
    HostError,
    HostKeyError,
    HostTimeoutError,
    ProtocolError,
    UnreachableError,
)
from fleet.model.text import printable

LEAVES: Mapping[type[paramiko.SSHException], type[HostError]] = MappingProxyType(
    {
        paramiko.SSHException: ProtocolError,
        paramiko.AuthenticationException: AuthError,
        paramiko.BadAuthenticationType: AuthError,
        paramiko.PasswordRequiredException: AuthError,
        PartialAuthentication: AuthError,
        UnableToAuthenticate: AuthError,
        AuthFailure: AuthError,
        paramiko.BadHostKeyException: HostKeyError,
        paramiko.ChannelException: ProtocolError,
        IncompatiblePeer: ProtocolError,
        paramiko.ProxyCommandFailure: UnreachableError,
        MessageOrderError: ProtocolError,
        # Raised while ~/.ssh/config is read, where `fleet.transport.ssh_config` turns them into a DocumentError.
        ConfigParseError: ProtocolError,
        CouldNotCanonicalize: ProtocolError,
    }
)
"""What each error of paramiko means for a host; a test fails when paramiko grows one that is not here."""


class TurnedAwayError(UnreachableError):
    """The host had no room for us just now, and neither side has said who it is: another try may find some."""


_LOOK = "look at the log of sshd on the host"


def host_error(host: str, doing: str, error: BaseException | None) -> HostError:
    """Turn what ended a connection into the error of its host.

    Args:
        host: the inventory name.
        doing: what went on, such as ``the key exchange``.
        error: what paramiko or the operating system raised; None where the connection ended without a word.
    """
    if isinstance(error, HostError):
        return error
    if isinstance(error, paramiko.SSHException):
        leaf = next(LEAVES[kind] for kind in type(error).__mro__ if kind in LEAVES)
        return leaf(host, f"{doing} failed: {_words(error)}", advice=_LOOK)
    if error is None or isinstance(error, EOFError | OSError):
        reason = f": {_words(error)}" if error and str(error) else ""
        return UnreachableError(
            host,
            f"the connection was lost during {doing}{reason}",
            advice="see whether the host still runs, and look at the log of sshd there",
        )
    return ProtocolError(host, f"{doing} failed on what the host sent: {_words(error)}", advice=_LOOK)


def connect_error(host: str, address: str, error: OSError, limit: float) -> HostError:
    """Say why TCP did not connect."""
    where = printable(address)
    if isinstance(error, socket.gaierror):
        return UnreachableError(
            host,
            f"the name {where} does not resolve: {_words(error)}",
            advice="check the name in the inventory, and DNS",
        )
    if isinstance(error, TimeoutError):
        return UnreachableError(
            host,
            f"{where} did not answer within {limit:g} s",
            advice="see whether the host is up and a firewall lets us through, or raise the connect limit",
        )
    if isinstance(error, ConnectionRefusedError):
        return UnreachableError(
            host, f"{where} refused the connection", advice="see whether sshd runs there and listens on this port"
        )
    return UnreachableError(
        host, f"{where} cannot be reached: {_words(error)}", advice="check the address, the route and the firewall"
    )


def banner_error(host: str, error: BaseException | None) -> HostError:
    """Say why no SSH server introduced itself."""
    cause = error.__context__ if isinstance(error, paramiko.SSHException) else error
    if isinstance(cause, TimeoutError):
        return HostTimeoutError(host, "accepted the connection and then said nothing", advice=_LOOK)
    if isinstance(cause, UnicodeError) or (cause is None and error is not None):
        return ProtocolError(
            host, f"does not speak SSH: {_words(error)}", advice="check the port: something else listens there"
        )
    return TurnedAwayError(
        host,
        "closed the connection before the SSH handshake",
        advice="sshd may be overloaded (MaxStartups), or ban this address (fail2ban, hosts.deny, PerSourcePenalties)",
    )


def still_turned_away(error: TurnedAwayError, tries: int, seconds: float) -> UnreachableError:
    """Say that further tries came to the same end."""
    times = f", {tries} times in {seconds:.1f} s" if tries > 1 else ""
    return UnreachableError(error.host, f"{error.message}{times}", advice=error.advice)


def behind_jump(host: str, jump: str, error: HostError) -> HostError:
    """Say which jump host failed on the way to which host."""
    return type(error)(host, f"jump host {jump} on the way to {host}: {error.message}", advice=error.advice)


def tunnel_error(host: str, jump: str, address: str, error: BaseException | None) -> HostError:
    """Say why a jump host did not connect us to the host behind it."""
    code = error.code if isinstance(error, paramiko.ChannelException) else 0
    where = printable(address)
    if code == 1:
        return UnreachableError(
            host,
            f"jump host {jump} does not allow a tunnel to {where}",
            advice="see AllowTcpForwarding and PermitOpen in its sshd_config",
        )
    if code == 2:  # noqa: PLR2004 SSH_OPEN_CONNECT_FAILED of RFC 4254
        return UnreachableError(
            host, f"jump host {jump} cannot connect to {where}", advice="see whether the host is up and sshd listens"
        )
    if code == 4:  # noqa: PLR2004 SSH_OPEN_RESOURCE_SHORTAGE of RFC 4254
        return TurnedAwayError(
            host,
            f"jump host {jump} has no room for a tunnel to {where}",
            advice="set jump_logins for the hosts behind it, or use fewer --workers",
        )
    return UnreachableError(
        host, f"jump host {jump} opened no tunnel to {where}: {_words(error)}", advice="look at the log of sshd on it"
    )


def _words(error: BaseException | None) -> str:
    if isinstance(error, OSError) and error.strerror:
        return printable(error.strerror, 200)
    return printable(str(error) or type(error).__name__, 200) if error else "no reason given"
