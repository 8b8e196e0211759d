"""How a host is reached, as frozen data."""

from dataclasses import dataclass, field
from typing import Final, Literal

from fleet.model.secret import Secret

BecomeMethod = Literal["none", "sudo", "doas"]
NO_SSH_CONFIG: Final = "none"
"""In place of a file: none is read, as with ``ssh -F none``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimits:
    """Seconds: for TCP to connect, for the handshake and login, for one command, between keepalive packets."""

    connect: float = 10.0
    auth: float = 20.0
    command: float = 60.0
    keepalive: float = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What the inventory says about one host; what is None is left to ~/.ssh/config and then to defaults.

    Attributes:
        name: the inventory name, used in messages.
        address: name or address to connect to.
        identity_files: private keys, tried in this order before those of ~/.ssh/config.
        use_agent: ask the agent of $SSH_AUTH_SOCK; None means yes unless IdentitiesOnly says otherwise.
        known_hosts: files that replace ~/.ssh/known_hosts.
        accept_new: add keys of unknown hosts to the first known_hosts file; changed keys are always refused.
        connect_rate: new connections a second to all hosts together that have one; None for as many as there are.
        jump_logins: logins under way at a time through its jump host or ProxyCommand; None leaves it to the transport.
        transports: that visit the hosts of the run side by side; each keeps to its part of the two above.
        proxy_jump: ``user@host:port`` hops, first hop first; None leaves it to ~/.ssh/config, () connects directly.
        site: where the workers of a Dask cluster are that reach it; None is anywhere. Other runners do not look at it.
    """

    name: str
    address: str
    port: int | None = None
    user: str | None = None
    password: Secret | None = None
    passphrase: Secret | None = None
    identity_files: tuple[str, ...] = ()
    use_agent: bool | None = None
    ssh_config: str | None = None
    known_hosts: tuple[str, ...] | None = None
    accept_new: bool | None = None
    proxy_jump: tuple[str, ...] | None = None
    become: BecomeMethod = "none"
    become_password: Secret | None = None
    site: str | None = None
    limits: TimeLimits = field(default_factory=TimeLimits)
    connect_rate: float | None = None
    jump_logins: int | None = None
    transports: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """What a command left behind: its exit status and its output, which is not to be trusted."""

    exit_status: int
    stdout: bytes
    stderr: bytes
