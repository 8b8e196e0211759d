"""Our SSH connection as a nornir connection plugin, named ``fleet``."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nornir.core.configuration import Config

from fleet.model.connection import BecomeMethod, Endpoint, TimeLimits
from fleet.model.errors import UsageError
from fleet.model.secret import Secret
from fleet.runner.documents import SshExtras
from fleet.transport import Connection, SshTransport, Transport

CONFIG_KEY = "fleet"
"""Where ``Config.user_defined`` holds the `RunContext`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What was asked for at a prompt or taken from the environment; wins over nothing, the inventory wins over it."""

    password: Secret | None = None
    passphrase: Secret | None = None
    become_password: Secret | None = None


CREDENTIAL_VARIABLES: Mapping[str, str] = {
    "password": "FLEET_SSH_PASSWORD",
    "passphrase": "FLEET_KEY_PASSPHRASE",
    "become_password": "FLEET_BECOME_PASSWORD",
}
"""Variables of the environment by the field of `Credentials` that they fill; an empty one counts as none."""


def credential_of_environment(name: str) -> Secret | None:
    """What the environment has for a field of `Credentials`."""
    value = os.environ.get(CREDENTIAL_VARIABLES[name])
    return Secret(value) if value else None


def credentials_of_environment() -> Credentials:
    """All that the environment has."""
    return Credentials(**{name: credential_of_environment(name) for name in CREDENTIAL_VARIABLES})


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """What the operator said for all hosts of a run; all but credentials and limits wins over the inventory."""

    credentials: Credentials = field(default_factory=Credentials)
    limits: TimeLimits = field(default_factory=TimeLimits)
    become: BecomeMethod | None = None
    accept_new: bool | None = None
    connect_rate: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """What all connections of a run share: known_hosts and keys parsed once, jump hosts opened once."""

    transport: Transport
    settings: ConnectionSettings
    host: str | None = None
    """Whose connection it is, by its inventory name, which nornir does not tell a plugin; None leaves the address."""


class FleetConnection:
    """Implements nornir's ConnectionPlugin; ``connection`` is a `fleet.transport.Connection`.

    In a nornir program of your own, register the plugin and call ``host.get_connection("fleet", nornir.config)``:
    without a `RunContext` in ``config.user_defined["fleet"]`` the connection parses known_hosts and keys for itself.
    """

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._own_transport: SshTransport | None = None

    def open(
        self,
        hostname: str | None,
        username: str | None,
        password: str | None,
        port: int | None,
        platform: str | None,
        extras: dict[str, Any] | None = None,
        configuration: Config | None = None,
    ) -> None:
        context: RunContext | None = configuration.user_defined.get(CONFIG_KEY) if configuration else None
        if context is None:
            self._own_transport = SshTransport()
            context = RunContext(transport=self._own_transport, settings=ConnectionSettings())
        self._connection = context.transport.open(
            endpoint(
                name=context.host,
                hostname=hostname,
                username=username,
                password=password,
                port=port,
                extras=extras or {},
                settings=context.settings,
            )
        )

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._own_transport is not None:
            self._own_transport.close()

    @property
    def connection(self) -> Connection:
        if self._connection is None:
            raise RuntimeError("open() comes before connection")
        return self._connection


def endpoint(
    *,
    name: str | None,
    hostname: str | None,
    username: str | None,
    password: str | None,
    port: int | None,
    extras: Mapping[str, Any],
    settings: ConnectionSettings,
) -> Endpoint:
    """Join what the inventory and the operator say about one host.

    Raises:
        UsageError: nothing says where it is.
    """
    address = hostname or name
    if not address:
        raise UsageError("a host has no hostname: give it one, or load the inventory with FleetInventory")
    ssh = SshExtras.model_validate(extras)
    return Endpoint(
        name=name or address,
        address=address,
        port=port,
        user=username,
        password=Secret(password) if password is not None else settings.credentials.password,
        passphrase=settings.credentials.passphrase,
        identity_files=tuple(ssh.identity_files),
        use_agent=ssh.use_agent,
        ssh_config=ssh.ssh_config,
        known_hosts=tuple(ssh.known_hosts) if ssh.known_hosts is not None else None,
        accept_new=settings.accept_new if settings.accept_new is not None else ssh.accept_new,
        proxy_jump=tuple(ssh.proxy_jump) if ssh.proxy_jump is not None else None,
        become=settings.become or ssh.become or "none",
        become_password=settings.credentials.become_password,
        site=ssh.site,
        limits=settings.limits,
        connect_rate=settings.connect_rate or ssh.connect_rate,
        jump_logins=ssh.jump_logins,
    )
