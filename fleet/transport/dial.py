"""From a target to an open socket: TCP, or the stdin and stdout of a ProxyCommand."""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from ipaddress import ip_address
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from time import monotonic
from typing import IO, Any

from fleet.model.errors import UnreachableError
from fleet.model.text import printable
from fleet.transport.errors import TurnedAwayError, connect_error
from fleet.transport.target import Target
from fleet.transport.wire import remaining

_KEEPALIVES_LOST = 3
_PROXY_END = 2.0

_AddressInfo = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]


def dial(target: Target) -> socket.socket:
    """Connect by TCP to the first address of the name that answers, all within the connect limit.

    An address gets an equal share of the time that is left, so that one that swallows packets leaves time for the next.

    Raises:
        UnreachableError: none answered.
    """
    limit = target.limits.connect
    deadline = monotonic() + limit
    where = target.address
    addresses = _addresses(target, deadline)
    failures: list[OSError] = []
    for position, (family, kind, protocol, _, address) in enumerate(addresses):
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:  # a box without IPv6
            failures.append(error)
            continue
        try:
            sock.settimeout(max(0.001, remaining(deadline) / (len(addresses) - position)))
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # A host that vanished does not answer keepalives; the kernel then ends the connection.
            lost_after = int(_KEEPALIVES_LOST * target.limits.keepalive * 1000)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, lost_after)
        except OSError as error:
            sock.close()
            failures.append(error)
        else:
            return sock
    # The address that answered something tells more than the one that did not.
    telling = next((error for error in failures if isinstance(error, ConnectionRefusedError)), failures[-1])
    raise connect_error(target.name, where, telling, limit) from telling


def _addresses(target: Target, deadline: float) -> Sequence[_AddressInfo]:
    """Resolve the name, in a thread that is left behind when DNS does not answer: getaddrinfo takes no limit."""
    answer: SimpleQueue[Sequence[_AddressInfo] | OSError] = SimpleQueue()

    def ask() -> None:
        try:
            answer.put(socket.getaddrinfo(target.hostname, target.port, target.family, socket.SOCK_STREAM))
        except OSError as error:
            answer.put(error)
        except UnicodeError:
            answer.put(socket.gaierror(socket.EAI_NONAME, "not a host name"))

    if _is_address(target.hostname):
        ask()
    else:
        Thread(target=ask, name=f"resolve-{target.name}", daemon=True).start()
    try:
        found = answer.get(timeout=remaining(deadline))
    except Empty:
        found = socket.gaierror(socket.EAI_AGAIN, f"no answer within {target.limits.connect:g} s")
    if isinstance(found, OSError):
        raise connect_error(target.name, target.hostname, found, target.limits.connect) from found
    return found


def _is_address(hostname: str) -> bool:
    try:
        ip_address(hostname)
    except ValueError:
        return False
    return True


class ProxyProcess:
    """A ProxyCommand, connected by a socket pair and ended with its connection.

    Args:
        target: with a ``proxy_command``.

    Raises:
        UnreachableError: the shell does not start.
    """

    def __init__(self, target: Target) -> None:
        self._name = target.name
        self._lock = Lock()
        self._is_closed = False
        self.socket, theirs = socket.socketpair()
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 closed by close()
        try:
            self._process = subprocess.Popen(  # noqa: S602 ProxyCommand is by definition a line for the shell
                f"exec {target.proxy_command}",
                shell=True,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._stderr,
                start_new_session=True,
            )
        except OSError as error:
            self.socket.close()
            self._stderr.close()
            raise UnreachableError(
                target.name, f"the ProxyCommand does not start: {error.strerror}", advice="check it in ~/.ssh/config"
            ) from error
        finally:
            theirs.close()

    def explain(self, error: UnreachableError) -> UnreachableError:
        """Add what the command said, when it ended the connection.

        It ends without failure where the host behind it turned us away. Where its own jump host did, ssh says so; else
        it may have been refused there, which is not tried again.
        """
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_PROXY_END)
        self._stderr.seek(0)
        output = self._stderr.read(2000).strip()
        said = printable(output.rpartition(b"\n")[2], 200)
        status = self._process.poll()
        ended = f"the ProxyCommand ended with status {status}" if status is not None else "the ProxyCommand still runs"
        is_turned_away = isinstance(error, TurnedAwayError) and (status == 0 or b"exchange_identification: " in output)
        kind = TurnedAwayError if is_turned_away else UnreachableError
        return kind(
            self._name, f"{error.message}; {ended}{': ' + said if said else ''}", advice="run it by hand to see why"
        )

    def close(self) -> None:
        """End the command and whatever it started; a second call does nothing."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        self.socket.close()
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_PROXY_END)
                break
        self._stderr.close()
