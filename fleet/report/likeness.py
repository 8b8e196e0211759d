"""What makes two results the same to a reader: not process ids, and not in which file a line stands."""

import re
from functools import lru_cache

from fleet.model.finding import SettingState

_PROCESS = re.compile(r"\bprocess \d+|/proc/\d+")
_PATH = re.compile(r"(?<![\w/.])(?:/[\w.@%+-]+){2,}(?::\d+)*")


# Most sentences are said of many hosts.
@lru_cache(maxsize=4096)
def gist(text: str) -> str:
    """A sentence without the details in which hosts of one kind differ, to compare with, not to show."""
    return _PATH.sub("PATH", _PROCESS.sub("PROCESS", text))


def gist_of_state(state: SettingState) -> tuple[object, ...]:
    """What matters of a setting: its values, and who writes it; not from which file or process that is known."""
    writers = tuple(
        (writer.name, writer.when, writer.value, gist(writer.effect), gist(writer.remedy)) for writer in state.writers
    )
    return (
        state.key,
        state.live,
        state.boot,
        gist(state.boot_note),
        state.after_reboot,
        writers,
        state.expected,
        state.scope,
    )
