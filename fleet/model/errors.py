"""What can go wrong, as one tree.

FleetError                  the root; the command line turns it into a message, never into a traceback
├── UsageError              the request cannot be carried out as asked (exit 2)
│   └── DocumentError       a file does not load: path, line, column, hint (exit 2)
├── LabError                the local lab cannot be built or found (exit 1)
├── ProofError              the reset cannot be reproduced on this machine (exit 1)
└── HostError               one host could not be read or changed (exit 1); ``kind`` says which of:
    ├── UnreachableError    no connection, or the connection was lost
    ├── AuthError           the node did not accept us
    ├── HostKeyError        we did not accept the node
    ├── BecomeError         sudo or doas refused
    ├── HostTimeoutError    the node accepted and then fell silent
    └── ProtocolError       the node answered with something that is not our answer
"""

from typing import ClassVar, Literal

HostErrorKind = Literal["unreachable", "auth", "host-key", "sudo", "timeout", "protocol"]


class FleetError(Exception):
    """What happened, why, and what to do next, in words for an operator."""


class UsageError(FleetError):
    """The request is not one that can be carried out."""


class DocumentError(UsageError):
    """A file that people write does not load.

    Args:
        message: what is wrong, without the position.
        path: the file as the operator named it.
        line: 1-based, or None where the file as a whole is meant.
        column: 1-based, or None.
        hint: what to do, such as the nearest valid name.
    """

    def __init__(
        self, message: str, *, path: str, line: int | None = None, column: int | None = None, hint: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.line = line
        self.column = column
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        return _document_error, (self.message, self.path, self.line, self.column, self.hint)

    def __str__(self) -> str:
        position = ":".join(str(part) for part in (self.path, self.line, self.column) if part is not None)
        return f"{position}: {self.message}" + (f" ({self.hint})" if self.hint else "")


def _document_error(message: str, path: str, line: int | None, column: int | None, hint: str) -> DocumentError:
    return DocumentError(message, path=path, line=line, column=column, hint=hint)


class LabError(FleetError):
    """The local lab cannot be built, found or removed."""


class ProofError(FleetError):
    """The reset cannot be reproduced on this machine."""


class InternalError(Exception):
    """A bug of ours, or an accident of our own processes, in words that can go from one process to another."""


class HostError(FleetError):
    """One host could not be read or changed.

    Args:
        host: the inventory name.
        message: what happened and why, already safe to print (nothing that a node sent is in it raw).
        advice: what to do next.
    """

    kind: ClassVar[HostErrorKind]

    def __init__(self, host: str, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.host = host
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message}: {self.advice}" if self.advice else self.message

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions are else made anew from their text alone, on the way from one process to another.
        return _host_error, (type(self), self.host, self.message, self.advice)


def _host_error(leaf: "type[HostError]", host: str, message: str, advice: str) -> "HostError":
    return leaf(host, message, advice=advice)


class UnreachableError(HostError):
    kind = "unreachable"


class AuthError(HostError):
    kind = "auth"


class HostKeyError(HostError):
    kind = "host-key"


class BecomeError(HostError):
    kind = "sudo"


class HostTimeoutError(HostError):
    kind = "timeout"


class ProtocolError(HostError):
    kind = "protocol"
