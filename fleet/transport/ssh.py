"""SSH to many hosts: what is read, loaded and opened once a run, and a connection for each host."""

import socket
from collections.abc import Callable
from functools import partial
from random import SystemRandom
from threading import Lock
from time import monotonic
from types import TracebackType
from typing import Self

import paramiko

from fleet.model.connection import Endpoint
from fleet.model.errors import HostError, UnreachableError
from fleet.transport.dial import ProxyProcess, dial
from fleet.transport.errors import TurnedAwayError, behind_jump, still_turned_away, tunnel_error
from fleet.transport.host_keys import HostKeys
from fleet.transport.keys import KeyStore
from fleet.transport.login import log_in
from fleet.transport.once import Once
from fleet.transport.ssh_config import SshConfig
from fleet.transport.ssh_connection import SshConnection
from fleet.transport.target import Target, resolve
from fleet.transport.throttle import Turns, delay_before_next
from fleet.transport.wire import Wire, hang_up, remaining, shake_hands

# Processes that are forked from one would else all draw the same delays.
_RANDOM = SystemRandom()

_Carrier = socket.socket | paramiko.Channel


class SshTransport:
    """Implements `fleet.transport.command.Transport`; use it as a context manager, or close it.

    ~/.ssh/config and known_hosts are read, private keys are decrypted and jump hosts are logged in to once a run,
    when first needed. A jump host that failed is not tried again for the next host behind it. Many threads may call
    `open` at once.
    """

    def __init__(self) -> None:
        self._configs: Once[str | None, SshConfig] = Once()
        self._host_keys = HostKeys()
        self._keys = KeyStore()
        self._jumps: Once[Target, _Login] = Once()
        self._lock = Lock()
        self._open: set[_Login] = set()
        self._processes: set[ProxyProcess] = set()
        self._is_closed = False
        self._turns = Turns()

    def resolve(self, endpoint: Endpoint) -> Target:
        """Tell how a host would be reached, without touching the network.

        Raises:
            UsageError: ~/.ssh/config or the endpoint asks for what cannot be done.
        """
        return resolve(endpoint, lambda path: self._configs.get(path, lambda: SshConfig(path)))

    def open(self, endpoint: Endpoint) -> SshConnection:
        """Connect and log in.

        Raises:
            HostError: the host was not reached, or one side did not accept the other.
            UsageError: ~/.ssh/config, known_hosts or the endpoint asks for what cannot be done.
        """
        target = self.resolve(endpoint)
        login = self._log_in(target)
        return SshConnection(
            login.wire,
            target,
            become=endpoint.become,
            become_password=endpoint.become_password,
            close=login.close,
        )

    def close(self) -> None:
        """Close every connection that is still open; a second call does nothing."""
        self._turns.end()
        with self._lock:
            self._is_closed = True
            left = list(self._open)
            processes = list(self._processes)
        jumps = set(self._jumps.values())
        # Jump hosts last: closing one ends the connections through it.
        for login in sorted(left, key=lambda login: login in jumps):
            login.close()
        # Of hosts that an interrupt leaves in the middle of their handshake.
        for process in processes:
            process.close()
        self._keys.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _log_in(self, target: Target) -> "_Login":
        """Connect and log in, when it is the target's turn, and anew where it turned us away."""
        tries, spent = 0, 0.0
        while True:
            tries += 1
            with self._turns.turn(target.name, target.throttle):
                began = monotonic()
                try:
                    return self._log_in_once(target)
                except TurnedAwayError as error:
                    turned_away = error
                spent += monotonic() - began
            delay = delay_before_next(tries=tries, spent=spent, limit=target.limits.auth, draw=_RANDOM.random)
            if delay is None:
                raise still_turned_away(turned_away, tries, spent) from turned_away
            self._turns.pause(target.name, delay)
            spent += delay

    def _log_in_once(self, target: Target) -> "_Login":
        carrier, end_carrier, explain = self._carrier(target)
        deadline = monotonic() + target.limits.auth
        try:
            wire = shake_hands(carrier, target, self._host_keys, deadline)
        except HostError as error:
            explained = explain(error)
            end_carrier()
            raise explained from error
        except BaseException:
            end_carrier()
            raise
        login = _Login(wire, end_carrier, self._forget)
        with self._lock:
            self._open.add(login)
        try:
            log_in(wire, target, self._keys, deadline)
        except BaseException:
            login.close()
            raise
        return login

    def _carrier(self, target: Target) -> tuple[_Carrier, Callable[[], None], Callable[[HostError], HostError]]:
        """Give the socket to the host, what ends it, and what puts its failures into words."""
        if target.via is not None:
            channel = self._tunnel(target, target.via)
            return channel, partial(hang_up, channel), _as_it_is
        if target.proxy_command is not None:
            process = self._start(target)
            return process.socket, lambda: self._end(process), lambda error: _explained(process, error)
        sock = dial(target)
        return sock, partial(hang_up, sock), _as_it_is

    def _start(self, target: Target) -> ProxyProcess:
        # Under the lock: a run that ends now must not miss a process that was just started.
        with self._lock:
            if self._is_closed:
                raise UnreachableError(target.name, "the run has ended")
            process = ProxyProcess(target)
            self._processes.add(process)
        return process

    def _end(self, process: ProxyProcess) -> None:
        process.close()
        with self._lock:
            self._processes.discard(process)

    def _tunnel(self, target: Target, via: Target) -> paramiko.Channel:
        wire = self._jump(target, via).wire
        deadline = monotonic() + target.limits.connect
        address = (target.hostname, target.port)
        try:
            return wire.open_channel("direct-tcpip", address, ("127.0.0.1", 0), timeout=remaining(deadline))
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise tunnel_error(target.name, via.name, target.address, error) from error

    def _jump(self, target: Target, via: Target) -> "_Login":
        try:
            login = self._jumps.get(via, lambda: self._log_in(via))
            if not login.wire.is_active():
                self._jumps.forget(via, login)
                login.close()
                login = self._jumps.get(via, lambda: self._log_in(via))
        except HostError as error:
            raise behind_jump(target.name, via.name, error) from error
        return login

    def _forget(self, login: "_Login") -> None:
        with self._lock:
            self._open.discard(login)


class _Login:
    """A wire with what carries it, closed together and once."""

    def __init__(self, wire: Wire, end_carrier: Callable[[], None], closed: "Callable[[_Login], None]") -> None:
        self.wire = wire
        self._end_carrier = end_carrier
        self._on_close = closed
        self._lock = Lock()
        self._is_closed = False

    def close(self) -> None:
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        self.wire.end()
        self._end_carrier()
        self._on_close(self)


def _as_it_is(error: HostError) -> HostError:
    return error


def _explained(process: ProxyProcess, error: HostError) -> HostError:
    return process.explain(error) if isinstance(error, UnreachableError) else error
