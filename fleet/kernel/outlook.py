"""Where each key stands now, after the files of the next boot, and once everything that writes it has run."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from fleet.kernel.boot import (
    Assignment,
    BootLost,
    BootRefused,
    BootSet,
    BootUnknown,
    BootUnset,
    BootValue,
    resolve_boot,
)
from fleet.kernel.catalogue import known_key
from fleet.kernel.invalid import BE_LIBERAL
from fleet.kernel.ipvs import ipvs_boot, timeouts_by_key
from fleet.kernel.values import equal
from fleet.kernel.version import parse_release
from fleet.kernel.writers import Outcome, Protection, Writer, find_writers, protection, settled
from fleet.model.facts import NodeFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOutlook:
    """One key of one node, now and later.

    Attributes:
        live: None where it could not be read.
        boot: what the files leave, and why.
        after_reboot: the value after the files and every writer, or None and why it is not known.
        writers: what else writes the key.
    """

    key: str
    live: str | None
    boot: BootValue
    after_reboot: Outcome
    writers: tuple[Writer, ...]

    @property
    def deciding(self) -> Assignment | None:
        """The line that decides at boot, also where it is lost or refused; None where there is none."""
        match self.boot:
            case BootSet(winner=line) | BootLost(winner=line) | BootRefused(refused=line):
                return line
            case BootUnset() | BootUnknown():
                return None

    @property
    def overridden(self) -> tuple[Assignment, ...]:
        """The other lines for this key, which do not count."""
        return self.boot.candidates if isinstance(self.boot, BootUnknown) else self.boot.losers

    @property
    def file_value(self) -> str | None:
        """What the files leave; None where they leave the key to the kernel, or where that is not known."""
        return None if isinstance(self.boot, BootUnset | BootUnknown) else self.boot.value

    @property
    def unknown(self) -> str:
        """Why it is not known what the next boot leaves; empty where it is, or where the kernel alone decides."""
        if isinstance(self.boot, BootUnknown):
            return self.boot.reason
        return self.after_reboot.reason if self.after_reboot.value is None and self._is_written else ""

    @property
    def overruled(self) -> str:
        """That a writer takes back what a file sets, in words; empty where none does, or where it is not known."""
        later = self.after_reboot.value
        if not isinstance(self.boot, BootSet) or later is None or equal(self.key, self.boot.value, later):
            return ""
        return f"{self.boot.winner.origin} sets {self.boot.value}, but {self.after_reboot.reason}"

    @property
    def cause(self) -> str:
        """Why the value after the next boot is what it is, in a few words."""
        return self.after_reboot.reason if self._is_written else self.boot_cause

    @property
    def _is_written(self) -> bool:
        return any(write.rule not in {"demands", "leaves"} for writer in self.writers for write in writer.writes)

    @property
    def boot_cause(self) -> str:
        """Why the files leave what they leave, in a few words."""
        match self.boot:
            case BootSet(winner=line):
                return f"set by {line.origin}"
            case BootUnset():
                return "no file sets it"
            case BootLost(winner=line, reason=reason) | BootRefused(refused=line, reason=reason):
                return f"{line.origin} is without effect: {reason}"
            case BootUnknown(reason=reason):
                return reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """A node now and later: its keys, and what keeps INVALID segments from resetting connections."""

    keys: Mapping[str, KeyOutlook]
    protection: Protection


def look_ahead(facts: NodeFacts, keys: Iterable[str]) -> Outlook:
    """Work out what becomes of keys at the next boot.

    Args:
        facts: of the node.
        keys: in dots, or those of `fleet.kernel.keys_ipvs`.
    """
    wanted = dict.fromkeys((*keys, BE_LIBERAL))
    timeouts = ipvs_boot(facts)
    boot = {**resolve_boot(facts, tuple(key for key in wanted if key not in timeouts)), **timeouts}
    writers = find_writers(facts)
    own: dict[str, tuple[Writer, ...]] = {}
    for writer in writers:
        own[writer.key] = (*own.get(writer.key, ()), writer)
    defaults = _defaults(facts.identity.kernel, tuple(wanted))
    live = _live(facts)
    return Outlook(
        keys={key: _key(key, live.get(key), boot[key], own.get(key, ()), defaults[key]) for key in wanted},
        protection=protection(facts, _start(boot[BE_LIBERAL], defaults[BE_LIBERAL]), writers),
    )


@lru_cache(maxsize=4096)
def _key(key: str, live: str | None, boot: BootValue, writers: tuple[Writer, ...], default: str | None) -> KeyOutlook:
    return KeyOutlook(
        key=key,
        live=live,
        boot=boot,
        after_reboot=settled(key, live, _start(boot, default), writers).after_reboot,
        writers=writers,
    )


def _live(facts: NodeFacts) -> Mapping[str, str | None]:
    values = {key: each.value if isinstance(each.value, str) else None for key, each in facts.sysctls.items()}
    return {**values, **timeouts_by_key(facts.ipvs.timeouts)}


def _start(boot: BootValue, default: str | None) -> str | None:
    """What writers find: what the files left, else the kernel's own default, as far as either is known."""
    match boot:
        case BootSet(value=value):
            return value
        case BootLost(value=value) | BootRefused(value=value):
            return default if value is None else value
        case BootUnset():
            return default
        case BootUnknown():
            return None


@lru_cache(maxsize=64)
def _defaults(kernel: str, keys: tuple[str, ...]) -> Mapping[str, str | None]:
    try:
        version = parse_release(kernel)
    except ValueError:
        return dict.fromkeys(keys)
    known = {key: known_key(key) for key in keys}
    return {key: found.default_for(version) if found is not None else None for key, found in known.items()}
