"""The ``fleet`` program as typer sees it: its commands, each imported when it is used."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from fleet import __version__

# Each is a function of the file of its name; or, where it has commands of its own, that file's `app`.
_NAMES = (
    "init",
    "inventory",
    "facts",
    "audit",
    "plan",
    "apply",
    "verify",
    "drift",
    "schedule",
    "rollback",
    "prove",
    "diagnose",
    "report",
    "history",
    "schema",
    "lab",
)
_GROUPS = {"history", "lab", "schedule"}
_SETTINGS: dict[str, Any] = {"add_completion": False, "rich_markup_mode": None, "pretty_exceptions_enable": False}


class _Commands(Mapping[str, Any]):
    """Commands by name, loaded when one is looked up: the version is told without waiting for paramiko and nornir."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 typer does not export its commands' type
        if name not in _NAMES:
            raise KeyError(name)
        if name not in self._loaded:
            self._loaded[name] = _load(name)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_NAMES)

    def __len__(self) -> int:
        return len(_NAMES)


class _Group(TyperGroup):
    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 whatever typer gives
        super().__init__(**settings)
        self.commands = _Commands()  # type: ignore[assignment] # nobody adds to it


app = typer.Typer(
    name="fleet",
    cls=_Group,
    help="Audit and harden the kernels of Kubernetes nodes against connection resets, over SSH.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    **_SETTINGS,
)


def _load(name: str) -> Any:  # noqa: ANN401 see above
    module = import_module(f"fleet.cli.{name}")
    if name in _GROUPS:
        loaded = get_command(module.app)
    else:
        alone = typer.Typer(**_SETTINGS)
        alone.command(name)(getattr(module, name))
        loaded = get_command(alone)
    loaded.name = name
    return loaded


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fleet {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None: ...
