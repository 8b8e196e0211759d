"""What is known of one sysctl key of one node, put together for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from fleet.kernel.boot import BootSet
from fleet.kernel.outlook import KeyOutlook
from fleet.kernel.writers import Writer, remedy
from fleet.model.finding import Scope, SettingState, Source, WriterState
from fleet.policy.predicate import Predicate, PredicateError

ANY = "any"
"""What is expected of a key whose controls do not apply to the node."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Wish:
    """What one control wants of a key; nodes that are alike share one.

    Attributes:
        expect: what is acceptable; None where the control does not apply.
        value: what a change would write; None where that is left open.
    """

    expect: Predicate | None
    value: str | None
    scope: Scope


@lru_cache(maxsize=4096)
def setting_state(outlook: KeyOutlook, wishes: tuple[Wish, ...]) -> SettingState:
    """Put a key's states beside what its controls want; there is at least one."""
    expected = dict.fromkeys(wish.expect.describe() for wish in wishes if wish.expect is not None)
    line = outlook.deciding
    return SettingState(
        key=outlook.key,
        live=outlook.live,
        boot=outlook.file_value,
        boot_source=Source(path=line.origin.path, line=line.origin.line) if line is not None else None,
        boot_note="" if isinstance(outlook.boot, BootSet) else outlook.boot_cause,
        overridden=tuple(
            Source(path=each.origin.path, line=each.origin.line, reason=each.reason) for each in outlook.overridden
        ),
        after_reboot=outlook.after_reboot.value,
        writers=tuple(_writer(writer, outlook, wishes) for writer in outlook.writers),
        expected=" and ".join(expected) or ANY,
        scope=wishes[0].scope,
    )


def _writer(writer: Writer, outlook: KeyOutlook, wishes: Sequence[Wish]) -> WriterState:
    effect = ", or ".join(str(write) for write in writer.writes) or f"writes a value not known: {writer.reason}"
    unmet = [wish.value for wish in wishes if wish.value and not _accepts(wish, writer.value, outlook.key)]
    if outlook.overruled and outlook.file_value is not None:
        unmet.append(outlook.file_value)
    return WriterState(
        name=writer.name,
        when=writer.when,
        value=writer.value,
        effect=f"{effect}, {writer.condition}" if writer.condition else effect,
        evidence=writer.evidence,
        remedy=remedy(writer, outlook.key, unmet[0]) if unmet else "",
    )


def _accepts(wish: Wish, value: str | None, key: str) -> bool:
    if wish.expect is None:
        return True
    try:
        return value is not None and wish.expect.check(value, key=key) is None
    except PredicateError:
        return False
