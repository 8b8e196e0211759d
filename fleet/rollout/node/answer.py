"""From what a node printed to what it says; nothing in it is trusted."""

import re
from typing import get_args

from fleet.facts.answer import Answer, MalformedError, integer, open_answer, text
from fleet.model.errors import ProtocolError
from fleet.model.rollout import ChangeResult, ChangeStatus, RunError
from fleet.model.text import printable
from fleet.rollout.node.model import NodeAnswer, NodeOutcome

_LAYOUTS = ((b"outcome", b"changes", b"moved", b"notes", b"end"),)
_OUTCOMES: dict[str, NodeOutcome] = {outcome: outcome for outcome in get_args(NodeOutcome)}
_STATUSES: dict[str, ChangeStatus] = {status: status for status in get_args(ChangeStatus)}
_KIND = re.compile(rb"[a-z][a-z-]{0,30}")
_LINE = 400
_VALUE = 65536
_MOST = 10_000
_RECORD_LINES = 4


def parse_node_answer(stdout: bytes, *, nonce: str, host: str) -> NodeAnswer:
    """Read what a program of `fleet.rollout.node` printed.

    Args:
        stdout: everything that came.
        nonce: that of the call.
        host: the inventory name.

    Raises:
        ProtocolError: the program did not print this, or not all of it.
    """
    opened = open_answer(stdout, nonce=nonce, host=host, script=b"fleet-node", layouts=_LAYOUTS)
    try:
        return _answer(opened)
    except MalformedError as error:
        raise ProtocolError(
            host, f"the answer of {host} has a part that the program does not print: {error}"
        ) from error


def _answer(opened: Answer) -> NodeAnswer:
    fields: dict[bytes, bytes] = {}
    for line in opened.lines(b"outcome"):
        if line:
            word, _, rest = line.partition(b" ")
            if word in fields or word not in {b"outcome", b"error", b"run", b"who", b"since", b"left"}:
                raise MalformedError("an unknown line", line)
            fields[word] = rest
    outcome = _OUTCOMES.get(printable(fields.get(b"outcome", b"")))
    if outcome is None:
        raise MalformedError("an unknown outcome", fields.get(b"outcome", b"(nothing)"))
    return NodeAnswer(
        outcome=outcome,
        changes=tuple(_change(record) for record in opened.records(b"changes")[:_MOST]),
        error=_error(fields[b"error"]) if b"error" in fields else None,
        moved=_sentences(opened, b"moved"),
        undo_in=float(integer(fields[b"left"])) if b"left" in fields else None,
        run=_shown(fields, b"run"),
        who=_shown(fields, b"who"),
        since=_shown(fields, b"since"),
        notes=_sentences(opened, b"notes"),
    )


def _shown(fields: dict[bytes, bytes], word: bytes) -> str | None:
    return printable(fields[word], _LINE) if word in fields else None


def _error(line: bytes) -> RunError:
    kind, _, message = line.partition(b" ")
    if not _KIND.fullmatch(kind):
        raise MalformedError("an unknown kind of error", line)
    return RunError(kind=kind.decode(), message=printable(message, _LINE))


def _sentences(opened: Answer, section: bytes) -> tuple[str, ...]:
    return tuple(printable(line, _LINE) for line in opened.lines(section)[:_MOST] if line.strip())


def _change(record: bytes) -> ChangeResult:
    lines = record.split(b"\n")[:-1]
    if len(lines) != _RECORD_LINES:
        raise MalformedError(f"a change of {len(lines)} lines", record)
    (kind, _, target), status, reason, read = lines[0].partition(b" "), *lines[1:]
    known = _STATUSES.get(printable(status))
    if known is None or not _KIND.fullmatch(kind) or read[:1] not in {b"", b"="}:
        raise MalformedError("a change of another form", record)
    return ChangeResult(
        kind=kind.decode(),
        target=printable(text(target), _LINE),
        status=known,
        reason=printable(reason, _LINE),
        read_back=printable(read[1:], _VALUE) if read else None,
    )
