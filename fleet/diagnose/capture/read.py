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
    seen = Conversations()
    for frame in Frames(file):
        if (found := segment(frame)) is not None:
            seen.take(found)
    return seen
