"""One node against the playbook and against how it was: what differs, and why.

The cause is told from what is known without asking the node again: a value that a known writer writes is the writer's;
one that the last check had predicted for the next boot is the reboot's; one that is as before is not the node's doing.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from fleet.drift.confirmed import against_run
from fleet.drift.state import baseline
from fleet.kernel.values import equal
from fleet.model.drift import Confirmed, Deviation, DriftKind, HostState, SeenSetting
from fleet.model.finding import Finding, HostAudit, SettingState
from fleet.report.status import VIOLATIONS

NODE = "node"
_WITHIN = "which is within what is expected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One node that is to be judged.

    Attributes:
        host: as an audit has read it.
        now: the same as later checks will compare with it.
        last: as the last check saw it; None where none did.
        confirmed: what the last confirmed run has left; None where there was none.
        ended: ids of controls of which an exception has ended.
        has_history: whether ``last`` and ``confirmed`` could be looked up.
    """

    host: HostAudit
    now: HostState
    last: HostState | None
    confirmed: Confirmed | None
    ended: Collection[str] = ()
    has_history: bool = True


def judge(question: Question) -> tuple[Deviation, ...]:
    """Everything in which a node differs from its playbook, from the last check, and from the last confirmed run."""
    return tuple(_Judge(question=question, before=baseline(question.last, question.confirmed)).deviations())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judge:
    question: Question
    before: HostState | None
    broken: set[str] = field(default_factory=set)

    def deviations(self) -> Iterator[Deviation]:
        host = self.question.host
        if not self.question.has_history:
            yield from (self._finding(finding, "unknown", None) for finding in self._violations())
            return
        yield from self._node()
        settings = {setting.key: setting for setting in host.settings}
        for finding in self._violations():
            self.broken.update(finding.settings)
            key = finding.settings[0] if finding.settings else None
            if key is not None and key in settings:
                yield self._finding(finding, self._cause(settings[key]), settings[key])
            else:
                yield self._finding(finding, self._cause_without_key(finding), None)
        if not self._is_new():
            for setting in host.settings:
                if setting.key not in self.broken:
                    yield from self._noted(setting)
        if self.question.confirmed is not None and not self._is_another_machine():
            yield from against_run(self.question.confirmed, host)

    def _violations(self) -> Iterator[Finding]:
        return (finding for finding in self.question.host.findings if finding.status in VIOLATIONS)

    def _finding(self, finding: Finding, kind: DriftKind, setting: SettingState | None) -> Deviation:
        seen = self._before(setting.key) if setting is not None else None
        return Deviation(
            about="control",
            name=finding.control,
            kind=kind,
            is_open=True,
            impact=finding.impact,
            reason=finding.reason,
            value=setting.live if setting is not None else None,
            was=seen.live if seen is not None else None,
        )

    def _node(self) -> Iterator[Deviation]:
        if self.before is None:
            yield _about_node("new-node", "was not checked against this playbook before")
        elif self._is_another_machine():
            yield _about_node("new-node", f"another machine answers under this name than at {self.before.by}")
        elif self._is_rebooted():
            yield _about_node("rebooted", f"was restarted since {self.before.by}")

    def _cause(self, setting: SettingState) -> DriftKind:
        before = self._before(setting.key)
        if self._is_new():
            return "new-node"
        if before is None:
            # Neither seen nor written before: the playbook has brought the key, or a run that did not write it.
            return "playbook" if self._has_another_playbook() else "new-node"
        if not _differs(setting, before):
            return "playbook"
        if _is_live_changed(setting, before):
            return self._cause_of_value(setting, before)
        return "drift"

    def _cause_of_value(self, setting: SettingState, before: SeenSetting) -> DriftKind:
        live = setting.live or ""
        if any(writer.value is not None and equal(setting.key, writer.value, live) for writer in setting.writers):
            return "writer"
        predicted = before.after_reboot
        if self._is_rebooted() and (predicted is None or equal(setting.key, predicted, live)):
            return "rebooted"
        return "drift"

    def _cause_without_key(self, finding: Finding) -> DriftKind:
        if self._is_new() or self.before is None:
            return "new-node"
        status = self.before.controls.get(finding.control)
        if self._has_another_playbook() or finding.control in self.question.ended:
            return "playbook"
        if status is None:
            return "new-node"
        return "rebooted" if self._is_rebooted() else "drift"

    def _noted(self, setting: SettingState) -> Iterator[Deviation]:
        before = self._before(setting.key)
        if before is None or before.live is None or setting.live is None or before.live == setting.live:
            return
        if _is_live_changed(setting, before):
            kind = self._cause_of_value(setting, before)
            reason = f"{setting.key} is {setting.live}, and was {before.live}, {_WITHIN}"
        else:
            kind = "reformatted"
            reason = f"{setting.key} is {setting.live}, which is how the kernel spells {before.live}"
        yield Deviation(
            about="setting",
            name=setting.key,
            kind=kind,
            is_open=False,
            impact="low",
            reason=reason,
            value=setting.live,
            was=before.live,
        )

    def _before(self, key: str) -> SeenSetting | None:
        return self.before.settings.get(key) if self.before is not None and not self._is_another_machine() else None

    def _is_new(self) -> bool:
        return self.before is None or self._is_another_machine()

    def _is_another_machine(self) -> bool:
        return self.before is not None and _are_different(self.before.machine_id, self.question.now.machine_id)

    def _is_rebooted(self) -> bool:
        return self.before is not None and _are_different(self.before.boot_id, self.question.now.boot_id)

    def _has_another_playbook(self) -> bool:
        return self.before is not None and self.before.digest != self.question.now.digest


def _about_node(kind: DriftKind, reason: str) -> Deviation:
    return Deviation(about="node", name=NODE, kind=kind, is_open=False, impact="low", reason=reason)


def _differs(setting: SettingState, before: SeenSetting) -> bool:
    later, predicted = setting.after_reboot, before.after_reboot
    return _is_live_changed(setting, before) or (
        later is not None and predicted is not None and not equal(setting.key, later, predicted)
    )


def _is_live_changed(setting: SettingState, before: SeenSetting) -> bool:
    live, was = setting.live, before.live
    return live is not None and was is not None and not equal(setting.key, live, was)


def _are_different(before: str | None, now: str | None) -> bool:
    return before is not None and now is not None and before != now
