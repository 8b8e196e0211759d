"""Finds the resets in a capture, and tells what each answers.

Addresses are translated on the way, so that one connection may show as two: from the client to the address that it
dialled, and from the client to the pod behind it. Both carry the same sequence numbers, and of a client's packets the
one with the dialled address comes first. A RST that only the second has was sent by a client that knows nothing of the
pod: something of the pod came through untranslated, which is the signature of an INVALID segment and of a lost entry.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from fleet.diagnose.capture.flows import Flow, distance
from fleet.diagnose.capture.segments import ACK, RST, SYN, End, Segment

Kind = Literal[
    "outside", "inside", "half-closed", "untranslated", "moved", "refused", "silent", "empty", "abort", "other"
]
"""What a reset answers.

``outside``: a segment out of its receiver's window, from where it never dialled, or of which it knew nothing.
``inside``, ``half-closed``: one within the window, from where it never dialled. ``untranslated``: one from there, and
too little of the connection was seen to tell more. ``moved``: the middle of a connection that another backend had.
``refused``: a SYN. ``silent``: nothing any more. ``empty``: nothing, right after the handshake. ``abort``: it was the
sender's own wish.
"""

MOST_FLOWS: Final = 400_000
_MOST_PEERS = 64
"""Of a client's port. One with more is a server's."""
_EPHEMERAL = 32768
_SILENCE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """One connection that was reset.

    Attributes:
        at: seconds since 1970.
        client: who dialled.
        service: the address that it dialled, as far as the capture shows it.
        is_sure: whether nothing else than its kind explains it.
    """

    at: float
    kind: Kind
    sender: End
    client: End
    service: End
    is_sure: bool = True


class Conversations:
    """All connections of a capture.

    Attributes:
        resets: that were found so far; each connection's first only.
        count: of segments.
        began, ended: seconds since 1970.
        is_full: whether there were more connections than are followed.
        is_cut: whether the capture ended in the middle of a frame.
    """

    def __init__(self) -> None:
        self.resets: list[Reset] = []
        self.count = 0
        self.began = self.ended = 0.0
        self.is_full = self.is_cut = False
        self._flows: dict[tuple[End, End], Flow] = {}
        self._peers: dict[End, dict[End, None]] = {}
        self._over: set[End] = set()

    def take(self, segment: Segment) -> None:
        """Follow one more segment."""
        self.began = self.began or segment.at
        self.ended = max(self.ended, segment.at)
        self.count += 1
        if segment.flags & RST:
            self._reset(segment)
            return
        ends = (segment.source, segment.destination)
        flow = self._flows.get(ends)
        if flow is not None and flow.has_copy(segment):
            return
        is_dial = segment.flags & (SYN | ACK) == SYN
        if flow is None or (is_dial and segment.seq != (flow.next_seq - 1) % (1 << 32)):
            if len(self._flows) >= MOST_FLOWS:
                self.is_full = True
                return
            flow = self._flows[ends] = Flow(self.count, (segment.seq + segment.length) % (1 << 32))
            for one, other in (ends, ends[::-1]):
                peers = self._peers.setdefault(one, {})
                if len(peers) <= _MOST_PEERS:
                    peers[other] = None
            if is_dial:
                self._over.discard(segment.source)
                self._flows.pop(ends[::-1], None)
        flow.take(segment)
        if (back := self._flows.get(ends[::-1])) is not None:
            back.heard()

    def _reset(self, segment: Segment) -> None:
        client = self._client(segment.source, segment.destination)
        if client in self._over:
            return  # what comes after the end of a connection, and the same RST on its further way
        self._over.add(client)
        kind, service, is_sure = self._judge(segment, client)
        self.resets.append(
            Reset(
                at=segment.at,
                kind=kind,
                sender=segment.source,
                client=client,
                service=service,
                is_sure=is_sure,
            )
        )

    def _judge(self, segment: Segment, client: End) -> tuple[Kind, End, bool]:
        sender, receiver = segment.source, segment.destination
        own, back = self._flows.get((sender, receiver)), self._flows.get((receiver, sender))
        service = receiver if sender == client else sender
        if back is not None and back.dialled and own is None:
            return "refused", service, True
        is_answer = not segment.flags & ACK
        if is_answer and back is not None:
            if found := self._stray(segment, client, own, back):
                return found
            if own is None and receiver == client and (dialled := self._had_another_backend(segment, back)):
                return "moved", dialled, True
        return self._by_sender(segment, client, own, back), service, True

    def _by_sender(self, segment: Segment, client: End, own: Flow | None, back: Flow | None) -> Kind:
        """What kind it is where the connection is its sender's own."""
        if own is None or not (own.dialled or own.accepted or own.has_data):
            return "other"  # too little was seen of it
        if own.waits_since is not None and segment.at - own.waits_since >= _SILENCE:
            return "silent"
        if own.dialled and segment.source == client and not (own.has_data or (back and back.has_data)):
            return "empty"
        return "abort" if segment.flags & ACK or own.closed else "other"

    def _stray(self, segment: Segment, client: End, own: Flow | None, back: Flow) -> tuple[Kind, End, bool] | None:
        """Whether it answers a segment that its sender cannot place."""
        stray = next((known for known in reversed(back.recent) if known.ack == segment.seq), None)
        if stray is None:
            return None
        for dialled, flow in self._others(client, segment.destination) if segment.source == client else ():
            # Of the two ways that one connection shows, a client's packets take the dialled one first.
            if flow.order < (own.order if own else self.count) and flow.sent(segment.seq):
                place: Kind = _place(stray, flow)
                if place == "inside" and flow.closed:
                    place = "half-closed"
                elif place == "inside" and not (flow.dialled or flow.has_data):
                    place = "untranslated"  # the client may have closed its end before the capture began
                return place, dialled, True
        if own is not None and not own.closed and _place(stray, own) == "outside":
            # Its own connection's end would have acknowledged it once more.
            return "outside", segment.destination, False
        return None

    def _had_another_backend(self, segment: Segment, back: Flow) -> End | None:
        """The address that was dialled, where another than the sender has answered this stream before."""
        client = segment.destination
        first = back.recent[0].seq
        streams = [(end, flow) for end, flow in self._others(client, segment.source) if flow.sent(first)]
        if back.dialled or not any((end, client) in self._flows for end, _ in streams):
            return None
        return min(streams, key=lambda each: each[1].order)[0]

    def _others(self, client: End, peer: End) -> Iterator[tuple[End, Flow]]:
        peers = self._peers.get(client, {})
        if len(peers) > _MOST_PEERS:
            return
        for end in peers:
            if end != peer and (flow := self._flows.get((client, end))) is not None:
                yield end, flow

    def _client(self, one: End, other: End) -> End:
        """Which of two ends dialled."""
        for end, peer in ((one, other), (other, one)):
            flow, back = self._flows.get((end, peer)), self._flows.get((peer, end))
            if (flow is not None and flow.dialled) or (back is not None and back.accepted):
                return end
        if (one.port >= _EPHEMERAL) != (other.port >= _EPHEMERAL):
            return max(one, other, key=lambda end: end.port)
        return min(one, other, key=lambda end: len(self._peers.get(end, ())))


def _place(stray: Segment, receiver: Flow) -> Literal["outside", "inside", "untranslated"]:
    """Where a segment stands to its receiver's window; conntrack lets pass what is less than a window beyond it."""
    if receiver.acked is None:
        return "untranslated"
    above = distance(stray.seq, receiver.acked)
    low, high = receiver.windows()
    if -1 <= above <= low:
        return "inside"
    return "outside" if above > 2 * high or above < -high else "untranslated"
