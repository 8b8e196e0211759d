"""TuneD, which applies the sysctl lines of its profile and then those of the machine's own files once more.

Read in TuneD ``tuned/plugins/plugin_sysctl.py`` and ``tuned/profiles/``: a profile includes others and wins over them;
``key=>value`` only raises, ``key=<value`` only lowers. With reapply_sysctl, on by default, /run/sysctl.d, /etc/sysctl.d
and /etc/sysctl.conf follow, so that these win where they set the same key.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from fleet.kernel.boot.name import dotted
from fleet.kernel.layers import layered
from fleet.kernel.values import fold
from fleet.kernel.writers.sysctlfile import SysctlLine, sysctl_lines
from fleet.kernel.writers.writer import Rule, Write, Writer, shown
from fleet.model.facts import NodeFacts, NodeFile

_DIRECTORIES = ("/etc/tuned/profiles", "/etc/tuned", "/usr/lib/tuned/profiles", "/usr/lib/tuned")
_MAIN = "/etc/tuned/tuned-main.conf"
_REAPPLY = re.compile(rb"(?m)^[ \t]*reapply_sysctl[ \t]*=[ \t]*(\w+)")
_TRUE = frozenset({b"1", b"true", b"yes", b"on"})
# As in probe.sh, which reads no more.
_MOST_PROFILES = 20
_CONDITIONS = ("uname_regex", "cpuinfo_regex", "devices")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Option:
    key: str
    value: str
    origin: str
    doubt: str = ""


def tuned_writers(facts: NodeFacts) -> Iterator[Writer]:
    """What a running TuneD writes when it starts again, as far as its profiles were read."""
    processes = facts.processes if isinstance(facts.processes, tuple) else ()
    process = next((process for process in processes if process.name == "tuned"), None)
    if process is None or not isinstance(facts.tuned_profile, str):
        return
    options = _merged(facts.tuned_profile, facts.files)
    # Only a profile with sysctl lines makes TuneD apply the machine's files again.
    again = {line.key: line for line in _reapplied(facts.files)} if options else {}
    reapplies = _reapplies(facts.files)
    runs = f"tuned runs (process {process.pid}) with the profile {shown(facts.tuned_profile)}"
    for key in options | again:
        option, line = options.get(key), again.get(key)
        profile = None if option is None else _of_profile(option)
        file = None if line is None or reapplies is False else Write(rule="sets", value=line.value)
        writes, reason = _combined(option, profile, file, reapplies=reapplies)
        origins = [f"{option.origin} sets it"] if option is not None else []
        if file is not None and line is not None:
            origins.append(f"{line.origin} sets it, and TuneD applies that file after its own lines")
        if origins:
            yield Writer(
                name="TuneD",
                kind="tuned",
                key=key,
                when="service start",
                service="tuned",
                after=("ufw",),
                writes=writes,
                reason=reason,
                evidence=(runs, *origins),
                condition="also when the profile is changed",
                place=(option.origin if option is not None else line.origin if line is not None else "").rpartition(
                    ":"
                )[0],
            )


def _combined(
    option: _Option | None, profile: Write | None, file: Write | None, *, reapplies: bool | None
) -> tuple[tuple[Write, ...], str]:
    unread = f"whether it applies the machine's files again stands in {_MAIN}, which was not read"
    if file is not None and reapplies:
        return (file,), ""
    if option is not None and profile is None:
        return (), option.doubt or f"the profile's {shown(option.value)} depends on what TuneD finds on the node"
    first = profile or Write(rule="leaves", value=None)
    if file is not None and file != first:
        return (first, file), unread
    return (first,), ""


def _of_profile(option: _Option) -> Write | None:
    rules: Mapping[str, Rule] = {">": "raises", "<": "lowers"}
    if option.doubt or "$" in option.value:
        return None
    if len(option.value) > 1 and option.value[0] in rules:
        return Write(rule=rules[option.value[0]], value=option.value[1:].strip())
    return Write(rule="sets", value=option.value)


def _merged(names: str, files: Mapping[str, NodeFile]) -> dict[str, _Option]:
    """The sysctl lines that count; what a profile that was not read may replace is in doubt."""
    options: dict[str, _Option] = {}
    for option in _profile(names, files, set()):
        if isinstance(option, str):
            options = {key: replace(before, doubt=option) for key, before in options.items()}
        else:
            options[option.key] = option
    return options


def _profile(names: str, files: Mapping[str, NodeFile], seen: set[str]) -> Iterator[_Option | str]:
    """The sysctl lines of profiles, those that win last; a text where one was not read, in its place."""
    for optional in re.split(r"[\s,;]+", names.strip()):
        name = optional.removeprefix("-")
        paths = [f"{directory}/{posixpath.basename(name)}/tuned.conf" for directory in _DIRECTORIES]
        path = next((path for path in paths if path in files and path not in seen), None)
        if path is None or files[path].content is None or len(seen) >= _MOST_PROFILES:
            # One with a dash in front need not be there; one that hides nothing of its name includes itself in vain.
            if path is not None or not (name != optional or seen.intersection(paths)):
                yield f"TuneD's profile {shown(name)} was not read"
            continue
        seen.add(path)
        sections = _sections(files[path])
        for option in sections.get("main", ()):
            if option.key == "include":
                yield from _profile(option.value, files, seen)
        for section, options in sections.items():
            words = {option.key: option.value for option in options}
            if words.get("type", section) != "sysctl" or words.get("enabled", "1").lower() in {"0", "false"}:
                continue
            asked = next((word for word in _CONDITIONS if word in words), "")
            doubt = f"whether {path}'s section {shown(section)} counts depends on its {asked}" if asked else ""
            for option in options:
                if "." in option.key or "/" in option.key:
                    yield replace(option, key=dotted(option.key), doubt=doubt)


def _sections(file: NodeFile) -> Mapping[str, list[_Option]]:
    sections: dict[str, list[_Option]] = {}
    section = ""
    text = "" if file.content is None else file.content.decode("utf-8", "replace")
    for number, line in enumerate(text.split("\n"), start=1):
        bare = re.sub(r"(?:^|\s)#.*", "", line).strip()
        if bare.startswith("[") and bare.endswith("]"):
            section = bare[1:-1]
        elif "=" in bare:
            key, _, value = bare.partition("=")
            option = _Option(key=key.strip(), value=fold(value).strip("\"'"), origin=f"{file.path}:{number}")
            sections.setdefault(section, []).append(option)
    return sections


def _reapplied(files: Mapping[str, NodeFile]) -> Iterator[SysctlLine]:
    # Unlike systemd, TuneD lets a file in /run win over one with its name in /etc.
    last = (files["/etc/sysctl.conf"],) if "/etc/sysctl.conf" in files else ()
    for file in (*layered(files, ("/run/sysctl.d", "/etc/sysctl.d"), ".conf"), *last):
        yield from sysctl_lines(file)


def _reapplies(files: Mapping[str, NodeFile]) -> bool | None:
    main = files.get(_MAIN)
    if main is None or main.content is None:
        return None
    found = _REAPPLY.findall(main.content)
    return not found or found[-1].lower() in _TRUE
