"""The metrics of fleet: each one's name, labels and meaning, for what writes them and for what explains them.

Names follow https://prometheus.io/docs/practices/naming/. All are gauges, for a check tells what is so now.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric family; ``text`` is its HELP."""

    name: str
    labels: tuple[str, ...]
    text: str


_OF_A_CHECK: Final = ("playbook",)

CHECK_TIME: Final = Metric(
    name="fleet_drift_check_timestamp_seconds", labels=_OF_A_CHECK, text="When the last drift check ended."
)
CHECK_DURATION: Final = Metric(
    name="fleet_drift_check_duration_seconds", labels=_OF_A_CHECK, text="How long the last drift check took."
)
CHECK_REMEMBERED: Final = Metric(
    name="fleet_drift_check_remembered",
    labels=_OF_A_CHECK,
    text="Whether the last drift check could be written to the history.",
)
CHECK_INFO: Final = Metric(
    name="fleet_drift_check_info",
    labels=("playbook", "digest", "version"),
    text="Always 1: the playbook's digest and the version of fleet at the last drift check.",
)
HOSTS: Final = Metric(
    name="fleet_drift_hosts",
    labels=("playbook", "status"),
    text="Hosts of the last drift check by status: ok, drift, failed or unreachable.",
)
ITEMS: Final = Metric(
    name="fleet_drift_items", labels=("playbook", "kind", "impact"), text="Open drift items by cause and impact."
)
OLDEST_ITEM: Final = Metric(
    name="fleet_drift_oldest_item_timestamp_seconds",
    labels=_OF_A_CHECK,
    text="When the oldest open drift item was first seen; absent where none is open.",
)
HOST_ITEMS: Final = Metric(
    name="fleet_drift_host_items", labels=("playbook", "host"), text="Open drift items of a host."
)
HOST_CHECKED: Final = Metric(
    name="fleet_drift_host_checked", labels=("playbook", "host"), text="Whether the last drift check could read a host."
)

METRICS: Final = (
    CHECK_TIME,
    CHECK_DURATION,
    CHECK_REMEMBERED,
    CHECK_INFO,
    HOSTS,
    ITEMS,
    OLDEST_ITEM,
    HOST_ITEMS,
    HOST_CHECKED,
)
