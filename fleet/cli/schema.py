"""``fleet schema``: JSON Schemas of what fleet writes and reads."""

import json
from typing import Annotated

import typer

from fleet.cli.output import show
from fleet.document import did_you_mean
from fleet.model.errors import UsageError
from fleet.report.schema import schemas


def schema(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Which; without it, the names.")] = None,
) -> None:
    """Print the JSON Schema of a document or result."""
    known = schemas()
    if name is None:
        show("\n".join(sorted(known)), None)
    elif name in known:
        show(json.dumps(known[name], indent=2), None)
    else:
        raise UsageError(f"no schema '{name}' ({did_you_mean(name, known) or ', '.join(sorted(known))})")
