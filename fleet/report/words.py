"""Words that the terminal and Markdown share."""

from typing import Final

from fleet.model.finding import HostStatus, SettingState

HOST_COUNT_WORDS: Final[dict[HostStatus, str]] = {
    "unreachable": "unreachable",
    "failed": "failed",
    "findings": "with findings",
    "ok": "ok",
}
"""What follows a number of hosts."""

NAMESPACE_REMARK: Final = " (host processes only, not pods)"


def live_value(state: SettingState) -> str:
    """The live value, or a word where there is nothing to see."""
    return "not read" if state.live is None else state.live or "empty"
