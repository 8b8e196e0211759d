"""Words that the terminal and Markdown share."""

from typing import Final

from fleet.model.finding import HostStatus, Moment, SettingState

HOST_COUNT_WORDS: Final[dict[HostStatus, str]] = {
    "unreachable": "unreachable",
    "failed": "failed",
    "findings": "with findings",
    "ok": "ok",
}
"""What follows a number of hosts."""

UNKNOWN: Final = "unknown"

MOMENTS: Final[dict[Moment, str]] = {
    "now": "now",
    "after_proxy_restart": "after proxy restart",
    "after_reboot": "after reboot",
}
"""When a node is protected or not, in the order of time."""


def live_value(state: SettingState) -> str:
    """The live value, or a word where there is nothing to see."""
    return "not read" if state.live is None else state.live or "empty"


def count_hosts(count: int, *, more: bool = False) -> str:
    """A number of hosts in words, such as ``3 more hosts``."""
    return f"{count}{' more' if more else ''} host{'' if count == 1 else 's'}"
