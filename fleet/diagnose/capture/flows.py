"""What one end of a connection has sent so far."""

from collections import deque
from dataclasses import dataclass, field

from fleet.diagnose.capture.segments import ACK, FIN, SYN, Segment

# A copy of the same segment on another interface of the same machine comes that soon; a retransmission does not.
_COPY_WITHIN = 0.005
_NEAR = 1 << 24
"""Further apart in sequence numbers than segments of one connection are: the largest window that is common."""
_HALF = 1 << 31
_RECENT = 4
_MOST_SCALE = 14


def distance(later: int, earlier: int) -> int:
    """How far one sequence number is above another; they wrap at 2**32."""
    return (later - earlier + _HALF) % (2 * _HALF) - _HALF


def is_near(one: int, other: int) -> bool:
    """Whether two sequence numbers may be of one connection."""
    return abs(distance(one, other)) <= _NEAR


@dataclass(slots=True)
class Flow:
    """The segments of one direction, RSTs apart.

    Attributes:
        order: how many segments of the capture came before its first.
        next_seq: of what comes next.
        acked: how far it has acknowledged the other direction.
        scale: of its windows; None where its SYN was not seen.
        repeats: segments that it sent again since the other end was last heard.
        waits_since: when it first sent something since then.
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
    repeats: int = 0
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
        if segment.flags & ACK and (self.acked is None or 0 <= distance(segment.ack, self.acked) <= _NEAR):
            self.acked, self.window = segment.ack, segment.window
        is_probe = not segment.length and segment.seq == (self.next_seq - 1) % (2 * _HALF)
        following = (segment.seq + segment.length) % (2 * _HALF)
        ahead = distance(following, self.next_seq)
        if is_probe or (segment.length and ahead <= 0 and self.recent):
            self.repeats += 1
        # What is far beyond is not of the stream.
        if 0 < ahead <= _NEAR:
            self.next_seq = following
        if self.waits_since is None:
            self.waits_since = segment.at
        self.recent.append(segment)

    def heard(self) -> None:
        """The other end sent something."""
        self.repeats, self.waits_since = 0, None

    def windows(self) -> tuple[int, int]:
        """The smallest and the largest that its last window can be, in bytes."""
        low, high = (0, _MOST_SCALE) if self.scale is None else (self.scale, self.scale)
        return self.window << low, self.window << high
