"""``fleet init``: start a repository of one's own."""

from pathlib import Path
from typing import Annotated

import typer

from fleet.cli.output import note
from fleet.cli.shipped import shipped
from fleet.model.errors import UsageError


def init(
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to.", file_okay=False)] = Path(),
) -> None:
    """Copy the example inventory and playbooks here, to be edited. Existing files are left alone."""
    files = {
        directory / folder / source.name: source.read_bytes()
        for folder in ("inventory", "playbooks")
        for source in sorted(shipped(folder).iterdir(), key=lambda entry: entry.name)
        if source.name.endswith(".yaml")
    }
    existing = [path for path in files if path.exists()]
    if len(existing) == len(files):
        raise UsageError(f"nothing to do: {existing[0]} and the other files are already there")
    for path, content in files.items():
        if path in existing:
            note(f"kept     {path}")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        note(f"written  {path}")
    note(f"Next: edit {directory / 'inventory' / 'hosts.yaml'}, then: fleet audit stop-conntrack-resets")
