"""Goes through a capture."""

from typing import BinaryIO

from fleet.diagnose.capture.frames import Frames
from fleet.diagnose.capture.resets import Conversations
from fleet.diagnose.capture.segments import segment


def read_capture(file: BinaryIO) -> Conversations:
    """Follow all TCP connections of a pcap or pcapng file; one that ends in the middle of a frame is read so far.

    Raises:
        FormatError: it is no capture, or has frames of an unknown kind.
        OSError: it cannot be read.
    """
    seen, frames = Conversations(), Frames(file)
    for frame in frames:
        if (found := segment(frame)) is not None:
            seen.take(found)
    seen.is_cut = frames.is_cut
    return seen
