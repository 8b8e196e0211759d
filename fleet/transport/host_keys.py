"""Whether a host is the one it was before."""

import base64
import fcntl
import hashlib
import os
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from fleet.model.errors import DocumentError, HostKeyError
from fleet.model.text import printable
from fleet.transport.algorithms import of_key_type
from fleet.transport.known_hosts import KnownHosts, KnownKey, known_line
from fleet.transport.once import Once
from fleet.transport.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerKey:
    """The key a host proved to hold."""

    key_type: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -l`` prints it."""
        return fingerprint(self.blob)


def fingerprint(blob: bytes) -> str:
    """Hash a public key as ``ssh-keygen -l`` does."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


@dataclass(slots=True)
class _File:
    """A known_hosts file as it was read, and the size it had then: a larger one was written by somebody else."""

    index: KnownHosts
    size: int


class HostKeys:
    """Checks host keys against known_hosts files, each parsed once a run."""

    def __init__(self) -> None:
        self._files: Once[str, _File] = Once()
        self._adding = Lock()

    def algorithms(self, target: Target) -> tuple[str, ...]:
        """Choose the host key algorithms to ask for: of a known host only those of its known keys, as OpenSSH does.

        Without this a host whose ed25519 key is known would look changed when sshd prefers another of its keys.

        Raises:
            HostKeyError: only certificates of the host would be accepted, or only keys that fleet cannot check.
        """
        allowed = target.algorithms.host_keys
        keys = self._known(target)
        trusted = [key for key in keys if not key.marker]
        if not trusted:
            authority = next((key for key in keys if key.marker == "@cert-authority"), None)
            if authority is not None and not target.accept_new:
                raise HostKeyError(
                    target.name,
                    f"{_place(authority)} trusts {target.known_name} by a certificate authority, "
                    "and fleet cannot check host certificates",
                    advice=f"add the host's own key: {_keyscan(target)}",
                )
            return allowed
        types = dict.fromkeys(name for key in trusted for name in of_key_type(key.key_type))
        chosen = tuple(name for name in allowed if name in types)
        if not chosen:
            known = ", ".join(sorted({key.key_type for key in trusted}))
            raise HostKeyError(
                target.name,
                f"the only known keys of {target.known_name} are of type {printable(known)} ({_place(trusted[0])}), "
                "which fleet cannot check or ~/.ssh/config does not allow",
                advice=f"add another key of the host: {_keyscan(target)}",
            )
        return chosen

    def check(self, target: Target, server: ServerKey) -> None:
        """Accept the key of a host, or refuse it.

        Raises:
            HostKeyError: the key is revoked, differs from the known one, or is unknown and new keys are not accepted.
        """
        if self._is_known(target, server):
            return
        if not target.accept_new:
            raise HostKeyError(
                target.name,
                f"the host key of {target.known_name} is not known: {server.key_type} {server.fingerprint}",
                advice=f"compare the fingerprint with the host's own, then run: {_keyscan(target)}; "
                "or accept new hosts with --accept-new",
            )
        with self._adding:
            if not self._is_known(target, server):
                self._remember(target, server)

    def _is_known(self, target: Target, server: ServerKey) -> bool:
        keys = self._known(target)
        same = [key for key in keys if key.blob == server.blob]
        revoked = next((key for key in same if key.marker == "@revoked"), None)
        if revoked is not None:
            raise HostKeyError(
                target.name,
                f"the host key {server.fingerprint} of {target.known_name} is revoked by {_place(revoked)}",
                advice="do not log in; give the host a new key, and remove the line once no host uses the old one",
            )
        if any(not key.marker for key in same):
            return True
        other = next((key for key in keys if not key.marker), None)
        if other is not None:
            raise HostKeyError(
                target.name,
                f"the host key of {target.known_name} has changed: {_place(other)} has {other.key_type} "
                f"{fingerprint(other.blob)}, the host has {server.key_type} {server.fingerprint}",
                advice="somebody may stand between us and the host, or it was installed anew; "
                f"once sure, run: {_forget(target, other)}",
            )
        return False

    def no_such_key(self, target: Target) -> HostKeyError | None:
        """Explain a failed negotiation by the host having none of the keys that are known of it, if so."""
        known = next((key for key in self._known(target) if not key.marker), None)
        if known is None:
            return None
        return HostKeyError(
            target.name,
            f"the host no longer has a key of the type known for {target.known_name}: {_place(known)} has "
            f"{known.key_type} {fingerprint(known.blob)}",
            advice=f"if the host was installed anew, run: {_forget(target, known)}",
        )

    def _known(self, target: Target) -> tuple[KnownKey, ...]:
        return tuple(key for path in target.known_hosts for key in self._file(path).index.lookup(target.known_name))

    def _file(self, path: str) -> _File:
        return self._files.get(path, lambda: _read(path))

    def _remember(self, target: Target, server: ServerKey) -> None:
        """Append one line in one write: ssh and we lose no line of each other, and the file keeps its permissions."""
        if not target.known_hosts:
            raise HostKeyError(
                target.name,
                "there is no known_hosts file to remember the host key in",
                advice="name one in the inventory or with UserKnownHostsFile in ~/.ssh/config",
            )
        path = target.known_hosts[0]
        file = self._file(path)
        line = known_line(target.known_name, server.key_type, server.blob, hashed=target.hash_known_hosts)
        try:
            Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                status = os.fstat(descriptor)
                if status.st_size != file.size:
                    fresh = _read(path)
                    file.index, file.size = fresh.index, fresh.size
                    if self._is_known(target, server):
                        return
                start = "" if _ends_with_newline(descriptor, status.st_size) else "\n"
                data = f"{start}{line}\n".encode()
                os.write(descriptor, data)
                if stat.S_ISREG(status.st_mode):
                    os.fsync(descriptor)
                file.size += len(data)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise HostKeyError(
                target.name,
                f"the new host key cannot be written to {printable(path, 200)}: {error.strerror}",
                advice="make the file writable, or add the key by hand",
            ) from error
        file.index.add(line)


def _read(path: str) -> _File:
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        data = b""
    except OSError as error:
        raise DocumentError(f"cannot be read: {error.strerror}", path=path) from error
    return _File(index=KnownHosts(path, data), size=len(data))


def _ends_with_newline(descriptor: int, size: int) -> bool:
    return size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"


def _place(key: KnownKey) -> str:
    return f"{printable(key.path, 200)} line {key.line}"


def _forget(target: Target, key: KnownKey) -> str:
    return shlex.join(("ssh-keygen", "-R", target.known_name, "-f", key.path))


def _keyscan(target: Target) -> str:
    port = () if target.port == 22 else ("-p", str(target.port))  # noqa: PLR2004 SSH's own port
    path = target.known_hosts[0] if target.known_hosts else "~/.ssh/known_hosts"
    return f"{shlex.join(('ssh-keyscan', *port, target.hostname))} >> {path}"
