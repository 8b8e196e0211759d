"""The same difference is told once: open items, what a check has seen, and what comes of both."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from fleet.kernel.values import equal
from fleet.model.drift import Deviation, DriftItem, Subject
from fleet.model.finding import HostAudit
from fleet.policy.verdict import NOT_CHECKED

Key = tuple[Subject, str]


def settle(host: HostAudit, was_open: Iterable[DriftItem], seen: Sequence[Deviation], at: str) -> tuple[DriftItem, ...]:
    """Open, go on with, and close the items of one host that was read.

    Args:
        host: as it was read.
        was_open: its open items so far.
        seen: what differs now.
        at: when it was seen, ISO 8601 in UTC.

    Returns:
        Open items, then those that are closed by this check, then what is only noted.
    """
    known = {_key(item.deviation): item for item in was_open}
    now = {_key(deviation): deviation for deviation in seen if deviation.is_open}
    opened = [_seen(host.name, known.get(key), deviation, at) for key, deviation in now.items()]
    unseen = [item for key, item in known.items() if key not in now]
    kept = [item for item in unseen if not _is_checked(item, host)]
    closed = [replace(item, state="closed", closed=at) for item in unseen if _is_checked(item, host)]
    noted = [
        DriftItem(host=host.name, deviation=deviation, state="noted", first_seen=at, last_seen=at)
        for deviation in seen
        if not deviation.is_open
    ]
    return (*opened, *kept, *closed, *noted)


def _seen(host: str, item: DriftItem | None, deviation: Deviation, at: str) -> DriftItem:
    if item is None:
        return DriftItem(host=host, deviation=deviation, state="open", first_seen=at, last_seen=at)
    before = item.deviation
    if _is_same_value(before, deviation):
        # Compared with the last check nothing has moved: the cause is that of the check that saw it come.
        deviation = replace(deviation, kind=before.kind, was=before.was)
    return replace(item, deviation=deviation, last_seen=at)


def _is_same_value(before: Deviation, now: Deviation) -> bool:
    if before.value is None or now.value is None or before.value == now.value:
        return True
    return now.kind == "unknown" or (before.name == now.name and equal(now.name, before.value, now.value))


def _is_checked(item: DriftItem, host: HostAudit) -> bool:
    """Whether the check could see that an item is gone, and not just nothing."""
    deviation = item.deviation
    match deviation.about:
        case "control":
            findings = {finding.control: finding for finding in host.findings}
            finding = findings.get(deviation.name)
            return finding is None or finding.status != "skip" or not finding.reason.startswith(NOT_CHECKED)
        case "setting":
            sysctl = host.facts.sysctls.get(deviation.name) if host.facts is not None else None
            return sysctl is None or isinstance(sysctl.value, str)
        case "file":
            file = host.facts.files.get(deviation.name) if host.facts is not None else None
            return file is None or file.kind != "unreadable"
        case "node":
            return True


def _key(deviation: Deviation) -> Key:
    return deviation.about, deviation.name


def by_host(items: Iterable[DriftItem]) -> Mapping[str, tuple[DriftItem, ...]]:
    """Items in their order, by host."""
    found: dict[str, tuple[DriftItem, ...]] = {}
    for item in items:
        found[item.host] = (*found.get(item.host, ()), item)
    return found
