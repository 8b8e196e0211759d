"""Which machine answered."""

import re
from collections.abc import Mapping

from fleet.facts.answer import MalformedError, integer, text
from fleet.model.facts import Identity, NodeFile, OsRelease, Reason, Unavailable

_ID = re.compile(rb"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")
_SECONDS = re.compile(rb"(\d{1,12}\.\d{1,4}) ")
_MOST_CORES = 1 << 16


def host_words(lines: list[bytes]) -> dict[bytes, bytes]:
    """The lines of the section ``host`` by their first word."""
    words = {}
    for line in lines:
        name, _, value = line.partition(b" ")
        words[name] = value
    return words


def parse_identity(
    host: Mapping[bytes, bytes], values: Mapping[bytes, bytes], files: Mapping[str, NodeFile]
) -> Identity:
    """Put together what the sections ``host``, ``contents`` and ``texts`` say about the machine."""
    uptime = _SECONDS.match(values.get(b"/proc/uptime", b""))
    if not uptime:
        raise MalformedError("no time since boot", values.get(b"/proc/uptime", b""))
    online = values.get(b"/sys/devices/system/cpu/online")
    machine_id = files.get("/etc/machine-id")
    return Identity(
        hostname=text(values.get(b"/proc/sys/kernel/hostname", b"").strip(), 256),
        machine_id=_identifier(machine_id.content if machine_id else None, "/etc/machine-id"),
        boot_id=_identifier(values.get(b"/proc/sys/kernel/random/boot_id"), "/proc/sys/kernel/random/boot_id"),
        uptime_seconds=float(uptime[1]),
        os=_os_release(files),
        kernel=text(host.get(b"kernel", b""), 256),
        arch=text(host.get(b"arch", b""), 64),
        cores=integer(host.get(b"cores", b"")) if online is None else count_processors(online.strip()),
        ram_bytes=integer(host.get(b"ram", b"")) * 1024,
        uid=integer(host.get(b"uid", b"")),
        init=text(values.get(b"/proc/1/comm", b"").strip(), 64),
    )


def _identifier(raw: bytes | None, path: str) -> str | Unavailable:
    if raw is None:
        return Unavailable(Reason.ABSENT, path)
    raw = raw.strip()
    return raw.decode() if _ID.fullmatch(raw) else Unavailable(Reason.UNREADABLE, path)


def count_processors(ranges: bytes) -> int:
    """Processors in a list such as ``0-3,8``.

    Raises:
        MalformedError: it is none.
    """
    count = 0
    for part in ranges.split(b","):
        first, _, last = part.partition(b"-")
        count += integer(last or first) - integer(first) + 1
    if not 0 < count <= _MOST_CORES:
        raise MalformedError("not a list of processors", ranges)
    return count


def _os_release(files: Mapping[str, NodeFile]) -> OsRelease:
    """https://www.freedesktop.org/software/systemd/man/latest/os-release.html ."""
    file = files.get("/etc/os-release") or files.get("/usr/lib/os-release")
    fields = {}
    for line in ((file and file.content) or b"").splitlines():
        name, _, value = line.partition(b"=")
        fields[name.strip()] = text(value.strip().strip(b"\"'"), 1024)
    return OsRelease(
        id=fields.get(b"ID", ""),
        version_id=fields.get(b"VERSION_ID", ""),
        pretty_name=fields.get(b"PRETTY_NAME", ""),
        id_like=tuple(fields.get(b"ID_LIKE", "").split()),
    )
