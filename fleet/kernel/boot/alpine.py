"""The files as Alpine's /etc/init.d/sysctl has busybox read them, one file after the other.

Read in main/openrc/sysctl.initd of https://github.com/alpinelinux/aports and procps/sysctl.c of https://busybox.net.
Releases of busybox differ in what they make of odd lines and of a value that the kernel refuses (some stop there), so
only plain lines are modelled: after any other line the rest of its file is unknown.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from fleet.kernel.boot import acceptance
from fleet.kernel.boot.acceptance import Accepted, Kernel
from fleet.kernel.boot.model import Assignment, Origin
from fleet.kernel.boot.name import swapped
from fleet.kernel.boot.program import Blind, Entry, Program
from fleet.kernel.boot.tree import TreeFile, readable
from fleet.model.facts import NodeFile

SCRIPT = "/etc/init.d/sysctl"

# What the script that is modelled here says; an older one, or OpenRC's own, does other things.
_MARKS = (
    b"for f in /lib/sysctl.d/*.conf",
    b"/usr/lib/sysctl.d/*.conf; do",
    b'if  [ -f /etc/sysctl.d/"${f##*/}" ]; then',
    b'if [ -f /run/sysctl.d/"${f##*/}" ]; then',
    b"for f in /etc/sysctl.d/*.conf; do",
    b"if [ -f /etc/sysctl.conf ]; then",
    b"for f in /run/sysctl.d/*.conf; do",
    b'sysctl $quiet -p "$f"',
)
_PLAIN = re.compile(rb"[ \t]*([a-z0-9_]+(?:[./][A-Za-z0-9_-]+)+)[ \t]*=[ \t]*([0-9]+(?:[ \t,-][0-9]+)*)[ \t]*")
_NOTHING = re.compile(rb"[ \t]*(?:#.*)?")


def is_modelled(script: bytes) -> bool:
    """Whether an /etc/init.d/sysctl is the script that this module models."""
    positions = [script.find(mark) for mark in _MARKS[:-1]]
    return -1 not in positions and positions == sorted(positions) and _MARKS[-1] in script


def read_alpine(files: Mapping[str, NodeFile], kernel: Kernel) -> Program:
    """Read the files in the script's order: /lib, /usr/lib, /etc/sysctl.d, /etc/sysctl.conf, /run.

    A file of /etc hides one of its name in /lib and /usr/lib, one of /run hides it everywhere. What the script looks
    for are regular files, so that a link to /dev/null hides nothing.
    """
    entries: list[Entry] = []
    blinds: list[Blind] = []
    applied, masked = _order(files)
    for index, file in enumerate(applied):
        if file.unread:
            blinds.append(Blind(order=(index, 0), reason=f"{file.path}: {file.unread}"))
            continue
        stopped = ""
        for number, entry, problem in _entries(file, index, kernel):
            if entry is None or stopped:
                about = entry.name if entry else None
                blinds.append(Blind(order=(index, number), reason=stopped or problem, about=about))
            else:
                entries.append(entry)
            stopped = stopped or problem
    hidden = [entry for file in masked for _, entry, _ in _entries(file, 0, kernel) if entry is not None]
    return Program(entries=tuple(entries), read=tuple(entries), masked=tuple(hidden), blinds=tuple(blinds))


def _order(files: Mapping[str, NodeFile]) -> tuple[list[TreeFile], list[TreeFile]]:
    etc, run = (_regular(files, directory) for directory in ("/etc/sysctl.d", "/run/sysctl.d"))
    conf = files.get("/etc/sysctl.conf")
    applied: list[TreeFile] = []
    masked: list[TreeFile] = []
    libraries = [_regular(files, directory) for directory in ("/lib/sysctl.d", "/usr/lib/sysctl.d")]
    for layer, stronger in ((libraries[0], etc | run), (libraries[1], etc | run), (etc, run)):
        for name in sorted(layer, key=str.encode):
            if name in stronger:
                masked.append(replace(layer[name], hidden=f"its file is hidden by {stronger[name].path}"))
            else:
                applied.append(layer[name])
    if conf is not None and _is_regular(conf):
        applied.append(readable(conf))
    applied.extend(run[name] for name in sorted(run, key=str.encode))
    return applied, masked


def _regular(files: Mapping[str, NodeFile], directory: str) -> dict[str, TreeFile]:
    return {
        posixpath.basename(path): readable(file)
        for path, file in files.items()
        if posixpath.dirname(path) == directory
        and path.endswith(".conf")
        and not posixpath.basename(path).startswith(".")
        and _is_regular(file)
    }


def _is_regular(file: NodeFile) -> bool:
    return file.content is not None or file.kind in {"file", "unreadable"} or bool(file.note)


def _entries(file: TreeFile, index: int, kernel: Kernel) -> Iterator[tuple[int, Entry | None, str]]:
    """Lines with their numbers, and with the reason why what follows them in the file is not known."""
    for number, line in enumerate(file.content.split(b"\n"), start=1):
        if _NOTHING.fullmatch(line):
            continue
        origin = Origin(path=file.path, line=number)
        plain = _PLAIN.fullmatch(line)
        if plain is None:
            yield number, None, f"{origin} is not a plain line, and releases of busybox differ in what they make of it"
            continue
        written, value = plain[1].decode(), plain[2].decode()
        path = swapped(plain[1])
        key = path.translate(bytes.maketrans(b"./", b"/.")).decode()
        entry = Entry(
            order=(index, number),
            name=path,
            target=path,
            assignment=Assignment(key=written, value=value, origin=origin, ignore_errors=False),
            origin=origin,
            hidden=file.hidden,
        )
        taken = isinstance(acceptance.write(kernel, key, value, {}), Accepted)
        yield number, entry, "" if taken else f"{origin} may be refused, and some releases of busybox stop there"
