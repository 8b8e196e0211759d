"""The ``fleet`` program as typer sees it: its commands, each imported when it is used."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from fleet import __version__
from fleet.cli import loading

# Each is a function of the file of its name; or, where it has commands of its own, that file's `app`. With the first
# sentence of what it says of itself, so that the list of commands is shown without loading a single one.
COMMANDS: Final[Mapping[str, str]] = {
    "init": "Copy the example inventory and playbooks here, to be edited.",
    "inventory": "List the hosts that are selected, and what selected each.",
    "facts": "Show as JSON what one reading of each node gives.",
    "audit": "Compare each node with a playbook.",
    "plan": "Show what a playbook would change on each node.",
    "apply": "Change nodes as planned, in batches.",
    "verify": "Run a playbook as tests, one for each control on each node.",
    "drift": "Tell what differs from a playbook and from the last confirmed run, since when, and why.",
    "schedule": "Check for drift again and again, by a timer of this machine.",
    "rollback": "Give nodes back the files, modes and values that they had before a run.",
    "prove": "Reproduce the connection reset on this kernel, in namespaces of its own, and try each fix.",
    "diagnose": "Tell which cause broken connections have, from two readings of each node.",
    "report": "Tell results as one HTML page that needs nothing beside it.",
    "history": "Show the runs of fleet, newest first: who, when, against what, and how each ended.",
    "schema": "Print the JSON Schema of a document or result.",
    "lab": "A local fleet of real nodes, to try things on: namespaces, which need root, or machines under QEMU.",
}
_GROUPS = {"history", "lab", "schedule"}
_SETTINGS: dict[str, Any] = {"add_completion": False, "rich_markup_mode": None, "pretty_exceptions_enable": False}


class _Commands(Mapping[str, Any]):
    """Commands by name, loaded when one is looked up: the version is told without waiting for paramiko and nornir."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 typer does not export its commands' type
        if name not in COMMANDS:
            raise KeyError(name)
        if name not in self._loaded:
            self._loaded[name] = _load(name)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class _Group(TyperGroup):
    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 whatever typer gives
        super().__init__(**settings)
        self.commands = _Commands()  # type: ignore[assignment] # nobody adds to it

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 typer does not export their types
        """List the commands as typer does, which would load them all."""
        width = formatter.width - 6 - max(map(len, COMMANDS))
        about = [(name, TyperCommand(name, help=words).get_short_help_str(width)) for name, words in COMMANDS.items()]
        with formatter.section("Commands"):
            formatter.write_dl(about)


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
    loading.is_done()
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
