"""The inventory files as people write them: nornir's SimpleInventory, field by field."""

from collections.abc import Mapping
from ipaddress import IPv6Address
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, RootModel

from fleet.document import Items, StrictModel
from fleet.model.connection import BecomeMethod

FilePath = Annotated[str, Field(min_length=1)]
Site = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Port = Annotated[int, Field(ge=1, le=65535)]

SLOWEST_RATE, FASTEST_RATE = 0.1, 10_000.0
"""Connections a second."""


def _checked_name(name: str) -> str:
    # Names stand in results, file names and --limit expressions, where blanks and operators would need quoting.
    # They also stand in commands, such as those of hooks, where a dash in front would make an option of them.
    plain = all(char.isalnum() or char in "._-:@" for char in name)
    if not name or not plain or name.startswith("-") or name in {"all", "and", "or", "not"}:
        raise ValueError("is no name: letters, digits and . _ - : @, no - in front, and not all, and, or, not")
    return name


def _checked_hostname(hostname: str) -> str:
    if ":" in hostname:
        try:
            IPv6Address(hostname)
        except ValueError:
            raise ValueError("is no host name and no address: a port stands in 'port', a user in 'username'") from None
    elif not hostname or hostname.startswith("-") or any(char.isspace() or char in "/@[]" for char in hostname):
        raise ValueError("is no host name and no address")
    return hostname


Name = Annotated[str, AfterValidator(_checked_name)]


class SshExtras(StrictModel):
    """``connection_options.fleet.extras``: how our own connection plugin reaches a host.

    Each field means what `fleet.model.connection.Endpoint` says of it. Relative paths start at the inventory directory.
    """

    identity_files: Items[FilePath] = ()
    use_agent: bool | None = None
    known_hosts: Items[FilePath] | None = None
    accept_new: bool | None = None
    ssh_config: FilePath | None = None
    proxy_jump: Items[str] | None = None
    site: Site | None = None
    become: BecomeMethod | None = None
    connect_rate: Annotated[float, Field(ge=SLOWEST_RATE, le=FASTEST_RATE)] | None = None
    jump_logins: Annotated[int, Field(ge=1)] | None = None


class Addressed(StrictModel):
    """What nornir lets hosts, groups, defaults and connections say about reaching a host."""

    hostname: Annotated[str, AfterValidator(_checked_hostname)] | None = None
    port: Port | None = None
    username: Annotated[str, Field(min_length=1)] | None = None
    password: str | None = None
    platform: str | None = None


class FleetOptions(Addressed):
    """``connection_options.fleet``."""

    extras: SshExtras | None = None


class OtherOptions(Addressed):
    """``connection_options`` of another nornir plugin, whose extras are not ours to judge."""

    extras: dict[str, JsonValue] | None = None


class ConnectionOptionsByPlugin(BaseModel):
    """``connection_options``: ours by name, and those of any other plugin."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    __pydantic_extra__: dict[str, OtherOptions]

    fleet: FleetOptions | None = None

    def by_plugin(self) -> Mapping[str, FleetOptions | OtherOptions]:
        """The options that are there, by the plugin's name."""
        ours = {"fleet": self.fleet} if self.fleet else {}
        return {**ours, **self.__pydantic_extra__}


class DefaultsFile(Addressed):
    """defaults.yaml."""

    data: dict[str, JsonValue] = Field(default_factory=dict)
    connection_options: ConnectionOptionsByPlugin = Field(
        default_factory=lambda: ConnectionOptionsByPlugin.model_validate({})
    )


class Element(DefaultsFile):
    """One host or group; one that says nothing may be left empty."""

    groups: Items[Name] = ()


ElementOrNothing = Annotated[Element, BeforeValidator(lambda body: {} if body is None else body)]


class ElementsFile(RootModel[dict[Name, ElementOrNothing]]):
    """hosts.yaml or groups.yaml, by name."""

    model_config = ConfigDict(strict=True, frozen=True)
