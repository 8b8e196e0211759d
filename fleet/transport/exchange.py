"""One command while it runs: what was read, what is still to be written, and how it ended."""

from fleet.model.connection import BecomeMethod, Completed
from fleet.model.errors import HostError, HostTimeoutError, ProtocolError, UnreachableError
from fleet.model.secret import Secret
from fleet.model.text import printable
from fleet.transport.become import SudoDialogue, refusal, slow, without_password
from fleet.transport.command import Command

_HEAD = 60


class Exchange:
    """The conversation with one command, apart from what carries it.

    Args:
        host: the inventory name.
        user: who logged in, for messages.
        command: what to run.
        method: how to become root, where the command asks for it.
        password: for sudo.
    """

    def __init__(
        self, *, host: str, user: str, command: Command, method: BecomeMethod, password: Secret | None
    ) -> None:
        self._host = host
        self._user = user
        self._method: BecomeMethod = method if command.become else "none"
        self._limit = command.max_output
        self._stdin = command.stdin
        self._keep_stdin = command.keep_stdin
        self._stdout = bytearray()
        self._stderr = bytearray()
        self._received = 0
        self.outgoing = b""
        self.input_complete = False
        """Whether stdin can be closed once ``outgoing`` is written."""
        self._dialogue: SudoDialogue | None = None
        if self._method == "sudo" and password is not None:
            self._dialogue = SudoDialogue(host, user, password)
            self.arguments = self._dialogue.arguments(command.arguments)
        else:
            self.arguments = without_password(self._method, command.arguments)
            self._start_input()

    @property
    def is_talking(self) -> bool:
        """Whether sudo may still ask for its password, which has to be answered at once."""
        return self._dialogue is not None and not self._dialogue.started

    def received(self, stdout: bytes, stderr: bytes) -> None:
        """Take what was read.

        Raises:
            ProtocolError: the output is longer than allowed.
            BecomeError: sudo asks for a password again.
        """
        self._received += len(stdout) + len(stderr)
        self._stdout += stdout
        self._stderr += stderr
        if self._received > self._limit:
            raise ProtocolError(
                self._host,
                f"the answer is longer than {self._limit} bytes; it begins with {self._head()}",
                advice="see what the login shell of this user prints (.bashrc, .profile, ForceCommand)",
            )
        if self._dialogue is None or self._dialogue.started:
            return
        self.outgoing += self._dialogue.answer(self._stderr)
        if self._dialogue.look_for_start(self._stdout):
            self._start_input()

    def wrote(self, count: int) -> None:
        """Take note that the first bytes of ``outgoing`` are written."""
        self.outgoing = self.outgoing[count:]

    def completed(self, status: int) -> Completed:
        """Give the result.

        Raises:
            BecomeError: sudo or doas did not start the command.
        """
        refused = refusal(
            self._host,
            self._method,
            self._user,
            status=status,
            answered=bool(self._stdout),
            stderr=bytes(self._stderr[:16384]),
        )
        if refused is not None:
            raise refused
        if self._dialogue is not None and not self._dialogue.started:
            raise ProtocolError(
                self._host,
                f"sudo ended with status {status} and did not start the command; stdout begins with {self._head()}",
                advice="see what the login shell of this user prints or forces (ForceCommand, .bashrc)",
            )
        return Completed(exit_status=status, stdout=bytes(self._stdout), stderr=bytes(self._stderr))

    def timed_out(self, limit: float) -> HostError:
        """Say what did not end in time."""
        if self.is_talking or (
            self._method == "sudo" and not self._stdout and b"unable to resolve host" in self._stderr
        ):
            return slow(self._host, self._method, limit)
        return HostTimeoutError(
            self._host,
            f"the command did not end within {limit:g} s; {len(self._stdout)} bytes were read",
            advice="see whether the host is overloaded or its disk hangs; or raise the command limit",
        )

    def lost(self) -> HostError:
        """Say that the connection ended under the command."""
        count = len(self._stdout)
        if count:
            return ProtocolError(
                self._host,
                f"the connection was lost in the middle of the answer, after {count} bytes",
                advice="see whether the host rebooted or sshd was restarted, and try again",
            )
        return UnreachableError(
            self._host,
            "the connection was lost before the answer began",
            advice="see whether the host still runs, and look at the log of sshd there",
        )

    def no_status(self) -> HostError:
        """Say that the command ended without an exit status."""
        return ProtocolError(
            self._host,
            f"the command was ended by a signal on the host, after {len(self._stdout)} bytes of answer",
            advice="look for the OOM killer in the kernel log of the host, and for limits of the session",
        )

    def _start_input(self) -> None:
        self.outgoing += self._stdin
        self.input_complete = not self._keep_stdin

    def _head(self) -> str:
        return f"'{printable(bytes(self._stdout[:_HEAD]))}'"
