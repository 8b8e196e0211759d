"""The frames of an answer: from bytes that nobody vouches for to named sections and records.

The form is described at the top of probe.sh.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from fleet.model.errors import ProtocolError
from fleet.model.text import printable

_VERSION = b"1"
_PROBE = b"fleet-facts"
_LAYOUTS = ((b"host", b"processes", b"values", b"contents", b"files", b"texts", b"sockets", b"tools", b"end"),)
_QUIET = "let the files that the login shell reads at its start (such as ~/.bashrc) print nothing without a terminal"
_MOST_DIGITS = 20


class MalformedError(Exception):
    """A part of an answer is not what the probe prints."""

    def __init__(self, what: str, seen: bytes = b"") -> None:
        super().__init__(f"{what}: '{printable(seen)}'" if seen else what)


@dataclass(frozen=True, slots=True)
class Answer:
    """The sections of one answer by name, without their first line."""

    sections: Mapping[bytes, bytes]
    nonce: bytes

    def lines(self, name: bytes) -> list[bytes]:
        """The lines of a section that holds no file content."""
        return self.sections[name].splitlines()

    def records(self, name: bytes) -> list[bytes]:
        """The records of a section, which may hold line breaks."""
        before, *records = self.sections[name].split(self.nonce + b"=")
        if before.strip():
            raise MalformedError("text before the first record", before)
        return records

    def contents(self, name: bytes) -> list[bytes]:
        """The files of a section, each as the node read it; an unfinished last one is left out."""
        return self.sections[name].split(self.nonce + b"=\0")[:-1]


def open_answer(
    answer: bytes,
    *,
    nonce: str,
    host: str,
    script: bytes = _PROBE,
    layouts: Collection[tuple[bytes, ...]] = _LAYOUTS,
) -> Answer:
    """Check that the answer is whole and ours, and cut it into its sections.

    Args:
        answer: what the node printed.
        nonce: that of the call.
        host: the inventory name.
        script: how the script names itself in its first line.
        layouts: the sequences of sections that it prints.

    Raises:
        ProtocolError: it is foreign, noisy, cut off, or of another version.
    """
    mark = nonce.encode()
    greeting = mark + b" " + script + b" "
    if not answer.startswith(greeting) and not (answer and greeting.startswith(answer)):
        raise _foreign(answer, greeting, host)
    first, *rest = answer.split(b"\n" + mark + b" ")
    version = first.removeprefix(greeting).split(b"\n", 1)[0]
    if rest and version != _VERSION:
        raise ProtocolError(
            host,
            f"{host} answered in version '{printable(version)}' of the probe's format, this fleet reads version 1",
            advice="run the probe of the same release",
        )
    parts = [part.partition(b"\n") for part in rest]
    names = tuple(name for name, _, _ in parts)
    if b"end" not in names:
        raise ProtocolError(
            host,
            f"the answer of {host} was cut off after {len(answer)} bytes",
            advice="run it again; if it happens again, look for a limit on processes or output on the node",
        )
    if names not in layouts:
        raise ProtocolError(host, f"the answer of {host} has sections that the probe does not print: {_list(names)}")
    if trailing := parts[-1][2].strip():
        raise ProtocolError(
            host, f"{host} printed more after the probe's answer: '{printable(trailing)}'", advice=_QUIET
        )
    return Answer({name: body for name, _, body in parts}, mark)


def integer(text: bytes) -> int:
    """A decimal number without a sign that fits into 64 bits or little more."""
    if len(text) > _MOST_DIGITS or not text.isdigit():
        raise MalformedError("not a number", text or b"(nothing)")
    return int(text)


def hexadecimal(text: bytes) -> int:
    """A hexadecimal number of up to 128 bits."""
    if len(text) <= 2 * _MOST_DIGITS and text.isalnum():
        try:
            return int(text, 16)
        except ValueError:
            pass  # reported below like any other wrong text
    raise MalformedError("not a hexadecimal number", text or b"(nothing)")


def text(raw: bytes, limit: int = 4096) -> str:
    """What a node calls something; bytes that are not UTF-8 become escapes."""
    if len(raw) > limit:
        raise MalformedError(f"a name of {len(raw)} bytes", raw)
    return raw.decode(errors="backslashreplace")


def _foreign(answer: bytes, greeting: bytes, host: str) -> ProtocolError:
    if not answer.strip():
        return ProtocolError(
            host,
            f"{host} ended the probe without an answer",
            advice="check that the account may run commands: a restricted shell or a forced command may be in the way",
        )
    begun = answer.find(greeting)
    if begun >= 0:
        noise = answer[:begun]
        return ProtocolError(
            host, f"{host} printed {len(noise)} bytes before the probe's answer: '{printable(noise)}'", advice=_QUIET
        )
    return ProtocolError(
        host,
        f"{host} did not run the probe but answered {len(answer)} bytes of its own: '{printable(answer)}'",
        advice="check the login shell, a forced command (ForceCommand, command=) and the account",
    )


def _list(names: tuple[bytes, ...]) -> str:
    return "'" + printable(b" ".join(names)) + "'"
