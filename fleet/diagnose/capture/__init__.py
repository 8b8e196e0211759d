"""What a capture of packets tells: who resets connections, how often, and why."""

from fleet.diagnose.capture.read import read_capture
from fleet.diagnose.capture.verdicts import judge_capture

__all__ = ["judge_capture", "read_capture"]
