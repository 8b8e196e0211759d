"""What stands behind a verdict, in the words of a colleague: which line wins, who writes later, and what to do."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from fleet.kernel.catalogue import KEYS
from fleet.kernel.pod_values import CONTROL as POD_VALUES
from fleet.model.finding import SettingState
from fleet.report.grouping import ControlVerdicts, Verdict
from fleet.report.likeness import gist
from fleet.report.words import UNKNOWN, count_hosts, live_value

MOST_VARIANTS: Final = 3
MOST_LOSERS: Final = 4
_MOMENTS: Final = {
    "boot": "at boot",
    "service start": "at each start",
    "interface up": "when an interface comes up",
    "timer": "on a timer",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One thing to know, under a label.

    Attributes:
        kind: ``evidence`` belongs to the writer before it.
    """

    kind: Literal["boot", "writer", "evidence", "remedy"]
    label: str
    text: str


def states(state: SettingState) -> tuple[tuple[str, str], ...]:
    """The states of a setting by their names, in the order in which they come about."""
    return (
        ("live", live_value(state)),
        ("boot", "-" if state.boot is None else state.boot or "empty"),
        ("after reboot", UNKNOWN if state.after_reboot is None else state.after_reboot or "empty"),
        ("expected", state.expected),
    )


def pod_remedy(control: ControlVerdicts) -> str:
    """How pods get the value of a control whose key they do not inherit; empty for other controls.

    It is empty too for what was found in pods, the remedy of which stands below all findings.
    """
    if control.control.startswith(POD_VALUES):
        return ""
    for verdict in control.verdicts:
        for state in verdict.settings:
            if state.scope == "namespace":
                known = KEYS.get(state.key)
                return (known.pod_remedy if known else "") or "they keep their own value"
    return ""


def notes(verdict: Verdict, position: int) -> Iterator[Note]:
    """What is to be said of one setting of a verdict, and not said by the verdict itself.

    Args:
        verdict: an outcome that several hosts may share.
        position: of the setting among those of the verdict.
    """
    each = [settings[position] for settings in verdict.each]
    yield from _boot(verdict, each)
    remedies: dict[str, None] = {}
    for number, writer in enumerate(each[0].writers):
        when = _MOMENTS.get(writer.when, f"at {writer.when}")
        yield Note(kind="writer", label=writer.name, text=f"{when} {writer.effect}")
        evidence = ("; ".join(state.writers[number].evidence) for state in each)
        for text in _told(zip(verdict.hosts, evidence, strict=True), kind=gist, whole=len(each)):
            yield Note(kind="evidence", label="known from", text=text)
        if writer.remedy and verdict.status != "pass":
            remedies[writer.remedy] = None
    for remedy in remedies:
        yield Note(kind="remedy", label="remedy", text=remedy)


def boot_note(state: SettingState) -> Note | None:
    """Which line decides what the next boot leaves, and which lines do not count; None where nothing is to be said."""
    losers = ", ".join(
        f"{line} ({line.reason})" if line.reason else str(line) for line in state.overridden[:MOST_LOSERS]
    )
    if len(state.overridden) > MOST_LOSERS:
        losers += f" and {len(state.overridden) - MOST_LOSERS} more"
    if state.boot_note or state.boot_source is None:
        parts = [state.boot_note, f"without effect: {losers}" if losers else ""]
        text = "; ".join(filter(None, parts))
        return Note(kind="boot", label="at boot", text=text) if text else None
    text = f"{state.boot_source}, which wins over {losers}" if losers else str(state.boot_source)
    return Note(kind="boot", label="set by", text=text)


def behind_verdict(state: SettingState) -> Iterator[str]:
    """Lines that stand below a verdict in plain text: the states of a setting, what decides at boot, remedies."""
    yield f"{state.key}: {', '.join(f'{label} {value}' for label, value in states(state))}"
    if note := boot_note(state):
        yield f"{note.label}: {note.text}"
    for remedy in dict.fromkeys(writer.remedy for writer in state.writers if writer.remedy):
        yield f"remedy: {remedy}"


def _boot(verdict: Verdict, each: Sequence[SettingState]) -> Iterator[Note]:
    """What decides at boot, as far as the verdict does not say it."""
    of_labels: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, state in zip(verdict.hosts, each, strict=True):
        if (note := boot_note(state)) and note.text not in verdict.reason:
            of_labels[note.label].append((name, note.text))
    for label, texts in of_labels.items():
        # In which file a line stands is what one has to know to change it, so files are not one gist.
        for text in _told(texts, kind=str, whole=len(each)):
            yield Note(kind="boot", label=label, text=text)


def _told(texts: Iterable[tuple[str, str]], *, kind: Callable[[str], str], whole: int) -> Iterator[str]:
    """Texts of hosts, the most frequent first, those of one kind once, with the hosts where it is not that of all.

    Args:
        texts: host and text.
        kind: what is the same for texts of one kind.
        whole: how many hosts there are, those without a text included.
    """
    alike: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, text in texts:
        alike[kind(text)].append((name, text))
    ordered = sorted(alike.values(), key=len, reverse=True)
    for members in ordered[:MOST_VARIANTS]:
        first, text = members[0]
        others = len(members) - 1
        if any(other != text for _, other in members):
            yield f"{text} (on {first}; alike on {count_hosts(others, more=True)})"
        elif text and len(members) < whole:
            yield f"{text} (on {count_hosts(len(members)) if others else first})"
        elif text:
            yield text
    if rest := sum(map(len, ordered[MOST_VARIANTS:])):
        yield f"others on {count_hosts(rest, more=True)}"
