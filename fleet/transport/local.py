"""Commands on this machine, without SSH."""

import contextlib
import os
import selectors
import signal
import subprocess
from time import monotonic
from typing import IO

from fleet.model.connection import BecomeMethod, Completed, Endpoint, TimeLimits
from fleet.model.errors import ProtocolError
from fleet.model.secret import Secret
from fleet.transport.account import own_name
from fleet.transport.command import Command
from fleet.transport.exchange import Exchange
from fleet.transport.wire import remaining

_CHUNK = 65536


class LocalConnection:
    """This machine as a host. Implements `fleet.transport.command.Connection`.

    Args:
        name: for messages.
        become: how commands become root; root itself needs nothing.
        become_password: for sudo.
        limits: only the limit of a command counts.
    """

    def __init__(
        self,
        name: str = "localhost",
        *,
        become: BecomeMethod = "none",
        become_password: Secret | None = None,
        limits: TimeLimits | None = None,
    ) -> None:
        self._name = name
        self._become: BecomeMethod = "none" if os.geteuid() == 0 else become
        self._become_password = become_password
        self._limits = limits or TimeLimits()

    def run(self, command: Command) -> Completed:
        """Run a command to its end.

        Raises:
            HostError: the command did not run to its end.
        """
        limit = command.timeout if command.timeout is not None else self._limits.command
        exchange = Exchange(
            host=self._name,
            user=own_name() or str(os.getuid()),
            command=command,
            method=self._become,
            password=self._become_password,
        )
        try:
            process = subprocess.Popen(  # noqa: S603 running the caller's command is what this is for
                exchange.arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise ProtocolError(
                self._name,
                f"{exchange.arguments[0]} cannot be started: {error.strerror}",
                advice="see whether it is installed",
            ) from error
        with process:
            try:
                return _converse(process, exchange, limit)
            finally:
                # The command is over or no longer wanted, and so is what it left in the background.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Nothing stays open."""


def _converse(process: subprocess.Popen[bytes], exchange: Exchange, limit: float) -> Completed:
    deadline = monotonic() + limit
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
    if stdin is None or stdout is None or stderr is None:
        raise RuntimeError("the process was started without pipes")
    os.set_blocking(stdin.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        selector.register(stderr, selectors.EVENT_READ)
        reading = {stdout, stderr}
        while reading:
            _wish_to_write(selector, stdin, exchange)
            ready = selector.select(remaining(deadline))
            if not ready and remaining(deadline) == 0:
                raise exchange.timed_out(limit)
            for key, _ in ready:
                if key.fileobj is stdin:
                    _write(stdin, exchange)
                    continue
                data = os.read(key.fd, _CHUNK)
                if not data:
                    selector.unregister(key.fileobj)
                    reading.discard(stdout if key.fileobj is stdout else stderr)
                exchange.received(data if key.fileobj is stdout else b"", data if key.fileobj is stderr else b"")
    try:
        status = process.wait(remaining(deadline))
    except subprocess.TimeoutExpired:
        raise exchange.timed_out(limit) from None
    if status < 0:
        raise exchange.no_status()
    return exchange.completed(status)


def _wish_to_write(selector: selectors.BaseSelector, stdin: IO[bytes], exchange: Exchange) -> None:
    """Watch stdin only while there is something to write, and close it once there never will be."""
    if stdin.closed:
        return
    watched = stdin in selector.get_map()
    if exchange.outgoing and not watched:
        selector.register(stdin, selectors.EVENT_WRITE)
    elif not exchange.outgoing and watched:
        selector.unregister(stdin)
    if exchange.input_complete and not exchange.outgoing:
        stdin.close()


def _write(stdin: IO[bytes], exchange: Exchange) -> None:
    try:
        exchange.wrote(os.write(stdin.fileno(), exchange.outgoing))
    except BlockingIOError:
        return
    except BrokenPipeError:
        # The command ended without reading all of its stdin, as it may.
        exchange.wrote(len(exchange.outgoing))


class LocalTransport:
    """Takes every host for this machine. Implements `fleet.transport.command.Transport`."""

    def open(self, endpoint: Endpoint) -> LocalConnection:
        """Give this machine, with the name, become method and limits of the endpoint."""
        return LocalConnection(
            endpoint.name,
            become=endpoint.become,
            become_password=endpoint.become_password,
            limits=endpoint.limits,
        )

    def close(self) -> None:
        """Nothing stays open."""
