"""The script that rehearses a boot on a node, and the parser of its answer.

``rehearse.sh`` says what runs where; ``fleet.kernel.rehearsal`` what the outcome means.
"""

import shlex
from functools import cache
from importlib.resources import files

from fleet.facts.answer import Answer, MalformedError, integer, open_answer, text
from fleet.facts.request import ProbeRequest, key_in_dots, probe_arguments
from fleet.kernel.rehearsal import REHEARSED_KEYS
from fleet.model.errors import ProtocolError
from fleet.model.facts import Reason, Unavailable
from fleet.model.rehearsal import Rehearsal, RehearsalTool
from fleet.model.text import printable

_STEPS = (b"keys", b"before", b"tool", b"output", b"status", b"after")
_LAYOUTS = frozenset({(*_STEPS, b"end"), *((*_STEPS[:done], b"refused", b"end") for done in range(len(_STEPS) + 1))})
_MOST_LINES = 40
_LINE_LENGTH = 200
_MOST_VALUE = 4096
_KILLED = 128 + 9
_NOT_STARTED = frozenset({125, 126, 127})  # as timeout, env and chroot say it


@cache
def rehearsal_script() -> bytes:
    """The POSIX shell script that a node gets on the standard input of ``sh -s``."""
    folder = files("fleet.facts")
    inside = shlex.quote(folder.joinpath("rehearse_inside.sh").read_text(encoding="ascii"))
    return f"inside={inside}\n".encode("ascii") + folder.joinpath("rehearse.sh").read_bytes()


def rehearsal_arguments(nonce: str, tool: RehearsalTool) -> tuple[str, ...]:
    """The arguments after ``sh -s --``, none of which needs quotes in any login shell.

    Args:
        nonce: as for `probe_arguments`.
        tool: what applies sysctl.d at boot, from `fleet.kernel.rehearsal.rehearsal_tool`.

    Raises:
        ValueError: the nonce has another form.
    """
    _, *keys = probe_arguments(nonce, ProbeRequest(keys=REHEARSED_KEYS))
    return (nonce, tool, *keys)


def parse_rehearsal(answer: bytes, *, nonce: str, host: str) -> Rehearsal | Unavailable:
    """Read what the node printed; ``Unavailable`` where the node cannot rehearse, with why.

    Args:
        answer: the standard output of the script.
        nonce: that of the call.
        host: the inventory name.

    Raises:
        ProtocolError: the script did not print this, or not all of it.
    """
    opened = open_answer(answer, nonce=nonce, host=host, script=b"fleet-rehearsal", layouts=_LAYOUTS)
    try:
        if b"refused" in opened.sections:
            return refusal(opened.sections[b"refused"].strip())
        return _rehearsal(opened)
    except MalformedError as error:
        raise ProtocolError(host, f"the rehearsal of {host} has a part that the script does not print: {error}") from (
            error
        )


def refusal(said: bytes) -> Unavailable:
    """Why a script did nothing, from its own words."""
    kind, _, detail = said.partition(b" ")
    match kind:
        case b"root":
            return Unavailable(Reason.NEEDS_ROOT)
        case b"missing":
            return Unavailable(Reason.NOT_INSTALLED, printable(detail))
        case b"impossible":
            return Unavailable(Reason.IMPOSSIBLE, printable(b" ".join(detail.split()), _LINE_LENGTH))
        case _:
            raise MalformedError("an unknown refusal", said)


def _rehearsal(answer: Answer) -> Rehearsal | Unavailable:
    keys = [key_in_dots(text(line, 512)) for line in answer.lines(b"keys")]
    if foreign := set(keys) - set(REHEARSED_KEYS):
        raise MalformedError("a key that was not asked for", min(foreign).encode())
    tool, *said = answer.lines(b"tool") or [b""]
    name = printable(tool)
    output = tuple(printable(line, _LINE_LENGTH) for line in answer.lines(b"output") if line.strip())
    status = integer(answer.sections[b"status"].strip())
    if status == _KILLED:
        return Unavailable(Reason.IMPOSSIBLE, f"{name} did not come to its end")
    if status in _NOT_STARTED:
        return Unavailable(Reason.IMPOSSIBLE, f"{name} did not start: {output[0] if output else f'status {status}'}")
    return Rehearsal(
        tool=name,
        version=printable(said[0]) if said else "",
        status=status,
        output=output[:_MOST_LINES],
        before=_values(answer, b"before", keys),
        after=_values(answer, b"after", keys),
    )


def _values(answer: Answer, section: bytes, keys: list[str]) -> dict[str, str]:
    contents = answer.contents(section)
    if len(contents) != len(keys):
        raise MalformedError(f"{len(contents)} values for {len(keys)} keys")
    # The kernel ends even an empty value with a line break: nothing at all is a failed read.
    read = ((key, content) for key, content in zip(keys, contents, strict=True) if content)
    return {key: printable(b" ".join(content.split()), _MOST_VALUE) for key, content in read}
