"""nornir's SimpleInventory files, loaded strictly: a nornir inventory plugin, named ``FleetInventory``."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nornir.core.inventory import ConnectionOptions, Defaults, Group, Groups, Host, Hosts, Inventory, ParentGroups

from fleet.document import Document, did_you_mean, load_mapping, parse, validate
from fleet.model.connection import NO_SSH_CONFIG
from fleet.model.errors import DocumentError
from fleet.policy import HostView
from fleet.runner.documents import DefaultsFile, Element, ElementsFile, FleetOptions, OtherOptions, SshExtras
from fleet.transport.account import expand_home

__all__ = ["FleetInventory", "Inventory", "address", "host_view", "host_views", "local_inventory"]

HOSTS_FILE, GROUPS_FILE, DEFAULTS_FILE = "hosts.yaml", "groups.yaml", "defaults.yaml"
LOCAL_HOST = "localhost"
CONNECTION = "fleet"
"""The name of our connection plugin, under which ``connection_options`` speak of it."""


class FleetInventory:
    """The files of SimpleInventory with nornir's meaning, but nothing in them is ignored or guessed.

    Unknown keys, wrong types, duplicate names, groups that do not exist or that contain themselves are refused with
    file, line and column. Scalars are those of YAML 1.2, so a password ``0123`` stays text.

    Args:
        directory: holds hosts.yaml, and groups.yaml and defaults.yaml where wanted.
    """

    def __init__(self, directory: str = "inventory") -> None:
        self._directory = Path(expand_home(directory))

    def load(self) -> Inventory:
        """Read the files.

        Raises:
            DocumentError: a file is missing or does not load.
        """
        if not self._directory.is_dir():
            raise DocumentError(
                "no such inventory directory",
                path=str(self._directory),
                hint="name it with --inventory or $FLEET_INVENTORY, or start one with 'fleet init'",
            )
        hosts_document = load_mapping(self._directory / HOSTS_FILE)
        groups_document = self._optional(GROUPS_FILE)
        defaults = Defaults(**self._settings(validate(self._optional(DEFAULTS_FILE), DefaultsFile)))
        group_elements = validate(groups_document, ElementsFile).root
        host_elements = validate(hosts_document, ElementsFile).root
        _refuse_unknown_groups(groups_document, group_elements, group_elements)
        _refuse_unknown_groups(hosts_document, host_elements, group_elements)
        _refuse_circles(groups_document, group_elements)

        groups = Groups(
            {name: Group(name, defaults=defaults, **self._settings(body)) for name, body in group_elements.items()}
        )
        for name, body in group_elements.items():
            groups[name].groups = ParentGroups(groups[parent] for parent in body.groups)
        hosts = Hosts(
            {
                name: Host(
                    name,
                    defaults=defaults,
                    groups=ParentGroups(groups[parent] for parent in body.groups),
                    **self._settings(body),
                )
                for name, body in host_elements.items()
            }
        )
        for host in hosts.values():
            _complete(host)
        return Inventory(hosts=hosts, groups=groups, defaults=defaults)

    def _optional(self, name: str) -> Document:
        path = self._directory / name
        return load_mapping(path) if path.exists() else parse(b"{}", str(path))

    def _settings(self, body: DefaultsFile) -> dict[str, Any]:
        options = {name: self._options(plugin) for name, plugin in body.connection_options.by_plugin().items()}
        return {**_address(body), "data": dict(body.data), "connection_options": options}

    def _options(self, plugin: FleetOptions | OtherOptions) -> ConnectionOptions:
        extras = self._anchored(plugin.extras) if isinstance(plugin.extras, SshExtras) else plugin.extras
        return ConnectionOptions(**_address(plugin), extras=extras)

    def _anchored(self, extras: SshExtras) -> dict[str, Any]:
        """Our extras with the relative paths of the files made independent of where the command is called.

        A ``~`` stays: it is the home of whoever connects, who may be on another machine.
        """
        given = extras.model_dump(exclude_unset=True)
        for field in ("identity_files", "known_hosts"):
            if given.get(field) is not None:
                given[field] = [self._path(path) for path in given[field]]
        if given.get("ssh_config") not in {None, NO_SSH_CONFIG}:
            given["ssh_config"] = self._path(given["ssh_config"])
        return given

    def _path(self, written: str) -> str:
        return written if written.startswith("~") else str(self._directory.absolute() / written)


def local_inventory() -> Inventory:
    """An inventory of this machine alone, for runs without SSH."""
    return Inventory(hosts=Hosts({LOCAL_HOST: Host(LOCAL_HOST, hostname=LOCAL_HOST)}))


def host_view(host: Host) -> HostView:
    """What policies and selections may know of a host."""
    return HostView(
        name=host.name,
        groups=tuple(group.name for group in host.extended_groups()),
        data=host.extended_data(),
        address=address(host),
    )


def host_views(inventory: Inventory) -> tuple[HostView, ...]:
    """All hosts, in the order of the file."""
    return tuple(host_view(host) for host in inventory.hosts.values())


def address(host: Host) -> str:
    """Where our connection leads to."""
    return host.get_connection_parameters(CONNECTION).hostname or host.name


def _complete(host: Host) -> None:
    """Add what nornir leaves out.

    A host without an address gets its name for one, as with ssh. Our extras are joined field by field, the nearest
    level first, as nornir joins everything but extras: a jump host of one host is no reason to lose the common key.
    """
    if host.hostname is None:
        host.hostname = host.name
    levels: tuple[Host | Group | Defaults, ...] = (host, *host.extended_groups(), host.defaults)
    extras: dict[str, Any] = {}
    for level in reversed(levels):
        options = level.connection_options.get(CONNECTION)
        extras |= (options and options.extras) or {}
    host.connection_options.setdefault(CONNECTION, ConnectionOptions()).extras = extras


def _address(body: DefaultsFile | FleetOptions | OtherOptions) -> dict[str, Any]:
    return {field: getattr(body, field) for field in ("hostname", "port", "username", "password", "platform")}


def _refuse_unknown_groups(document: Document, elements: Mapping[str, Element], groups: Mapping[str, Element]) -> None:
    for name, body in elements.items():
        for index, group in enumerate(body.groups):
            if group not in groups:
                hint = did_you_mean(group, groups) or f"groups are those of {GROUPS_FILE}"
                raise document.error(f"no group '{group}'", (name, "groups", index), hint=hint)


def _refuse_circles(document: Document, groups: Mapping[str, Element]) -> None:
    for name in groups:
        for path in _upwards(groups, (name,)):
            if path[-1] == name:
                circle = " in ".join(f"'{step}'" for step in path)
                raise document.error(f"a group cannot contain itself: {circle}", (name, "groups"))


def _upwards(groups: Mapping[str, Element], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Every way from a group to the groups above it, once around a circle at most."""
    for parent in groups[path[-1]].groups:
        further = (*path, parent)
        yield further
        if parent not in path:
            yield from _upwards(groups, further)
