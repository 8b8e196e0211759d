"""Which cause a node's broken connections have: a pure rule engine over evidence, and what gathers the evidence.

The causes and the words of a verdict are those of docs/diagnose.md.
"""

from fleet.diagnose.causes import judge
from fleet.diagnose.evidence import Evidence, Reading
from fleet.diagnose.gather import gather, offline_diagnosis
from fleet.diagnose.offline import read_kubernetes, read_log, read_pcap

__all__ = ["Evidence", "Reading", "gather", "judge", "offline_diagnosis", "read_kubernetes", "read_log", "read_pcap"]
