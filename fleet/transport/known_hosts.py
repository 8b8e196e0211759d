"""known_hosts files as an index, parsed once a run.

Format: https://man.openbsd.org/sshd.8#SSH_KNOWN_HOSTS_FILE_FORMAT
"""

import base64
import binascii
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Literal

from fleet.model.errors import DocumentError

Marker = Literal["", "@cert-authority", "@revoked"]
_HASHED = "|1|"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownKey:
    """One line: this key was seen for these hosts; with a marker, it signs their certificates or is revoked."""

    path: str
    line: int
    marker: Marker
    key_type: str
    blob: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pattern:
    wanted: re.Pattern[str]
    unwanted: re.Pattern[str] | None

    def matches(self, name: str) -> bool:
        return bool(self.wanted.fullmatch(name)) and not (self.unwanted and self.unwanted.fullmatch(name))


class KnownHosts:
    """The lines of one file, found by name in constant time; only hashed and wildcard lines are searched one by one.

    Lines that OpenSSH would skip as malformed are skipped: the host is then unknown, which is refused. A malformed
    ``@revoked`` line is an error, for skipping it would trust the key.

    Args:
        path: for messages.
        data: the content of the file.

    Raises:
        DocumentError: an ``@revoked`` line cannot be read.
    """

    def __init__(self, path: str, data: bytes) -> None:
        self._path = path
        self._by_name: dict[str, list[KnownKey]] = {}
        self._hashed: list[tuple[bytes, bytes, KnownKey]] = []
        self._patterns: list[tuple[_Pattern, KnownKey]] = []
        self._found: dict[str, tuple[KnownKey, ...]] = {}
        self.lines = 0
        for line in data.decode(errors="replace").splitlines():
            self.add(line)

    def add(self, line: str) -> None:
        """Index one more line."""
        self.lines += 1
        self._found.clear()
        text = line.strip()
        if not text or text.startswith("#"):
            return
        fields = text.split()
        marker: Marker = ""
        if fields[0] == "@revoked":
            marker = "@revoked"
        elif fields[0] == "@cert-authority":
            marker = "@cert-authority"
        elif fields[0].startswith("@"):
            return
        if marker:
            fields = fields[1:]
        key = self._key(fields, marker)
        if key is not None:
            self._index(fields[0], key)

    def lookup(self, name: str) -> tuple[KnownKey, ...]:
        """Find the lines for a name as known_hosts writes it, such as ``db1`` or ``[db1]:2222``."""
        name = name.lower()
        if name not in self._found:
            self._found[name] = self._search(name)
        return self._found[name]

    def _search(self, name: str) -> tuple[KnownKey, ...]:
        found = list(self._by_name.get(name, ()))
        encoded = name.encode()
        found += [key for salt, digest, key in self._hashed if hmac.digest(salt, encoded, "sha1") == digest]
        found += [key for pattern, key in self._patterns if pattern.matches(name)]
        return tuple(sorted(found, key=lambda key: key.line))

    def _key(self, fields: list[str], marker: Marker) -> KnownKey | None:
        try:
            _, key_type, encoded = fields[:3]
            blob = base64.b64decode(encoded, validate=True)
        except (ValueError, binascii.Error):
            key_type, blob = "", b""
        length = int.from_bytes(blob[:4], "big")
        if key_type and blob[4 : 4 + length] == key_type.encode():
            return KnownKey(path=self._path, line=self.lines, marker=marker, key_type=key_type, blob=blob)
        if marker == "@revoked":
            raise DocumentError(
                "this @revoked line cannot be read, so the key it revokes is not known",
                path=self._path,
                line=self.lines,
                hint="write it as: @revoked HOSTS KEYTYPE BASE64",
            )
        return None

    def _index(self, hosts: str, key: KnownKey) -> None:
        if hosts.startswith(_HASHED):
            salt, _, digest = hosts[len(_HASHED) :].partition("|")
            try:
                self._hashed.append(
                    (base64.b64decode(salt, validate=True), base64.b64decode(digest, validate=True), key)
                )
            except binascii.Error:
                if key.marker == "@revoked":
                    raise DocumentError(
                        "the hashed name of this @revoked line cannot be read", path=self._path, line=self.lines
                    ) from None
            return
        names = [name for name in hosts.lower().split(",") if name]
        if any(char in hosts for char in "*?!"):
            pattern = _pattern(names)
            if pattern is not None:
                self._patterns.append((pattern, key))
            return
        for name in names:
            self._by_name.setdefault(name, []).append(key)


def _pattern(names: list[str]) -> _Pattern | None:
    wanted = [_regex(name) for name in names if not name.startswith("!")]
    unwanted = [_regex(name[1:]) for name in names if name.startswith("!")]
    if not wanted:
        return None
    return _Pattern(wanted=re.compile("|".join(wanted)), unwanted=re.compile("|".join(unwanted)) if unwanted else None)


def _regex(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(char) or re.escape(char) for char in pattern)


def known_name(host: str, port: int) -> str:
    """Write a host as known_hosts does."""
    return host.lower() if port == 22 else f"[{host.lower()}]:{port}"  # noqa: PLR2004 SSH's own port


def known_line(name: str, key_type: str, blob: bytes, *, hashed: bool) -> str:
    """Write one line for a new key, with the name hashed where HashKnownHosts asks for it."""
    if hashed:
        salt = secrets.token_bytes(20)
        digest = hmac.digest(salt, name.encode(), "sha1")
        name = f"{_HASHED}{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"
    return f"{name} {key_type} {base64.b64encode(blob).decode()}"
