"""Private keys and agents, each opened once a run."""

import base64
import binascii
import socket
from pathlib import Path
from threading import Lock

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko.agent import AgentKey, AgentSSH
from paramiko.message import Message
from paramiko.pkey import UnknownKeyType

from fleet.model.secret import Secret
from fleet.model.text import printable
from fleet.transport.once import Once

_AGENT_LIMIT = 30.0
_OPENSSH_BEGIN = "-----BEGIN OPENSSH PRIVATE KEY-----"
_OPENSSH_END = "-----END OPENSSH PRIVATE KEY-----"
_OPENSSH_MAGIC = b"openssh-key-v1\0"


class KeyProblem(Exception):  # noqa: N818 it ends no host by itself: another key may fit
    """Why a private key cannot be used, in words for an operator, with what to do about it."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class KeyStore:
    """Loads and decrypts each key and asks each agent once, whatever the number of hosts and threads."""

    def __init__(self) -> None:
        self._keys: Once[tuple[str, Secret | None], paramiko.PKey] = Once()
        self._agents: Once[str, Agent] = Once()

    def key(self, path: str, passphrase: Secret | None) -> paramiko.PKey:
        """Load a private key, and the certificate that lies beside it.

        Raises:
            KeyProblem: the key cannot be read or opened.
            FileNotFoundError: there is no such file.
        """
        return self._keys.get((path, passphrase), lambda: _load(path, passphrase))

    def agent(self, path: str) -> "Agent":
        """Connect to the agent at a socket.

        Raises:
            KeyProblem: nothing answers there.
        """
        return self._agents.get(path, lambda: Agent(path))

    def close(self) -> None:
        """Leave the agents."""
        for agent in self._agents.values():
            agent.close()


class Agent(AgentSSH):
    """An agent that many threads may use.

    Args:
        path: of its socket.

    Raises:
        KeyProblem: nothing answers there.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._turn = Lock()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_AGENT_LIMIT)
        try:
            self._socket.connect(path)
            # The hook of paramiko's own agents, which the stubs leave out.
            self._connect(self._socket)  # type: ignore[attr-defined]
        except (OSError, paramiko.SSHException) as error:
            self._socket.close()
            raise KeyProblem(
                f"the agent at {printable(path)} does not answer ({printable(str(error))})",
                "start one, or unset SSH_AUTH_SOCK",
            ) from error

    def _send_message(self, msg: bytes) -> tuple[int, Message]:
        with self._turn:
            answer: tuple[int, Message] = super()._send_message(msg)  # type: ignore[misc] # left out of the stubs too
            return answer

    def keys(self) -> tuple[AgentKey, ...]:
        """List the keys it holds."""
        return self.get_keys()

    def close(self) -> None:
        """Leave the agent."""
        self._socket.close()


def _load(path: str, passphrase: Secret | None) -> paramiko.PKey:
    shown = printable(path, 200)
    try:
        return paramiko.PKey.from_path(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise KeyProblem(f"key {shown} cannot be read: {error.strerror}", "check its owner and permissions") from error
    except TypeError:
        return _decrypt(path, passphrase)
    except (ValueError, UnknownKeyType, UnsupportedAlgorithm, paramiko.SSHException) as error:
        raise KeyProblem(
            f"{shown} is no private key that fleet can use ({printable(str(error))})",
            "use an ed25519, ECDSA or RSA key; a key on a security token works through ssh-agent",
        ) from error


def _decrypt(path: str, passphrase: Secret | None) -> paramiko.PKey:
    shown = printable(path, 200)
    if passphrase is None:
        raise KeyProblem(
            f"key {shown} is encrypted and no passphrase was given",
            f"run ssh-add {shown}, set $FLEET_KEY_PASSPHRASE, or use --ask-passphrase",
        )
    try:
        # paramiko's type hint says str, cryptography below it takes bytes only.
        return paramiko.PKey.from_path(path, passphrase.reveal().encode())  # type: ignore[arg-type]
    except (ValueError, paramiko.SSHException):
        raise KeyProblem(
            f"the passphrase does not open key {shown}",
            "give the right one in $FLEET_KEY_PASSPHRASE or with --ask-passphrase, or add the key to the agent",
        ) from None


def public_blob(path: str) -> bytes | None:
    """Read the public half of a key without its passphrase, to find it among the keys of an agent.

    Args:
        path: of a private key, with or without a ``.pub`` beside it, or of a public key.
    """
    for candidate in (f"{path}.pub", path):
        try:
            text = Path(candidate).read_text(encoding="ascii")
        except (OSError, UnicodeError):
            continue
        try:
            if _OPENSSH_BEGIN in text:
                return _blob_of_private(text)
            return base64.b64decode(text.split()[1], validate=True)
        except (IndexError, ValueError, binascii.Error):
            continue
    return None


def _blob_of_private(text: str) -> bytes | None:
    """Read the public key that stands in clear before the encrypted part.

    Source: https://cvsweb.openbsd.org/src/usr.bin/ssh/PROTOCOL.key
    """
    data = base64.b64decode(text.partition(_OPENSSH_BEGIN)[2].partition(_OPENSSH_END)[0])
    if not data.startswith(_OPENSSH_MAGIC):
        return None
    message = Message(data[len(_OPENSSH_MAGIC) :])
    for _ in ("cipher", "kdf", "kdf options"):
        message.get_binary()
    message.get_int()
    return message.get_binary()
