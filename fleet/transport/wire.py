"""The SSH protocol over one socket: handshake, host key, end."""

import contextlib
import logging
import socket
from collections.abc import Sequence
from functools import partial
from threading import Event
from time import monotonic
from typing import cast

import paramiko
from paramiko.common import cMSG_CHANNEL_DATA
from paramiko.packet import Packetizer
from paramiko.ssh_exception import IncompatiblePeer

from fleet.model.errors import HostKeyError, HostTimeoutError, ProtocolError
from fleet.model.text import printable
from fleet.transport.errors import banner_error, host_error
from fleet.transport.host_keys import HostKeys, ServerKey
from fleet.transport.target import Target

_LOG_CHANNEL = "fleet.transport.wire"
_FOREVER = 24 * 3600.0
_END_OF_THREAD = 5.0
_PIECE = 65536

# paramiko logs tracebacks of its thread, and what hosts send it, raw; what matters comes back as an error.
_log = logging.getLogger(_LOG_CHANNEL)
_log.addHandler(logging.NullHandler())
_log.propagate = False
_log.setLevel(logging.CRITICAL + 1)


class _Data(paramiko.Message):
    """Data for a channel that may be closed, by the host or by another thread of ours, before it has left."""

    def __init__(self, channel: paramiko.Channel) -> None:
        super().__init__()
        self.channel = channel
        self.add_byte(cMSG_CHANNEL_DATA)
        self.add_int(channel.remote_chanid)


def send(channel: paramiko.Channel, data: bytes) -> int:
    """Send what the window takes, as ``Channel.send`` does, but never after the channel was closed.

    paramiko looks whether the channel is closed before it waits for its turn to send. sshd ends the whole connection,
    with all that goes through it, on data for a channel that is closed.
    """
    sent: int = channel._send(data, _Data(channel))  # type: ignore[attr-defined] # noqa: SLF001 left out of the stubs
    return sent


def hang_up(carrier: socket.socket | paramiko.Channel) -> None:
    """Close what carries a connection; of a tunnel through a jump host that is gone there is nothing left to close."""
    with contextlib.suppress(paramiko.SSHException, OSError, EOFError):
        carrier.close()


class _ReadAhead:
    """A socket that is read in large pieces: paramiko asks for each packet twice, its length and then the rest."""

    def __init__(self, sock: socket.socket | paramiko.Channel) -> None:
        self._sock = sock
        self._ahead = b""
        self.send = partial(send, sock) if isinstance(sock, paramiko.Channel) else sock.send
        self.close = partial(hang_up, sock)

    def recv(self, size: int) -> bytes:
        """Give what was read before, and only where there is none wait for more."""
        found = self._ahead or self._sock.recv(_PIECE)
        self._ahead = found[size:]
        return found[:size]


class _Packetizer(Packetizer):
    def __init__(self, sock: socket.socket | paramiko.Channel) -> None:
        # All that it asks of a socket is there; its type hint says more.
        super().__init__(cast("socket.socket", _ReadAhead(sock)))

    def start_handshake(self, timeout: float) -> None:
        """Start no timer: it would be a thread for each connection, which outlives a handshake that fails."""


class Wire(paramiko.Transport):
    """A bare paramiko transport that offers only what the target allows.

    Limits of paramiko itself are put out of the way: the caller's deadline is the only one.
    """

    # How often the thread wakes when nothing arrives. It need not poll for the end: `end` shuts the socket down.
    _active_check_timeout = 1.0

    def __init__(
        self, sock: socket.socket | paramiko.Channel, target: Target, host_key_algorithms: Sequence[str]
    ) -> None:
        self._algorithms = target.algorithms
        self._host_key_algorithms = tuple(host_key_algorithms)
        super().__init__(sock, packetizer_class=_Packetizer)
        self.set_log_channel(_LOG_CHANNEL)
        self.name = f"ssh-{target.name}"
        self.banner_timeout = self.auth_timeout = _FOREVER
        self._carrier = sock

    @property
    def preferred_kex(self) -> Sequence[str]:
        return _both(self._algorithms.kex, super().preferred_kex)

    @property
    def preferred_ciphers(self) -> Sequence[str]:
        return _both(self._algorithms.ciphers, super().preferred_ciphers)

    @property
    def preferred_macs(self) -> Sequence[str]:
        return _both(self._algorithms.macs, super().preferred_macs)

    @property
    def preferred_keys(self) -> Sequence[str]:
        # Without paramiko's certificate variants: it takes a host's certificate without checking who signed it.
        return _both(self._host_key_algorithms, super().preferred_keys)

    @property
    def preferred_pubkeys(self) -> Sequence[str]:
        return _both(self._algorithms.public_keys, super().preferred_pubkeys)

    def _send_message(self, data: paramiko.Message) -> None:
        # One thread at a time comes here with data or with the end of a channel, which is marked before it is sent.
        if not (isinstance(data, _Data) and data.channel.closed):
            super()._send_message(data)  # type: ignore[misc] # left out of the stubs

    def end(self) -> None:
        """Close the socket and wait for the thread, which reads end of file at once."""
        if isinstance(self._carrier, socket.socket):
            # The other side may have closed it before us.
            with contextlib.suppress(OSError):
                self._carrier.shutdown(socket.SHUT_RDWR)
        self.close()
        hang_up(self._carrier)
        if self.is_alive():
            self.join(_END_OF_THREAD)


def _both(wanted: Sequence[str], supported: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in wanted if name in supported)


def remaining(deadline: float) -> float:
    """Seconds until a moment of the monotonic clock, never negative."""
    return max(0.0, deadline - monotonic())


def shake_hands(sock: socket.socket | paramiko.Channel, target: Target, host_keys: HostKeys, deadline: float) -> Wire:
    """Exchange keys with a host and check that it is the one we know; nothing secret was sent until then.

    Raises:
        HostError: the host fell silent, does not speak SSH, or is not the one we know. The socket is closed then.
    """
    try:
        wire = Wire(sock, target, host_keys.algorithms(target))
    except BaseException:
        hang_up(sock)
        raise
    try:
        _negotiate(wire, target, host_keys, deadline)
        key = wire.get_remote_server_key()
        host_keys.check(target, ServerKey(key_type=key.get_name(), blob=key.asbytes()))
        wire.set_keepalive(target.limits.keepalive)
    except BaseException:
        wire.end()
        raise
    return wire


def _negotiate(wire: Wire, target: Target, host_keys: HostKeys, deadline: float) -> None:
    for kind in ("kex", "ciphers", "macs"):
        if not getattr(wire, f"preferred_{kind}"):
            raise ProtocolError(
                target.name,
                f"~/.ssh/config leaves no {kind} algorithm that fleet can use",
                advice="allow one of curve25519-sha256, aes128-gcm@openssh.com, hmac-sha2-256",
            )
    done = Event()
    wire.start_client(done)
    finished = done.wait(remaining(deadline))
    if finished and wire.is_active():
        return
    spoke = bool(wire.remote_version)
    if not finished:
        after = "sent its SSH banner and then fell silent" if spoke else "accepted the connection and then said nothing"
        raise HostTimeoutError(
            target.name,
            f"{target.address} {after} for {target.limits.auth:g} s",
            advice="see whether the host is overloaded or its disk hangs; or raise the login limit",
        )
    error = wire.get_exception()
    if not spoke:
        raise banner_error(target.name, error) from error
    if isinstance(error, IncompatiblePeer):
        missing: HostKeyError | None = host_keys.no_such_key(target)
        if missing is not None and "host key" in str(error):
            raise missing from error
        raise ProtocolError(
            target.name,
            f"{target.address} ({printable(wire.remote_version)}) has no algorithm in common with us: "
            f"{printable(str(error), 200)}",
            advice="upgrade sshd there, or widen its KexAlgorithms, Ciphers, MACs and HostKeyAlgorithms",
        ) from error
    raise host_error(target.name, "the key exchange", error) from error
