"""The predicted boot values against what the node's own boot tool did with the same files."""

from collections.abc import Mapping
from dataclasses import dataclass

from fleet.kernel.boot.distribution import BootModel
from fleet.kernel.boot.effects import names
from fleet.kernel.boot.model import BootRefused, BootSet, BootUnset, BootValue
from fleet.kernel.catalogue import KEYS
from fleet.kernel.values import equal
from fleet.model.facts import Reason, Unavailable
from fleet.model.finding import Finding, FindingStatus
from fleet.model.rehearsal import Rehearsal, RehearsalTool
from fleet.model.text import printable

REHEARSED_KEYS: tuple[str, ...] = tuple(
    dict.fromkeys(
        name
        for key in KEYS.values()
        # What holds for the whole machine must not be written: older kernels let any namespace write nf_conntrack_max.
        # https://github.com/torvalds/linux/commit/2671fa4dc010
        if key.scope != "host" and key.bounds is not None
        for name in names(key.name)
    )
)
"""The only keys that a rehearsal may write, in dots: each network namespace has its own value of them."""

CONTROL = "boot-rehearsal"

_MOST_REASON = 2000

_WHY = (
    "The boot value of a setting is computed from the node's files. A rehearsal lets the node's own tool read the same"
    " files in a network namespace that is thrown away; where the two differ, the computed boot values of this node"
    " are not to be relied on."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A key that the node's own tool left otherwise than predicted.

    Attributes:
        predicted: the value; what the namespace began with where no file was to set the key.
        boot: the whole prediction.
        seen: the value that the tool left.
        said: what the tool printed about the key.
    """

    key: str
    predicted: str
    boot: BootSet | BootRefused | BootUnset
    seen: str
    said: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All predictions against one rehearsal.

    Attributes:
        agreed: keys for which both have the same value.
        unpredicted: keys that were rehearsed, but whose prediction is unknown, or lost for want of a module.
        unrehearsed: keys with a prediction that a network namespace has no value of its own of.
    """

    differences: tuple[Difference, ...]
    agreed: tuple[str, ...]
    unpredicted: tuple[str, ...]
    unrehearsed: tuple[str, ...]


def rehearsal_tool(model: BootModel) -> RehearsalTool | Unavailable:
    """Which tool is to be tried out; ``Unavailable`` where none that can be applies the files at boot."""
    match model.reader:
        case "systemd":
            return "systemd-sysctl"
        case "procps":
            return "sysctl"
        case "alpine" | "unknown":
            return Unavailable(Reason.IMPOSSIBLE, model.why)


def compare_rehearsal(rehearsal: Rehearsal, boot: Mapping[str, BootValue]) -> Comparison:
    """Hold each prediction against what the tool left.

    Args:
        rehearsal: of one node.
        boot: what ``resolve_boot`` says of the same node, by key in dots.
    """
    differences: list[Difference] = []
    agreed: list[str] = []
    unpredicted: list[str] = []
    unrehearsed: list[str] = []
    for key, value in boot.items():
        before, seen = rehearsal.before.get(key), rehearsal.after.get(key)
        if before is None or seen is None:
            unrehearsed.append(key)
            continue
        if not isinstance(value, BootSet | BootRefused | BootUnset):
            unpredicted.append(key)
            continue
        predicted = None if isinstance(value, BootUnset) else value.value
        predicted = before if predicted is None else predicted
        if equal(key, predicted, seen):
            agreed.append(key)
        else:
            said = _about(rehearsal.output, key)
            differences.append(Difference(key=key, predicted=predicted, boot=value, seen=seen, said=said))
    return Comparison(
        differences=tuple(differences),
        agreed=tuple(agreed),
        unpredicted=tuple(unpredicted),
        unrehearsed=tuple(unrehearsed),
    )


def rehearsal_finding(rehearsal: Rehearsal | Unavailable, boot: Mapping[str, BootValue]) -> Finding:
    """The verdict on one node: ``fail`` names every key that differs, ``skip`` says why there was no rehearsal.

    Args:
        rehearsal: of the node.
        boot: what ``resolve_boot`` says of it, by key in dots.
    """
    if isinstance(rehearsal, Unavailable):
        return _finding("skip", f"cannot rehearse here: {rehearsal}")
    comparison = compare_rehearsal(rehearsal, boot)
    tool = f"{rehearsal.tool} ({rehearsal.version})" if rehearsal.version else rehearsal.tool
    if comparison.differences:
        told = "; ".join(_told(difference) for difference in comparison.differences)
        keys = tuple(difference.key for difference in comparison.differences)
        return _finding("fail", f"{tool} does otherwise than predicted: {told}", keys)
    if not comparison.agreed:
        return _finding("skip", f"{tool} ran, but none of the keys has both a prediction and a rehearsed value")
    return _finding("pass", f"{tool} leaves {_counted(comparison)} as predicted")


def _finding(status: FindingStatus, reason: str, keys: tuple[str, ...] = ()) -> Finding:
    return Finding(
        control=CONTROL,
        title="The node's own boot tool does what was predicted",
        status=status,
        impact="high",
        reason=printable(reason, _MOST_REASON),
        why=_WHY,
        settings=keys,
    )


def _told(difference: Difference) -> str:
    match difference.boot:
        case BootSet(winner=winner):
            expected = f"{_shown(difference.predicted)} by {winner.origin}"
        case BootRefused(refused=refused, reason=reason):
            expected = f"{_shown(difference.predicted)}, because {refused.origin} is refused ({reason})"
        case BootUnset():
            expected = f"{_shown(difference.predicted)}, because no file sets it"
    said = f" and said: {difference.said[0]}" if difference.said else ""
    return f"{difference.key} was to be {expected}, the tool left {_shown(difference.seen)}{said}"


def _counted(comparison: Comparison) -> str:
    count = len(comparison.agreed)
    keys = "1 key" if count == 1 else f"{count} keys"
    left = len(comparison.unpredicted)
    return f"{keys} (and {left} whose boot value is not known or comes too late)" if left else keys


def _shown(value: str) -> str:
    return value or "empty"


def _about(output: tuple[str, ...], key: str) -> tuple[str, ...]:
    """The lines that name the key; systemd-sysctl names it with slashes."""
    path = key.translate(str.maketrans("./", "/."))
    return tuple(line for line in output if key in line or path in line)
