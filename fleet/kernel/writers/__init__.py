"""Who writes a key after the boot, where it ends up, what that means for the trap, and where a remedy belongs."""

from fleet.kernel.writers.find import find_writers
from fleet.kernel.writers.proxyreleases import node_releases
from fleet.kernel.writers.releases import Releases
from fleet.kernel.writers.remedies import ProxySetting, proxy_settings, remedy
from fleet.kernel.writers.settled import Outcome, Settled, settled
from fleet.kernel.writers.trap import Protection, State, Verdict, judge, protection, start_proxy
from fleet.kernel.writers.writer import Rule, When, Write, Writer

__all__ = [
    "Outcome",
    "Protection",
    "ProxySetting",
    "Releases",
    "Rule",
    "Settled",
    "State",
    "Verdict",
    "When",
    "Write",
    "Writer",
    "find_writers",
    "judge",
    "node_releases",
    "protection",
    "proxy_settings",
    "remedy",
    "settled",
    "start_proxy",
]
