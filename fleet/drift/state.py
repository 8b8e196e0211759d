"""A node as later checks compare with it."""

from dataclasses import replace

from fleet.model.drift import Confirmed, HostState, SeenSetting
from fleet.model.facts import Unavailable
from fleet.model.finding import HostAudit


def state_of(host: HostAudit, *, seen: str, run_id: str, digest: str) -> HostState | None:
    """What a check has seen of a node; None where it was not read.

    Args:
        host: of an audit.
        seen: when, ISO 8601 in UTC.
        run_id: of the check.
        digest: of the playbook.
    """
    if host.facts is None:
        return None
    identity = host.facts.identity
    return HostState(
        seen=seen,
        by=f"the check {run_id}",
        machine_id=_text(identity.machine_id),
        boot_id=_text(identity.boot_id),
        digest=digest,
        settings={
            setting.key: SeenSetting(live=setting.live, after_reboot=setting.after_reboot) for setting in host.settings
        },
        controls={finding.control: finding.status for finding in host.findings},
    )


def with_unread(now: HostState, before: HostState | None) -> HostState:
    """The state to keep: what could not be read this time stays as it was known, so that it can be compared later."""
    if before is None or before.machine_id != now.machine_id:
        return now
    kept = {
        key: SeenSetting(
            live=seen.live if seen.live is not None else _live(before, key),
            after_reboot=seen.after_reboot if seen.after_reboot is not None else _after_reboot(before, key),
        )
        for key, seen in now.settings.items()
    }
    return replace(now, settings=kept)


def baseline(last: HostState | None, confirmed: Confirmed | None) -> HostState | None:
    """What a node is compared with: how it was seen last, or how a run has left it since; None for a new node.

    Args:
        last: as the last check saw it.
        confirmed: what the last confirmed run has left there.
    """
    if confirmed is None or (last is not None and confirmed.at <= last.seen):
        return last
    written = confirmed.values.keys() | confirmed.next_boot.keys()
    before = last.settings if last is not None else {}
    seen = {
        key: SeenSetting(
            live=confirmed.values.get(key, before[key].live if key in before else None),
            after_reboot=confirmed.next_boot.get(key, before[key].after_reboot if key in before else None),
        )
        for key in written
    }
    return HostState(
        seen=confirmed.at,
        by=f"the run {confirmed.run_id}",
        machine_id=last.machine_id if last is not None else None,
        boot_id=confirmed.boot_id,
        digest=confirmed.digest,
        settings={**before, **seen},
        controls=last.controls if last is not None else {},
    )


def _live(state: HostState, key: str) -> str | None:
    return state.settings[key].live if key in state.settings else None


def _after_reboot(state: HostState, key: str) -> str | None:
    return state.settings[key].after_reboot if key in state.settings else None


def _text(value: str | Unavailable) -> str | None:
    return value if isinstance(value, str) else None
