"""Commands over one SSH connection that is kept open."""

import contextlib
from collections.abc import Callable
from threading import Event
from time import monotonic

import paramiko

from fleet.model.connection import BecomeMethod, Completed
from fleet.model.errors import HostTimeoutError, ProtocolError
from fleet.model.secret import Secret
from fleet.transport.command import Command, shell_line
from fleet.transport.errors import host_error
from fleet.transport.exchange import Exchange
from fleet.transport.target import Target
from fleet.transport.wire import Wire, remaining, send

_CHUNK = 65536
# At 32 KiB each at most, they are a quarter of what the host may send before we read.
_MANY_PACKETS = 16
# paramiko tells nobody when the host takes stdin again after it was full; only then it is asked this often.
_BLOCKED_INPUT = 0.02


class SshConnection:
    """A login on one host. Implements `fleet.transport.command.Connection`.

    Args:
        wire: authenticated.
        target: where it leads.
        become: how commands become root.
        become_password: for sudo.
        close: ends the wire and what carries it.
    """

    def __init__(
        self,
        wire: Wire,
        target: Target,
        *,
        become: BecomeMethod,
        become_password: Secret | None,
        close: Callable[[], None],
    ) -> None:
        self._wire = wire
        self._target = target
        self._become: BecomeMethod = become
        self._become_password = become_password
        self._close = close

    def run(self, command: Command) -> Completed:
        """Run a command to its end.

        Raises:
            HostError: the command did not run to its end.
        """
        limit = command.timeout if command.timeout is not None else self._target.limits.command
        deadline = monotonic() + limit
        exchange = Exchange(
            host=self._target.name,
            user=self._target.user,
            command=command,
            method=self._become,
            password=self._become_password,
        )
        channel = self._start(shell_line(exchange.arguments), limit, deadline)
        try:
            return self._converse(channel, exchange, limit, deadline)
        finally:
            # Of a connection that is gone there is nothing left to close.
            with contextlib.suppress(paramiko.SSHException, OSError, EOFError):
                channel.close()

    def close(self) -> None:
        """Log out; a second call does nothing."""
        self._close()

    def _start(self, line: str, limit: float, deadline: float) -> paramiko.Channel:
        try:
            channel = self._wire.open_session(timeout=remaining(deadline))
            channel.event = _Answered(deadline)
            channel.exec_command(line)
        except (paramiko.SSHException, OSError, EOFError) as error:
            if remaining(deadline) == 0:
                self._wire.end()
                raise HostTimeoutError(
                    self._target.name,
                    f"{self._target.address} did not start the command within {limit:g} s",
                    advice="see whether the host is overloaded or its disk hangs; or raise the command limit",
                ) from error
            if not self._wire.is_active():
                raise host_error(self._target.name, "the start of the command", None) from error
            raise ProtocolError(
                self._target.name,
                "sshd did not start the command",
                advice="see MaxSessions, ForceCommand and the login shell of this user on the host",
            ) from error
        return channel

    def _converse(self, channel: paramiko.Channel, exchange: Exchange, limit: float, deadline: float) -> Completed:
        woken = _Woken(channel, exchange)
        channel.in_buffer.set_event(woken)
        channel.in_stderr_buffer.set_event(woken)
        writing = True
        while True:
            woken.sleep_again()
            # Asked before reading: what came before the end is then read, whenever the end comes.
            ended, late = woken.has_ended, remaining(deadline) == 0
            while channel.recv_ready() or channel.recv_stderr_ready():
                out = channel.recv(_CHUNK) if channel.recv_ready() else b""
                err = channel.recv_stderr(_CHUNK) if channel.recv_stderr_ready() else b""
                exchange.received(out, err)
            if ended:
                break
            if late:
                raise exchange.timed_out(limit)
            if writing:
                writing = _write(channel, exchange)
            blocked = writing and bool(exchange.outgoing)
            woken.wait(min(remaining(deadline), _BLOCKED_INPUT) if blocked else remaining(deadline))
        if not channel.status_event.wait(remaining(deadline)):
            raise exchange.timed_out(limit)
        if channel.exit_status >= 0:
            return exchange.completed(channel.exit_status)
        raise exchange.no_status() if self._wire.is_active() else exchange.lost()


class _Answered(Event):
    """What paramiko waits on for the answer to exec, for which it has no limit of its own."""

    def __init__(self, deadline: float) -> None:
        super().__init__()
        self._deadline = deadline

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the deadline."""
        del timeout
        if super().wait(remaining(self._deadline)):
            return True
        raise TimeoutError


class _Woken(Event):
    """Set when the command has ended, or when much of its answer waits to be read.

    A node answers in dozens of packets, and each change between paramiko's thread and ours costs as much as a packet.
    """

    def __init__(self, channel: paramiko.Channel, exchange: Exchange) -> None:
        super().__init__()
        self._channel = channel
        self._exchange = exchange
        self._packets = 0

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come."""
        return bool(self._channel.eof_received) or self._channel.closed

    def set(self) -> None:
        """Take note of one more packet of either output stream, or of its end."""
        self._packets += 1
        if self._exchange.is_talking or self._packets >= _MANY_PACKETS or self.has_ended:
            super().set()

    def clear(self) -> None:
        """Ignore paramiko, which clears it when one stream is empty, though the other may not be."""

    def sleep_again(self) -> None:
        self._packets = 0
        super().clear()


def _write(channel: paramiko.Channel, exchange: Exchange) -> bool:
    """Write what the host takes without waiting; tell whether there may be more to write."""
    try:
        while exchange.outgoing and channel.send_ready():
            exchange.wrote(send(channel, exchange.outgoing[:_CHUNK]))
        if exchange.outgoing or not exchange.input_complete:
            return True
        channel.shutdown_write()
    except OSError:
        # The command ended without reading all of its stdin, as it may.
        return False
    return False
