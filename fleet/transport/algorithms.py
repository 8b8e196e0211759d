"""Which algorithms a connection offers, the fast ones first.

Only what is considered sound today: no SHA-1, no CBC, no 3DES; see https://www.openssh.com/legacy.html.
"""

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass

_KEX = (
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "mlkem768x25519-sha256",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group14-sha256",
    "diffie-hellman-group-exchange-sha256",
)
_CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
)
_MACS = (
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
)
_KEYS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
# The other name of the same exchange, which paramiko does not know: https://www.rfc-editor.org/rfc/rfc8731
_ALIASES = {"curve25519-sha256@libssh.org": "curve25519-sha256"}
_RSA = ("rsa-sha2-512", "rsa-sha2-256")


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithms:
    """Names in the order of preference; an empty tuple means that ~/.ssh/config leaves nothing that we can do."""

    kex: tuple[str, ...]
    ciphers: tuple[str, ...]
    macs: tuple[str, ...]
    host_keys: tuple[str, ...]
    public_keys: tuple[str, ...]


def configured(options: Mapping[str, str | list[str]]) -> Algorithms:
    """Apply KexAlgorithms, Ciphers, MACs, HostKeyAlgorithms and PubkeyAcceptedAlgorithms of ~/.ssh/config."""

    def choose(ours: tuple[str, ...], *names: str) -> tuple[str, ...]:
        spec = next((options[name] for name in names if name in options), "")
        return restricted(ours, spec) if isinstance(spec, str) else ours

    return Algorithms(
        kex=choose(_KEX, "kexalgorithms"),
        ciphers=choose(_CIPHERS, "ciphers"),
        macs=choose(_MACS, "macs"),
        host_keys=choose(_KEYS, "hostkeyalgorithms"),
        public_keys=choose(_KEYS, "pubkeyacceptedalgorithms", "pubkeyacceptedkeytypes"),
    )


def restricted(ours: tuple[str, ...], spec: str) -> tuple[str, ...]:
    """Apply one algorithm list of ssh_config, whose first character tells whether it adds, removes or prefers.

    Source: https://man.openbsd.org/ssh_config#Ciphers
    """
    if not spec or spec.startswith("+"):
        return ours
    patterns = spec.lstrip("-^").split(",")

    def named(name: str, pattern: str) -> bool:
        return fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(_ALIASES.get(name, name), pattern)

    chosen = tuple(dict.fromkeys(name for pattern in patterns for name in ours if named(name, pattern)))
    if spec.startswith("-"):
        return tuple(name for name in ours if name not in chosen)
    if spec.startswith("^"):
        return chosen + tuple(name for name in ours if name not in chosen)
    return chosen


def of_key_type(key_type: str) -> tuple[str, ...]:
    """Name the signature algorithms a host key of this type can be proven with; RSA keys have two."""
    return _RSA if key_type == "ssh-rsa" else (key_type,)
