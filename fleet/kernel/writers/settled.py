"""Which value a key has once its writers have run again."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

from fleet.kernel.values import equal
from fleet.kernel.writers.writer import Write, Writer

# Above this, trying every order costs more than the answer is worth; no node has been seen with more than three.
_MOST_WRITERS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A value that will be there, or None and why it is not known; ``reason`` is one sentence either way."""

    value: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Where a key ends up.

    Attributes:
        after_restart: by service that writes the key, after a restart of that service alone.
        after_reboot: after the files of the boot and then every writer.
    """

    after_restart: Mapping[str, Outcome]
    after_reboot: Outcome


def settled(key: str, live: str | None, boot: str | None, writers: Iterable[Writer]) -> Settled:
    """What becomes of a key at the next restart of each of its writers, and at the next reboot.

    Args:
        key: in dots.
        live: the value now; None where it is not known.
        boot: the value that the files applied at boot leave, the kernel's default where no file sets the key; None
            where it is not known.
        writers: any; those of other keys are left out.
    """
    own = [writer for writer in writers if writer.key == key]
    services = dict.fromkeys(writer.service for writer in own)
    return Settled(
        after_restart={
            service: _outcome(key, live, [writer for writer in own if writer.service == service], "the value now")
            for service in services
        },
        after_reboot=_outcome(key, boot, own, "the value after the files of the boot"),
    )


def _outcome(key: str, start: str | None, writers: Sequence[Writer], where: str) -> Outcome:
    acting = [writer for writer in writers if not _only_demands(writer)]
    if not acting:
        reason = f"{where} is not known" if start is None else f"nothing writes over {where}"
        return Outcome(value=start, reason=reason)
    if len(acting) > _MOST_WRITERS:
        return Outcome(value=None, reason=f"{len(acting)} writers in an order that is not known")
    values = {value for order in _orders(acting) for value in _possible(key, start, order)}
    if len(values) == 1 and (value := values.pop()) is not None:
        return Outcome(value=value, reason="; ".join(f"{writer.name} {_told(writer)}" for writer in acting))
    return Outcome(value=None, reason=_why_unknown(acting, start, where))


def _only_demands(writer: Writer) -> bool:
    return bool(writer.writes) and all(write.rule == "demands" for write in writer.writes)


def _orders(writers: Sequence[Writer]) -> Iterator[tuple[Writer, ...]]:
    """Every order in which the writers may come."""
    for order in permutations(writers):
        seen: set[str] = set()
        for writer in reversed(order):
            # Seen are those that come later; none of them may be one that is known to come before.
            if seen & set(writer.after):
                break
            seen |= {writer.service, writer.kind}
        else:
            yield order


def _possible(key: str, start: str | None, order: Sequence[Writer]) -> set[str | None]:
    values: set[str | None] = {start}
    for writer in order:
        writes: tuple[Write | None, ...] = writer.writes or (None,)
        values = {applied(key, value, write) for value in values for write in writes}
    return values


def applied(key: str, value: str | None, write: Write | None) -> str | None:
    """The value of a key after one write; None where the value before, or the write itself, is not known."""
    if write is None:
        return None
    if write.rule == "sets":
        return write.value
    if write.rule in {"leaves", "demands"} or write.value is None:
        return value
    if value is None:
        return None
    try:
        present, written = int(value), int(write.value)
    except ValueError:
        return value if equal(key, value, write.value) else None
    larger, smaller = max(present, written), min(present, written)
    return str(larger if write.rule == "raises" else smaller)


def _told(writer: Writer) -> str:
    return ", or ".join(str(write) for write in writer.writes)


def _why_unknown(writers: Sequence[Writer], start: str | None, where: str) -> str:
    reasons = [f"{writer.name}: {writer.reason}" for writer in writers if writer.reason]
    if not reasons and start is None:
        reasons.append(f"{where} is not known")
    if not reasons:
        names = ", ".join(f"{writer.name} {_told(writer)}" for writer in writers)
        reasons.append(f"the order of its writers is not known: {names}")
    return "; ".join(reasons)
