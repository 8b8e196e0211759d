"""Marks and colours of the terminal; a colour never says what no word says."""

from typing import Final

from fleet.model.finding import FindingStatus, HostStatus, Impact

HOST_MARKS: Final[dict[HostStatus, tuple[str, str]]] = {
    "unreachable": ("!", "bold red"),
    "failed": ("!", "bold red"),
    "findings": ("✗", "red"),
    "ok": ("✓", "green"),
}
FINDING_MARKS: Final[dict[FindingStatus, tuple[str, str]]] = {
    "fail": ("✗", "red"),
    "error": ("!", "bold red"),
    "warn": ("▲", "yellow"),
    "skip": ("-", "dim"),
    "pass": ("✓", "green"),
}
IMPACT_STYLES: Final[dict[Impact, str]] = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "dim"}
