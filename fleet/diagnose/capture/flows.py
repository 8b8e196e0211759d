"""What one end of a connection has sent so far."""

from collections import deque
from dataclasses import dataclass, field

from fleet.diagnose.capture.segments import ACK, FIN, MOST_SCALE, SYN, Segment

# A copy of the same segment on another interface of the same machine comes that soon; a retransmission does not.
_COPY_WITHIN = 0.005
_AHEAD = 1 << 24
"""No sender is further ahead than this; what seems so is not of the stream."""
_BEHIND = 1 << 16
"""How far a stray segment's acknowledgement may be behind. A larger number would find strangers by chance."""
_HALF = 1 << 31
_RECENT = 4


def distance(later: int, earlier: int) -> int:
    """How far one sequence number is above another; they wrap at 2**32."""
    return (later - earlier + _HALF) % (2 * _HALF) - _HALF


@dataclass(slots=True)
class Flow:
    """The segments of one direction, RSTs apart.

    Attributes:
        order: how many segments of the capture came before its first.
        next_seq: of what comes next.
        acked: how far it has acknowledged the other direction.
        scale: of its windows; None where its SYN was not seen.
        waits_since: when it sent what has to be acknowledged and the other end has said nothing since.
    """

    order: int
    next_seq: int
    acked: int | None = None
    window: int = 0
    scale: int | None = None
    dialled: bool = False
    accepted: bool = False
    has_data: bool = False
    closed: bool = False
    waits_since: float | None = None
    recent: deque[Segment] = field(default_factory=lambda: deque(maxlen=_RECENT))

    def has_copy(self, segment: Segment) -> bool:
        """Whether this was seen already, on another interface."""
        return any(
            segment.at - known.at < _COPY_WITHIN and known[3:6] == segment[3:6] and known.length == segment.length
            for known in self.recent
        )

    def take(self, segment: Segment) -> None:
        """Note a segment that is no RST."""
        if segment.scale is not None:
            self.scale = segment.scale
        self.dialled |= bool(segment.flags & SYN) and not segment.flags & ACK
        self.accepted |= bool(segment.flags & SYN) and bool(segment.flags & ACK)
        self.has_data |= segment.has_data
        self.closed |= bool(segment.flags & FIN)
        if segment.flags & ACK and (self.acked is None or 0 <= distance(segment.ack, self.acked) <= _AHEAD):
            self.acked, self.window = segment.ack, segment.window
        is_probe = not segment.length and segment.seq == (self.next_seq - 1) % (2 * _HALF)
        following = (segment.seq + segment.length) % (2 * _HALF)
        ahead = distance(following, self.next_seq)
        if 0 < ahead <= _AHEAD:
            self.next_seq = following
        if self.waits_since is None and (segment.length or is_probe):
            self.waits_since = segment.at
        self.recent.append(segment)

    def heard(self) -> None:
        """The other end sent something."""
        self.waits_since = None

    def sent(self, seq: int) -> bool:
        """Whether a sequence number that somebody expects is one that this flow has come to lately."""
        return 0 <= distance(self.next_seq, seq) <= _BEHIND

    def windows(self) -> tuple[int, int]:
        """The smallest and the largest that its last window can be, in bytes."""
        low, high = (0, MOST_SCALE) if self.scale is None else (self.scale, self.scale)
        return self.window << low, self.window << high
