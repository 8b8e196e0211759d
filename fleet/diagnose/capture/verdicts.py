"""The verdicts on the resets of a capture."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from fleet.diagnose.capture.resets import MOST_FLOWS, Conversations, Kind, Reset
from fleet.diagnose.ends import APPLICATION, REFUSED, SILENT
from fleet.diagnose.log import HEALTH_CHECK
from fleet.diagnose.lost import ENTRY_LOST, HALF_CLOSED
from fleet.diagnose.periods import fixed_interval
from fleet.diagnose.rule import Cause, several
from fleet.diagnose.segments import INVALID_SEGMENT
from fleet.model.diagnosis import CauseVerdict, Verdict

CAPTURED_RESETS: Final = Cause(
    name="captured-resets",
    title="captured resets that no cause explains",
    place="elsewhere",
    remedy="",
    sources=("https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.1",),
)

_MOST_GROUPS = 5
_NEVER_DIALLED = "answered by a client that never dialled that address"
# The cause of a kind, the verdict on it, and what was seen.
_KINDS: Final[Mapping[Kind, tuple[Cause, Verdict, str]]] = {
    "outside": (INVALID_SEGMENT, "confirmed", "after a segment out of the window"),
    "inside": (ENTRY_LOST, "confirmed", f"after a good segment that came untranslated, {_NEVER_DIALLED}"),
    "moved": (ENTRY_LOST, "confirmed", "after a connection went on to another backend than it began with"),
    "half-closed": (HALF_CLOSED, "confirmed", f"after an answer that came untranslated, {_NEVER_DIALLED}"),
    "refused": (REFUSED, "confirmed", "in answer to a SYN"),
    "abort": (APPLICATION, "likely", "by the sender's own wish"),
    "silent": (SILENT, "likely", "after segments that nobody acknowledged"),
    "empty": (HEALTH_CHECK, "likely", "right after the handshake, without any data"),
    "untranslated": (CAPTURED_RESETS, "cannot tell", f"after a segment that came untranslated, {_NEVER_DIALLED}"),
    "other": (CAPTURED_RESETS, "cannot tell", "for no reason that the capture shows"),
}
_CAUSES = tuple(dict.fromkeys(cause for cause, _, _ in _KINDS.values()))
_FROM_SYN = "why is told by a capture that has the connection from its SYN on"
_NO_INTERVAL = "that is how a TCP health check looks, but there is no fixed interval: capture for longer"


def judge_capture(seen: Conversations) -> tuple[CauseVerdict, ...]:
    """The verdicts on what a capture has."""
    if not seen.count:
        return tuple(cause.is_("cannot tell", "the capture has no TCP segment") for cause in _CAUSES)
    told: Mapping[Cause, list[tuple[Verdict, str]]] = defaultdict(list)
    for (kind, sender, service), resets in _groups(seen.resets):
        cause, verdict, why = _KINDS[kind]
        every = fixed_interval(reset.at for reset in resets)
        line = f"{several(len(resets), 'connection')} to {service} reset by {sender} {why}{_when(resets, every)}"
        if kind == "outside":
            is_sure = any(reset.is_sure for reset in resets)
            verdict = "confirmed" if is_sure else "likely"
            line += f", {_NEVER_DIALLED}" if is_sure else ", of which its receiver knew nothing"
        elif kind == "untranslated":
            line += f"; {_FROM_SYN}"
        elif kind == "empty" and every is None:
            cause, verdict, line = CAPTURED_RESETS, "cannot tell", f"{line}; {_NO_INTERVAL}"
        told[cause].append((verdict, line))
    return tuple(_verdict(cause, told[cause], seen) for cause in _CAUSES)


def _verdict(cause: Cause, told: Sequence[tuple[Verdict, str]], seen: Conversations) -> CauseVerdict:
    scope = f"{several(seen.count, 'segment')} in {seen.ended - seen.began:.1f} s"
    if seen.is_full:
        scope += f", of {MOST_FLOWS // 2} connections at most"
    if not told:
        return cause.is_(
            "excluded", f"none of {several(len(seen.resets), 'reset connection')} in the capture ({scope})"
        )
    worst: Verdict = "confirmed" if any(verdict == "confirmed" for verdict, _ in told) else told[0][0]
    more = [f"{len(told) - _MOST_GROUPS} more such senders"] if len(told) > _MOST_GROUPS else []
    return cause.is_(worst, *(line for _, line in told[:_MOST_GROUPS]), *more, f"in the capture: {scope}")


def _groups(resets: Iterable[Reset]) -> list[tuple[tuple[Kind, str, str], list[Reset]]]:
    """By sender, by what was dialled, and by kind; the largest first."""
    groups: dict[tuple[Kind, str, str], list[Reset]] = defaultdict(list)
    for reset in resets:
        # A client's port is another each time.
        sender = reset.sender.words
        name = sender.address if reset.sender == reset.client else str(sender)
        groups[reset.kind, name, str(reset.service.words)].append(reset)
    return sorted(groups.items(), key=lambda each: -len(each[1]))


def _when(resets: Sequence[Reset], every: float | None) -> str:
    first, last = (datetime.fromtimestamp(moment, UTC) for moment in (resets[0].at, resets[-1].at))
    if every is not None:
        return f", every {every:.1f} s"
    return f", at {first:%H:%M:%S}" + (f" to {last:%H:%M:%S}" if len(resets) > 1 else "")
